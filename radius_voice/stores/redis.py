"""Rows and limits in Redis or Valkey: for several nodes that must not know less than one.

Each change is one script, so it happens whole or not at all. Who can read Redis learns counts and times: names are
keyed hashes, rows are encrypted. Everything has an end by itself. docs/stores.md says what replication may lose.
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
"""Rows of another format live elsewhere: while nodes are upgraded one by one, each sees its own."""


class RedisStore:
    """A `Store` that every node with the same `key` (`server.key`) shares.

    What opens a row, rings again or ends it is told as done when `replicas` replicas have it. `now` is for tests;
    without it time is the server's.
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
        """The row as it is, or None. What cannot be read is removed, for it would be in everybody's way.

        A row that has ended is told when `replicas` replicas have it: who ended it may not have seen that they do.
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
        """Put `new` in place of `old`, touch the limits and write the record: all of it, or nothing."""
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
        """Touch limits and write a record: all of it, or nothing."""
        spends = tuple(spends)
        if not spends and record is None:
            return None
        keys = [*self._records, *self._limits(spends)]
        told = await self._link.script(SPEND, keys, [self._clock(), *_recording(record), *_acts(spends)])
        return _obstacle(told, spends)

    async def full_at(self, spends: Iterable[Spend]) -> dict[Spend, float]:
        """What is stored of limits."""
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
        """A value that was kept and still is, or None."""
        place = self._sealer.name(b"kept", key)
        sealed = await self._link.command("GET", place)
        return None if sealed is None else self._sealer.unseal(place, sealed)

    async def open_logins(self) -> int:
        """How many rows wait for their code, on all nodes together."""
        return int(await self._link.script(COUNT, [self._open], [self._clock()]))

    async def sweep(self) -> int:
        """Count, once among all nodes, the rows that ended waiting, and remove records that have ended.

        Everything else ends by itself.
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
    """What two rows under one key differ by."""
    return f"{row.version}:{row.id}"


def _exact(number: float) -> str:
    """A number as text that gives the same double again."""
    return format(number, ".17g")


def _acts(spends: Iterable[Spend]) -> Iterable[Argument]:
    for spend in spends:
        yield from (spend.limit.burst, _exact(spend.limit.period), spend.act.value)


def _recording(record: Record | None) -> Iterable[Argument]:
    if record is None:
        return ("", "", "", "")
    return (record.key, record.value, record.replaces, "verified" if record.verified else "other")


def _obstacle(told: Any, spends: tuple[Spend, ...]) -> Limited | Recorded | None:
    """The limit or record that kept a script from writing, or None."""
    if not isinstance(told, list):
        return None
    if told[0] == b"recorded":
        return Recorded(told[1])
    index, retry_after = told
    return Limited(spends[index].limit, float(retry_after))
