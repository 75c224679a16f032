"""Background tasks of the service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from radius_voice.login.model import Unavailable


class BackgroundTasks:
    """Runs tasks until they end or are cancelled. `report` gets the event and the detail of a `ServiceRecord`."""

    def __init__(self, report: Callable[[str, str], None]) -> None:
        self._report = report
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, work: Awaitable[None]) -> None:
        """Run work once."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def repeat(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Run work every `seconds` seconds. A failure is reported, but not again while it repeats."""

        async def forever() -> None:
            reported = ""
            while True:
                await asyncio.sleep(seconds)
                failure = await _failure(work)
                if failure and failure != reported:
                    self._report("warning", f"housekeeping failed: {failure}")
                reported = failure

        self.run(forever())

    async def cancel(self) -> None:
        """Cancel all tasks and wait until they have ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _failure(work: Callable[[], Awaitable[None]]) -> str:
    """Why `work` failed, empty if it did not."""
    try:
        await work()
    except Unavailable as problem:
        return str(problem)
    except Exception as problem:  # noqa: BLE001 - the next run may succeed; its text may hold a secret
        return type(problem).__name__
    return ""
