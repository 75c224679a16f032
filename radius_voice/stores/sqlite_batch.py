"""One transaction of the SQLite store.

Operations that arrive together share a transaction. Later ones see the changes of earlier ones, so conflicts between
them are found in memory. Each row, limit and record is written at most once, and limits are read at most once.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence

from radius_voice.login.limits import settle, storage_key
from radius_voice.login.model import Limited, Login, LoginKey, Record, Recorded, Spend, Swap
from radius_voice.login.records import RECORD_SECONDS
from radius_voice.stores.rows import pack

MAX_CACHED_ROWS = 10_000
MAX_CACHED_LIMITS = 100_000

RECORDS = {True: "verified_requests", False: "other_requests"}
"""The tables of records, by `Record.verified`. The oldest records have the lowest `number`."""

FIND_RECORD = " UNION ALL ".join(f"SELECT value FROM {table} WHERE key=?1 AND until>?2" for table in RECORDS.values())  # noqa: S608
LIVE_ELSEWHERE = "SELECT key FROM rows WHERE person=? AND key<>? AND live_until>?"
CHANGE_ROW = "UPDATE rows SET version=?, live_until=?, open=?, body=? WHERE key=?"
OPEN_ROW = "REPLACE INTO rows (version, live_until, open, body, key, id, person, ends_at) VALUES (?,?,?,?,?,?,?,?)"


class Cache:
    """Committed rows and limits, valid until another connection writes to the file."""

    def __init__(self) -> None:
        self.rows: dict[LoginKey, Login] = {}
        self.limits: dict[str, float] = {}

    def clear(self) -> None:
        """Remove everything, because the file may differ."""
        self.rows.clear()
        self.limits.clear()

    def trim(self) -> None:
        """Bound the memory used: clear what has grown too large."""
        if len(self.rows) > MAX_CACHED_ROWS:
            self.rows.clear()
        if len(self.limits) > MAX_CACHED_LIMITS:
            self.limits.clear()


class Batch:
    """The operations of one transaction at `now`, wall-clock seconds. Methods raise sqlite3.Error."""

    def __init__(self, base: sqlite3.Connection, cache: Cache, now: float) -> None:
        self._base = base
        self._cache = cache
        self._now = now
        self._rows: dict[LoginKey, Login] = {}
        self._id_in_file: dict[LoginKey, str | None] = {}
        self._keys_of: defaultdict[str, set[LoginKey]] = defaultdict(set)
        self._limits: dict[str, float] = {}
        self._records: dict[bytes, Record] = {}
        self._recorded_in_file: list[bytes] = []
        self._kept: list[tuple[bytes, bytes, float]] = []

    def swap(
        self, old: Login | None, new: Login, spends: Sequence[Spend], record: Record | None
    ) -> Swap | Limited | Recorded:
        """See `login.ports.Store`."""
        if self._seen(new.key) != (None if old is None else (old.id, old.version)):
            return Swap.STALE
        recorded = self._obstacle(record)
        if recorded is not None:
            return recorded
        has_place = old is not None and old.live_at(self._now)  # while its call is live, no other row's can be
        if new.live_at(self._now) and not has_place and self._lives_elsewhere(new):
            return Swap.BUSY
        limited = self._settle(spends)
        if limited is not None:
            return limited
        self._note(record)
        self._rows[new.key] = new
        self._keys_of[new.person].add(new.key)
        return Swap.DONE

    def spend(self, spends: Sequence[Spend], record: Record | None) -> Limited | Recorded | None:
        """See `login.ports.Store`."""
        obstacle = self._obstacle(record) or self._settle(spends)
        if obstacle is None:
            self._note(record)
        return obstacle

    def keep(self, key: bytes, value: bytes, until: float) -> None:
        """Store a value until `until`, wall-clock seconds."""
        self._kept.append((key, value, until))

    def write(self) -> None:
        """Write all changes; the caller commits them."""
        base = self._base
        for key, row in self._rows.items():
            body = (row.version, row.call.live_until if row.live_at(self._now) else 0.0, row.verdict is None, pack(row))
            if self._id_in_file[key] == row.id:
                base.execute(CHANGE_ROW, (*body, key))
            else:
                base.execute(OPEN_ROW, (*body, key, row.id, row.person, row.ends_at))
        if self._limits:
            base.executemany("REPLACE INTO limits VALUES (?,?)", self._limits.items())
        self._write_records()
        if self._kept:
            base.executemany("REPLACE INTO kept VALUES (?,?,?)", self._kept)

    def committed(self) -> None:
        """Put the changes into the cache; to be called after the commit."""
        self._cache.rows.update(self._rows)
        self._cache.limits.update(self._limits)
        self._cache.trim()

    def _seen(self, key: LoginKey) -> tuple[str, int] | None:
        """Id and version of the row under `key`, or None."""
        row = self._rows.get(key)
        if row is not None:
            return row.id, row.version
        row = self._cache.rows.get(key)
        if row is not None:
            self._id_in_file[key] = row.id
            return row.id, row.version
        found: tuple[str, int] | None = self._base.execute(
            "SELECT id, version FROM rows WHERE key=?", (key,)
        ).fetchone()
        self._id_in_file[key] = None if found is None else found[0]
        return found

    def _lives_elsewhere(self, new: Login) -> bool:
        changed = self._keys_of[new.person] - {new.key}
        if any(self._rows[key].live_at(self._now) for key in changed):
            return True
        in_file = self._base.execute(LIVE_ELSEWHERE, (new.person, new.key, self._now)).fetchall()
        return any(key not in changed for (key,) in in_file)

    def _settle(self, spends: Sequence[Spend]) -> Limited | None:
        if not spends:
            return None
        known = self._limits | self._read(storage_key(spend) for spend in spends)
        written = settle(spends, known.get, self._now)
        if isinstance(written, Limited):
            return written
        self._limits.update(written)
        return None

    def _read(self, names: Iterable[str]) -> dict[str, float]:
        """The stored times of the limits in `names` that no operation has changed; 0 where none is stored."""
        cached = self._cache.limits
        names = {name for name in names if name not in self._limits}
        missing = [name for name in names if name not in cached]
        if missing:
            cached.update(dict.fromkeys(missing, 0.0))
            marks = ",".join("?" * len(missing))
            cached.update(self._base.execute(f"SELECT name, full_at FROM limits WHERE name IN ({marks})", missing))  # noqa: S608
        return {name: cached[name] for name in names}

    def _obstacle(self, record: Record | None) -> Recorded | None:
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
        return None if value in {b"", record.replaces} else Recorded(value)

    def _note(self, record: Record | None) -> None:
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
