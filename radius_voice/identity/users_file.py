"""People in a YAML file: first factor, directory, and what `radius-voice users` edits."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from argon2.exceptions import Argon2Error

from radius_voice.bounded import FILE_SECONDS, in_daemon_thread
from radius_voice.events import Reason
from radius_voice.files import read_file, status_of
from radius_voice.identity.decoys import Decoys
from radius_voice.identity.passwords import DEFAULT, Hasher, Parameters, Turn, outdated, parameters_of
from radius_voice.identity.users_edit import edit, text_of
from radius_voice.identity.users_text import Person, UsersFileError, parse, with_hash, with_user
from radius_voice.login.model import Claim, Denied, Passed, User
from radius_voice.login.names import canonical_name

__all__ = ["Problem", "UsersFile", "UsersFileError"]

KEY_OCTETS = 32

Signature = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Content:
    """What a file held, by folded name, what is verified for a name without a hash, and which hashes cost most."""

    people: Mapping[str, Person]
    decoys: Decoys = field(repr=False)
    costliest: Parameters
    costliest_lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the users read before stay in force. `summary` names no user, `detail` holds every error of the file."""

    summary: str
    detail: str


class UsersFile:
    """FirstFactor and Directory over one file. Raises UsersFileError or OSError when it cannot be used.

    `refresh` reads the file again; when it cannot be used any more, `problem` says why and the users read before
    stay in force. A hash of less work than `parameters` is replaced after its owner's next login; `complain` gets
    a text when that fails. `key` picks what a name without a hash costs (see Decoys); None makes one.
    """

    def __init__(
        self,
        path: Path,
        hasher: Hasher,
        complain: Callable[[str], None] = lambda _: None,
        parameters: Parameters = DEFAULT,
        key: bytes | None = None,
    ) -> None:
        self._path = path
        self._hasher = hasher
        self._complain = complain
        self._parameters = parameters
        self._key = key or secrets.token_bytes(KEY_OCTETS)
        self._complained = ""
        self._reading = threading.Lock()
        self._signature: Signature = ()
        self._invalid = ""
        self._problem: Problem | None = None
        self._content: _Content
        self.refresh()
        self._rehashing: dict[str, asyncio.Task[None]] = {}

    async def verify(self, claim: Claim, deadline: float) -> Passed | Denied:
        """Check a password. Every answer costs one verification, so that time does not tell who exists."""
        content, name = self._content, canonical_name(claim.name)
        person = content.people.get(name)
        hashed = person.password if person else None
        turn = Turn(claim.queue, claim.returning)
        right = await self._hasher.verify(hashed or content.decoys.of(name), claim.password, deadline, turn)
        if person is None:
            return Denied(Reason.UNKNOWN_USER)
        if hashed is None or not claim.password or not right:
            return Denied(Reason.WRONG_PASSWORD, person.user.name)
        if person.user.disabled:
            return Denied(Reason.DISABLED, person.user.name, password_right=True)
        if outdated(hashed, self._parameters):
            self._rehash_soon(person, claim.password)
        return Passed()

    async def find(self, name: str, deadline: float) -> User | None:  # noqa: ARG002
        """Find whoever has that name, disabled or not."""
        person = self._content.people.get(canonical_name(name))
        return person.user if person else None

    async def get(self, user_id: str, deadline: float) -> User | None:
        """Find a user by its id, which is its key in the file."""
        found = await self.find(user_id, deadline)
        return found if found is not None and found.id == user_id else None

    def everyone(self) -> tuple[User, ...]:
        """Everybody as last read, in the file's order."""
        return tuple(person.user for person in self._content.people.values())

    def without_password(self) -> tuple[User, ...]:
        """Users that have no password, as last read."""
        return tuple(person.user for person in self._content.people.values() if not person.password)

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    @property
    def problem(self) -> Problem | None:
        """Why the file as it is now is not in force; None when it is."""
        return self._problem

    def costliest(self) -> tuple[Parameters, tuple[int, ...]]:
        """The parameters of the costliest hash, and the lines of all hashes that have them.

        Where no user has a hash, these are the parameters of new hashes, and no lines.
        """
        return self._content.costliest, self._content.costliest_lines

    def save(self, user: User, password_hash: str) -> None:
        """Append a user to the file; raises ValueError when the name is taken, OSError when it cannot be written."""
        edit(self._path, lambda text: with_user(text, str(self._path), user, password_hash))
        self.refresh()

    def refresh(self) -> None:
        """Read the file unless it is as it was. Blocks for as long as parsing takes, and a few seconds.

        Raises UsersFileError or OSError; the users read before stay in force.
        """
        with self._reading:
            try:
                self._read_if_changed()
            except OSError as problem:
                self._problem = Problem(str(problem.strerror), _told(self._path, problem))
                raise
            except UsersFileError as problem:
                self._problem = Problem("invalid, the log has the details", str(problem))
                raise
            self._problem = None

    async def close(self) -> None:
        """Wait a few seconds for hashes that are being replaced. To be called before the hasher is closed."""
        if self._rehashing:
            await asyncio.wait(self._rehashing.values(), timeout=FILE_SECONDS)

    def _read_if_changed(self) -> None:
        # Taken before reading: a change during the reading is noticed the next time.
        signature = _signature(status_of(self._path))
        if signature != self._signature:
            invalid = ""
            try:
                self._content = self._parsed(text_of(*read_file(self._path), self._path))
            except UsersFileError as problem:
                invalid = str(problem)
            self._signature, self._invalid = signature, invalid
        if self._invalid:
            raise UsersFileError(self._invalid)

    def _parsed(self, text: str) -> _Content:
        people = parse(text, str(self._path))
        lines: dict[Parameters, list[int]] = {}
        for person in people.values():
            if person.password:
                lines.setdefault(parameters_of(person.password), []).append(person.line)
        counts = {parameters: len(of) for parameters, of in lines.items()} or {self._parameters: 1}
        costliest = max(counts, key=lambda parameters: parameters.work)
        return _Content(people, Decoys(counts, self._key), costliest, tuple(lines.get(costliest, ())))

    def _rehash_soon(self, person: Person, password: str) -> None:
        """Beside the login, once for a person at a time, and only while nobody waits to be checked."""
        key = canonical_name(person.user.id)
        if key not in self._rehashing and self._hasher.idle:
            task = asyncio.create_task(self._rehash(person, password))
            self._rehashing[key] = task
            task.add_done_callback(lambda _: self._rehashing.pop(key))

    async def _rehash(self, person: Person, password: str) -> None:
        try:
            hashed = await self._hasher.hash(password, self._parameters)
            await in_daemon_thread(partial(self._write_hash, person, hashed))
        except (OSError, ValueError, Argon2Error) as problem:
            self._tell(f"{_told(self._path, problem)}\nan outdated password hash stays as it is")

    def _write_hash(self, person: Person, hashed: str) -> None:
        edit(self._path, lambda text: with_hash(text, str(self._path), person, hashed))

    def _tell(self, text: str) -> None:
        if text != self._complained:
            self._complained = text
            self._complain(text)


def _told(path: Path, problem: Exception) -> str:
    return f"{path}: {problem.strerror}" if isinstance(problem, OSError) else str(problem)


def _signature(status: os.stat_result) -> Signature:
    # The change time moves with owner and mode too, which an error may have asked to correct.
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
