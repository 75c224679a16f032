"""Encrypts values that must be read again later: AES-256-GCM with derived keys."""

from __future__ import annotations

import os
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_OCTETS = 32
NONCE_OCTETS = 12


class Cipher:
    """Encrypts values of one `kind` (at most 16 octets) under `key` (1 to 64 octets).

    Each kind, and each name that a value is bound to, has its own derived key, so random nonces need not be counted.
    """

    def __init__(self, key: bytes, kind: bytes) -> None:
        self._keys = blake2b(key=key, digest_size=KEY_OCTETS, person=kind)

    def seal(self, name: bytes, octets: bytes) -> bytes:
        """Encrypt `octets` and bind them to `name`."""
        nonce = os.urandom(NONCE_OCTETS)
        return nonce + self._cipher(name).encrypt(nonce, octets, name)

    def unseal(self, name: bytes, sealed: bytes) -> bytes | None:
        """Decrypt a value that was sealed for that name; None for anything else."""
        try:
            return self._cipher(name).decrypt(sealed[:NONCE_OCTETS], sealed[NONCE_OCTETS:], name)
        except (InvalidTag, ValueError):
            return None

    def _cipher(self, name: bytes) -> AESGCM:
        hashing = self._keys.copy()
        hashing.update(name)
        return AESGCM(hashing.digest())
