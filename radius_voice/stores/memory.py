"""Sessions and limits in memory, for demonstrations and tests. They are lost when the process ends.

A sweep encodes the sessions that have changed since the last sweep: most of them wait for their code, and encoded
sessions need half the memory of objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from struct import Struct

from radius_voice.login.codes.issued_states import REPEAT_SECONDS
from radius_voice.login.durable import DurableExists, DurableWrite
from radius_voice.login.limits.rate_limits import apply_operations, expiry, storage_key
from radius_voice.login.model import (
    AlreadyRecorded,
    CallRef,
    Limited,
    LimitOperation,
    Session,
    SessionKey,
    SwapResult,
)
from radius_voice.login.replay import MAX_RECORDS, RECORD_SECONDS, ReplayRecord
from radius_voice.stores.context import StoreContext
from radius_voice.stores.encoding import decode, encode
from radius_voice.stores.settings import MemorySettings

SWEPT_AT_ONCE = 1000
_UNTIL = Struct("d")
"""The end of a record in wall-clock seconds, before its value. Needs half the memory of a tuple."""


def create(section: MemorySettings, context: StoreContext) -> MemoryStore:  # noqa: ARG001 - it has no settings
    """A new store."""
    return MemoryStore(context.now)


class MemoryStore:
    """A `Store` in dictionaries. Each method is atomic because none awaits."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._sessions: dict[SessionKey, bytes] = {}
        self._changed: dict[SessionKey, Session] = {}
        self._ends: list[tuple[float, SessionKey]] = []
        self._live: dict[str, SessionKey] = {}
        self._calls: dict[CallRef, SessionKey] = {}
        self._waiting = 0
        self._tats: dict[str, float] = {}
        self._kept: dict[bytes, tuple[bytes, float]] = {}
        self._durable: dict[bytes, bytes] = {}
        self._records: dict[bool, dict[bytes, bytes]] = {False: {}, True: {}}

    async def load(self, key: SessionKey) -> Session | None:
        """The current session, or None."""
        return self._session(key)

    async def session_of_call(self, call: CallRef) -> Session | None:
        """The session whose current delivery is that call, or None."""
        return self._session(self._calls.get(call, b""))

    def _session(self, key: SessionKey) -> Session | None:
        if key in self._changed:
            return self._changed[key]
        stored = self._sessions.get(key)
        return None if stored is None else decode(stored)

    async def compare_and_swap(
        self,
        old: Session | None,
        new: Session,
        operations: Iterable[LimitOperation] = (),
        record: ReplayRecord | None = None,
        durable: DurableWrite | None = None,
    ) -> SwapResult | Limited | AlreadyRecorded | DurableExists:
        """See `login.ports.Store`."""
        now = self._now()
        if self._session(new.key) != old:
            return SwapResult.STALE
        recorded = self._recorded(record, now)
        if recorded is not None:
            return recorded
        holder = self._live.get(new.user_key)
        live = new.live_at(now)
        if live and holder != new.key and self._is_live(holder, now):
            return SwapResult.BUSY
        if durable is not None and durable.key in self._durable:
            return DurableExists(self._durable[durable.key])
        written = apply_operations(operations, self._tats.get, now)
        if isinstance(written, Limited):
            return written
        if durable is not None:
            self._durable[durable.key] = durable.value
        self._tats.update(written)
        self._write(record, now)
        self._changed[new.key] = new
        self._index_call(old, new)
        if live:
            self._live[new.user_key] = new.key
        elif holder == new.key:
            del self._live[new.user_key]
        self._waiting += _waits(new) - _waits(old)
        if old is None or old.id != new.id:
            heappush(self._ends, (new.ends_at, new.key))
        return SwapResult.DONE

    def _is_live(self, key: SessionKey | None, now: float) -> bool:
        session = None if key is None else self._session(key)
        return session is not None and session.live_at(now)

    async def apply_limits(
        self, operations: Iterable[LimitOperation], record: ReplayRecord | None = None
    ) -> Limited | AlreadyRecorded | None:
        """See `login.ports.Store`."""
        now = self._now()
        recorded = self._recorded(record, now)
        if recorded is not None:
            return recorded
        written = apply_operations(operations, self._tats.get, now)
        if isinstance(written, Limited):
            return written
        self._tats.update(written)
        self._write(record, now)
        return None

    def _recorded(self, record: ReplayRecord | None, now: float) -> AlreadyRecorded | None:
        """The stored record that prevents `record` from being written, or None."""
        if record is None:
            return None
        for records in self._records.values():
            stored = records.get(record.key)
            if stored is not None and _ends(stored) > now and stored[_UNTIL.size :] != record.replaces:
                return AlreadyRecorded(stored[_UNTIL.size :])
        return None

    def _write(self, record: ReplayRecord | None, now: float) -> None:
        if record is None:
            return
        for records in self._records.values():
            records.pop(record.key, None)
        if record.value:
            records = self._records[record.verified]
            records[record.key] = _UNTIL.pack(now + RECORD_SECONDS) + record.value
            if len(records) > MAX_RECORDS:
                del records[next(iter(records))]

    async def arrival_times(self, operations: Iterable[LimitOperation]) -> dict[LimitOperation, float]:
        """The stored number of each limit; 0 if none is stored."""
        return {operation: self._tats.get(storage_key(operation), 0.0) for operation in operations}

    async def put(self, key: bytes, value: bytes, ttl: float) -> None:
        """Keep a value for `ttl` seconds."""
        self._kept[key] = (value, self._now() + ttl)

    async def get(self, key: bytes) -> bytes | None:
        """The value stored under `key`, or None if there is none or it has expired."""
        value, until = self._kept.get(key, (None, 0.0))
        return value if until > self._now() else None

    async def get_with_durable(self, key: bytes, durable_key: bytes) -> tuple[bytes | None, bytes | None]:
        """The results of `get` and of `durable`."""
        return await self.get(key), self._durable.get(durable_key)

    async def durable(self, key: bytes) -> bytes | None:
        """The durable value under `key`, or None."""
        return self._durable.get(key)

    async def replace_durable(self, key: bytes, old: bytes | None, new: bytes | None) -> bool:
        """See `login.ports.Store`."""
        if self._durable.get(key) != old:
            return False
        if new is None:
            self._durable.pop(key, None)
        else:
            self._durable[key] = new
        return True

    async def open_sessions(self) -> int:
        """The number of sessions that wait for their code."""
        return self._waiting

    async def sweep(self) -> int:
        """Delete what has expired; returns how many of the deleted sessions still waited for a code."""
        now, expired = self._now(), 0
        self._sessions.update((key, encode(session)) for key, session in self._changed.items())
        self._changed.clear()
        while self._ends and self._ends[0][0] + REPEAT_SECONDS <= now:
            ends_at, key = heappop(self._ends)
            session = self._session(key)
            if session is None or session.ends_at != ends_at:
                continue
            del self._sessions[key]
            self._index_call(session, None)
            if self._live.get(session.user_key) == key:
                del self._live[session.user_key]
            expired += _waits(session)
        self._waiting -= expired
        for name in list(self._tats)[:SWEPT_AT_ONCE]:
            tat = self._tats.pop(name)
            if expiry(tat) > now:
                self._tats[name] = tat
        for kept in [kept for kept, (_, until) in self._kept.items() if until <= now]:
            del self._kept[kept]
        for records in self._records.values():
            while records and _ends(records[oldest := next(iter(records))]) <= now:
                del records[oldest]
        return expired

    def _index_call(self, old: Session | None, new: Session | None) -> None:
        """Index `new` by its call, and remove the call of `old`."""
        if old is not None and old.delivery.ref is not None:
            self._calls.pop(old.delivery.ref, None)
        if new is not None and new.delivery.ref is not None:
            self._calls[new.delivery.ref] = new.key

    async def close(self) -> None:
        """Nothing to close."""


def _waits(session: Session | None) -> int:
    """1 for a session that waits for its code, else 0."""
    return int(session is not None and session.result is None)


def _ends(record: bytes) -> float:
    """The wall-clock time until which a stored record is kept."""
    ends: float = _UNTIL.unpack_from(record)[0]
    return ends
