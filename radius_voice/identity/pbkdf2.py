"""Verifies PBKDF2 hashes (RFC 8018, HMAC-SHA-256 or HMAC-SHA-512) of other programs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

MAX_ITERATIONS = 5_000_000
MIN_SALT_OCTETS = 4
SALT_OCTETS = 16
LAYOUTS = (
    # Django
    re.compile(
        r"pbkdf2_(?P<digest>sha256)\$(?P<iterations>[1-9][0-9]{0,8})\$(?P<text>[^$]+)\$(?P<base64>[A-Za-z0-9+/]+=*)"
    ),
    # Werkzeug
    re.compile(
        r"pbkdf2:(?P<digest>sha256|sha512):(?P<iterations>[1-9][0-9]{0,8})\$(?P<text>[^$]+)\$(?P<hex>([0-9a-f]{2})+)"
    ),
    # the modular crypt format of passlib, with "." for "+" and without padding
    re.compile(
        r"\$pbkdf2-(?P<digest>sha256|sha512)\$(?P<iterations>[1-9][0-9]{0,8})\$(?P<salt>[A-Za-z0-9./]+)\$(?P<base64>[A-Za-z0-9./]+)"
    ),
)


@dataclass(frozen=True, slots=True)
class Pbkdf2:
    """The cost of one verification: a hash function and the number of iterations."""

    digest: str
    iterations: int

    @property
    def work(self) -> int:
        """About the KiB that argon2id writes in the same time (comparable with `Parameters.work`)."""
        return max(1, self.iterations // 2)

    def __str__(self) -> str:
        return f"pbkdf2-{self.digest},i={self.iterations}"

    def unmatched(self) -> str:
        """An encoded hash of random octets, which no password matches."""
        salt, checksum = secrets.token_bytes(SALT_OCTETS), secrets.token_bytes(hashlib.new(self.digest).digest_size)
        return f"$pbkdf2-{self.digest}${self.iterations}${_encoded(salt)}${_encoded(checksum)}"


@dataclass(frozen=True, slots=True)
class _Parsed:
    cost: Pbkdf2
    salt: bytes
    checksum: bytes


def is_pbkdf2(hashed: str) -> bool:
    """Whether the text begins like a PBKDF2 hash."""
    return hashed.startswith(("pbkdf2_", "pbkdf2:", "$pbkdf2-"))


def cost_of(hashed: str) -> Pbkdf2:
    """The cost of an encoded hash. Raises ValueError, without quoting it, if it is damaged or too expensive."""
    return _parsed(hashed).cost


def verify(hashed: str, password: bytes) -> bool:
    """Whether `password` is the password of the hash. Blocks for as long as the iterations take."""
    parsed = _parsed(hashed)
    computed = hashlib.pbkdf2_hmac(parsed.cost.digest, password, parsed.salt, parsed.cost.iterations)
    return hmac.compare_digest(computed, parsed.checksum)


def _parsed(hashed: str) -> _Parsed:
    found = next(filter(None, (layout.fullmatch(hashed) for layout in LAYOUTS)), None)
    if found is None:
        raise ValueError("not a PBKDF2 hash with SHA-256 or SHA-512 as Django, Werkzeug or passlib write it")
    parts = found.groupdict()
    cost = Pbkdf2(parts["digest"], int(parts["iterations"]))
    if cost.iterations > MAX_ITERATIONS:
        raise ValueError(f"exceeds the maximum of {MAX_ITERATIONS} iterations")
    salt = parts["text"].encode() if "text" in parts else _decoded(parts["salt"])
    checksum = bytes.fromhex(parts["hex"]) if "hex" in parts else _decoded(parts["base64"])
    if len(salt) < MIN_SALT_OCTETS or len(checksum) != hashlib.new(cost.digest).digest_size:
        raise ValueError("a damaged PBKDF2 hash")
    return _Parsed(cost, salt, checksum)


def _encoded(octets: bytes) -> str:
    return base64.b64encode(octets).rstrip(b"=").replace(b"+", b".").decode()


def _decoded(text: str) -> bytes:
    unpadded = text.rstrip("=").replace(".", "+")
    try:
        return base64.b64decode(unpadded + "=" * (-len(unpadded) % 4), validate=True)
    except ValueError:
        return b""
