"""Decides which request is processed next when more arrive than may be in flight.

Responses to challenges go first, because their users have heard the code. Initial requests are queued per source and
taken in turn. No request waits longer than its gateway does. Time is an argument.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from radius_voice.fair_queue import FairQueue


@dataclass(frozen=True, slots=True)
class Job:
    """A request to be processed by `start` or discarded by `drop`.

    `answers`: it is a response to a challenge. `source` is its queue. `until` is monotonic seconds.
    """

    start: Callable[[], None]
    drop: Callable[[], None]
    answers: bool
    source: str
    until: float


class Admission:
    """Admits at most `most_in_flight` jobs at once; at most `most_waiting` wait. `clock` is monotonic seconds."""

    def __init__(self, most_in_flight: int, most_waiting: int, clock: Callable[[], float]) -> None:
        self._most_in_flight = most_in_flight
        self._clock = clock
        self._waiting: FairQueue[Job] = FairQueue(most_waiting)
        self.in_flight = 0

    def allow(self, most_in_flight: int, most_waiting: int) -> None:
        """Change the limits. Jobs that are in flight or waiting stay."""
        self._most_in_flight = most_in_flight
        self._waiting.capacity = most_waiting

    def enter(self) -> bool:
        """Whether a place was free; if so, it is taken."""
        if self.in_flight >= self._most_in_flight:
            return False
        self.in_flight += 1
        return True

    def wait(self, job: Job) -> None:
        """Queue a job. If too many wait, one is dropped (see `FairQueue`)."""
        dropped = self._waiting.put(job, job.source, preferred=job.answers)
        if dropped is not None:
            dropped.drop()

    def done(self) -> None:
        """Release the place of a job that has ended; the next job gets it."""
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
