"""Sessions and limits in one SQLite file: the default of `serve`.

It uses a write-ahead log. Transactions run in the event loop, because they take tens of microseconds, less than handing
them to a thread. Committed data survives `kill -9`. A commit is not forced to disk, so a power loss may lose the last
commits. So the first start after a reboot deletes all sessions; the limits are as they were on disk. Checkpoints wait
for the disk and run in a thread.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from radius_voice.login.codes.issued_states import REPEAT_SECONDS
from radius_voice.login.durable import DurableExists, DurableWrite
from radius_voice.login.limits.rate_limits import expiry, storage_key
from radius_voice.login.model import (
    AlreadyRecorded,
    CallRef,
    Limited,
    LimitOperation,
    Session,
    SessionKey,
    SwapResult,
    Unavailable,
)
from radius_voice.login.replay import MAX_RECORDS, ReplayRecord
from radius_voice.stores.context import StoreContext
from radius_voice.stores.encoding import UnreadableSession, decode
from radius_voice.stores.settings import SqliteSettings
from radius_voice.stores.sqlite_batch import RECORDS, Batch, Cache, call_name
from radius_voice.stores.sqlite_file import BUSY_SECONDS, CannotOpen, SameFile, connected, open_file, open_to_read

BUSY_NAP = 0.00005
PRIMARY_CODE = 0xFF
SWEPT_AT_ONCE = 500
LIMITS_SWEPT_AT_ONCE = 2000
"""More than guesses at names without a user can store between two sweeps, also where passwords are verified fast."""
KEPT = "SELECT value FROM kept WHERE key=? AND until>?"
DURABLE = "SELECT value FROM durable WHERE key=?"
MAX_LOG = 16 * 1024 * 1024
"""If the write-ahead log has more octets, a sweep empties it."""

T = TypeVar("T")


def create(section: SqliteSettings, context: StoreContext) -> SqliteStore:
    """The store that `section` describes. Raises CannotOpen or OSError."""
    return SqliteStore(section.data_path(context.state), context.now, read_only=context.read_only)


class SqliteStore:
    """A `Store` in one file, which several processes of this machine can share. `now` is wall-clock seconds.

    With `read_only` the file must exist, nothing is created or changed, and only reading is possible. Raises
    CannotOpen or OSError; methods raise Unavailable.
    """

    def __init__(self, path: Path, now: Callable[[], float], *, read_only: bool = False) -> None:
        self._path = path
        self._now = now
        self._swept_to = ""
        self._cache = Cache()
        self._data_version = 0
        self._waiting: list[tuple[Callable[[Batch], Any], asyncio.Future[Any]]] = []
        self._alone = True
        self._emptying_log = False
        try:
            self._base = open_to_read(path) if read_only else open_file(path)
        except sqlite3.Error as problem:
            raise CannotOpen(f"store.path: {path}: {problem}") from None
        self._file = SameFile(path)

    async def _run(self, operation: Callable[[Batch], T]) -> T:
        """Run an operation and return its result once it is committed.

        The operations of one event loop iteration share a transaction. While operations arrive one at a time, each is
        committed immediately.
        """
        if self._alone and not self._waiting and not self._emptying_log:
            self._alone = False
            asyncio.get_running_loop().call_soon(self._turn_over)
            (result,) = self._commit([operation])
            return cast("T", result)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        if not self._waiting and not self._emptying_log:
            loop.call_soon(self._flush)
        self._waiting.append((operation, done))
        return await done

    def _turn_over(self) -> None:
        """In the next event loop iteration: let the next operation commit immediately, unless others are waiting."""
        self._alone = not self._waiting

    def _flush(self) -> None:
        """Commit the waiting operations. Each gets its result, or all get the same exception."""
        if self._emptying_log or not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        self._alone = len(waiting) == 1
        try:
            results = self._commit([operation for operation, _ in waiting])
        except Exception as problem:  # noqa: BLE001 - no operation may wait forever
            for _, done in waiting:
                if not done.done():
                    done.set_exception(problem)
            return
        for (_, done), result in zip(waiting, results, strict=True):
            if not done.done():
                done.set_result(result)

    def _commit(self, operations: Sequence[Callable[[Batch], Any]]) -> list[Any]:
        """Run operations in one transaction and return their results. Raises Unavailable if none was committed."""
        with self._transaction() as base:
            batch = Batch(base, self._fresh_cache(), self._now())
            results = [operation(batch) for operation in operations]
            batch.write()
        batch.committed()
        return results

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction for changes. Every login needs one, so none ends in a file that was removed."""
        try:
            with self._base as base:
                self._when_free("BEGIN IMMEDIATE")
                self._file.require()
                yield base
        except sqlite3.Error as problem:
            self._cache.clear()
            raise Unavailable("store", str(problem)) from None
        except BaseException:
            self._cache.clear()
            raise

    def _fresh_cache(self) -> Cache:
        """The cache, cleared if another connection has written to the file."""
        (version,) = self._base.execute("PRAGMA data_version").fetchone()
        if version != self._data_version:
            self._data_version = version
            self._cache.clear()
        return self._cache

    def _when_free(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        """Execute a statement, and wait for transactions of other processes.

        SQLite's own waiting sleeps for milliseconds, but transactions take microseconds.
        """
        until = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                return self._base.execute(statement, values)
            except sqlite3.OperationalError as problem:
                if problem.sqlite_errorcode & PRIMARY_CODE != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                    raise
                time.sleep(BUSY_NAP)

    async def load(self, key: SessionKey) -> Session | None:
        """The current session, or None. An unreadable one is deleted, because it would block logins with its key."""
        session = self._cached(key)
        return session if session is not None else self._found("key", key)

    async def session_of_call(self, call: CallRef) -> Session | None:
        """The session whose current delivery is that call, or None."""
        return self._found("call", call_name(call))

    def _cached(self, key: SessionKey) -> Session | None:
        try:
            return self._fresh_cache().sessions.get(key)
        except sqlite3.Error as problem:
            raise Unavailable("store", str(problem)) from None

    def _found(self, column: Literal["key", "call"], value: bytes | str | None) -> Session | None:
        try:
            found = self._when_free(f"SELECT key, body FROM sessions WHERE {column}=?", (value,)).fetchone()  # noqa: S608
        except sqlite3.Error as problem:
            raise Unavailable("store", str(problem)) from None
        try:
            return decode(found[1]) if found else None
        except UnreadableSession:
            with self._transaction() as base:
                base.execute("DELETE FROM sessions WHERE key=? AND body=?", found)
            return None

    async def compare_and_swap(
        self,
        old: Session | None,
        new: Session,
        operations: Iterable[LimitOperation] = (),
        record: ReplayRecord | None = None,
        durable: DurableWrite | None = None,
    ) -> SwapResult | Limited | AlreadyRecorded | DurableExists:
        """See `login.ports.Store`."""
        operations = tuple(operations)
        return await self._run(lambda batch: batch.compare_and_swap(old, new, operations, record, durable))

    async def apply_limits(
        self, operations: Iterable[LimitOperation], record: ReplayRecord | None = None
    ) -> Limited | AlreadyRecorded | None:
        """See `login.ports.Store`."""
        operations = tuple(operations)
        if not operations and record is None:
            return None
        return await self._run(lambda batch: batch.apply_limits(operations, record))

    async def arrival_times(self, operations: Iterable[LimitOperation]) -> dict[LimitOperation, float]:
        """The stored number of each limit; 0 if none is stored."""
        try:
            query = "SELECT tat FROM limits WHERE name=?"
            found = {
                operation: self._when_free(query, (storage_key(operation),)).fetchone() for operation in operations
            }
        except sqlite3.Error as problem:
            raise Unavailable("store", str(problem)) from None
        return {operation: tat[0] if tat else 0.0 for operation, tat in found.items()}

    async def put(self, key: bytes, value: bytes, ttl: float) -> None:
        """Store a value for `ttl` seconds. It survives restarts."""
        until = self._now() + ttl
        await self._run(lambda batch: batch.keep(key, value, until))

    async def get(self, key: bytes) -> bytes | None:
        """The value stored under `key`, or None if there is none or it has expired."""
        value: bytes | None = self._one_row(f"SELECT ({KEPT})", (key, self._now()))[0]
        return value

    async def durable(self, key: bytes) -> bytes | None:
        """The durable value under `key`, or None."""
        value: bytes | None = self._one_row(f"SELECT ({DURABLE})", (key,))[0]
        return value

    async def get_with_durable(self, key: bytes, durable_key: bytes) -> tuple[bytes | None, bytes | None]:
        """The results of `get` and of `durable`."""
        kept, durable = self._one_row(f"SELECT ({KEPT}), ({DURABLE})", (key, self._now(), durable_key))
        return kept, durable

    def _one_row(self, query: str, values: Sequence[object]) -> tuple[Any, ...]:
        """The row that a query always has."""
        try:
            row: tuple[Any, ...] = self._when_free(query, values).fetchone()
        except sqlite3.Error as problem:
            raise Unavailable("store", str(problem)) from None
        return row

    async def replace_durable(self, key: bytes, old: bytes | None, new: bytes | None) -> bool:
        """See `login.ports.Store`."""
        return await self._run(lambda batch: batch.replace_durable(key, old, new))

    async def open_sessions(self) -> int:
        """The number of sessions that wait for their code."""
        try:
            query = "SELECT count(*) FROM sessions WHERE ends_at>? AND open"
            (count,) = self._when_free(query, (self._now(),)).fetchone()
        except sqlite3.Error as problem:
            raise Unavailable("store", str(problem)) from None
        return int(count)

    async def sweep(self) -> int:
        """Delete what has expired, and return how many of the deleted sessions still waited for a code.

        One call processes up to `SWEPT_AT_ONCE` sessions and records of each kind, and `LIMITS_SWEPT_AT_ONCE` limits.
        """
        now = self._now()
        self._cache.clear()  # `data_version` does not change with this connection's own writes
        with self._transaction() as base:
            query = "SELECT key, open FROM sessions WHERE ends_at<=? LIMIT ?"
            ended = base.execute(query, (now - REPEAT_SECONDS, SWEPT_AT_ONCE)).fetchall()
            base.executemany("DELETE FROM sessions WHERE key=?", [(key,) for key, _ in ended])
            query = "SELECT name, tat FROM limits WHERE name>? ORDER BY name LIMIT ?"
            looked_at = base.execute(query, (self._swept_to, LIMITS_SWEPT_AT_ONCE)).fetchall()
            full = [(name,) for name, tat in looked_at if expiry(tat) <= now]
            base.executemany("DELETE FROM limits WHERE name=?", full)
            base.execute("DELETE FROM kept WHERE until<=?", (now,))
            for table in RECORDS.values():
                self._sweep_records(base, table, now)
        self._swept_to = looked_at[-1][0] if len(looked_at) == LIMITS_SWEPT_AT_ONCE else ""
        if await asyncio.to_thread(self._checkpoint, "PASSIVE") > MAX_LOG:
            await self._empty_log()
        return sum(is_open for _, is_open in ended)

    def _sweep_records(self, base: sqlite3.Connection, table: str, now: float) -> None:
        """Delete the oldest records: those beyond `MAX_RECORDS`, and expired ones."""
        (newest,) = base.execute(f"SELECT coalesce(max(number), 0) FROM {table}").fetchone()  # noqa: S608 - a constant
        base.execute(f"DELETE FROM {table} WHERE number<=?", (newest - MAX_RECORDS,))  # noqa: S608
        oldest = f"SELECT number, until FROM {table} ORDER BY number LIMIT ?"  # noqa: S608
        looked_at = base.execute(oldest, (SWEPT_AT_ONCE,)).fetchall()
        ended = [(number,) for number, until in looked_at if until <= now]
        base.executemany(f"DELETE FROM {table} WHERE number=?", ended)  # noqa: S608

    async def _empty_log(self) -> None:
        """Checkpoint and truncate the write-ahead log. Operations that arrive meanwhile wait.

        After a passive checkpoint, SQLite reuses the log only if nothing was written during it, so under steady load
        the log would grow without bound. The passive checkpoint before the truncation keeps the wait short.
        """
        await asyncio.to_thread(self._checkpoint, "PASSIVE")
        self._emptying_log = True
        try:
            await asyncio.to_thread(self._checkpoint, "TRUNCATE")
        finally:
            self._emptying_log = False
            self._flush()

    def _checkpoint(self, mode: Literal["PASSIVE", "TRUNCATE"]) -> int:
        """Copy the write-ahead log into the file, and return how many octets of the log are in use.

        Uses a separate connection, so that logins do not wait for the disk.
        """
        try:
            other = connected(self._path, "mode=rw")  # creates no file
            try:
                _, pages, _ = other.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
                (page_size,) = other.execute("PRAGMA page_size").fetchone()
            finally:
                other.close()
        except sqlite3.Error as problem:
            raise Unavailable("store", str(problem)) from None
        return int(pages * page_size)

    async def close(self) -> None:
        """Commit the waiting operations and close the file; SQLite checkpoints when the last connection closes."""
        if self._waiting:
            self._flush()
        self._base.close()
