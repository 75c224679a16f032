"""How passwords travel: hidden in User-Password, or never, as with CHAP.

Pure. Section numbers are RFC 2865's.
"""

from __future__ import annotations

import hmac
from hashlib import md5

LONGEST_PASSWORD = 128
BLOCK = 16


class MalformedPassword(ValueError):
    """A User-Password that is not 16 to 128 octets in blocks of 16."""


def _mask(secret: bytes, previous: bytes) -> int:
    return int.from_bytes(md5(secret + previous, usedforsecurity=False).digest())


def hide(password: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """User-Password as it travels (section 5.2). Raises ValueError past 128 octets."""
    if len(password) > LONGEST_PASSWORD:
        raise ValueError("a password of more than 128 octets does not fit into User-Password")
    padded = password.ljust(max(BLOCK, -(-len(password) // BLOCK) * BLOCK), b"\0")
    hidden, previous = b"", authenticator
    for start in range(0, len(padded), BLOCK):
        block = int.from_bytes(padded[start : start + BLOCK])
        previous = (block ^ _mask(secret, previous)).to_bytes(BLOCK)
        hidden += previous
    return hidden


def reveal(hidden: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """The password that `hide` hid, without trailing NULs (section 5.2).

    Raises MalformedPassword when the length is wrong. A wrong secret gives octets that mean nothing.
    """
    if not BLOCK <= len(hidden) <= LONGEST_PASSWORD or len(hidden) % BLOCK:
        raise MalformedPassword("User-Password is not 16 to 128 octets in blocks of 16")
    password, previous = b"", authenticator
    for start in range(0, len(hidden), BLOCK):
        block = hidden[start : start + BLOCK]
        password += (int.from_bytes(block) ^ _mask(secret, previous)).to_bytes(BLOCK)
        previous = block
    return password.rstrip(b"\0")


def chap_matches(chap_password: bytes, challenge: bytes, password: bytes) -> bool:
    """Whether a CHAP-Password answers `challenge` for that password (section 5.3).

    The challenge is attribute 60, or the Request Authenticator where there is none.
    """
    digest = md5(chap_password[:1] + password + challenge, usedforsecurity=False).digest()
    return hmac.compare_digest(digest, chap_password[1:])


def text_of(octets: bytes) -> str:
    """Octets that a person typed, as text: UTF-8 where they are, else Latin-1. Never fails.

    Clients send either; Latin-1 that happens to be UTF-8 is so rare that one reading is enough.
    """
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")
