"""Waiting for a condition, with a timeout."""

import asyncio
import time
from collections.abc import Awaitable, Callable

TIMEOUT = 60.0
INTERVAL = 0.02


def wait_until(condition: Callable[[], object], description: str) -> None:
    """Return as soon as `condition()` is true. Raises AssertionError with `description` after TIMEOUT seconds."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"timed out waiting until {description}")
        time.sleep(INTERVAL)


async def wait_until_async(condition: Callable[[], object], description: str) -> None:
    """`wait_until` in a thread, for a test whose own connections must be served meanwhile."""
    await asyncio.to_thread(wait_until, condition, description)


async def wait_in_loop(condition: Callable[[], Awaitable[object]], description: str) -> None:
    """`wait_until` for a condition that other tasks of this event loop bring about."""
    deadline = time.monotonic() + TIMEOUT
    while not await condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"timed out waiting until {description}")
        await asyncio.sleep(0)
