"""Decides which request is processed next when more requests arrive than may be processed at a time.

Responses to challenges go first, because their users have heard the code. Initial requests are queued by
Calling-Station-Id and served round-robin. A request is dropped when its gateway no longer waits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from radius_voice.fair_queue import FairQueue


@dataclass(frozen=True, slots=True)
class Job:
    """A request that waits. Either `start` or `drop` is called once."""

    start: Callable[[], None]
    drop: Callable[[], None]
    preferred: bool  # a response to a challenge
    queue: str  # of a job that is not preferred
    deadline: float  # monotonic seconds


class Admission:
    """Admits at most `max_concurrent` jobs at a time; at most `max_queued` wait. `clock` is monotonic seconds."""

    def __init__(self, max_concurrent: int, max_queued: int, clock: Callable[[], float]) -> None:
        self._max_concurrent = max_concurrent
        self._clock = clock
        self._waiting: FairQueue[Job] = FairQueue(max_queued)
        self.in_progress = 0

    def set_limits(self, max_concurrent: int, max_queued: int) -> None:
        """Change the limits for jobs that arrive from now on."""
        self._max_concurrent = max_concurrent
        self._waiting.capacity = max_queued

    def enter(self) -> bool:
        """Whether another job may start now. If so, it counts as started."""
        if self.in_progress >= self._max_concurrent:
            return False
        self.in_progress += 1
        return True

    def wait(self, job: Job) -> None:
        """Queue a job. If too many wait, one is dropped (see `FairQueue`)."""
        dropped = self._waiting.put(job, job.queue, preferred=job.preferred)
        if dropped is not None:
            dropped.drop()

    def done(self) -> None:
        """Count a job as ended, and start the next one."""
        job = self._next()
        if job is None:
            self.in_progress -= 1
        else:
            job.start()

    def _next(self) -> Job | None:
        while (job := self._waiting.pop()) is not None:
            if self._clock() < job.deadline:
                return job
            job.drop()
        return None
