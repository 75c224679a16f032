"""Passwords at rest are argon2id (RFC 9106), verified in threads so that no burst of them can stop the event loop."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import secrets
import time
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

from argon2 import low_level
from argon2.exceptions import Argon2Error, VerifyMismatchError

from radius_voice.fair_queue import FairQueue
from radius_voice.identity import pbkdf2
from radius_voice.identity.pbkdf2 import Pbkdf2
from radius_voice.login.model import Unavailable

SALT_OCTETS = 16
HASH_OCTETS = 32
ENCODED = re.compile(
    r"\$argon2id\$v=19\$m=([1-9][0-9]{0,8}),t=([1-9][0-9]{0,8}),p=([1-9][0-9]{0,8})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)"
)
# What a hash may ask of the server, so that one line in a file cannot take it down.
MAX_MEMORY = 1024 * 1024
MAX_TIME = 20
MAX_PARALLELISM = 16
FEWEST_SALT_OCTETS = 8
FEWEST_HASH_OCTETS = 16
PART = "password verification"
SETTLING = 0.2  # the weight of the newest measurement in the running mean


@dataclass(frozen=True, slots=True)
class Parameters:
    """What one verification costs: `memory` in KiB, passes over it, lanes."""

    memory: int
    time: int
    parallelism: int

    @property
    def work(self) -> int:
        """KiB touched: what both the defender and the attacker pay for a guess."""
        return self.memory * self.time

    def __str__(self) -> str:
        return f"m={self.memory},t={self.time},p={self.parallelism}"

    @classmethod
    def of(cls, text: str) -> Parameters:
        """The parameters that `str` wrote."""
        return cls(*(int(each.partition("=")[2]) for each in text.split(",")))


Cost: TypeAlias = Parameters | Pbkdf2
"""What one verification costs, by the format of the hash."""

DEFAULT = Parameters(memory=19 * 1024, time=2, parallelism=1)
"""OWASP's floor, on purpose: the server pays this for every guess that is sent, and a stronger
setting lowers the logins a second by as much. Hashes of more work are kept as they are."""

CHEAPEST = Parameters(memory=8, time=1, parallelism=1)
"""Only for testing: protects nothing."""


def parameters_of(hashed: str) -> Parameters:
    """Read the parameters of an encoded hash; raises ValueError, without the text, for one that is not to be used."""
    found = ENCODED.fullmatch(hashed)
    if not found:
        raise ValueError("not an argon2id hash; make one with: radius-voice hash-password")
    parameters = Parameters(*(int(number) for number in found.groups()[:3]))
    if parameters.memory > MAX_MEMORY or parameters.time > MAX_TIME or parameters.parallelism > MAX_PARALLELISM:
        raise ValueError(
            f"exceeds the maximum cost parameters m={MAX_MEMORY} (1 GiB), t={MAX_TIME} and p={MAX_PARALLELISM}; "
            "make a new one with: radius-voice hash-password"
        )
    salt, digest = (_decoded(part) for part in found.groups()[3:])
    if parameters.memory < 8 * parameters.parallelism or salt < FEWEST_SALT_OCTETS or digest < FEWEST_HASH_OCTETS:
        raise ValueError("a damaged argon2id hash; make a new one with: radius-voice hash-password")
    return parameters


def cost_of(hashed: str) -> Cost:
    """The cost of a hash in any format that `verify` knows; raises ValueError, without the text, for another."""
    if pbkdf2.is_pbkdf2(hashed):
        return pbkdf2.cost_of(hashed)
    if not hashed.startswith("$argon2id$"):
        raise ValueError("not a hash in a supported format, which are argon2id and PBKDF2")
    return parameters_of(hashed)


def hash_password(text: str, parameters: Parameters = DEFAULT) -> str:
    """Hash a password with a new salt, in argon2's encoded form. Takes tens of milliseconds."""
    return low_level.hash_secret(
        _octets(text),
        secrets.token_bytes(SALT_OCTETS),
        parameters.time,
        parameters.memory,
        parameters.parallelism,
        HASH_OCTETS,
        low_level.Type.ID,
    ).decode()


def verify(hashed: str, text: str) -> bool:
    """Whether `text` is the password behind the hash. Blocks for as long as the hash's parameters demand.

    Raises argon2's Argon2Error when the check could not be made, for want of memory.
    """
    if pbkdf2.is_pbkdf2(hashed):
        return pbkdf2.verify(hashed, _octets(text))
    try:
        return low_level.verify_secret(hashed.encode(), _octets(text), low_level.Type.ID)
    except VerifyMismatchError:
        return False


def outdated(hashed: str, parameters: Parameters = DEFAULT) -> bool:
    """Whether the hash was made with less work than is asked for today."""
    return parameters_of(hashed).work < parameters.work


@dataclass(frozen=True, slots=True)
class Turn:
    """Where a verification queues: those of `returning` users first, the others in turn for each `queue`."""

    queue: str = ""
    returning: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A verification that waits or runs. `deadline` is loop time, `work` KiB touched."""

    hashed: str = field(repr=False)
    text: str = field(repr=False)
    work: int
    deadline: float
    result: asyncio.Future[bool]

    def refuse(self, detail: str) -> None:
        """End it as unavailable, unless it has ended."""
        if not self.result.done():
            self.result.set_exception(Unavailable(PART, detail))


class Hasher:
    """Verifies passwords in at most `threads` threads (one a core), with at most `waiting` more in the queue.

    A verification that cannot end before its deadline is not begun, so that under overload the threads work for those
    whose gateways still wait. One that has begun ends in its own time. All methods belong to the event loop.
    """

    def __init__(
        self,
        threads: int | None = None,
        waiting: int = 128,
        check: Callable[[str, str], bool] = verify,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threads = threads or len(os.sched_getaffinity(0))
        self._check = check
        self._clock = clock
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="password")
        self._queue: FairQueue[_Job] = FairQueue(waiting)
        self._running = 0
        self._pace = 0.0

    def allow(self, waiting: int) -> None:
        """Let at most that many verifications wait from now on."""
        self._queue.capacity = waiting

    async def verify(self, hashed: str, text: str, deadline: float, turn: Turn = Turn()) -> bool:
        """Whether `text` is the password behind the hash.

        Raises Unavailable if the verification does not begin before `deadline` (loop time), or fails.
        """
        loop = asyncio.get_running_loop()
        job = _Job(hashed, text, cost_of(hashed).work, deadline, loop.create_future())
        if loop.time() >= deadline:
            job.refuse("too late to begin")
        elif self._running < self._threads:
            self._start(job)  # a free thread always tries: a pace measured in a bad moment is measured again
        else:
            self._wait(job, turn)
        return await job.result

    @property
    def idle(self) -> bool:
        """Whether nothing is being verified: a moment for work that no login waits for."""
        return not self._running

    async def hash(self, text: str, parameters: Parameters = DEFAULT) -> str:
        """Hash a password in the same threads, behind the verifications that run."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, hash_password, text, parameters)

    def close(self) -> None:
        """Cancel the waiting verifications; those that have begun are not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _wait(self, job: _Job, turn: Turn) -> None:
        if len(self._queue) >= self._queue.capacity:
            self._queue.remove(lambda each: each.result.done())
        dropped = self._queue.put(job, turn.queue, preferred=turn.returning)
        if dropped is not None:
            dropped.refuse(f"{len(self._queue)} verifications wait already")
        asyncio.get_running_loop().call_at(job.deadline, job.refuse, "not begun in time")

    def _start(self, job: _Job) -> None:
        self._running += 1
        running = asyncio.get_running_loop().run_in_executor(self._pool, self._timed, job.hashed, job.text)
        running.add_done_callback(lambda ended: self._ended(job, ended))

    def _timed(self, hashed: str, text: str) -> tuple[bool, float]:
        begun = self._clock()
        return self._check(hashed, text), self._clock() - begun

    def _ended(self, job: _Job, ended: asyncio.Future[tuple[bool, float]]) -> None:
        self._running -= 1
        if ended.cancelled():
            job.refuse("the server stops")
            return
        problem = ended.exception()
        if problem is not None:
            job.refuse(f"argon2 failed: {problem if isinstance(problem, Argon2Error) else type(problem).__name__}")
        else:
            right, seconds = ended.result()
            pace = seconds / job.work
            self._pace = self._pace + SETTLING * (pace - self._pace) if self._pace else pace
            if not job.result.done():
                job.result.set_result(right)
        self._start_next()

    def _start_next(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._running < self._threads and (job := self._queue.pop()) is not None:
            if job.result.done():
                continue
            if now + job.work * self._pace > job.deadline:
                job.refuse("would take longer than the gateway waits")
            else:
                self._start(job)


def _octets(text: str) -> bytes:
    """Normalise to NFC: keyboards differ in how they compose an accent. Never raises: the error would show the text."""
    return unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")


def _decoded(part: str) -> int:
    """Count the octets that unpadded base64 stands for; 0 when it is not written as argon2 writes it."""
    if len(part) % 4 == 1:
        return 0
    octets = base64.b64decode(part + "=" * (-len(part) % 4))
    return len(octets) if base64.b64encode(octets).rstrip(b"=") == part.encode() else 0
