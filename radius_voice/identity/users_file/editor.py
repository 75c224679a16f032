"""Changes of a users file by commands; see `UserEditor`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from radius_voice.files.reading import read_file
from radius_voice.identity.language import checked_language
from radius_voice.identity.users_file.edit import create, decode_users_file, edit
from radius_voice.identity.users_file.entry import (
    entry_of,
    with_disabled,
    with_language,
    with_password,
    with_phones,
    without_user,
)
from radius_voice.identity.users_file.settings import UsersFileSettings
from radius_voice.identity.users_file.text import UserEntry, parse, with_users
from radius_voice.login.model import StoredUser
from radius_voice.login.phone import Phone
from radius_voice.messages import SHIPPED, Catalog


def create_editor(
    name: str,  # noqa: ARG001 - a file has no name
    settings: UsersFileSettings,
    messages: Catalog,
) -> UsersFileEditor:
    """The editor of the file that `settings` name."""
    return UsersFileEditor(settings.path, messages)


class UsersFileEditor:
    """Implements `UserEditor` with one file."""

    def __init__(self, path: Path, messages: Catalog = SHIPPED) -> None:
        self._path = path
        self.messages = messages

    @property
    def location(self) -> str:
        """The path of the file, for messages."""
        return str(self._path)

    def require_usable(self) -> None:
        """Raise ValueError or OSError if users cannot be added to the file. It may be empty, or not exist."""
        with suppress(FileNotFoundError):
            text = self._text()
            if text.strip():
                parse(text, self.location)

    def all_users(self) -> list[StoredUser]:
        """All users, in the order of the file."""
        return [StoredUser(entry.user, entry.password) for entry in self._users().values()]

    def user_ids(self) -> Iterator[Sequence[str]]:
        """The ids of all users."""
        yield [stored.user.id for stored in self.all_users()]

    def find(self, name: str) -> StoredUser:
        """The user of that name."""
        entry = entry_of(self._users(), self.location, name)
        return StoredUser(entry.user, entry.password)

    def add(self, users: Sequence[StoredUser]) -> None:
        """Append users to the file, and create it if it does not exist."""
        for stored in users:
            checked_language(stored.user.language, self.messages)
        try:
            self._text()
        except FileNotFoundError:
            create(self._path)
        self._edit(partial(with_users, added=users))

    def set_phones(self, name: str, phones: Sequence[Phone]) -> None:
        """Replace all phones of a user."""
        self._edit(partial(with_phones, name=name, phones=phones))

    def set_password(self, name: str, password_hash: str) -> None:
        """Replace the password hash of a user."""
        self._edit(partial(with_password, name=name, password=password_hash))

    def set_language(self, name: str, language: str) -> None:
        """Change the language of a user."""
        self._edit(partial(with_language, name=name, language=checked_language(language, self.messages)))

    def set_disabled(self, name: str, disabled: bool) -> None:
        """Disable or enable a user."""
        self._edit(partial(with_disabled, name=name, disabled=disabled))

    def remove(self, name: str) -> None:
        """Remove a user."""
        self._edit(partial(without_user, name=name))

    def close(self) -> None:
        """Nothing: the file is open only during a change."""

    def _text(self) -> str:
        return decode_users_file(*read_file(self._path), self._path)

    def _users(self) -> dict[str, UserEntry]:
        return parse(self._text(), self.location)

    def _edit(self, change: Callable[[str, str], str]) -> None:
        edit(self._path, lambda text: change(text, self.location))
