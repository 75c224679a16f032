"""People in a YAML file: first factor, directory, and what `radius-voice users` edits."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pwd
import secrets
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from argon2.exceptions import Argon2Error

from radius_voice.events import Reason
from radius_voice.identity.passwords import DEFAULT, Hasher, Parameters, Turn, hash_password, outdated, parameters_of
from radius_voice.identity.users_text import Person, UsersFileError, parse, with_hash, with_user
from radius_voice.login.model import Claim, Denied, Passed, User
from radius_voice.login.names import canonical_name

__all__ = ["UsersFile", "UsersFileError", "create"]

LOOK_AGAIN = 1.0  # seconds between looks at the file
OTHERS = stat.S_IRWXO
HEADER = "# The people who may log in. Made by radius-voice users add; docs/settings.md tells every key.\n"

Signature = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Content:
    """What a file held, by folded name, and a hash that nobody's password matches, as costly as the costliest."""

    people: Mapping[str, Person]
    nobody: str = field(repr=False)


class UsersFile:
    """FirstFactor and Directory over one file. Raises UsersFileError or OSError when it cannot be used.

    The file is looked at again at most once a second; a bad new one is told to `complain`, once, and the
    old content stays. A hash of less work than `parameters` is replaced after its owner's next login.
    """

    def __init__(
        self,
        path: Path,
        hasher: Hasher,
        complain: Callable[[str], None] = lambda _: None,
        parameters: Parameters = DEFAULT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._hasher = hasher
        self._complain = complain
        self._parameters = parameters
        self._clock = clock
        self._complained = ""
        self._content, self._signature = self._read()
        self._looked_at = clock()
        self._reloading = asyncio.Lock()
        self._rehashing: dict[str, asyncio.Task[None]] = {}

    async def verify(self, claim: Claim, deadline: float) -> Passed | Denied:
        """Check a password. Every answer costs one verification, so that time does not tell who exists."""
        content = await self._current()
        person = content.people.get(canonical_name(claim.name))
        hashed = person.password if person else None
        turn = Turn(claim.queue, claim.returning)
        right = await self._hasher.verify(hashed or content.nobody, claim.password, deadline, turn)
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
        person = (await self._current()).people.get(canonical_name(name))
        return person.user if person else None

    async def get(self, user_id: str, deadline: float) -> User | None:
        """Find a user by its id, which is its key in the file."""
        found = await self.find(user_id, deadline)
        return found if found is not None and found.id == user_id else None

    def everyone(self) -> tuple[User, ...]:
        """Everybody as last read, in the file's order."""
        return tuple(person.user for person in self._content.people.values())

    def save(self, user: User, password_hash: str) -> None:
        """Append a user to the file; raises ValueError when the name is taken, OSError when it cannot be written."""
        with _locked(self._path) as file:
            _replace(self._path, file, with_user(_text(file, self._path), str(self._path), user, password_hash))
        self._content, self._signature = self._read()

    def refresh(self) -> None:
        """Read the file now unless it is as it was. Raises UsersFileError or OSError and keeps the old."""
        if self._complained or _signature(self._path.stat()) != self._signature:
            self._content, self._signature = self._read()
            self._complained = ""

    async def close(self) -> None:
        """Wait until hashes that are being replaced are written. To be called before the hasher is closed."""
        await asyncio.gather(*self._rehashing.values(), return_exceptions=True)

    async def _current(self) -> _Content:
        now = self._clock()
        if now - self._looked_at >= LOOK_AGAIN and not self._reloading.locked():
            async with self._reloading:
                self._looked_at = now
                await self._reload()
        return self._content

    async def _reload(self) -> None:
        signature: Signature | None = None
        with suppress(OSError):
            signature = _signature(self._path.stat())
        if signature == self._signature:
            return
        try:
            self._content, self._signature = await asyncio.to_thread(self._read)
        except (OSError, UsersFileError) as problem:
            # Remembered, so that the same bad file is read and told once.
            self._signature = signature
            self._tell(f"{_told(self._path, problem)}\nthe users read before stay in force")
        else:
            self._complained = ""

    def _read(self) -> tuple[_Content, Signature | None]:
        with self._path.open("rb") as file:
            text = _text(file, self._path)
            signature = _signature(os.fstat(file.fileno()))
        people = parse(text, str(self._path))
        costliest = max(
            (parameters_of(person.password) for person in people.values() if person.password),
            key=lambda parameters: parameters.work,
            default=self._parameters,
        )
        return _Content(people, hash_password(secrets.token_urlsafe(), costliest)), signature

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
            await asyncio.to_thread(partial(self._write_hash, person, hashed))
        except (OSError, ValueError, Argon2Error) as problem:
            self._tell(f"{_told(self._path, problem)}\nan outdated password hash stays as it is")

    def _write_hash(self, person: Person, hashed: str) -> None:
        with _locked(self._path) as file:
            changed = with_hash(_text(file, self._path), str(self._path), person, hashed)
            if changed is not None:
                _replace(self._path, file, changed)

    def _tell(self, text: str) -> None:
        if text != self._complained:
            self._complained = text
            self._complain(text)


def create(path: Path) -> None:
    """Make a users file with nobody in it that its owner alone may read; raises OSError when one is there."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(HEADER)


def _told(path: Path, problem: Exception) -> str:
    return f"{path}: {problem.strerror}" if isinstance(problem, OSError) else str(problem)


def _signature(status: os.stat_result) -> Signature:
    # The inode's change time moves with the content's, and with the owner and mode that a complaint asked to mend.
    return status.st_ctime_ns, status.st_ino, status.st_size


def _text(file: BinaryIO, path: Path) -> str:
    """Read an open users file, unless everybody could."""
    status = os.fstat(file.fileno())
    if status.st_mode & OTHERS:
        raise UsersFileError(
            f"{path}: open to every user of this machine (mode {stat.S_IMODE(status.st_mode):04o}, "
            f"owner {_owner(status.st_uid)}); run: chmod o-rwx {path}"
        )
    octets = file.read()
    try:
        return octets.decode()
    except UnicodeDecodeError as problem:
        line = octets.count(b"\n", 0, problem.start) + 1
        raise UsersFileError(f"{path}:{line}: not UTF-8; save the file in that encoding") from None


def _owner(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """Open the file for a change that nobody else of ours makes at the same time.

    Each change puts a new file in its place, so the lock may be held on one that is gone: then again.
    """
    while True:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                yield file
                return


def _replace(path: Path, present: BinaryIO, text: str) -> None:
    """Put a whole new file in place of the present one, with its mode and owner, or leave all as it is."""
    # A link keeps pointing where it did.
    target = path.resolve()
    status = os.fstat(present.fileno())
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            os.fchown(descriptor, status.st_uid, status.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink()
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
