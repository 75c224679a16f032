"""Rows and limits in Redis or Valkey, shared by several nodes.

Each change is one script, so it is atomic. A reader of Redis can learn only counts and times: names are keyed hashes,
rows are encrypted. Every key expires. docs/stores.md describes what replication may lose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from radius_voice.login.issued import REPEATED_FOR
from radius_voice.login.limits import storage_key
from radius_voice.login.model import Limited, Login, LoginKey, Record, Recorded, Spend, Swap
from radius_voice.stores.redis_link import Argument, Link, Servers
from radius_voice.stores.redis_scripts import AGAIN, COUNT, DROP, SPEND, SWAP, SWEEP
from radius_voice.stores.rows import FORMAT, UnreadableRow, pack, unpack
from radius_voice.stores.sealed import Sealer

ROW = f"row{FORMAT}".encode()
"""The format is part of a row's name: during a rolling upgrade each node sees only rows that it can read."""


class RedisStore:
    """A `Store` that all nodes with the same `key` (`server.key`) share.

    A swap that opens a row, calls again or ends the row succeeds only once `replicas` replicas have it. Without `now`
    (wall-clock seconds, for tests) the time is that of the Redis server. Methods raise Unavailable.
    """

    def __init__(
        self,
        servers: Servers,
        key: bytes,
        *,
        prefix: str = "radius-voice",
        replicas: int = 0,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._link = Link(servers)
        self._sealer = Sealer(key, prefix)
        self._replicas = replicas
        self._now = now
        self._open = self._sealer.name(b"open", b"")
        kinds = (b"requests", b"verified", b"other")
        self._records = [self._sealer.name(kind, b"") for kind in kinds]

    async def load(self, key: LoginKey) -> Login | None:
        """The current row, or None. A row that cannot be read is deleted: it would block every login under its key.

        An ended row is returned only once `replicas` replicas have it: its writer may not have seen their
        acknowledgement.
        """
        place = self._sealer.name(ROW, key)
        sealed = await self._link.command("HGET", place, "body")
        if sealed is None:
            return None
        try:
            row = unpack(self._sealer.unseal(place, sealed) or b"")
        except UnreadableRow:
            await self._link.script(DROP, [place], [sealed])
            return None
        if self._replicas and row.verdict is not None:
            await self._link.script(AGAIN, [place], [], self._replicas)
        return row

    async def swap(
        self, old: Login | None, new: Login, spends: Iterable[Spend] = (), record: Record | None = None
    ) -> Swap | Limited | Recorded:
        """Replace `old` with `new`, apply `spends` and write the record, atomically; see `login.ports.Store`."""
        spends = tuple(spends)
        place = self._sealer.name(ROW, new.key)
        waiting = new.verdict is None
        live_until = 0.0 if new.call.over else new.call.live_until
        slot = self._sealer.name(b"live", new.person.encode())
        keys = [place, slot, self._open, *self._records, *self._limits(spends)]
        arguments = [
            self._clock(),
            *_recording(record),
            _stamp(old) if old else "",
            _stamp(new),
            _exact(live_until),
            _exact(new.ends_at),
            "open" if waiting else "ended",
            self._sealer.seal(place, pack(new)),
            _exact(REPEATED_FOR),
            *_acts(spends),
        ]
        rings = old is None or (old.id, old.call.number) != (new.id, new.call.number)
        matters = rings or not waiting
        told = await self._link.script(SWAP, keys, arguments, self._replicas if matters else 0)
        return _obstacle(told, spends) or Swap(told.decode())

    async def spend(self, spends: Iterable[Spend], record: Record | None = None) -> Limited | Recorded | None:
        """Apply `spends` and write a record, atomically."""
        spends = tuple(spends)
        if not spends and record is None:
            return None
        keys = [*self._records, *self._limits(spends)]
        told = await self._link.script(SPEND, keys, [self._clock(), *_recording(record), *_acts(spends)])
        return _obstacle(told, spends)

    async def full_at(self, spends: Iterable[Spend]) -> dict[Spend, float]:
        """The stored time of each limit; 0 where none is stored."""
        spends = tuple(spends)
        if not spends:
            return {}
        told = await self._link.command("MGET", *self._limits(spends))
        return {spend: float(full_at or 0.0) for spend, full_at in zip(spends, told, strict=True)}

    async def remember(self, key: bytes, value: bytes, ttl: float) -> None:
        """Keep a value for `ttl` seconds."""
        place = self._sealer.name(b"kept", key)
        await self._link.command("SET", place, self._sealer.seal(place, value), "PX", max(1, round(ttl * 1000)))

    async def recall(self, key: bytes) -> bytes | None:
        """The value stored under `key`, or None if there is none or it has expired."""
        place = self._sealer.name(b"kept", key)
        sealed = await self._link.command("GET", place)
        return None if sealed is None else self._sealer.unseal(place, sealed)

    async def open_logins(self) -> int:
        """Number of rows that wait for their code, over all nodes."""
        return int(await self._link.script(COUNT, [self._open], [self._clock()]))

    async def sweep(self) -> int:
        """Delete expired records; returns how many rows expired while they waited for a code.

        Each such row is counted once, by one of the nodes. Everything else expires in Redis.
        """
        keys = [self._open, *self._records]
        return int(await self._link.script(SWEEP, keys, [self._clock(), _exact(REPEATED_FOR)]))

    async def close(self) -> None:
        """Close the connections."""
        await self._link.close()

    def _clock(self) -> str:
        return _exact(self._now()) if self._now else ""

    def _limits(self, spends: Iterable[Spend]) -> list[bytes]:
        return [self._sealer.name(b"limit", storage_key(spend).encode()) for spend in spends]


def _stamp(row: Login) -> str:
    """Distinguishes the states of the rows under one key."""
    return f"{row.version}:{row.id}"


def _exact(number: float) -> str:
    """A number as text that converts back to the same double."""
    return format(number, ".17g")


def _acts(spends: Iterable[Spend]) -> Iterable[Argument]:
    for spend in spends:
        yield from (spend.limit.burst, _exact(spend.limit.period), spend.act.value)


def _recording(record: Record | None) -> Iterable[Argument]:
    if record is None:
        return ("", "", "", "")
    return (record.key, record.value, record.replaces, "verified" if record.verified else "other")


def _obstacle(told: Any, spends: tuple[Spend, ...]) -> Limited | Recorded | None:
    """The limit or record that prevented a script from writing, or None."""
    if not isinstance(told, list):
        return None
    if told[0] == b"recorded":
        return Recorded(told[1])
    index, retry_after = told
    return Limited(spends[index].limit, float(retry_after))
