"""An identity source in a YAML file, which `radius-voice users` edits."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path

from argon2.exceptions import Argon2Error

from radius_voice.bounded import FILE_SECONDS, in_daemon_thread
from radius_voice.files.reading import read_file, status_of
from radius_voice.identity.context import IdentityContext
from radius_voice.identity.decoys import Decoys, verify_once
from radius_voice.identity.passwords import DEFAULT, Hasher, Parameters, outdated, parameters_of, salt_of
from radius_voice.identity.users_file.copies import LastUsable
from radius_voice.identity.users_file.edit import decode_users_file, edit
from radius_voice.identity.users_file.settings import UsersFileSettings
from radius_voice.identity.users_file.text import UserEntry, UsersFileError, parse, with_hash, with_users
from radius_voice.identity.verification import verify_stored
from radius_voice.login.accounts import UNKNOWN_ACCOUNT, Account
from radius_voice.login.deliveries.adapter_reports import SourceProblem, VerificationCost
from radius_voice.login.model import Authenticated, Denied, StoredUser, User, Verification
from radius_voice.login.names import canonical_name
from radius_voice.messages import SHIPPED, Catalog

KEY_OCTETS = 32
MAX_LINES_NAMED = 5

Signature = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Content:
    """The parsed content of the file."""

    users: Mapping[str, UserEntry]  # by canonical name
    decoys: Decoys = field(repr=False)
    costliest: Parameters  # of the costliest hashes
    costliest_lines: tuple[int, ...]  # the lines of the costliest hashes


def create(name: str, settings: UsersFileSettings, context: IdentityContext) -> UsersFile:  # noqa: ARG001 - a file has no name
    """The source that `settings` describe. Raises UsersFileError or OSError when the file cannot be used."""
    copy = LastUsable(context.copies, settings.path) if context.copies is not None else None
    return UsersFile(
        settings.path,
        context.hasher,
        context.warn,
        key=context.key,
        copy=copy,
        from_copy=context.at_start,
        messages=context.messages,
    )


class UsersFile:
    """Implements `IdentitySource` with one file. Raises UsersFileError or OSError if the file cannot be used.

    `refresh` reads the file again. If the file has become unusable, `problem` says why, and the users that were read
    before are still used. A hash with less work than `parameters` is replaced after its user's next login.

    - `warn`: called if a hash cannot be replaced;
    - `key`: selects the decoys of unknown names (see Decoys); None: a random key;
    - `copy`: stores the usable content; with `from_copy` it is used at first if the file cannot be used;
    - `messages`: has the languages that users may have.
    """

    def __init__(
        self,
        path: Path,
        hasher: Hasher,
        warn: Callable[[str], None] = lambda _: None,
        parameters: Parameters = DEFAULT,
        key: bytes | None = None,
        copy: LastUsable | None = None,
        *,
        from_copy: bool = False,
        messages: Catalog = SHIPPED,
    ) -> None:
        self._path = path
        self._hasher = hasher
        self._warn = warn
        self._parameters = parameters
        self._key = key or secrets.token_bytes(KEY_OCTETS)
        self._messages = messages
        self._warned = ""
        self._reading = threading.Lock()
        self._signature: Signature = ()
        self._invalid = ""
        self._digest = b""
        self._changes = -1  # the first reading is no change
        self._problem: SourceProblem | None = None
        self._content: _Content
        self._copy = copy
        self._read_first(copy if from_copy else None)
        self._rehashing: dict[str, asyncio.Task[None]] = {}

    @property
    def finds_accounts(self) -> bool:
        """False: the name in canonical form identifies a user."""
        return False

    async def account(self, verification: Verification, deadline: float) -> Account:  # noqa: ARG002
        """Nothing: wrong passwords are counted by name, and no directory counts them too."""
        return UNKNOWN_ACCOUNT

    async def verify(self, verification: Verification, deadline: float) -> Authenticated | Denied:
        """Verify a password. Every result costs one verification, so that timing does not reveal which users exist."""
        content = self._content
        entry = content.users.get(canonical_name(verification.user_name))
        stored = StoredUser(entry.user, entry.password) if entry else None
        verified = await verify_stored(stored, verification, self._hasher, content.decoys, deadline)
        if isinstance(verified, Denied):
            return verified
        if entry is not None and outdated(verified.hashed, self._parameters):
            self._rehash_soon(entry, verified.hashed, verification.credentials.text)
        return Authenticated(verified.user.id, verified.user, salt_of(verified.hashed))

    async def password_id(self, user_id: str, deadline: float) -> str:  # noqa: ARG002
        """The salt of the user's hash: a new password changes it, a rehash does not. Empty without a password."""
        entry = self._content.users.get(canonical_name(user_id))
        return salt_of(entry.password) if entry and entry.password else ""

    async def find(self, name: str, deadline: float) -> User | None:  # noqa: ARG002
        """The user of that name, disabled or not."""
        entry = self._content.users.get(canonical_name(name))
        return entry.user if entry else None

    async def get(self, user_id: str, deadline: float) -> User | None:
        """Find a user by its id, which is its key in the file."""
        found = await self.find(user_id, deadline)
        return found if found is not None and found.id == user_id else None

    def all_users(self) -> tuple[User, ...]:
        """All users as last read, in the file's order."""
        return tuple(entry.user for entry in self._content.users.values())

    def without_password(self) -> tuple[User, ...]:
        """Users that have no password, as last read."""
        return tuple(entry.user for entry in self._content.users.values() if not entry.password)

    @property
    def directory(self) -> UsersFile:
        """The source: its users are in the file too."""
        return self

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    @property
    def location(self) -> str:
        """Where the file is, for messages."""
        return str(self._path)

    @property
    def problem(self) -> SourceProblem | None:
        """Why the current file is not used; None if it is used."""
        return self._problem

    @property
    def changes(self) -> int:
        """How many times the file was read with changed content."""
        return self._changes

    def costliest(self) -> tuple[Parameters, tuple[int, ...]]:
        """The parameters of the costliest hash, and the lines of all hashes that have them.

        Where no user has a hash, these are the parameters of new hashes, and no lines.
        """
        return self._content.costliest, self._content.costliest_lines

    def costliest_verification(self) -> VerificationCost:
        """A verification with the parameters of the costliest hash."""
        parameters, lines = self.costliest()
        run = partial(verify_once, parameters)
        return VerificationCost(str(parameters), parameters.work, run, _cost_fix(self._path, lines))

    async def check_connection(self, deadline: float) -> tuple[()]:  # noqa: ARG002
        """Nothing: a file has no server."""
        return ()

    def server_states(self) -> tuple[()]:
        """None: a file has no server."""
        return ()

    def save(self, user: User, password_hash: str) -> None:
        """Append a user to the file; raises ValueError when the name is taken, OSError when it cannot be written."""
        edit(self._path, lambda text: with_users(text, str(self._path), [StoredUser(user, password_hash)]))
        self.refresh()

    def refresh(self) -> None:
        """Read the file if it has changed. Blocks while it is read and parsed.

        Raises UsersFileError or OSError; then the users that were read before are still used.
        """
        with self._reading:
            try:
                self._read_if_changed()
            except OSError as problem:
                self._problem = SourceProblem(str(problem.strerror), _message(self._path, problem))
                raise
            except UsersFileError as problem:
                self._problem = SourceProblem("invalid, the log has the details", str(problem))
                raise
            self._problem = None

    async def close(self) -> None:
        """Wait a few seconds for hashes that are being replaced. Call it before the hasher is closed."""
        if self._rehashing:
            await asyncio.wait(self._rehashing.values(), timeout=FILE_SECONDS)

    def _read_first(self, copy: LastUsable | None) -> None:
        try:
            self.refresh()
        except (OSError, UsersFileError):
            octets = copy.read() if copy is not None else None
            if octets is None:
                raise
            self._use(octets, octets.decode())

    def _read_if_changed(self) -> None:
        # Taken before reading, so that a change during the reading is noticed the next time.
        signature = _signature(status_of(self._path))
        if signature != self._signature:
            invalid = ""
            try:
                self._read()
            except UsersFileError as problem:
                invalid = str(problem)
            self._signature, self._invalid = signature, invalid
        if self._invalid:
            raise UsersFileError(self._invalid)

    def _read(self) -> None:
        octets, status = read_file(self._path)
        self._use(octets, decode_users_file(octets, status, self._path))
        if self._copy is not None:
            self._copy.write(octets)

    def _use(self, octets: bytes, text: str) -> None:
        digest = blake2b(octets).digest()
        if digest != self._digest:
            self._content, self._digest = self._parsed(text), digest
            self._changes += 1

    def _parsed(self, text: str) -> _Content:
        users = parse(text, str(self._path), self._messages)
        lines: dict[Parameters, list[int]] = {}
        for entry in users.values():
            if entry.password:
                lines.setdefault(parameters_of(entry.password), []).append(entry.line)
        counts = {parameters: len(of) for parameters, of in lines.items()} or {self._parameters: 1}
        costliest = max(counts, key=lambda parameters: parameters.work)
        return _Content(users, Decoys(counts, self._key), costliest, tuple(lines.get(costliest, ())))

    def _rehash_soon(self, entry: UserEntry, outdated_hash: str, password: str) -> None:
        """Replace the hash in the background, once per user at a time, and only while no verification waits."""
        key = canonical_name(entry.user.id)
        if key not in self._rehashing and self._hasher.idle:
            task = asyncio.create_task(self._rehash(entry, outdated_hash, password))
            self._rehashing[key] = task
            task.add_done_callback(lambda _: self._rehashing.pop(key))

    async def _rehash(self, entry: UserEntry, outdated_hash: str, password: str) -> None:
        try:
            hashed = await self._hasher.hash(password, self._parameters, salt_of(outdated_hash))
            await in_daemon_thread(partial(self._write_hash, entry, hashed))
        except (OSError, ValueError, Argon2Error) as problem:
            self._warn_once(f"{_message(self._path, problem)}\nan outdated password hash stays as it is")

    def _write_hash(self, entry: UserEntry, hashed: str) -> None:
        edit(self._path, lambda text: with_hash(text, str(self._path), entry, hashed))

    def _warn_once(self, text: str) -> None:
        if text != self._warned:
            self._warned = text
            self._warn(text)


def _cost_fix(path: Path, lines: tuple[int, ...]) -> str:
    """How many users have a hash that is verified too slowly, the lines of the hashes, and the fix."""
    if not lines:
        return "no user has a password, and new ones cost as much; raise response_timeout, or use a faster machine"
    named = ", ".join(str(line) for line in lines[:MAX_LINES_NAMED])
    if len(lines) == 1:
        users = f"1 user has such a hash (line {named})"
    else:
        users = f"{len(lines)} users have such hashes (lines {named}{', ...' if len(lines) > MAX_LINES_NAMED else ''})"
    return f"{users}; for each run: radius-voice users set-password --file {path} NAME"


def _message(path: Path, problem: Exception) -> str:
    return f"{path}: {problem.strerror}" if isinstance(problem, OSError) else str(problem)


def _signature(status: os.stat_result) -> Signature:
    # With the change time, because an error may have asked to correct owner or mode.
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
