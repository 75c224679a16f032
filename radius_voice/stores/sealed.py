"""Protects a store that other programs can read: names are keyed hashes, values are encrypted."""

from __future__ import annotations

from hashlib import blake2b

from radius_voice.sealing import Cipher

NAME_OCTETS = 16


class Sealer:
    """Hashes names and encrypts values with the data key (`key`, 1 to 64 octets)."""

    def __init__(self, key: bytes, prefix: str) -> None:
        self._prefix = f"{{{prefix}}}:".encode()
        self._names = blake2b(key=key, digest_size=NAME_OCTETS, person=b"stored name")
        values = Cipher(key, b"stored value")
        self.seal = values.seal
        """Encrypt octets and bind them to the name under which they are stored."""
        self.unseal = values.unseal
        """Decrypt a value that was sealed for that name; None for anything else."""

    def name(self, kind: bytes, subject: bytes) -> bytes:
        """`{PREFIX}:KIND:HASH`. Redis Cluster hashes only the part in braces, so all names share one slot."""
        hashing = self._names.copy()
        hashing.update(kind + b":" + subject)
        return self._prefix + kind + b":" + hashing.hexdigest().encode()
