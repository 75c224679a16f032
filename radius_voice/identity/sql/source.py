"""An identity source in a SQL database. Every login asks the database, so changes take effect at once."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias

import sqlalchemy as sa
from argon2.exceptions import Argon2Error

from radius_voice.files.access import ANY_ACCESS, exposure
from radius_voice.files.reading import require_regular, status_of
from radius_voice.identity.context import IdentityContext
from radius_voice.identity.decoys import Decoys, verify_once
from radius_voice.identity.passwords import DEFAULT, Cost, Hasher, Parameters, outdated, salt_of
from radius_voice.identity.sql import tables
from radius_voice.identity.sql.database import Database, Job, detail_of
from radius_voice.identity.sql.queries import QueriedUsers
from radius_voice.identity.sql.settings import SqlSettings
from radius_voice.identity.verification import verify_stored
from radius_voice.login.accounts import UNKNOWN_ACCOUNT, Account
from radius_voice.login.deliveries.adapter_reports import AccountCheck, ServerState, VerificationCost
from radius_voice.login.model import Authenticated, Denied, StoredUser, Unavailable, User, Verification
from radius_voice.login.names import canonical_name

KEY_OCTETS = 32
COUNTS_SECONDS = 60.0
"""How often the hashes are counted."""
COUNT_TIMEOUT = 10.0
CLOSE_SECONDS = 5.0


ReplaceHash: TypeAlias = Callable[[sa.Connection, str, str, str], None]


class Users(Protocol):
    """The users in a database. Each method works in the transaction of the connection.

    `by_name` and `by_id` execute the same statements whether the user exists or not, so that timing reveals nothing.
    """

    @property
    def has_passwords(self) -> bool:
        """Whether the source can verify passwords."""
        ...

    @property
    def replace_hash(self) -> ReplaceHash | None:
        """Replaces an outdated hash: gets user id, old hash and new hash. None if users are only read."""
        ...

    def by_name(self, connection: sa.Connection, name: str) -> StoredUser | None:
        """The user of that name, in any spelling."""
        ...

    def by_id(self, connection: sa.Connection, user_id: str) -> StoredUser | None:
        """The user with that id."""
        ...

    def hash_counts(self, connection: sa.Connection) -> Mapping[Cost, int]:
        """The number of hashes by parameters, or numbers in the same proportions."""
        ...

    def check(self, connection: sa.Connection) -> str:
        """A summary for administrators. Changes nothing. Raises ValueError with all errors."""
        ...


def create(name: str, settings: SqlSettings, context: IdentityContext) -> SqlSource:
    """The source that `settings` describe. Connects at the first use.

    Raises ValueError or OSError when the SQLite file or the password for PostgreSQL cannot be used.
    """
    key = f"identity.{name}"
    if settings.queries is None:
        return SqlSource(key, settings, context, Database(key, settings, tables.prepare), tables)
    users = QueriedUsers(f"{key}.queries", settings.queries, settings.default_region, context.messages, context.warn)
    return SqlSource(key, settings, context, Database(key, settings, read_only=True), users)


class SqlSource:
    """Implements `IdentitySource` with a database. `clock` is monotonic seconds."""

    def __init__(
        self,
        key: str,
        settings: SqlSettings,
        context: IdentityContext,
        database: Database,
        users: Users,
        *,
        parameters: Parameters = DEFAULT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key = key
        self._settings = settings
        self._hasher: Hasher = context.hasher
        self._warn = context.warn
        self._decoy_key = context.key or secrets.token_bytes(KEY_OCTETS)
        self._database = database
        self._users = users
        self._parameters = parameters
        self._clock = clock
        self._costliest: Cost | None = None
        self._decoys = Decoys({parameters: 1}, self._decoy_key)
        self._count_at = 0.0
        self._count_at_login = True
        self._count_until = 0.0
        self._counting: Job[None] | None = None
        self._warned: set[str] = set()
        self._rehashing: dict[str, asyncio.Task[None]] = {}
        self._require_private()

    @property
    def finds_accounts(self) -> bool:
        """False: the name in canonical form identifies a user."""
        return False

    async def account(self, verification: Verification, deadline: float) -> Account:  # noqa: ARG002
        """Nothing: wrong passwords are counted by name, and no directory counts them too."""
        return UNKNOWN_ACCOUNT

    async def verify(self, verification: Verification, deadline: float) -> Authenticated | Denied:
        """Verify a password. Every result costs the same statements and one verification, so timing reveals nothing."""
        if not self._users.has_passwords:
            raise Unavailable(self._key, "has no queries.password, so it cannot be a first_factor")
        stored = await self._database.run(partial(self._find, canonical_name(verification.user_name)), deadline)
        verified = await verify_stored(stored, verification, self._hasher, self._decoys, deadline)
        if isinstance(verified, Denied):
            return verified
        replace_hash = self._users.replace_hash
        if replace_hash is not None and outdated(verified.hashed, self._parameters):
            self._rehash_soon(verified.user.id, verified.hashed, verification.credentials.text, replace_hash)
        return Authenticated(verified.user.id, verified.user, salt_of(verified.hashed))

    async def password_id(self, user_id: str, deadline: float) -> str:
        """The salt of the user's hash: a new password changes it, a rehash does not. Empty without a password."""
        stored = await self._database.run(lambda connection: self._users.by_id(connection, user_id), deadline)
        return salt_of(stored.password) if stored and stored.password else ""

    async def find(self, name: str, deadline: float) -> User | None:
        """The user of that name, disabled or not."""
        stored = await self._database.run(lambda connection: self._users.by_name(connection, name), deadline)
        return stored.user if stored else None

    async def get(self, user_id: str, deadline: float) -> User | None:
        """The user with that id."""
        stored = await self._database.run(lambda connection: self._users.by_id(connection, user_id), deadline)
        return stored.user if stored else None

    def all_users(self) -> None:
        """None: users are not read in advance. `radius-voice users list` shows them."""

    def without_password(self) -> tuple[()]:
        """None are known: users are not read in advance."""
        return ()

    @property
    def directory(self) -> SqlSource:
        """The source: its users are in the database too."""
        return self

    @property
    def location(self) -> str:
        """The SQLite file or the URL, for messages."""
        return self._settings.location

    @property
    def problem(self) -> None:
        """None: users are not read in advance. Each login reports a database that does not respond."""

    @property
    def changes(self) -> int:
        """0: each login reads the users, so that `refresh` brings no change into effect."""
        return 0

    def costliest_verification(self) -> VerificationCost | None:
        """A verification with the parameters of the costliest hash, None until the hashes have been counted."""
        parameters = self._costliest
        if parameters is None:
            return None
        fix = "each user with such a hash needs a new password"
        return VerificationCost(str(parameters), parameters.work, partial(verify_once, parameters), fix)

    async def check_connection(self, deadline: float) -> tuple[AccountCheck, ...]:
        """Whether the database responds, and whether its tables or the results of the queries can be used."""
        try:
            return (AccountCheck(True, await self._database.run(self._users.check, deadline, prepare=False)),)
        except Unavailable as problem:
            return (AccountCheck(False, problem.detail),)

    def server_states(self) -> tuple[ServerState, ...]:
        """The database, with the reason if the last login had no result."""
        return (ServerState(self.location, self._database.problem),)

    def refresh(self) -> None:
        """Check who can access a SQLite file, and start counting the hashes once a minute, without waiting for it."""
        self._require_private()
        now = self._clock()
        if self._counting is not None and not self._counting.result.done():
            if now < self._count_until:
                return
            self._counting.abandon()
            self._warn_once(f"{self._key}: the hashes cannot be counted: no response within {COUNT_TIMEOUT:g} s")
        elif self._counting is not None and (problem := self._counting.result.exception()) is not None:
            self._warn_once(f"{self._key}: the hashes cannot be counted: {detail_of(problem)}")
        self._counting, self._count_until = None, now + COUNT_TIMEOUT
        if now >= self._count_at:
            self._counting = self._database.begin(self._count_hashes)

    async def close(self) -> None:
        """Wait a few seconds for hashes that are being replaced. Call it before the hasher is closed."""
        if self._rehashing:
            await asyncio.wait(self._rehashing.values(), timeout=CLOSE_SECONDS)
        self._database.close()

    def _find(self, name: str, connection: sa.Connection) -> StoredUser | None:
        if self._count_at_login:  # only the first login waits until the hashes have been counted
            self._count_at_login = False
            self._count_hashes(connection)
        return self._users.by_name(connection, name)

    def _count_hashes(self, connection: sa.Connection) -> None:
        """Count the hashes by parameters, for the decoys of unknown names."""
        counts = self._users.hash_counts(connection) or {self._parameters: 1}
        self._decoys = Decoys(counts, self._decoy_key)
        self._costliest = max(counts, key=lambda parameters: parameters.work)
        self._count_at, self._count_at_login = self._clock() + COUNTS_SECONDS, False

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._warn(text)

    def _require_private(self) -> None:
        path = self._settings.url.path
        if path is not None:
            require_private(path, self._key)

    def _rehash_soon(self, user_id: str, hashed: str, password: str, replace: ReplaceHash) -> None:
        """Replace the hash in the background, once per user at a time, and only while no verification waits."""
        if user_id not in self._rehashing and self._hasher.idle:
            task = asyncio.create_task(self._rehash(user_id, hashed, password, replace))
            self._rehashing[user_id] = task
            task.add_done_callback(lambda _: self._rehashing.pop(user_id))

    async def _rehash(self, user_id: str, hashed: str, password: str, replace: ReplaceHash) -> None:
        try:
            new = await self._hasher.hash(password, self._parameters, salt_of(hashed))
            deadline = self._clock() + CLOSE_SECONDS
            await self._database.run(lambda connection: replace(connection, user_id, hashed, new), deadline)
        except (Unavailable, Argon2Error) as problem:
            self._warn(f"{problem}\nan outdated password hash stays as it is")


def require_private(path: Path, key: str) -> None:
    """Raise ValueError unless the SQLite file is a regular file that other users can neither read nor write."""
    try:
        require_regular(path)
    except FileNotFoundError:
        raise ValueError(
            f"{key}.url: {path}: does not exist; create it and the first user: radius-voice users add"
        ) from None
    for problem in exposure(path, status_of(path), ANY_ACCESS, None):
        raise ValueError(f"{key}.url: {problem}")
