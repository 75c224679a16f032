"""Salt encryption: Tunnel-Password (RFC 2868 section 3.5), MS-MPPE-Send-Key and others (RFC 2548 section 2.4.2).

Pure. A value is a salt of two octets, followed by the encrypted length, octets and padding.
"""

from __future__ import annotations

from hashlib import md5

SALT_OCTETS = 2
SALTS = 0x8000
"""The number of different salts. It is also the highest bit, which every salt has set."""
BLOCK = 16
MAX_PLAIN_OCTETS = 239
"""The maximum length of a plain value: with the octet of its length, in blocks of 16, beside a tag and a salt."""


class MalformedSalted(ValueError):
    """A salt-encrypted value has a wrong length, or was encrypted with another secret."""


def hide(plain: bytes, secret: bytes, authenticator: bytes, salt: bytes) -> bytes:
    """Encrypt a value for the response to the request with that Request Authenticator.

    `salt` is two octets with the highest bit set, and differs for each value of a packet. Raises ValueError for a value
    of more than MAX_PLAIN_OCTETS.
    """
    if len(plain) > MAX_PLAIN_OCTETS:
        raise ValueError(f"{len(plain)} octets do not fit into a salt-encrypted value")
    padded = bytes((len(plain),)) + plain
    padded = padded.ljust(hidden_octets(plain) - SALT_OCTETS, b"\0")
    hidden, previous = b"", authenticator + salt
    for start in range(0, len(padded), BLOCK):
        previous = _masked(padded[start : start + BLOCK], secret + previous)
        hidden += previous
    return salt + hidden


def reveal(value: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """Decrypt a value from the response to the request with that Request Authenticator. Raises MalformedSalted."""
    salt, hidden = value[:SALT_OCTETS], value[SALT_OCTETS:]
    if not hidden or len(hidden) % BLOCK or not int.from_bytes(salt) & SALTS:
        raise MalformedSalted("not a salt and blocks of 16 octets")
    padded, previous = b"", authenticator + salt
    for start in range(0, len(hidden), BLOCK):
        block = hidden[start : start + BLOCK]
        padded += _masked(block, secret + previous)
        previous = block
    length = padded[0]
    if length >= len(padded):
        raise MalformedSalted("longer than its value; perhaps of another secret")
    return padded[1 : 1 + length]


def hidden_octets(plain: bytes) -> int:
    """The length of the encrypted value, salt included."""
    return SALT_OCTETS + -(-(1 + len(plain)) // BLOCK) * BLOCK


def _masked(block: bytes, mask: bytes) -> bytes:
    octets = int.from_bytes(block) ^ int.from_bytes(md5(mask, usedforsecurity=False).digest())
    return octets.to_bytes(BLOCK)
