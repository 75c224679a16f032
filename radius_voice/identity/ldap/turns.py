"""Limits the parallel requests to one server, and selects the next one."""

from __future__ import annotations

import asyncio
import time

from radius_voice.fair_queue import FairQueue
from radius_voice.identity.passwords import Turn

MAX_WAITING = 256


class Turns:
    """At most `number` requests run in parallel. Of the others, returning users go first, then queues round-robin."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._queue: FairQueue[asyncio.Future[bool]] = FairQueue(MAX_WAITING)

    async def take(self, turn: Turn, deadline: float) -> bool:
        """Wait for this request's turn. True if it comes before `deadline` (monotonic); then `end` must be called."""
        if self._free:
            self._free -= 1
            return True
        waiting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if len(self._queue) >= MAX_WAITING:
            self._queue.remove(asyncio.Future.done)
        dropped = self._queue.put(waiting, turn.queue, preferred=turn.returning)
        if dropped is not None:
            dropped.set_result(False)
        try:
            await asyncio.wait({waiting}, timeout=max(0.0, deadline - time.monotonic()))
        except asyncio.CancelledError:
            if waiting.done() and waiting.result():
                self.end()
            waiting.cancel()
            raise
        if not waiting.done():
            waiting.set_result(False)
        return waiting.result()

    def end(self) -> None:
        """End a turn, so that the next request begins."""
        while (waiting := self._queue.pop()) is not None:
            if not waiting.done():
                waiting.set_result(True)
                return
        self._free += 1
