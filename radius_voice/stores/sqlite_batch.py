"""One transaction of the SQLite store.

Operations that arrive together share a transaction. Later ones see the changes of earlier ones, so conflicts between
them are found in memory. Each session, limit and record is written at most once; each limit is read at most once.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence

from radius_voice.login.durable import DurableExists, DurableWrite
from radius_voice.login.limits.rate_limits import apply_operations, storage_key
from radius_voice.login.model import (
    AlreadyRecorded,
    CallRef,
    Limited,
    LimitOperation,
    Session,
    SessionKey,
    SwapResult,
)
from radius_voice.login.replay import RECORD_SECONDS, ReplayRecord
from radius_voice.stores.encoding import encode

MAX_CACHED_SESSIONS = 10_000
MAX_CACHED_LIMITS = 100_000

RECORDS = {True: "verified_requests", False: "other_requests"}
"""The tables of records, by `ReplayRecord.verified`. The oldest records have the lowest `number`."""

FIND_RECORD = " UNION ALL ".join(f"SELECT value FROM {table} WHERE key=?1 AND until>?2" for table in RECORDS.values())  # noqa: S608
LIVE_ELSEWHERE = "SELECT key FROM sessions WHERE user_key=? AND key<>? AND live_until>?"
CHANGE_SESSION = "UPDATE sessions SET version=?, live_until=?, open=?, call=?, body=? WHERE key=?"
OPEN_SESSION = (
    "REPLACE INTO sessions (version, live_until, open, call, body, key, id, user_key, ends_at) "
    "VALUES (?,?,?,?,?,?,?,?,?)"
)


def call_name(call: CallRef | None) -> str | None:
    """The value of the column `call`: provider and reference."""
    return None if call is None else f"{call.provider}\0{call.reference}"


class Cache:
    """A cache of committed sessions and limits, valid until another connection writes to the file."""

    def __init__(self) -> None:
        self.sessions: dict[SessionKey, Session] = {}
        self.limits: dict[str, float] = {}

    def clear(self) -> None:
        """Clear the cache, because the file may have changed."""
        self.sessions.clear()
        self.limits.clear()

    def trim(self) -> None:
        """Bound the memory: clear sessions or limits if there are too many."""
        if len(self.sessions) > MAX_CACHED_SESSIONS:
            self.sessions.clear()
        if len(self.limits) > MAX_CACHED_LIMITS:
            self.limits.clear()


class Batch:
    """The operations of one transaction at `now`, wall-clock seconds. Methods raise sqlite3.Error."""

    def __init__(self, base: sqlite3.Connection, cache: Cache, now: float) -> None:
        self._base = base
        self._cache = cache
        self._now = now
        self._sessions: dict[SessionKey, Session] = {}
        self._id_in_file: dict[SessionKey, str | None] = {}
        self._keys_of: defaultdict[str, set[SessionKey]] = defaultdict(set)
        self._limits: dict[str, float] = {}
        self._records: dict[bytes, ReplayRecord] = {}
        self._recorded_in_file: list[bytes] = []
        self._kept: list[tuple[bytes, bytes, float]] = []
        self._durable: dict[bytes, bytes | None] = {}

    def compare_and_swap(
        self,
        old: Session | None,
        new: Session,
        operations: Sequence[LimitOperation],
        record: ReplayRecord | None,
        durable: DurableWrite | None = None,
    ) -> SwapResult | Limited | AlreadyRecorded | DurableExists:
        """See `login.ports.Store`."""
        if self._seen(new.key) != (None if old is None else (old.id, old.version)):
            return SwapResult.STALE
        recorded = self._obstacle(record)
        if recorded is not None:
            return recorded
        # If the session's call was live already, no other session of the user has a live call.
        already_live = old is not None and old.live_at(self._now)
        if new.live_at(self._now) and not already_live and self._live_elsewhere(new):
            return SwapResult.BUSY
        present = None if durable is None else self._durable_value(durable.key)
        if present is not None:
            return DurableExists(present)
        limited = self._apply(operations)
        if limited is not None:
            return limited
        if durable is not None:
            self._durable[durable.key] = durable.value
        self._note(record)
        self._sessions[new.key] = new
        self._keys_of[new.user_key].add(new.key)
        return SwapResult.DONE

    def apply_limits(
        self, operations: Sequence[LimitOperation], record: ReplayRecord | None
    ) -> Limited | AlreadyRecorded | None:
        """See `login.ports.Store`."""
        obstacle = self._obstacle(record) or self._apply(operations)
        if obstacle is None:
            self._note(record)
        return obstacle

    def keep(self, key: bytes, value: bytes, until: float) -> None:
        """Store a value until `until`, wall-clock seconds."""
        self._kept.append((key, value, until))

    def replace_durable(self, key: bytes, old: bytes | None, new: bytes | None) -> bool:
        """See `login.ports.Store`."""
        if self._durable_value(key) != old:
            return False
        self._durable[key] = new
        return True

    def _durable_value(self, key: bytes) -> bytes | None:
        if key in self._durable:
            return self._durable[key]
        found = self._base.execute("SELECT value FROM durable WHERE key=?", (key,)).fetchone()
        return None if found is None else found[0]

    def _write_durable(self) -> None:
        for key, value in self._durable.items():
            if value is None:
                self._base.execute("DELETE FROM durable WHERE key=?", (key,))
            else:
                self._base.execute("REPLACE INTO durable VALUES (?,?)", (key, value))

    def write(self) -> None:
        """Write all changes; the caller commits them."""
        base = self._base
        for key, session in self._sessions.items():
            body = (
                session.version,
                session.delivery.live_until if session.live_at(self._now) else 0.0,
                session.result is None,
                call_name(session.delivery.ref),
                encode(session),
            )
            if self._id_in_file[key] == session.id:
                base.execute(CHANGE_SESSION, (*body, key))
            else:
                base.execute(OPEN_SESSION, (*body, key, session.id, session.user_key, session.ends_at))
        if self._limits:
            base.executemany("REPLACE INTO limits VALUES (?,?)", self._limits.items())
        self._write_records()
        if self._kept:
            base.executemany("REPLACE INTO kept VALUES (?,?,?)", self._kept)
        self._write_durable()

    def committed(self) -> None:
        """Put the changes into the cache. Must be called after the commit."""
        self._cache.sessions.update(self._sessions)
        self._cache.limits.update(self._limits)
        self._cache.trim()

    def _seen(self, key: SessionKey) -> tuple[str, int] | None:
        """The id and version of the session with that key, or None."""
        session = self._sessions.get(key)
        if session is not None:
            return session.id, session.version
        session = self._cache.sessions.get(key)
        if session is not None:
            self._id_in_file[key] = session.id
            return session.id, session.version
        found: tuple[str, int] | None = self._base.execute(
            "SELECT id, version FROM sessions WHERE key=?", (key,)
        ).fetchone()
        self._id_in_file[key] = None if found is None else found[0]
        return found

    def _live_elsewhere(self, new: Session) -> bool:
        changed = self._keys_of[new.user_key] - {new.key}
        if any(self._sessions[key].live_at(self._now) for key in changed):
            return True
        in_file = self._base.execute(LIVE_ELSEWHERE, (new.user_key, new.key, self._now)).fetchall()
        return any(key not in changed for (key,) in in_file)

    def _apply(self, operations: Sequence[LimitOperation]) -> Limited | None:
        if not operations:
            return None
        known = self._limits | self._read(storage_key(operation) for operation in operations)
        written = apply_operations(operations, known.get, self._now)
        if isinstance(written, Limited):
            return written
        self._limits.update(written)
        return None

    def _read(self, names: Iterable[str]) -> dict[str, float]:
        """The stored numbers of the limits in `names` that this batch has not changed; 0 if none is stored."""
        cached = self._cache.limits
        names = {name for name in names if name not in self._limits}
        missing = [name for name in names if name not in cached]
        if missing:
            cached.update(dict.fromkeys(missing, 0.0))
            marks = ",".join("?" * len(missing))
            cached.update(self._base.execute(f"SELECT name, tat FROM limits WHERE name IN ({marks})", missing))  # noqa: S608
        return {name: cached[name] for name in names}

    def _obstacle(self, record: ReplayRecord | None) -> AlreadyRecorded | None:
        """The stored record that prevents `record` from being written, or None."""
        if record is None:
            return None
        changed = self._records.get(record.key)
        if changed is not None:
            value = changed.value
        else:
            found = self._base.execute(FIND_RECORD, (record.key, self._now)).fetchone()
            value = b"" if found is None else found[0]
            if found is not None:
                self._recorded_in_file.append(record.key)
        return None if value in {b"", record.replaces} else AlreadyRecorded(value)

    def _note(self, record: ReplayRecord | None) -> None:
        if record is not None:
            self._records[record.key] = record

    def _write_records(self) -> None:
        for table in RECORDS.values():
            gone = [(key,) for key in self._recorded_in_file if key in self._records]
            if gone:
                self._base.executemany(f"DELETE FROM {table} WHERE key=?", gone)  # noqa: S608 - a constant
        until = self._now + RECORD_SECONDS
        for verified, table in RECORDS.items():
            made = [(r.key, r.value, until) for r in self._records.values() if r.value and r.verified is verified]
            if made:
                self._base.executemany(f"REPLACE INTO {table} (key, value, until) VALUES (?,?,?)", made)  # noqa: S608
