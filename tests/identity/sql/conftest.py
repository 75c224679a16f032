"""Databases with users, in SQLite and PostgreSQL."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radius_voice.config.context import LoadContext
from radius_voice.identity.context import IdentityContext
from radius_voice.identity.passwords import CHEAPEST, Hasher, hash_password, verify
from radius_voice.identity.sql import tables
from radius_voice.identity.sql.database import Database
from radius_voice.identity.sql.settings import SqlSettings
from radius_voice.identity.sql.source import SqlSource
from radius_voice.login.model import StoredUser, User
from radius_voice.login.phone import Phone
from tests.support.postgresql_server import PASSWORD, SharedPostgresql

ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgresql"))]
SECONDS = 20.0
ALICE = StoredUser(
    User("", "alice", (Phone("+14155550123"), Phone("+442079460123")), "de", frozenset({"staff", "vpn"})),
    hash_password("arctangent", CHEAPEST),
)
BOB = StoredUser(User("", "Bob", disabled=True), hash_password("tangent", CHEAPEST))
CAROL = StoredUser(User("", "carol", (Phone("+14155550125"),)))


def settings_of(directory: Path, **values: Any) -> SqlSettings:
    return SqlSettings.model_validate({"type": "sql", **values}, context=LoadContext(directory, {}))


class Loaded:
    """A source with its database, its hasher, its warnings, and the hashes that it verified."""

    def __init__(self, settings: SqlSettings) -> None:
        self.settings = settings
        self.warnings: list[str] = []
        self.checked: list[str] = []
        self.hasher = Hasher(threads=1, check=self.check)
        self.database = Database("identity.people", settings, tables.prepare)
        self.sources: list[SqlSource] = []

    def check(self, hashed: str, text: str) -> bool:
        self.checked.append(hashed)
        return verify(hashed, text)

    def run(self, work: Callable[..., Any], *values: Any) -> Any:
        """The result of `work` on a connection, committed."""

        def committed(connection: Any) -> Any:
            result = work(connection, *values)
            connection.commit()
            return result

        return self.database.run_blocking(committed, SECONDS)

    def add(self, *users: StoredUser) -> None:
        self.run(tables.insert, users, time.time())

    def source(self, **values: Any) -> SqlSource:
        context = IdentityContext(self.hasher, self.warnings.append, key=b"k" * 32)
        database = Database("identity.people", self.settings, tables.prepare)
        values = {"parameters": CHEAPEST, **values}
        self.sources.append(SqlSource("identity.people", self.settings, context, database, tables, **values))
        return self.sources[-1]

    async def close(self) -> None:
        for source in self.sources:
            await source.close()
            source._database.close(SECONDS)
        self.database.close(SECONDS)
        self.hasher.close()


def empty_settings(engine: str, directory: Path, **values: Any) -> SqlSettings:
    """The settings of an empty database."""
    if engine == "postgresql":
        url = SharedPostgresql.running().new_database()
        return settings_of(directory, url=url, password=PASSWORD, **values)
    (directory / "users.db").touch(mode=0o600)
    return settings_of(directory, **values)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The kind of database."""
    return str(request.param)


@pytest.fixture
async def empty(engine, tmp_path):
    """A database without tables."""
    loaded = Loaded(empty_settings(engine, tmp_path))
    yield loaded
    await loaded.close()


@pytest.fixture
def loaded(empty):
    """A database with alice, the disabled Bob, and carol, who has no password."""
    empty.add(ALICE, BOB, CAROL)
    return empty
