"""Which request is handled next when more arrive than may be in flight.

Responses to challenges go first, because their users have heard the code. Initial requests are queued per source and
taken in turn. No request waits longer than its gateway does. Time is an argument.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from radius_voice.fair_queue import FairQueue


@dataclass(frozen=True, slots=True)
class Job:
    """One packet to be handled: `start` begins it, `drop` gives it up; `until` is monotonic seconds."""

    start: Callable[[], None]
    drop: Callable[[], None]
    answers: bool
    source: str
    until: float


class Admission:
    """At most `most_in_flight` jobs at once and `most_waiting` behind them."""

    def __init__(self, most_in_flight: int, most_waiting: int, clock: Callable[[], float]) -> None:
        self._most_in_flight = most_in_flight
        self._clock = clock
        self._waiting: FairQueue[Job] = FairQueue(most_waiting)
        self.in_flight = 0

    def allow(self, most_in_flight: int, most_waiting: int) -> None:
        """Other numbers from now on; what is in flight or waits already stays."""
        self._most_in_flight = most_in_flight
        self._waiting.capacity = most_waiting

    def enter(self) -> bool:
        """Take a free place, if there is one."""
        if self.in_flight >= self._most_in_flight:
            return False
        self.in_flight += 1
        return True

    def wait(self, job: Job) -> None:
        """Let a job wait for a place. If too many wait, one is dropped (see `FairQueue`)."""
        dropped = self._waiting.put(job, job.source, preferred=job.answers)
        if dropped is not None:
            dropped.drop()

    def done(self) -> None:
        """A job that was started has ended: its place goes to the next in turn."""
        job = self._next()
        if job is None:
            self.in_flight -= 1
        else:
            job.start()

    def _next(self) -> Job | None:
        while (job := self._waiting.pop()) is not None:
            if self._clock() < job.until:
                return job
            job.drop()
        return None
