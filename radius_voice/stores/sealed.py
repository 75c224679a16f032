"""Names and values for a store that others can read: names are keyed hashes, values are encrypted."""

from __future__ import annotations

import os
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NAME_OCTETS = 16
KEY_OCTETS = 32
NONCE_OCTETS = 12


class Sealer:
    """Hides what a store holds under `key` (`server.key`, 1 to 64 octets).

    Every place has a key of its own, so that random nonces may be drawn without counting them.
    """

    def __init__(self, key: bytes, prefix: str) -> None:
        self._prefix = f"{{{prefix}}}:".encode()
        self._names = blake2b(key=key, digest_size=NAME_OCTETS, person=b"stored name")
        self._places = blake2b(key=key, digest_size=KEY_OCTETS, person=b"stored value")

    def name(self, kind: bytes, subject: bytes) -> bytes:
        """`{PREFIX}:KIND:HASH`. What stands in braces decides a Redis Cluster's slot, so all names share one."""
        hashing = self._names.copy()
        hashing.update(kind + b":" + subject)
        return self._prefix + kind + b":" + hashing.hexdigest().encode()

    def seal(self, place: bytes, octets: bytes) -> bytes:
        """`octets`, encrypted and bound to the name they are stored under (AES-256-GCM)."""
        nonce = os.urandom(NONCE_OCTETS)
        return nonce + self._cipher(place).encrypt(nonce, octets, place)

    def unseal(self, place: bytes, sealed: bytes) -> bytes | None:
        """What was sealed for that place, or None for anything else."""
        try:
            return self._cipher(place).decrypt(sealed[:NONCE_OCTETS], sealed[NONCE_OCTETS:], place)
        except (InvalidTag, ValueError):
            return None

    def _cipher(self, place: bytes) -> AESGCM:
        hashing = self._places.copy()
        hashing.update(place)
        return AESGCM(hashing.digest())
