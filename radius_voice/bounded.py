"""Limits how long callers wait for work that may block forever.

Every module may import it. `stat`, `open` and `read` on a network mount that does not respond cannot be interrupted. So
they run in a daemon thread, which is abandoned after some seconds. Python does not join daemon threads at exit, but it
joins the threads of `asyncio.to_thread` and of executors.
"""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import NamedTuple, TypeVar

FILE_SECONDS = 5.0

T = TypeVar("T")


class WorkTimeout(TimeoutError):
    """The work did not end in time. `filename` is the subject, as in other OSErrors.

    It is a separate class because asyncio replaces a thread's TimeoutError by one without `filename`.
    """


class _Running(NamedTuple):
    """Work in progress."""

    ended: threading.Event  # set when the work ends
    deadline: float  # monotonic time until which the caller waits


_running: dict[str, _Running] = {}
_guard = threading.Lock()


def bounded(subject: str, work: Callable[[], T], seconds: float | None = None) -> T:
    """Return what `work` returns, or raise what it raises; blocks for at most `seconds` (FILE_SECONDS if not given).

    `subject` names the resource that may block, such as a path. Only one thread at a time works on a subject. While it
    is blocked beyond its deadline, further calls raise at once. Raises WorkTimeout if there is no result in time.
    Abandoned work may still complete later.
    """
    seconds = FILE_SECONDS if seconds is None else seconds
    deadline = time.monotonic() + seconds
    while (future := _start_unless_running(subject, work, deadline)) is None:
        running = _running[subject]
        if not running.ended.wait(max(0.0, min(deadline, running.deadline) - time.monotonic())):
            raise _timed_out(subject, seconds)
    if wait([future], deadline - time.monotonic()).not_done:
        raise _timed_out(subject, seconds)
    return future.result()


async def in_daemon_thread(work: Callable[[], T]) -> T:
    """Await `work` like `asyncio.to_thread`, in a thread that Python does not join at exit."""
    return await asyncio.wrap_future(_start_thread(work))


def _start_unless_running(subject: str, work: Callable[[], T], deadline: float) -> Future[T] | None:
    """Start the work unless other work on the subject is in progress."""
    with _guard:
        running = _running.get(subject)
        if running is not None and not running.ended.is_set():
            return None
        ended = threading.Event()
        future = _start_thread(work, ended.set)
        _running[subject] = _Running(ended, deadline)
        return future


def _start_thread(work: Callable[[], T], finally_: Callable[[], None] = lambda: None) -> Future[T]:
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # a cancelled caller no longer changes the future

    def run() -> None:
        try:
            result = work()
        except BaseException as problem:  # noqa: BLE001 - raised to the caller that waits for the result
            future.set_exception(problem)
        else:
            future.set_result(result)
        finally:
            finally_()

    threading.Thread(target=run, name="bounded", daemon=True).start()
    return future


def _timed_out(subject: str, seconds: float) -> WorkTimeout:
    return WorkTimeout(errno.ETIMEDOUT, f"no answer within {seconds:g} s; is its network mount reachable?", subject)


def _forget_threads_of_parent() -> None:
    _running.clear()
    _guard.release()


os.register_at_fork(before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_forget_threads_of_parent)
