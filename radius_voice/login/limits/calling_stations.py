"""The Calling-Station-Ids from which a user has logged in: at most 16, each for 30 days after its last login. Pure.

The list is one stored value. Each entry is the keyed hash of a Calling-Station-Id and the time of the last login.
"""

from __future__ import annotations

import struct

MAX_STATIONS = 16
KEPT_SECONDS = 30 * 86400.0
RENEWED_AFTER_SECONDS = 86400.0
_ENTRY = struct.Struct(">16sd")


def last_login(stored: bytes, station: bytes, now: float) -> float | None:
    """When the user last logged in from that station; None if not within 30 days before `now` (wall clock)."""
    found = _entries(stored).get(station)
    return found if found is not None and now - found < KEPT_SECONDS else None


def with_login(stored: bytes, station: bytes, now: float) -> bytes:
    """`stored` with a login from that station at `now`. If the list is full, the oldest entry is removed."""
    entries = {**_entries(stored), station: now}
    newest = sorted(entries.items(), key=lambda entry: entry[1])[-MAX_STATIONS:]
    return b"".join(_ENTRY.pack(*entry) for entry in newest)


def stations_in(stored: bytes) -> list[bytes]:
    """The hashes of the stations in the list."""
    return list(_entries(stored))


def _entries(stored: bytes) -> dict[bytes, float]:
    whole = stored[: len(stored) // _ENTRY.size * _ENTRY.size]
    return dict(_ENTRY.iter_unpack(whole))
