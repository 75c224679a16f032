"""Pacing: all workers and nodes together request at most `calls_per_second` calls from a provider.

The store has the wall-clock time of each provider's next free slot. A call reserves the slot by compare-and-swap, so no
two calls get the same one, and the wait is known before the gateway gets its challenge.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

from radius_voice.login.model import Unavailable
from radius_voice.login.ports import Store

FAILOVER_SECONDS = 10.0
"""If the wait is longer, another provider or method is tried first."""
MAX_WAIT_SECONDS = 60.0
"""The maximum wait for a call. If it would be longer, the provider is not asked."""
MAX_CAS_RETRIES = 64

_TIME = struct.Struct("!d")


class Pacer:
    """Reserves the slots of the provider `name`, of which there are `per_second`. `now` is wall-clock seconds."""

    def __init__(self, name: str, per_second: float, store: Store, now: Callable[[], float]) -> None:
        self._key = b"next_call\0" + name.encode()
        self._interval = 1 / per_second
        self._store = store
        self._now = now
        self._one_at_a_time = asyncio.Lock()

    async def reserve(self, max_wait: float) -> float | None:
        """Reserve the next slot and return the seconds until it.

        Reserves nothing and returns None if the wait would be longer than `max_wait` seconds. Raises Unavailable.
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

    It is `now` if no slot is stored, if the stored one has passed, or if it is further in the future than a reservation
    can be, because the clock was set back.
    """
    if stored is None or len(stored) != _TIME.size:
        return now
    (free,) = _TIME.unpack(stored)
    return free if now < free <= now + MAX_WAIT_SECONDS + interval else now
