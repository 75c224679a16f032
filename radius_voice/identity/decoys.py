"""Hashes that match no password, verified for names without one, so that timing does not reveal which users exist."""

from __future__ import annotations

import base64
import secrets
from bisect import bisect_right
from collections.abc import Mapping
from hashlib import blake2b
from itertools import accumulate

from radius_voice.identity.passwords import HASH_OCTETS, SALT_OCTETS, Parameters

INDEX_OCTETS = 8


class Decoys:
    """Selects a hash for a name without one, with the parameters of the file's hashes in the same proportions.

    If three hashes in four have the parameters X, so do the decoys of three names in four. A name's parameters depend
    on `key`, which an attacker does not know, and change only with the file's hashes; a change of few hashes changes
    those of few names. `counts` is the number of hashes by parameters; `key` has at most 64 octets.
    """

    def __init__(self, counts: Mapping[Parameters, int], key: bytes) -> None:
        parameters = sorted(counts, key=lambda each: (each.work, each.memory, each.parallelism))
        self._hashes = [unmatched(each) for each in parameters]
        self._ends = list(accumulate(counts[each] for each in parameters))
        self._keyed = blake2b(key=key, digest_size=INDEX_OCTETS, person=b"decoy")

    def of(self, name: str) -> str:
        """The hash to verify for a canonical name."""
        hashing = self._keyed.copy()
        hashing.update(name.encode("utf-8", "surrogatepass"))
        index = int.from_bytes(hashing.digest()) * self._ends[-1] >> 8 * INDEX_OCTETS
        return self._hashes[bisect_right(self._ends, index)]


def unmatched(parameters: Parameters) -> str:
    """An encoded hash of random octets. Verifying a password against it costs as much as any hash with `parameters`.

    Creating it costs nothing; hashing a password would take seconds with the maximum parameters.
    """
    salt, digest = (
        base64.b64encode(secrets.token_bytes(octets)).rstrip(b"=").decode() for octets in (SALT_OCTETS, HASH_OCTETS)
    )
    return f"$argon2id$v=19${parameters}${salt}${digest}"
