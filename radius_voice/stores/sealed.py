"""Names and values for a store that other programs can read: names are keyed hashes, values are encrypted."""

from __future__ import annotations

import os
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NAME_OCTETS = 16
KEY_OCTETS = 32
NONCE_OCTETS = 12


class Sealer:
    """Hashes names and encrypts values with `key` (`server.key`, 1 to 64 octets).

    A value's key is derived from the name it is stored under, so random nonces need not be counted.
    """

    def __init__(self, key: bytes, prefix: str) -> None:
        self._prefix = f"{{{prefix}}}:".encode()
        self._names = blake2b(key=key, digest_size=NAME_OCTETS, person=b"stored name")
        self._value_keys = blake2b(key=key, digest_size=KEY_OCTETS, person=b"stored value")

    def name(self, kind: bytes, subject: bytes) -> bytes:
        """`{PREFIX}:KIND:HASH`. Redis Cluster hashes only the part in braces, so all names share one slot."""
        hashing = self._names.copy()
        hashing.update(kind + b":" + subject)
        return self._prefix + kind + b":" + hashing.hexdigest().encode()

    def seal(self, name: bytes, octets: bytes) -> bytes:
        """Encrypt `octets` and bind them to the name they are stored under (AES-256-GCM)."""
        nonce = os.urandom(NONCE_OCTETS)
        return nonce + self._cipher(name).encrypt(nonce, octets, name)

    def unseal(self, name: bytes, sealed: bytes) -> bytes | None:
        """Decrypt a value that was sealed for that name; None for anything else."""
        try:
            return self._cipher(name).decrypt(sealed[:NONCE_OCTETS], sealed[NONCE_OCTETS:], name)
        except (InvalidTag, ValueError):
            return None

    def _cipher(self, name: bytes) -> AESGCM:
        hashing = self._value_keys.copy()
        hashing.update(name)
        return AESGCM(hashing.digest())
