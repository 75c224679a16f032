"""Encrypts and decrypts User-Password, and decodes text that users type.

Pure. Section numbers are RFC 2865's.
"""

from __future__ import annotations

from hashlib import md5

MAX_PASSWORD_OCTETS = 128
BLOCK = 16


class MalformedPassword(ValueError):
    """User-Password is not 16 to 128 octets in blocks of 16."""


def _mask(secret: bytes, previous: bytes) -> int:
    return int.from_bytes(md5(secret + previous, usedforsecurity=False).digest())


def encrypt_password(password: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """The encrypted value of User-Password (section 5.2). Raises ValueError for more than 128 octets."""
    if len(password) > MAX_PASSWORD_OCTETS:
        raise ValueError("a password of more than 128 octets does not fit into User-Password")
    padded = password.ljust(max(BLOCK, -(-len(password) // BLOCK) * BLOCK), b"\0")
    encrypted, previous = b"", authenticator
    for start in range(0, len(padded), BLOCK):
        block = int.from_bytes(padded[start : start + BLOCK])
        previous = (block ^ _mask(secret, previous)).to_bytes(BLOCK)
        encrypted += previous
    return encrypted


def decrypt_password(encrypted: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """Decrypt User-Password; trailing NULs are removed (section 5.2).

    Raises MalformedPassword if the length is wrong. A wrong secret gives random octets.
    """
    if not BLOCK <= len(encrypted) <= MAX_PASSWORD_OCTETS or len(encrypted) % BLOCK:
        raise MalformedPassword("User-Password is not 16 to 128 octets in blocks of 16")
    password, previous = b"", authenticator
    for start in range(0, len(encrypted), BLOCK):
        block = encrypted[start : start + BLOCK]
        password += (int.from_bytes(block) ^ _mask(secret, previous)).to_bytes(BLOCK)
        previous = block
    return password.rstrip(b"\0")


def decode_text(octets: bytes) -> str:
    """Decode text that a user typed, as UTF-8 if it is valid UTF-8, else as Latin-1. Never raises.

    Gateways send either. Latin-1 text that is also valid UTF-8 is too rare to try both.
    """
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")
