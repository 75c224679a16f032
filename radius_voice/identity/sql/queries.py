"""Reads users from tables of another program, by the administrator's queries. Never changes them.

Values are sent to the database as parameters, never as part of a statement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from radius_voice.identity.language import checked_language
from radius_voice.identity.passwords import Cost, cost_of
from radius_voice.identity.sql.database import reason_of
from radius_voice.identity.sql.settings import SqlQueries
from radius_voice.identity.sql.tables import can_be_stored
from radius_voice.login.model import StoredUser, User
from radius_voice.login.names import canonical_name
from radius_voice.login.phone import Phone, parse_phone
from radius_voice.messages import DEFAULT_LANGUAGE, Catalog

MAX_HASHES = 10_000
REQUIRED = frozenset({"id", "name"})
USER_COLUMNS = REQUIRED | {"language", "disabled"}
PARAMETERS = {
    "user": "name",
    "user_by_id": "id",
    "password": "id",
    "phones": "id",
    "groups": "id",
    "hashes": "",
    "ids": "",
}
TRUTH: Mapping[object, bool] = {None: False, False: False, True: True}
"""Values of the column `disabled`; 0 and 1 are equal to False and True."""

Values: TypeAlias = Mapping[str, Any]
T = TypeVar("T")


class QueriedUsers:
    """Implements `Users` with queries. `key` is the path of the section, for errors; `messages` has the languages."""

    replace_hash = None

    def __init__(
        self,
        key: str,
        queries: SqlQueries,
        default_region: str | None,
        messages: Catalog,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._key = key
        self._default_region = default_region
        self._messages = messages
        self._warn = warn
        self._warned: set[str] = set()
        texts = {name: getattr(queries, name) for name in PARAMETERS}
        self._statements = {name: sa.text(text) for name, text in texts.items() if text is not None}

    @property
    def has_passwords(self) -> bool:
        """Whether there is a query for passwords."""
        return "password" in self._statements

    def by_name(self, connection: sa.Connection, name: str) -> StoredUser | None:
        """The user with that name. A row with another name is ignored, because a query may compare loosely."""
        canonical = canonical_name(name)
        row = self._row(connection, "user", canonical if can_be_stored(canonical) else None)
        if row is not None and canonical_name(str(row["name"])) != canonical:
            row = None
        return self._stored_user(connection, row)

    def by_id(self, connection: sa.Connection, user_id: str) -> StoredUser | None:
        """The user with that id."""
        return self._stored_user(connection, self._row(connection, "user_by_id", user_id))

    def ids(self, connection: sa.Connection) -> list[str]:
        """The ids of all users, for which there must be a query."""
        return list(dict.fromkeys(str(value) for value in self._values(connection, "ids", {})))

    def hash_counts(self, connection: sa.Connection) -> Counter[Cost]:
        """The number of hashes by cost, among at most MAX_HASHES hashes."""
        if not self.has_passwords:
            return Counter()
        # Streamed, so that PostgreSQL sends only the rows that are read.
        streamed = {"stream_results": True}
        with connection.execute(self._statements["hashes"], execution_options=streamed) as result:
            rows = result.fetchmany(MAX_HASHES)
        hashes = [self._hash(row[0]) for row in rows]
        return Counter(cost_of(hashed) for hashed in hashes if hashed is not None)

    def check(self, connection: sa.Connection) -> str:
        """Execute each query with NULL as its parameter. Raises ValueError with all errors."""
        errors: list[str] = []
        for name in self._statements:
            errors += self._errors_of(connection, name)
            connection.rollback()
        if errors:
            raise ValueError("\n".join(errors))
        return f"all {len(self._statements)} queries can be executed"

    def _errors_of(self, connection: sa.Connection, name: str) -> Iterator[str]:
        parameter = PARAMETERS[name]
        try:
            result = connection.execute(self._statements[name], {parameter: None} if parameter else {})
            columns = list(result.keys()) if result.returns_rows else []
        except SQLAlchemyError as problem:
            original = getattr(problem, "orig", None)
            # The parameter was NULL, so the message of the database contains no value.
            reason = " ".join(str(original).split()) if original is not None else reason_of(problem)
            yield f"{self._key}.{name}: {reason}"
            return
        if error := _column_problem(name, columns):
            yield f"{self._key}.{name}: {error}"

    def _stored_user(self, connection: sa.Connection, row: Values | None) -> StoredUser | None:
        """The user of a row, or None. The same queries are executed in both cases, so that timing reveals nothing."""
        user_id = None if row is None else str(row["id"])
        hashes = [self._hash(value) for value in self._column(connection, "password", user_id)]
        phones = [self._phone(value) for value in self._column(connection, "phones", user_id)]
        groups = frozenset(str(value) for value in self._column(connection, "groups", user_id))
        if row is None or user_id is None:
            return None
        if len(hashes) > 1:
            raise ValueError(f"{self._key}.password: the result has several rows")
        user = User(
            id=user_id,
            name=str(row["name"]),
            phones=tuple(phone for phone in phones if phone is not None),
            language=self._language(row.get("language")),
            groups=groups,
            disabled=self._is_disabled(row.get("disabled")),
        )
        return StoredUser(user, hashes[0] if hashes else None)

    def _row(self, connection: sa.Connection, name: str, value: str | None) -> Values | None:
        result = connection.execute(self._statements[name], {PARAMETERS[name]: value})
        if problem := _column_problem(name, list(result.keys())):
            raise ValueError(f"{self._key}.{name}: {problem}")
        rows = [dict(row) for row in result.mappings().fetchmany(2)]
        if len(rows) > 1:
            raise ValueError(f"{self._key}.{name}: the result has several rows")
        return rows[0] if rows else None

    def _column(self, connection: sa.Connection, name: str, user_id: str | None) -> list[object]:
        """The values of a query with one column, without NULL; none if the query is not configured."""
        return self._values(connection, name, {PARAMETERS[name]: user_id}) if name in self._statements else []

    def _values(self, connection: sa.Connection, name: str, parameters: Values) -> list[object]:
        result = connection.execute(self._statements[name], parameters)
        if problem := _column_problem(name, list(result.keys())):
            raise ValueError(f"{self._key}.{name}: {problem}")
        return [row[0] for row in result if row[0] is not None]

    def _hash(self, value: object) -> str | None:
        """The hash; None with a warning if its format is not supported."""
        return self._or_warn("password", lambda: _checked_hash(value), None)

    def _phone(self, value: object) -> Phone | None:
        return self._or_warn("phones", partial(self._parsed_phone, value), None)

    def _parsed_phone(self, value: object) -> Phone | None:
        return parse_phone(str(value), self._default_region)

    def _language(self, value: object) -> str:
        if value is None:
            return DEFAULT_LANGUAGE
        return self._or_warn("user", partial(checked_language, str(value), self._messages), DEFAULT_LANGUAGE)

    def _is_disabled(self, value: object) -> bool:
        if value not in TRUTH:
            raise ValueError(f"{self._key}.user: the column disabled must be true or false, or 1 or 0")
        return TRUTH[value]

    def _or_warn(self, name: str, read: Callable[[], T], default: T) -> T:
        """The result of `read`. If it raises ValueError, warn once for each text, without the value; use `default`."""
        try:
            return read()
        except ValueError as problem:
            text = f"{self._key}.{name}: a value is left out: {problem}"
            if text not in self._warned:
                self._warned.add(text)
                self._warn(text)
            return default


def _checked_hash(value: object) -> str | None:
    if value is None:
        return None
    cost_of(str(value))
    return str(value)


def _column_problem(name: str, columns: list[str]) -> str:
    """The error of a result with these columns, empty if it can be used."""
    names = ", ".join(columns) or "none"
    if name in ("user", "user_by_id"):
        missing, unknown = REQUIRED - set(columns), set(columns) - USER_COLUMNS
        if missing or unknown:
            return (
                f"the result has the columns {names}; it must have id and name, and may have language and disabled; "
                "rename a column with AS"
            )
    elif len(columns) != 1:
        return f"the result has the columns {names}; it must have one"
    return ""
