"""Who is served next when more logins arrive than may be in flight.

Answers to challenges go first: somebody has the code in the ear. First packets wait in one queue
a source and are taken in turn, so that one source cannot fill the house. Nobody waits past the
moment at which the gateway stops waiting. Time is an argument.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass


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
        self._most_waiting = most_waiting
        self._clock = clock
        self._answers: deque[Job] = deque()
        self._firsts: OrderedDict[str, deque[Job]] = OrderedDict()
        self._waiting = 0
        self.in_flight = 0

    def allow(self, most_in_flight: int, most_waiting: int) -> None:
        """Other numbers from now on; what is in flight or waits already stays."""
        self._most_in_flight = most_in_flight
        self._most_waiting = most_waiting

    def enter(self) -> bool:
        """Take a free place, if there is one."""
        if self.in_flight >= self._most_in_flight:
            return False
        self.in_flight += 1
        return True

    def wait(self, job: Job) -> None:
        """Let a job wait for a place. If too many do, one is dropped: the newest of who has the most waiting."""
        if job.answers:
            self._answers.append(job)
        else:
            self._firsts.setdefault(job.source, deque()).append(job)
        self._waiting += 1
        if self._waiting > self._most_waiting:
            self._shed()

    def done(self) -> None:
        """A job that was started has ended: its place goes to the next in turn."""
        job = self._next()
        if job is None:
            self.in_flight -= 1
        else:
            job.start()

    def _next(self) -> Job | None:
        while self._waiting:
            job = self._answers.popleft() if self._answers else self._next_first()
            self._waiting -= 1
            if self._clock() < job.until:
                return job
            job.drop()
        return None

    def _next_first(self) -> Job:
        source, jobs = self._firsts.popitem(last=False)
        job = jobs.popleft()
        if jobs:
            self._firsts[source] = jobs
        return job

    def _shed(self) -> None:
        self._waiting -= 1
        if not self._firsts:
            self._answers.pop().drop()
            return
        source = max(self._firsts, key=lambda each: len(self._firsts[each]))
        jobs = self._firsts[source]
        job = jobs.pop()
        if not jobs:
            del self._firsts[source]
        job.drop()
