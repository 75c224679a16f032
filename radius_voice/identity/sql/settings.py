"""The section of an identity source of type `sql`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, model_validator

from radius_voice.config.adapters import IdentitySection, RuleContext
from radius_voice.config.checks import is_loopback
from radius_voice.config.context import LoadContext
from radius_voice.config.field_types import REGION, FieldType, duration, path_of, require_text
from radius_voice.config.secrets import Secret
from radius_voice.config.section import Diagnostic, KeyProblem, Section, file_default
from radius_voice.files.reading import status_of

SQLITE = "sqlite:///"
POSTGRESQL = "postgresql://"
EXAMPLES = ["sqlite:///users.db", "postgresql://radius_voice@db.example.org/users?sslmode=verify-full"]
WRONG = f"not a database; write it like {' or '.join(EXAMPLES)}"
EXAMPLE_USER = "SELECT id, login AS name FROM account WHERE lower(login) = :name"
EXAMPLE_USER_BY_ID = "SELECT id, login AS name FROM account WHERE id = :id"
OPTIONS = ("host", "sslmode", "sslrootcert", "sslcert", "sslkey", "target_session_attrs", "application_name")
"""The options of libpq that a URL may have; `host` is the directory of a local socket, or one of several servers."""
VERIFIED = "verify-full"


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A database. `path` is the SQLite file, None for PostgreSQL; `text` has no password."""

    text: str
    path: Path | None = None

    @property
    def hosts(self) -> list[str]:
        """The hosts of the PostgreSQL servers: empty or a directory for a local socket."""
        parts = urlsplit(self.text)
        hosts = [value for key, value in parse_qsl(parts.query) if key == "host"] or [parts.hostname or ""]
        return [host.rpartition(":")[0] if re.search(r":\d+$", host) else host for host in hosts]

    @property
    def is_local(self) -> bool:
        """Whether the database is on this machine, so that users and passwords cross no network."""
        return self.path is not None or all(not h or h.startswith("/") or is_loopback(h) for h in self.hosts)

    @property
    def sslmode(self) -> str:
        """The option `sslmode` of libpq, empty if the URL has none."""
        return dict(parse_qsl(urlsplit(self.text).query)).get("sslmode", "")


def _database_url(value: Any, context: LoadContext) -> DatabaseUrl:
    text = require_text(value)
    if text.startswith(SQLITE):
        return DatabaseUrl(text, path_of(text.removeprefix(SQLITE), context))
    if not text.startswith(POSTGRESQL) or not text.isprintable() or " " in text:
        raise ValueError(WRONG)
    try:
        parts = urlsplit(text)
        fits, password = parts.port != 0 and len(parts.path) > 1, parts.password
    except ValueError:
        raise ValueError(WRONG) from None
    if password is not None:
        raise ValueError("holds a password; remove it, and write it as password: {file: PATH}")
    if not fits:
        raise ValueError(WRONG)
    unknown = [key for key, _ in parse_qsl(parts.query, keep_blank_values=True) if key not in OPTIONS]
    if unknown:
        raise ValueError(f"has an unknown option; known are {', '.join(OPTIONS)}")
    return DatabaseUrl(text)


DATABASE = FieldType(_database_url, {"type": "string", "pattern": f"^({SQLITE}|{POSTGRESQL}).+", "examples": EXAMPLES})
"""`sqlite:///PATH`, relative to the file that names it, or a `postgresql://` URL; it becomes a DatabaseUrl."""


PARAMETER = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
"""A named parameter as SQLAlchemy finds it. A PostgreSQL cast like `number::text` is none."""


def query(parameter: str = "") -> FieldType:
    """A query with this named parameter and no other; it stays text."""

    def read(value: Any, _context: LoadContext) -> str:
        text = require_text(value).strip().removesuffix(";").rstrip()
        if not text:
            raise ValueError("is empty; write a SELECT")
        if parameter and f":{parameter}::" in text:
            raise ValueError(f"write CAST(:{parameter} AS type) instead of :{parameter}::type")
        used = set(PARAMETER.findall(text))
        if used - {parameter}:
            known = f"only :{parameter} has a value here" if parameter else "it has no parameters"
            raise ValueError(f"uses :{min(used - {parameter})}; {known}")
        if parameter and not used:
            raise ValueError(f"does not use :{parameter}; write it without quotes in place of the value")
        return text

    return FieldType(read, {"type": "string", "minLength": 1})


class SqlQueries(Section):
    """Queries that read users from tables of another program. The transaction is read-only."""

    user: Annotated[str, query("name")] = Field(..., examples=[EXAMPLE_USER])
    """The user with the canonical name :name. Columns: id and name, optionally language and disabled."""
    user_by_id: Annotated[str, query("id")] = Field(..., examples=[EXAMPLE_USER_BY_ID])
    """The user with the id :id. Columns as for user."""
    password: Annotated[str, query("id")] | None = Field(None, examples=["SELECT password FROM account WHERE id = :id"])
    """The password hash of the user :id, in one column; requires hashes."""
    hashes: Annotated[str, query()] | None = Field(None, examples=["SELECT password FROM account LIMIT 1000"])
    """Some or all password hashes, in one column: they determine the cost for unknown names; requires password."""
    phones: Annotated[str, query("id")] | None = Field(None, examples=["SELECT mobile FROM account WHERE id = :id"])
    """The phones of the user :id, in one column, in order of preference."""
    groups: Annotated[str, query("id")] | None = Field(
        None, examples=["SELECT name FROM membership WHERE account = :id"]
    )
    """The groups of the user :id, in one column."""
    ids: Annotated[str, query()] | None = Field(None, examples=["SELECT id FROM account"])
    """The ids of all users, in one column, for commands that list users."""

    @model_validator(mode="after")
    def _belongs_together(self) -> SqlQueries:
        if (self.password is None) is not (self.hashes is None):
            missing, present = ("hashes", "password") if self.hashes is None else ("password", "hashes")
            raise KeyProblem(f"needs {missing} too; write both or none", present)
        return self


class SqlSettings(IdentitySection):
    """Users in a SQL database."""

    EXTRA: ClassVar[str] = "sql"
    USERS_KEY: ClassVar[tuple[str, ...]] = ("url",)
    TIMERS: ClassVar[tuple[str, ...]] = ("timeout",)
    ADD_USERS: ClassVar[str] = "add users with: radius-voice users add"

    type: Literal["sql"]
    """The type of the source."""
    url: Annotated[DatabaseUrl, DATABASE] = file_default(EXAMPLES[0])
    """The database: a SQLite file, relative to this file, or a PostgreSQL server."""
    password: Secret | None = None
    """The password for PostgreSQL."""
    timeout: Annotated[float, duration(1, 30)] = file_default("2s")
    """Timeout for connecting to PostgreSQL, and for one statement."""
    connections: int = Field(4, ge=1, le=64)
    """How many connections each process may open."""
    queries: SqlQueries | None = None
    """Queries that read users from tables of another program. Without them, the program uses its own tables."""
    default_region: Annotated[str, REGION] | None = None
    """The country of numbers that are written without a country code; for queries only."""

    @property
    def location(self) -> str:
        """The SQLite file or the URL, for messages."""
        return str(self.url.path or self.url.text)

    def files(self) -> Mapping[str, Path]:
        """The SQLite file, if it exists: `users add` creates it."""
        if self.url.path is not None:
            with suppress(FileNotFoundError):
                status_of(self.url.path)
                return {"url": self.url.path}
        return {}

    def errors(self, context: RuleContext) -> Iterator[Diagnostic]:  # noqa: ARG002
        """Keys that have no effect: a password with SQLite, a region without queries."""
        if self.default_region is not None and self.queries is None:
            yield ("default_region",), "is for queries; phones in the program's own tables have a country code"
        if self.password is not None and self.url.path is not None:
            yield ("password",), "is for PostgreSQL; remove it"

    def warnings(self) -> Iterator[Diagnostic]:
        """A server on another machine whose certificate is not verified."""
        if not self.url.is_local and self.url.sslmode != VERIFIED:
            yield ("url",), f"users are sent without a verified certificate; add ?sslmode={VERIFIED}"
