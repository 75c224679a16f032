"""Rows and limits in memory, for demonstrations and tests. They are lost when the process ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush

from radius_voice.login.issued import REPEATED_FOR
from radius_voice.login.limits import settle, storage_key
from radius_voice.login.model import Limited, Login, LoginKey, Record, Recorded, Spend, Swap
from radius_voice.login.records import MAX_RECORDS, RECORD_SECONDS

SWEPT_AT_ONCE = 1000


class MemoryStore:
    """A `Store` in dictionaries. Each method is atomic because none awaits."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._rows: dict[LoginKey, Login] = {}
        self._ends: list[tuple[float, LoginKey, str]] = []
        self._live: dict[str, LoginKey] = {}
        self._waiting = 0
        self._full_at: dict[str, float] = {}
        self._kept: dict[bytes, tuple[bytes, float]] = {}
        self._records: dict[bool, dict[bytes, tuple[bytes, float]]] = {False: {}, True: {}}

    async def load(self, key: LoginKey) -> Login | None:
        """The current row, or None."""
        return self._rows.get(key)

    async def swap(
        self, old: Login | None, new: Login, spends: Iterable[Spend] = (), record: Record | None = None
    ) -> Swap | Limited | Recorded:
        """Replace `old` with `new`, apply `spends` and write the record, atomically; see `login.ports.Store`."""
        now = self._now()
        if self._rows.get(new.key) is not old:
            return Swap.STALE
        recorded = self._recorded(record, now)
        if recorded is not None:
            return recorded
        holder = self._live.get(new.person)
        live = new.live_at(now)
        if live and holder is not None and holder != new.key and self._rows[holder].live_at(now):
            return Swap.BUSY
        written = settle(spends, self._full_at.get, now)
        if isinstance(written, Limited):
            return written
        self._full_at.update(written)
        self._write(record, now)
        self._rows[new.key] = new
        if live:
            self._live[new.person] = new.key
        elif holder == new.key:
            del self._live[new.person]
        self._waiting += _waits(new) - _waits(old)
        if old is None or old.id != new.id:
            heappush(self._ends, (new.ends_at + REPEATED_FOR, new.key, new.id))
        return Swap.DONE

    async def spend(self, spends: Iterable[Spend], record: Record | None = None) -> Limited | Recorded | None:
        """Apply `spends` and write a record, atomically."""
        now = self._now()
        recorded = self._recorded(record, now)
        if recorded is not None:
            return recorded
        written = settle(spends, self._full_at.get, now)
        if isinstance(written, Limited):
            return written
        self._full_at.update(written)
        self._write(record, now)
        return None

    def _recorded(self, record: Record | None, now: float) -> Recorded | None:
        """The stored record that prevents `record` from being written, or None."""
        if record is None:
            return None
        for records in self._records.values():
            value, until = records.get(record.key, (b"", 0.0))
            if until > now and value != record.replaces:
                return Recorded(value)
        return None

    def _write(self, record: Record | None, now: float) -> None:
        if record is None:
            return
        for records in self._records.values():
            records.pop(record.key, None)
        if record.value:
            records = self._records[record.verified]
            records[record.key] = (record.value, now + RECORD_SECONDS)
            if len(records) > MAX_RECORDS:
                del records[next(iter(records))]

    async def full_at(self, spends: Iterable[Spend]) -> dict[Spend, float]:
        """The stored time of each limit; 0 where none is stored."""
        return {spend: self._full_at.get(storage_key(spend), 0.0) for spend in spends}

    async def remember(self, key: bytes, value: bytes, ttl: float) -> None:
        """Keep a value for `ttl` seconds."""
        self._kept[key] = (value, self._now() + ttl)

    async def recall(self, key: bytes) -> bytes | None:
        """The value stored under `key`, or None if there is none or it has expired."""
        value, until = self._kept.get(key, (None, 0.0))
        return value if until > self._now() else None

    async def open_logins(self) -> int:
        """Number of rows that wait for their code."""
        return self._waiting

    async def sweep(self) -> int:
        """Delete what has expired; returns how many of the deleted rows still waited for a code."""
        now, abandoned = self._now(), 0
        while self._ends and self._ends[0][0] <= now:
            _, key, login = heappop(self._ends)
            row = self._rows.get(key)
            if row is None or row.id != login:
                continue
            del self._rows[key]
            if self._live.get(row.person) == key:
                del self._live[row.person]
            abandoned += _waits(row)
        self._waiting -= abandoned
        for name in list(self._full_at)[:SWEPT_AT_ONCE]:
            full_at = self._full_at.pop(name)
            if full_at > now:
                self._full_at[name] = full_at
        for kept in [kept for kept, (_, until) in self._kept.items() if until <= now]:
            del self._kept[kept]
        for records in self._records.values():
            while records and records[oldest := next(iter(records))][1] <= now:
                del records[oldest]
        return abandoned

    async def close(self) -> None:
        """Nothing to close."""


def _waits(row: Login | None) -> int:
    """1 for a row that waits for its code, else 0."""
    return int(row is not None and row.verdict is None)
