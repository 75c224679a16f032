"""The tables of users, and all statements on them. Each function works in the transaction of its connection.

The tables have a version; `prepare` upgrades older tables. The statements of `MIGRATIONS` are for both SQLite and
PostgreSQL.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from radius_voice.identity.passwords import Cost, Parameters, parameters_of
from radius_voice.identity.sql.database import WRITES
from radius_voice.login.model import StoredUser, User
from radius_voice.login.names import canonical_name
from radius_voice.login.phone import Phone

ID_OCTETS = 16
MAX_NAMES = 500
"""The maximum number of values in one statement. SQLite and PostgreSQL have such a limit."""
LOCK = 0x7261646975730001  # "radius" and 1
"""The number of the advisory lock in PostgreSQL that a process holds while it changes the tables."""

MIGRATIONS: Mapping[int, Sequence[str]] = {
    1: (
        """CREATE TABLE radius_voice_users (
            id VARCHAR(32) NOT NULL PRIMARY KEY, canonical_name TEXT NOT NULL UNIQUE, name TEXT NOT NULL, password TEXT,
            parameters TEXT, language VARCHAR(35) NOT NULL, disabled BOOLEAN NOT NULL,
            created DOUBLE PRECISION NOT NULL, changed DOUBLE PRECISION NOT NULL)""",
        """CREATE TABLE radius_voice_phones (
            user_id VARCHAR(32) NOT NULL REFERENCES radius_voice_users (id), position INTEGER NOT NULL,
            e164 VARCHAR(16) NOT NULL, PRIMARY KEY (user_id, position))""",
        """CREATE TABLE radius_voice_groups (
            user_id VARCHAR(32) NOT NULL REFERENCES radius_voice_users (id), name TEXT NOT NULL,
            PRIMARY KEY (user_id, name))""",
        "CREATE INDEX radius_voice_users_parameters ON radius_voice_users (parameters)",
    ),
    2: ("ALTER TABLE radius_voice_phones ADD COLUMN extension VARCHAR(20) NOT NULL DEFAULT ''",),
    3: (
        # SQLite cannot make a column longer
        "ALTER TABLE radius_voice_phones ADD COLUMN address VARCHAR(254) NOT NULL DEFAULT ''",
        "UPDATE radius_voice_phones SET address = e164",
        "ALTER TABLE radius_voice_phones DROP COLUMN e164",
    ),
}
"""Statements that upgrade the tables to each version from the one before."""

has_passwords = True
"""Whether the source can verify passwords."""

METADATA = sa.MetaData()
VERSION = sa.Table("radius_voice_version", METADATA, sa.Column("version", sa.Integer, nullable=False))
USERS = sa.Table(
    "radius_voice_users",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("canonical_name", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("password", sa.Text),
    sa.Column("parameters", sa.Text),
    sa.Column("language", sa.String(35), nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("changed", sa.Double, nullable=False),
)
PHONES = sa.Table(
    "radius_voice_phones",
    METADATA,
    sa.Column("user_id", sa.String(32), sa.ForeignKey(USERS.c.id), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("extension", sa.String(20), nullable=False, server_default=""),
    sa.Column("address", sa.String(254), nullable=False, server_default=""),
)
GROUPS = sa.Table(
    "radius_voice_groups",
    METADATA,
    sa.Column("user_id", sa.String(32), sa.ForeignKey(USERS.c.id), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
)

STORED = (USERS.c.id, USERS.c.name, USERS.c.password, USERS.c.language, USERS.c.disabled)
BY_NAME = sa.select(*STORED).where(USERS.c.canonical_name == sa.bindparam("canonical"))
BY_ID = sa.select(*STORED).where(USERS.c.id == sa.bindparam("id"))
PHONES_OF = (
    sa.select(PHONES.c.address, PHONES.c.extension)
    .where(PHONES.c.user_id == sa.bindparam("id"))
    .order_by(PHONES.c.position)
)
GROUPS_OF = sa.select(GROUPS.c.name).where(GROUPS.c.user_id == sa.bindparam("id"))


def prepare(connection: sa.Connection) -> None:
    """Create the tables, or upgrade them to the newest version. Raises ValueError if they are newer than that."""
    if version_of(connection) == max(MIGRATIONS):
        return
    connection.rollback()
    with writing(connection):
        _migrate(connection)


@contextmanager
def writing(connection: sa.Connection) -> Iterator[None]:
    """A transaction that reads first and then writes. It is committed at the end, or rolled back by an exception."""
    connection.execution_options(**{WRITES: True})
    try:
        yield
        connection.commit()
    finally:
        connection.rollback()
        connection.execution_options(**{WRITES: False})


def version_of(connection: sa.Connection) -> int:
    """The version of the tables, 0 if there are none. Raises ValueError if it is newer than this program."""
    if not sa.inspect(connection).has_table(VERSION.name):
        return 0
    version = connection.scalar(sa.select(VERSION.c.version)) or 0
    if version > max(MIGRATIONS):
        raise ValueError(
            f"the tables have version {version}, written by a newer radius-voice; this one knows version "
            f"{max(MIGRATIONS)}; upgrade radius-voice"
        )
    return int(version)


def by_name(connection: sa.Connection, name: str) -> StoredUser | None:
    """The user with that name (compared canonically), or None. Executes the same statements in both cases."""
    canonical = canonical_name(name)
    # A name that no database can store is replaced by NULL, which costs the same statements.
    found = connection.execute(BY_NAME, {"canonical": canonical if can_be_stored(canonical) else None})
    return _stored_user(connection, found.first())


def by_id(connection: sa.Connection, user_id: str) -> StoredUser | None:
    """The user with that id."""
    return _stored_user(connection, connection.execute(BY_ID, {"id": user_id}).first())


def all_users(connection: sa.Connection) -> list[StoredUser]:
    """All users, sorted by name."""
    phones: dict[str, list[Phone]] = {}
    groups: dict[str, set[str]] = {}
    columns = PHONES.c.user_id, PHONES.c.address, PHONES.c.extension
    for user_id, *number in connection.execute(sa.select(*columns).order_by(PHONES.c.user_id, PHONES.c.position)):
        phones.setdefault(user_id, []).append(Phone(*number))
    for user_id, group in connection.execute(sa.select(GROUPS.c.user_id, GROUPS.c.name)):
        groups.setdefault(user_id, set()).add(group)
    rows = connection.execute(sa.select(*STORED).order_by(USERS.c.canonical_name))
    return [_user(row, phones.get(row.id, ()), groups.get(row.id, ())) for row in rows]


def user_ids(connection: sa.Connection) -> list[str]:
    """The ids of all users, sorted by name."""
    return list(connection.scalars(sa.select(USERS.c.id).order_by(USERS.c.canonical_name)))


def check(connection: sa.Connection) -> str:
    """A text about the version of the tables or the number of users. Changes nothing. Raises ValueError."""
    version = version_of(connection)
    if version == 0:
        return "there are no tables yet; serve or radius-voice users add will create them"
    if version < max(MIGRATIONS):
        return f"the tables have version {version}; serve will upgrade them to {max(MIGRATIONS)}"
    number = connection.scalar(sa.select(sa.func.count()).select_from(USERS)) or 0
    return f"{number} {'user' if number == 1 else 'users'}"


def hash_counts(connection: sa.Connection) -> dict[Cost, int]:
    """The number of hashes by parameters."""
    parameters = USERS.c.parameters
    counted = sa.select(parameters, sa.func.count()).where(parameters.is_not(None)).group_by(parameters)
    rows = connection.execute(counted)
    return {Parameters.of(text): number for text, number in rows}


def names_in_use(connection: sa.Connection, names: Sequence[str]) -> list[str]:
    """The names of existing users that equal one of `names` (compared canonically)."""
    in_use: list[str] = []
    for start in range(0, len(names), MAX_NAMES):
        wanted = [canonical_name(name) for name in names[start : start + MAX_NAMES]]
        in_use += connection.scalars(sa.select(USERS.c.name).where(USERS.c.canonical_name.in_(wanted)))
    return in_use


def insert(connection: sa.Connection, users: Sequence[StoredUser], now: float) -> None:
    """Add users under new ids. `now` is wall-clock seconds."""
    ids = [secrets.token_hex(ID_OCTETS) for _ in users]
    rows = [
        {
            "id": user_id,
            "canonical_name": canonical_name(stored.user.name),
            "name": stored.user.name,
            "language": stored.user.language,
            "disabled": stored.user.disabled,
            "created": now,
            "changed": now,
            **_password(stored.password),
        }
        for user_id, stored in zip(ids, users, strict=True)
    ]
    _insert_all(connection, USERS, rows)
    pairs = list(zip(ids, (stored.user for stored in users), strict=True))
    _insert_all(connection, PHONES, [row for user_id, user in pairs for row in _phone_rows(user_id, user.phones)])
    _insert_all(
        connection, GROUPS, [{"user_id": user_id, "name": group} for user_id, user in pairs for group in user.groups]
    )


def update(connection: sa.Connection, user_id: str, now: float, **values: object) -> None:
    """Set columns of a user. `now` is wall-clock seconds."""
    connection.execute(sa.update(USERS).where(USERS.c.id == user_id).values(changed=now, **values))


def set_password(connection: sa.Connection, user_id: str, hashed: str, now: float) -> None:
    """Replace the password hash of a user."""
    update(connection, user_id, now, **_password(hashed))


def replace_hash(connection: sa.Connection, user_id: str, old: str, new: str) -> None:
    """Replace a hash by another hash of the same password, if the user still has the old hash."""
    connection.execute(sa.update(USERS).where(USERS.c.id == user_id, USERS.c.password == old).values(**_password(new)))
    connection.commit()


def set_phones(connection: sa.Connection, user_id: str, phones: Sequence[Phone], now: float) -> None:
    """Replace all phones of a user."""
    connection.execute(sa.delete(PHONES).where(PHONES.c.user_id == user_id))
    _insert_all(connection, PHONES, _phone_rows(user_id, phones))
    update(connection, user_id, now)


def delete(connection: sa.Connection, user_id: str) -> None:
    """Remove a user."""
    for table in (PHONES, GROUPS):
        connection.execute(sa.delete(table).where(table.c.user_id == user_id))
    connection.execute(sa.delete(USERS).where(USERS.c.id == user_id))


def _migrate(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
    version = version_of(connection)  # another process may have been faster
    if version == 0:
        connection.exec_driver_sql("CREATE TABLE radius_voice_version (version INTEGER NOT NULL)")
        connection.execute(sa.insert(VERSION).values(version=0))
    for number in sorted(number for number in MIGRATIONS if number > version):
        for statement in MIGRATIONS[number]:
            connection.exec_driver_sql(statement)
        connection.execute(sa.update(VERSION).values(version=number))


def can_be_stored(text: str) -> bool:
    """Whether a database can store the text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _stored_user(connection: sa.Connection, row: sa.Row[*tuple[Any, ...]] | None) -> StoredUser | None:
    user_id = {"id": None if row is None else row.id}
    phones = [Phone(*number) for number in connection.execute(PHONES_OF, user_id)]
    groups = connection.execute(GROUPS_OF, user_id).scalars().all()
    return None if row is None else _user(row, phones, groups)


def _user(row: sa.Row[*tuple[Any, ...]], phones: Iterable[Phone], groups: Iterable[str]) -> StoredUser:
    user = User(row.id, row.name, tuple(phones), row.language, frozenset(groups), row.disabled)
    return StoredUser(user, row.password)


def _password(hashed: str | None) -> dict[str, str | None]:
    return {"password": hashed, "parameters": str(parameters_of(hashed)) if hashed else None}


def _phone_rows(user_id: str, phones: Sequence[Phone]) -> list[dict[str, object]]:
    return [
        {"user_id": user_id, "position": position, "address": phone.address, "extension": phone.extension}
        for position, phone in enumerate(phones)
    ]


def _insert_all(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        connection.execute(sa.insert(table), list(rows))
