"""`radius-voice debug` with several workers: the watcher joins their streams into one.

While the client does not read, the watcher does not read from the workers, so their queues fill and drop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from radius_voice.control import Send, Stream
from radius_voice.service.debugging import DEBUG, DebugFilter, Sessions
from radius_voice.service.worker_requests import worker_lines
from radius_voice.service.workers import WorkerPool

RECONNECT_SECONDS = 0.5


class WorkersDebugger:
    """The debug sessions of a service with several workers."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._sessions = Sessions()

    def session(self, wanted: DebugFilter, started: Callable[[], object]) -> Stream:
        """A debug session as a stream. `started` is called at its start."""
        return Stream(self._sessions.limited(partial(self._join, wanted), started), wanted.seconds)

    async def _join(self, wanted: DebugFilter, send: Send) -> None:
        one_at_a_time = asyncio.Lock()
        until = asyncio.get_running_loop().time() + wanted.seconds

        async def send_one(line: Mapping[str, Any]) -> None:
            async with one_at_a_time:
                await send(line)

        async with asyncio.TaskGroup() as group:
            for worker in range(len(self._pool.sockets)):
                group.create_task(self._follow(worker, wanted, until, send_one))

    async def _follow(self, worker: int, wanted: DebugFilter, until: float, send: Send) -> None:
        """Pass on the lines of a worker, and of those that replace it, until the session ends."""
        clock = asyncio.get_running_loop().time
        while (left := until - clock()) > RECONNECT_SECONDS:
            async for line in worker_lines(self._pool, worker, DEBUG, **wanted.arguments(left)):
                if "end" in line:
                    return
                await send(line)
                if "error" in line:
                    return
            await asyncio.sleep(RECONNECT_SECONDS)
