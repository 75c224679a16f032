"""Decoy hashes, which match no password. They are verified for unknown users, so that timing reveals no users."""

from __future__ import annotations

import base64
import secrets
from bisect import bisect_right
from collections.abc import Mapping
from hashlib import blake2b
from itertools import accumulate

from argon2.exceptions import Argon2Error

from radius_voice.identity.passwords import HASH_OCTETS, SALT_OCTETS, Cost, Parameters, verify
from radius_voice.identity.pbkdf2 import Pbkdf2

INDEX_OCTETS = 8


class Decoys:
    """Selects a decoy hash for a name, with the cost parameters that real hashes have, in the same proportions.

    If three of four real hashes have the parameters X, so have the decoys of three of four names. The parameters of a
    name depend on the secret `key` (at most 64 octets) and change only if the real hashes change; a change of few
    hashes changes few names. `counts` is the number of real hashes by parameters.
    """

    def __init__(self, counts: Mapping[Cost, int] | Mapping[Parameters, int], key: bytes) -> None:
        costs = sorted(counts.items(), key=lambda item: (item[0].work, str(item[0])))
        self._hashes = [unmatched(cost) for cost, _ in costs]
        self._ends = list(accumulate(number for _, number in costs))
        self._keyed = blake2b(key=key, digest_size=INDEX_OCTETS, person=b"decoy")

    def of(self, name: str) -> str:
        """The hash to verify for a canonical name."""
        hashing = self._keyed.copy()
        hashing.update(name.encode("utf-8", "surrogatepass"))
        index = int.from_bytes(hashing.digest()) * self._ends[-1] >> 8 * INDEX_OCTETS
        return self._hashes[bisect_right(self._ends, index)]


def unmatched(parameters: Cost) -> str:
    """An encoded hash of random octets, whose verification costs as much as that of a real hash with `parameters`.

    No password is hashed to create it, which could take seconds.
    """
    if isinstance(parameters, Pbkdf2):
        return parameters.unmatched()
    salt, digest = (
        base64.b64encode(secrets.token_bytes(octets)).rstrip(b"=").decode() for octets in (SALT_OCTETS, HASH_OCTETS)
    )
    return f"$argon2id$v=19${parameters}${salt}${digest}"


def verify_once(parameters: Cost) -> None:
    """Verify a password against a hash with these parameters. Raises ValueError if that fails."""
    try:
        verify(unmatched(parameters), "")
    except Argon2Error as problem:
        raise ValueError(str(problem)) from None
