"""Argon2id password hashes (RFC 9106), verified in threads so that no burst of them can stop the event loop."""

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
# Maximum cost of a hash, so that one line of a file cannot exhaust the server.
MAX_MEMORY = 1024 * 1024
MAX_TIME = 20
MAX_PARALLELISM = 16
MIN_SALT_OCTETS = 8
MIN_HASH_OCTETS = 16
COMPONENT = "password verification"
SMOOTHING = 0.2  # the weight of the newest measurement in the running mean


@dataclass(frozen=True, slots=True)
class Parameters:
    """The cost parameters of argon2id."""

    memory: int  # KiB
    time: int  # passes over the memory
    parallelism: int  # lanes

    @property
    def work(self) -> int:
        """The KiB that one verification writes, which both the server and an attacker pay for a guess."""
        return self.memory * self.time

    def __str__(self) -> str:
        return f"m={self.memory},t={self.time},p={self.parallelism}"

    @classmethod
    def of(cls, text: str) -> Parameters:
        """The parameters in a text that `str` has returned."""
        return cls(*(int(each.partition("=")[2]) for each in text.split(",")))


Cost: TypeAlias = Parameters | Pbkdf2
"""The cost of one verification, by the format of the hash."""

DEFAULT = Parameters(memory=19 * 1024, time=2, parallelism=1)
"""OWASP's minimum: the server pays this cost for every guess, and stronger parameters reduce the logins per second in
proportion. Hashes of more work are kept as they are."""

CHEAPEST = Parameters(memory=8, time=1, parallelism=1)
"""For tests only: protects nothing."""


def parameters_of(hashed: str) -> Parameters:
    """The parameters of an encoded hash. Raises ValueError, without quoting it, if it is invalid or too expensive."""
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
    if parameters.memory < 8 * parameters.parallelism or salt < MIN_SALT_OCTETS or digest < MIN_HASH_OCTETS:
        raise ValueError("a damaged argon2id hash; make a new one with: radius-voice hash-password")
    return parameters


def cost_of(hashed: str) -> Cost:
    """The cost of a hash in a format that `verify` supports. Raises ValueError, without quoting it, for others."""
    if pbkdf2.is_pbkdf2(hashed):
        return pbkdf2.cost_of(hashed)
    if not hashed.startswith("$argon2id$"):
        raise ValueError("not a hash in a supported format, which are argon2id and PBKDF2")
    return parameters_of(hashed)


def salt_of(hashed: str) -> str:
    """The salt of a valid hash: for argon2 in base64 without padding, for PBKDF2 with the parameters before it."""
    if pbkdf2.is_pbkdf2(hashed):
        return hashed.rpartition("$")[0]
    return hashed.split("$", 5)[4]


def hash_password(text: str, parameters: Parameters = DEFAULT, salt: str = "") -> str:
    """Hash a password in argon2's encoded form. Takes tens of milliseconds.

    `salt` is the salt of an earlier argon2 hash of the same password (`salt_of`); empty: use a new one.
    """
    return low_level.hash_secret(
        _octets(text),
        base64.b64decode(_padded(salt)) if salt else secrets.token_bytes(SALT_OCTETS),
        parameters.time,
        parameters.memory,
        parameters.parallelism,
        HASH_OCTETS,
        low_level.Type.ID,
    ).decode()


def verify(hashed: str, text: str) -> bool:
    """Whether `text` is the password of the hash. Blocks for as long as the hash's parameters require.

    Raises argon2's Argon2Error if the check fails for lack of memory.
    """
    if pbkdf2.is_pbkdf2(hashed):
        return pbkdf2.verify(hashed, _octets(text))
    try:
        return low_level.verify_secret(hashed.encode(), _octets(text), low_level.Type.ID)
    except VerifyMismatchError:
        return False


def outdated(hashed: str, parameters: Parameters = DEFAULT) -> bool:
    """Whether the hash was made with less work than `parameters` require."""
    return parameters_of(hashed).work < parameters.work


@dataclass(frozen=True, slots=True)
class Turn:
    """How a verification is queued: `returning` users go first, the others round-robin by `queue`."""

    queue: str = ""
    returning: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A verification that waits or runs. `deadline` is loop time, `work` is `Parameters.work`."""

    hashed: str = field(repr=False)
    text: str = field(repr=False)
    work: int
    deadline: float
    result: asyncio.Future[bool]

    def refuse(self, detail: str) -> None:
        """End it as unavailable, unless it has ended."""
        if not self.result.done():
            self.result.set_exception(Unavailable(COMPONENT, detail))


class Hasher:
    """Verifies passwords in at most `threads` threads (default: one per core); at most `max_queued` more wait.

    A verification that cannot end before its deadline is not started, so that under overload the threads only work for
    gateways that still wait. A verification that has started runs to its end. Call all methods in the event loop.
    """

    def __init__(
        self,
        threads: int | None = None,
        max_queued: int = 128,
        check: Callable[[str, str], bool] = verify,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threads = threads or len(os.sched_getaffinity(0))
        self._check = check
        self._clock = clock
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="password")
        self._queue: FairQueue[_Job] = FairQueue(max_queued)
        self._running = 0
        self._seconds_per_kib = 0.0

    def set_max_queued(self, max_queued: int) -> None:
        """Let at most that many verifications wait from now on."""
        self._queue.capacity = max_queued

    async def verify(self, hashed: str, text: str, deadline: float, turn: Turn = Turn()) -> bool:
        """Whether `text` is the password of the hash.

        Raises Unavailable if the verification does not begin before `deadline` (loop time), or fails.
        """
        loop = asyncio.get_running_loop()
        job = _Job(hashed, text, cost_of(hashed).work, deadline, loop.create_future())
        if loop.time() >= deadline:
            job.refuse("too late to start")
        elif self._running < self._threads:
            self._start(job)  # never refused by the measured time, which one slow moment may have raised
        else:
            self._wait(job, turn)
        return await job.result

    @property
    def idle(self) -> bool:
        """Whether no verification is running, so that work without a deadline may run."""
        return not self._running

    async def hash(self, text: str, parameters: Parameters = DEFAULT, salt: str = "") -> str:
        """Hash a password in the same threads, after the running verifications; see `hash_password`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, hash_password, text, parameters, salt)

    def close(self) -> None:
        """Cancel the queued verifications; does not wait for those that run."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _wait(self, job: _Job, turn: Turn) -> None:
        if len(self._queue) >= self._queue.capacity:
            self._queue.remove(lambda each: each.result.done())
        dropped = self._queue.put(job, turn.queue, preferred=turn.returning)
        if dropped is not None:
            dropped.refuse(f"{len(self._queue)} verifications are queued already")
        asyncio.get_running_loop().call_at(job.deadline, job.refuse, "not started in time")

    def _start(self, job: _Job) -> None:
        self._running += 1
        running = asyncio.get_running_loop().run_in_executor(self._pool, self._timed, job.hashed, job.text)
        running.add_done_callback(lambda ended: self._ended(job, ended))

    def _timed(self, hashed: str, text: str) -> tuple[bool, float]:
        started = self._clock()
        return self._check(hashed, text), self._clock() - started

    def _ended(self, job: _Job, ended: asyncio.Future[tuple[bool, float]]) -> None:
        self._running -= 1
        if ended.cancelled():
            job.refuse("the service is stopping")
            return
        problem = ended.exception()
        if problem is not None:
            job.refuse(f"argon2 failed: {problem if isinstance(problem, Argon2Error) else type(problem).__name__}")
        else:
            right, seconds = ended.result()
            self._measure(seconds / job.work)
            if not job.result.done():
                job.result.set_result(right)
        self._start_next()

    def _measure(self, seconds_per_kib: float) -> None:
        """Update the running mean of the duration of verifications."""
        mean = self._seconds_per_kib
        self._seconds_per_kib = mean + SMOOTHING * (seconds_per_kib - mean) if mean else seconds_per_kib

    def _start_next(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._running < self._threads and (job := self._queue.pop()) is not None:
            if job.result.done():
                continue
            if now + job.work * self._seconds_per_kib > job.deadline:
                job.refuse("would take longer than the gateway waits")
            else:
                self._start(job)


def _octets(text: str) -> bytes:
    """Encode in NFC, because keyboards compose accents differently. Never raises: an error would quote the text."""
    return unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")


def _decoded(part: str) -> int:
    """The number of octets that unpadded base64 encodes; 0 if it is not canonical."""
    if len(part) % 4 == 1:
        return 0
    octets = base64.b64decode(_padded(part))
    return len(octets) if base64.b64encode(octets).rstrip(b"=") == part.encode() else 0


def _padded(part: str) -> str:
    return part + "=" * (-len(part) % 4)
