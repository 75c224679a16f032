"""Opens the file of the SQLite store: its format, migrations, and the lock for opening it."""

from __future__ import annotations

import fcntl
import os
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from radius_voice.login.codes.issued_codes import STORED_UNDER
from radius_voice.login.model import Unavailable

BUSY_SECONDS = 0.25
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

MIGRATIONS = {
    3: """
    CREATE TABLE sessions (
        key BLOB PRIMARY KEY, id TEXT NOT NULL, user_key TEXT NOT NULL, version INTEGER NOT NULL,
        live_until REAL NOT NULL, ends_at REAL NOT NULL, open INTEGER NOT NULL, call TEXT, body BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX sessions_of_user ON sessions (user_key);
    CREATE INDEX sessions_by_end ON sessions (ends_at);
    CREATE INDEX sessions_by_call ON sessions (call) WHERE call IS NOT NULL;
    CREATE TABLE limits (name TEXT PRIMARY KEY, tat REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE kept (key BLOB PRIMARY KEY, value BLOB NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE boot (id TEXT NOT NULL);
    CREATE TABLE verified_requests (
        number INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, until REAL NOT NULL
    );
    CREATE TABLE other_requests (
        number INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, until REAL NOT NULL
    );
    """,
    4: "CREATE TABLE durable (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;",
}
"""Statements that upgrade a file to each version from the one before; `PRAGMA user_version` is the file's version.

Versions 1 and 2 were never released.
"""
OLDEST_VERSION, NEWEST_VERSION = min(MIGRATIONS), max(MIGRATIONS)


class CannotOpen(ValueError):
    """The file cannot be used as a store. The message has the reason."""


class SameFile:
    """The file at `path` when this was created. Raises OSError.

    SQLite does not notice that a file was removed: it uses it until the last process closes it, and then all is lost.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = path.stat()

    def require(self) -> None:
        """Raise Unavailable unless the path still leads to that file."""
        try:
            problem = "" if os.path.samestat(self._path.stat(), self._opened) else "is another file than before"
        except OSError as error:
            problem = str(error.strerror)
        if problem:
            raise Unavailable("store", f"{self._path}: {problem}; move the file back, or restart the service")


def open_file(path: Path) -> sqlite3.Connection:
    """Connect to the file, and create or upgrade it if needed. Raises CannotOpen, OSError or sqlite3.Error."""
    path.touch(mode=0o600)
    with _locked(path):
        base = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        base.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-16384;"
        )
        _migrate(base, path)
        _end_sessions_of_another_boot(base)
        base.execute("PRAGMA busy_timeout=0")
    return base


def open_to_read(path: Path) -> sqlite3.Connection:
    """Connect without creating or changing files. By default, SQLite creates a write-ahead log even for reading."""
    path = path.resolve(strict=True)
    log, index = path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")
    if not log.exists():
        return _checked(connected(path, "immutable=1"), path)
    if not index.exists():
        raise CannotOpen(f"store.path: {log}: its index {index.name} is missing; start the service, which restores it")
    for file in (log, index):
        if file.stat().st_uid != path.stat().st_uid:  # as root, SQLite would change the owner
            command = f"chown --reference={shlex.quote(str(path))} {shlex.quote(str(file))}"
            raise CannotOpen(f"store.path: {file}: belongs to another user than {path.name}; run: {command}")
    return _checked(connected(path, "mode=ro&readonly_shm=1"), path)


def _checked(base: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """The connection, if this version can read the file."""
    _version(base, path)
    return base


def connected(path: Path, how: str) -> sqlite3.Connection:
    """A connection with these parameters of a SQLite URI. Raises sqlite3.Error."""
    return sqlite3.connect(f"file:{quote(str(path))}?{how}", timeout=BUSY_SECONDS, isolation_level=None, uri=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock for opening a store, because SQLite does not wait while another process changes the journal mode.

    The lock is a file that other users cannot open. The folder itself could be locked by any user who can list it.
    """
    descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _version(base: sqlite3.Connection, path: Path) -> int:
    """The version of the file, 0 for a new one."""
    (version,) = base.execute("PRAGMA user_version").fetchone()
    if version > NEWEST_VERSION:
        raise CannotOpen(f"store.path: {path}: written by a newer version of radius-voice")
    if 0 < version < OLDEST_VERSION:
        files = " ".join(shlex.quote(f"{path}{suffix}") for suffix in ("", "-wal", "-shm"))
        raise CannotOpen(
            f"store.path: {path}: written by a version before 0.1.0, and cannot be upgraded; open logins and "
            f"limits are lost with it; run: rm -f {files}"
        )
    return int(version)


def _migrate(base: sqlite3.Connection, path: Path) -> None:
    version = _version(base, path)
    for number in sorted(number for number in MIGRATIONS if number > version):
        with base:
            base.execute("BEGIN EXCLUSIVE")
            for statement in MIGRATIONS[number].strip().rstrip(";").split(";"):
                base.execute(statement)
            base.execute(f"PRAGMA user_version={number}")


def _end_sessions_of_another_boot(base: sqlite3.Connection) -> None:
    """Delete sessions and issued codes after a reboot: a power loss may have lost the record that a code was used."""
    boot = BOOT_ID.read_text().strip() if BOOT_ID.exists() else ""
    with base:
        base.execute("BEGIN IMMEDIATE")
        if base.execute("SELECT id FROM boot").fetchall() != [(boot,)]:
            base.execute("DELETE FROM sessions")
            base.execute("DELETE FROM kept WHERE substr(key, 1, ?)=?", (len(STORED_UNDER), STORED_UNDER))
            base.execute("DELETE FROM boot")
            base.execute("INSERT INTO boot VALUES (?)", (boot,))
