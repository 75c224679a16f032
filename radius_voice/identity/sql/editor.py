"""Changes of the users in a database by commands; see `UserEditor`. The service reads them at the next login."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from radius_voice.files.reading import status_of
from radius_voice.identity.language import checked_language
from radius_voice.identity.sql import tables
from radius_voice.identity.sql.database import Database
from radius_voice.identity.sql.settings import SqlSettings
from radius_voice.identity.sql.source import require_private
from radius_voice.login.model import StoredUser
from radius_voice.login.names import canonical_name
from radius_voice.login.phone import Phone
from radius_voice.messages import Catalog

COMMAND_SECONDS = 300.0
"""How long a change may take: adding 50,000 users takes seconds."""

CLOSE_SECONDS = 1.0

T = TypeVar("T")


def create_editor(name: str, settings: SqlSettings, messages: Catalog) -> SqlEditor:
    """The editor of the database that `settings` describe.

    Raises ValueError if its password cannot be read, or if the source has queries, which only read users.
    """
    if settings.queries is not None:
        raise ValueError(f"identity.{name}: its queries only read users; change them where they are kept")
    return SqlEditor(f"identity.{name}", settings, messages)


class SqlEditor:
    """Implements `UserEditor` with the tables of this program."""

    def __init__(self, key: str, settings: SqlSettings, messages: Catalog) -> None:
        self.messages = messages
        self._key = key
        self._settings = settings
        self._database = Database(key, settings, tables.prepare)

    @property
    def location(self) -> str:
        """The SQLite file or the URL, for messages."""
        return self._settings.location

    def require_usable(self) -> None:
        """Raise ValueError or OSError if users cannot be added to the database. A SQLite file need not exist."""
        path = self._settings.url.path
        if path is None or path.exists():
            self._run(tables.version_of)

    def all_users(self) -> list[StoredUser]:
        """All users, sorted by name."""
        return self._run(tables.all_users)

    def user_ids(self) -> Iterator[Sequence[str]]:
        """The ids of all users."""
        yield self._run(tables.user_ids)

    def find(self, name: str) -> StoredUser:
        """The user of that name."""
        return self._run(partial(self._find, name))

    def add(self, users: Sequence[StoredUser]) -> None:
        """Add all users or none, under new ids, and create the SQLite file if it does not exist."""
        for stored in users:
            checked_language(stored.user.language, self.messages)
            if not canonical_name(stored.user.name):
                raise ValueError("a name that has only spaces; give a name")
        path = self._settings.url.path
        if path is not None and not path.exists():
            _create(path)
        self._write(partial(self._insert, users))

    def set_phones(self, name: str, phones: Sequence[Phone]) -> None:
        """Replace all phones of a user."""
        self._change(name, partial(tables.set_phones, phones=phones))

    def set_password(self, name: str, password_hash: str) -> None:
        """Replace the password hash of a user."""
        self._change(name, partial(tables.set_password, hashed=password_hash))

    def set_language(self, name: str, language: str) -> None:
        """Change the language of a user."""
        self._change(name, partial(tables.update, language=checked_language(language, self.messages)))

    def set_disabled(self, name: str, disabled: bool) -> None:
        """Disable or enable a user."""
        self._change(name, partial(tables.update, disabled=disabled))

    def remove(self, name: str) -> None:
        """Remove a user."""
        self._write(lambda connection: tables.delete(connection, self._find(name, connection).user.id))

    def close(self) -> None:
        """Close the connections."""
        self._database.close(CLOSE_SECONDS)

    def _insert(self, users: Sequence[StoredUser], connection: sa.Connection) -> None:
        taken = tables.names_in_use(connection, [stored.user.name for stored in users])
        if taken:
            raise ValueError(
                f"{self.location}: {taken[0]!r} exists already; change it with: radius-voice users set-phone, or "
                "radius-voice users set-password, or choose another name"
            )
        tables.insert(connection, users, time.time())

    def _find(self, name: str, connection: sa.Connection) -> StoredUser:
        stored = tables.by_name(connection, name)
        if stored is None:
            fix = "radius-voice users list with the same options shows all"
            raise ValueError(f"{self.location}: there is no user {name!r}; {fix}")
        return stored

    def _change(self, name: str, change: Callable[..., None]) -> None:
        def change_user(connection: sa.Connection) -> None:
            user_id = self._find(name, connection).user.id
            change(connection, user_id=user_id, now=time.time())

        self._write(change_user)

    def _write(self, work: Callable[[sa.Connection], None]) -> None:
        def write(connection: sa.Connection) -> None:
            with tables.writing(connection):
                work(connection)

        self._run(write)

    def _run(self, work: Callable[[sa.Connection], T]) -> T:
        if self._settings.url.path is not None:
            status_of(self._settings.url.path)
            require_private(self._settings.url.path, self._key)
        return self._database.run_blocking(work, COMMAND_SECONDS)


def _create(path: Path) -> None:
    """Create an empty file with mode 0600, which SQLite reads as an empty database. Raises OSError."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
