"""Users in a table of comma-separated values (RFC 4180), to be added to an identity source."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from radius_voice.config.suggestions import suggestion
from radius_voice.files.reading import read_file
from radius_voice.identity.language import checked_language
from radius_voice.identity.passwords import parameters_of
from radius_voice.login.model import StoredUser, User
from radius_voice.login.names import canonical_name
from radius_voice.login.phone import Phone, caution, parse_phone
from radius_voice.messages import DEFAULT_LANGUAGE, Catalog

COLUMNS = ("name", "phones", "language", "groups", "password_hash", "disabled")
SEPARATOR = re.compile(";(?!ext=|transport=)", re.IGNORECASE)
"""Separates the values of a list, and does not split `+14155550123;ext=42` (RFC 3966) or `;transport=` of SIP."""
TRUTH = {"": False, "false": False, "true": True}

T = TypeVar("T")


@dataclass(slots=True)
class UserRows:
    """The users of a table without those that have errors. Each error and warning has the file and line."""

    users: list[StoredUser] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_users(path: Path, taken: Mapping[str, str], messages: Catalog) -> UserRows:
    """The users of the table at `path`. `taken` are the names of other users by canonical name.

    `messages` has the languages that users may have. Raises ValueError if the file cannot be read or is not a table of
    users.
    """
    rows, names = UserRows(), dict(taken)
    for line, values in _rows(_text_of(path), path):
        row = _Row(f"{path}:{line}", values, messages)
        user = row.user(names)
        rows.errors += row.errors
        rows.warnings += row.warnings
        if not row.errors:
            rows.users.append(user)
    return rows


def _text_of(path: Path) -> str:
    try:
        octets, _ = read_file(path)
    except OSError as problem:
        raise ValueError(f"{path}: {problem.strerror}") from None
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = octets.count(b"\n", 0, problem.start) + 1
        raise ValueError(f"{path}:{line}: not UTF-8; save the file in that encoding") from None


def _rows(text: str, path: Path) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Each row that is not empty: the number of its first line, and its values by column or an error."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = [name.strip() for name in next(reader, [])]
        _check_columns(columns, path)
        line = reader.line_num + 1
        for values in reader:
            if len(values) > len(columns) or 1 < len(values) < len(columns):
                counts = f"has {len(values)} values, and the first row has {len(columns)}"
                yield line, f"{counts}; put a value with a comma in quotes"
            elif any(value.strip() for value in values):
                yield line, dict(zip(columns, values, strict=False))
            line = reader.line_num + 1
    except csv.Error as problem:
        raise ValueError(f"{path}:{reader.line_num}: not comma-separated values: {problem}") from None


def _check_columns(columns: Sequence[str], path: Path) -> None:
    for column in columns:
        if column not in COLUMNS:
            known = ", ".join(COLUMNS)
            name = f" {column!r}" if column.isidentifier() else ""
            meant = suggestion(column, COLUMNS)
            raise ValueError(f"{path}:1: an unknown column{name}{meant}; the first row names the columns, of {known}")
        if columns.count(column) > 1:
            raise ValueError(f"{path}:1: the column {column} is listed twice; remove one")
    if "name" not in columns:
        raise ValueError(f"{path}:1: there is no column name; the first row names the columns, of {', '.join(COLUMNS)}")


class _Row:
    """One row of the table: turns its values into a user, and collects the errors."""

    def __init__(self, location: str, values: dict[str, str] | str, messages: Catalog) -> None:
        self._messages = messages
        self._location = location
        self._values = values if isinstance(values, dict) else {}
        self.errors = [] if isinstance(values, dict) else [f"{location}: {values}"]
        self.warnings: list[str] = []

    def user(self, names: dict[str, str]) -> StoredUser:
        """The user of the row; its name is added to `names`."""
        if self.errors:
            return StoredUser(User("", ""))
        user = User(
            id="",
            name=self._name(names),
            phones=tuple(self._each("phones", self._phone)),
            language=self._read("language", self._language) or DEFAULT_LANGUAGE,
            groups=frozenset(self._each("groups", str)),
            disabled=self._read("disabled", _truth) or False,
        )
        return StoredUser(user, self._read("password_hash", _hash))

    def _language(self, text: str) -> str:
        return checked_language(text, self._messages)

    def _name(self, names: dict[str, str]) -> str:
        name = self._text("name")
        canonical = canonical_name(name)
        if not canonical or not name.isprintable():
            self._refuse("name", "no name, or one with invisible characters; give a name")
        elif canonical in names:
            self._refuse("name", f"{names[canonical]!r} exists already")
        names.setdefault(canonical, name)
        return name

    def _phone(self, text: str) -> Phone:
        phone = parse_phone(text)
        if warning := caution(phone):
            self.warnings.append(f"{self._location}: phones: {warning}")
        return phone

    def _each(self, column: str, read: Callable[[str], T]) -> Iterator[T]:
        for text in filter(None, map(str.strip, SEPARATOR.split(self._text(column)))):
            value = self._value_or_error(column, partial(read, text))
            if value is not None:
                yield value

    def _read(self, column: str, read: Callable[[str], T]) -> T | None:
        text = self._text(column)
        return self._value_or_error(column, partial(read, text)) if text else None

    def _value_or_error(self, column: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except ValueError as problem:
            self._refuse(column, str(problem))
            return None

    def _text(self, column: str) -> str:
        return self._values.get(column, "").strip()

    def _refuse(self, column: str, fix: str) -> None:
        self.errors.append(f"{self._location}: {column}: {fix}")


def _truth(text: str) -> bool:
    if text.lower() not in TRUTH:
        raise ValueError("must be true or false")
    return TRUTH[text.lower()]


def _hash(text: str) -> str:
    parameters_of(text)
    return text
