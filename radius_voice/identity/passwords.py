"""Passwords at rest are argon2id (RFC 9106), checked in threads of their own so that no burst can stop the loop."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import secrets
import threading
import time
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from argon2 import low_level
from argon2.exceptions import Argon2Error, VerifyMismatchError

from radius_voice.login.model import Unavailable

SALT_OCTETS = 16
HASH_OCTETS = 32
ENCODED = re.compile(
    r"\$argon2id\$v=19\$m=([1-9][0-9]{0,8}),t=([1-9][0-9]{0,8}),p=([1-9][0-9]{0,8})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)"
)
# What a hash may ask of the server, so that one line in a file cannot take it down.
MOST_MEMORY = 1024 * 1024
MOST_TIME = 20
MOST_PARALLELISM = 16
FEWEST_SALT_OCTETS = 8
FEWEST_HASH_OCTETS = 16
SETTLING = 0.2  # the weight of the newest measurement in the running mean

T = TypeVar("T")


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


DEFAULT = Parameters(memory=19 * 1024, time=2, parallelism=1)
"""OWASP's floor, on purpose: the server pays this for every guess that anybody sends, and a stronger
setting lowers the logins a second by as much. Hashes of more work are kept as they are."""

CHEAPEST = Parameters(memory=8, time=1, parallelism=1)
"""Only for testing: protects nothing."""


def parameters_of(hashed: str) -> Parameters:
    """Read the parameters of an encoded hash; raises ValueError, without the text, for one that is not to be used."""
    found = ENCODED.fullmatch(hashed)
    if not found:
        raise ValueError("not an argon2id hash; make one with: radius-voice hash-password")
    parameters = Parameters(*(int(number) for number in found.groups()[:3]))
    if parameters.memory > MOST_MEMORY or parameters.time > MOST_TIME or parameters.parallelism > MOST_PARALLELISM:
        raise ValueError(
            f"asks too much of the server: at most m={MOST_MEMORY} (1 GiB), t={MOST_TIME} and p={MOST_PARALLELISM}; "
            "make a new one with: radius-voice hash-password"
        )
    salt, digest = (_decoded(part) for part in found.groups()[3:])
    if parameters.memory < 8 * parameters.parallelism or salt < FEWEST_SALT_OCTETS or digest < FEWEST_HASH_OCTETS:
        raise ValueError("a damaged argon2id hash; make a new one with: radius-voice hash-password")
    return parameters


def hash_password(text: str, parameters: Parameters = DEFAULT) -> str:
    """Hash a password with a salt of its own, in argon2's encoded form. Takes tens of milliseconds."""
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
    try:
        return low_level.verify_secret(hashed.encode(), _octets(text), low_level.Type.ID)
    except VerifyMismatchError:
        return False


def outdated(hashed: str, parameters: Parameters = DEFAULT) -> bool:
    """Whether the hash was made with less work than is asked for today."""
    return parameters_of(hashed).work < parameters.work


class Hasher:
    """Checks passwords in at most `threads` threads (one a core), with at most `waiting` more in the queue.

    First come, first served. Whoever cannot be served by their deadline is told so at once instead of
    being kept waiting: a gateway that hears nothing asks the next server.
    """

    def __init__(
        self,
        threads: int | None = None,
        waiting: int = 256,
        check: Callable[[str, str], bool] = verify,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threads = threads or len(os.sched_getaffinity(0))
        self._waiting = waiting
        self._check = check
        self._clock = clock
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="password")
        self._lock = threading.Lock()
        self._jobs = 0
        self._work = 0
        self._pace = 0.0

    async def verify(self, hashed: str, text: str, deadline: float) -> bool:
        """Whether `text` is the password behind the hash, told by `deadline` (loop time).

        Raises Unavailable when that cannot be known in time.
        """
        work = parameters_of(hashed).work
        self._admit(work, deadline - asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout_at(deadline):
                return await asyncio.wrap_future(self._submit(work, partial(self._measured, hashed, text, work)))
        except TimeoutError:
            raise Unavailable("password hashing", "not done in time") from None
        except Argon2Error as problem:
            raise Unavailable("password hashing", f"argon2 failed: {problem}") from None

    @property
    def idle(self) -> bool:
        """Whether nothing is being checked: a moment for work that nobody waits for."""
        return not self._jobs

    async def hash(self, text: str, parameters: Parameters = DEFAULT) -> str:
        """Hash a password in the same threads, after everybody who waits already."""
        return await asyncio.wrap_future(self._submit(parameters.work, partial(hash_password, text, parameters)))

    def close(self) -> None:
        """Drop what waits; what runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _admit(self, work: int, left: float) -> None:
        with self._lock:
            jobs, expected = self._jobs, (self._work / self._threads + work) * self._pace
        if left <= 0:
            raise Unavailable("password hashing", "too late to begin")
        if jobs >= self._threads + self._waiting:
            raise Unavailable("password hashing", f"{jobs} verifications wait already")
        # A free thread always tries: a pace measured in a bad moment could otherwise never be measured again.
        if jobs >= self._threads and expected > left:
            raise Unavailable("password hashing", f"{jobs} verifications would take longer than the gateway waits")

    def _submit(self, work: int, job: Callable[[], T]) -> Future[T]:
        with self._lock:
            self._jobs += 1
            self._work += work
        future = self._pool.submit(job)
        future.add_done_callback(lambda _: self._finished(work))
        return future

    def _finished(self, work: int) -> None:
        with self._lock:
            self._jobs -= 1
            self._work -= work

    def _measured(self, hashed: str, text: str, work: int) -> bool:
        begun = self._clock()
        right = self._check(hashed, text)
        pace = (self._clock() - begun) / work
        with self._lock:
            self._pace = self._pace + SETTLING * (pace - self._pace) if self._pace else pace
        return right


def _octets(text: str) -> bytes:
    """Normalise to NFC: keyboards differ in how they compose an accent. Never raises: the error would show the text."""
    return unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")


def _decoded(part: str) -> int:
    """Count the octets that unpadded base64 stands for; 0 when it is not written as argon2 writes it."""
    if len(part) % 4 == 1:
        return 0
    octets = base64.b64decode(part + "=" * (-len(part) % 4))
    return len(octets) if base64.b64encode(octets).rstrip(b"=") == part.encode() else 0
