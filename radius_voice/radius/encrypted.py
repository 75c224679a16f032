"""Attributes whose values are encrypted for one response. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import md5

from radius_voice.radius import salted
from radius_voice.radius.packet import MAX_VALUE_OCTETS
from radius_voice.radius.password import BLOCK, MAX_PASSWORD_OCTETS, encrypt_password

PASSWORD, SALTED, ASCEND_SECRET = 1, 2, 3
"""The encryptions: as User-Password, with a salt (RFC 2868 section 3.5), or as Ascend-Send-Secret."""


@dataclass(frozen=True, slots=True)
class EncryptedAttribute:
    """An attribute whose value is encrypted when its packet is sent."""

    type: int
    prefix: bytes  # the octets of the value before the encrypted ones
    plain: bytes = field(repr=False)
    encryption: int  # PASSWORD, SALTED or ASCEND_SECRET

    @property
    def value_octets(self) -> int:
        """The length of the value."""
        return len(self.prefix) + encrypted_octets(self.plain, self.encryption)


def encrypted_octets(plain: bytes, encryption: int) -> int:
    """The length of the encrypted value."""
    return salted.hidden_octets(plain) if encryption == SALTED else -(-len(plain) // BLOCK) * BLOCK


def max_plain_octets(prefix: int, encryption: int) -> int:
    """The maximum length of a plain value in an attribute with a prefix of `prefix` octets."""
    room = MAX_VALUE_OCTETS - prefix
    if encryption == SALTED:
        return min(salted.MAX_PLAIN_OCTETS, (room - salted.SALT_OCTETS) // BLOCK * BLOCK - 1)
    return BLOCK if encryption == ASCEND_SECRET else min(MAX_PASSWORD_OCTETS, room // BLOCK * BLOCK)


def encrypt(plain: bytes, encryption: int, secret: bytes, authenticator: bytes, salt: bytes) -> bytes:
    """Encrypt a value for the response to the request with that Request Authenticator.

    `salt` is used only by SALTED; see `salted.hide`. Raises ValueError if the value is too long.
    """
    if encryption == SALTED:
        return salted.hide(plain, secret, authenticator, salt)
    if encryption == PASSWORD:
        return encrypt_password(plain, secret, authenticator)
    mask = md5(authenticator + secret, usedforsecurity=False).digest()
    return bytes(a ^ b for a, b in zip(plain.ljust(BLOCK, b"\0"), mask, strict=True))
