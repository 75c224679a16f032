"""Pacing: a provider is asked for at most so many calls a second, by all workers and nodes together.

The store has, for each provider, the wall-clock time of its next free slot. A call reserves that slot by a
compare-and-swap, so no two calls have the same one, and its wait is known before the call is promised.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

from radius_voice.login.model import Unavailable
from radius_voice.login.ports import Store

FAILOVER_SECONDS = 10.0
"""A wait that is longer leads to another provider or method, if one delivers sooner."""
MAX_WAIT_SECONDS = 60.0
"""The longest wait for a call. Beyond it the provider is not asked."""
MAX_CAS_RETRIES = 64

_TIME = struct.Struct("!d")


class Pacer:
    """Reserves the slots of the provider `name`, `per_second` of them. `now` is wall-clock seconds."""

    def __init__(self, name: str, per_second: float, store: Store, now: Callable[[], float]) -> None:
        self._key = b"next_call\0" + name.encode()
        self._interval = 1 / per_second
        self._store = store
        self._now = now
        self._one_at_a_time = asyncio.Lock()

    async def reserve(self, max_wait: float) -> float | None:
        """Reserve the next slot; returns the seconds until then.

        None if the wait would be longer than `max_wait` seconds: then no slot is reserved. Raises Unavailable.
        """
        async with self._one_at_a_time:
            for _ in range(MAX_CAS_RETRIES):
                stored = await self._store.durable(self._key)
                now = self._now()
                slot = next_slot(stored, now, self._interval)
                if slot - now > max_wait:
                    return None
                if await self._store.replace_durable(self._key, stored, _TIME.pack(slot + self._interval)):
                    return slot - now
        raise Unavailable("store", "the time of the next call changed too often")


def next_slot(stored: bytes | None, now: float, interval: float) -> float:
    """The wall-clock time of the next free slot.

    `now` if none is stored, it has passed, or it is further ahead than a reservation can have left it: then it was
    stored before the clock was set back.
    """
    if stored is None or len(stored) != _TIME.size:
        return now
    (free,) = _TIME.unpack(stored)
    return free if now < free <= now + MAX_WAIT_SECONDS + interval else now
