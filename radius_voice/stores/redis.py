"""Sessions and limits in Redis or Valkey, shared by several nodes.

Each change is one script, so it is atomic. A reader of Redis learns only counts and times, because names are keyed
hashes and sessions are encrypted. Every key expires, except the keys of durable values. docs/stores.md describes which
changes a failover may lose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from radius_voice.config.secrets import secret_text
from radius_voice.login.codes.issued_states import REPEAT_SECONDS
from radius_voice.login.durable import DurableExists, DurableWrite
from radius_voice.login.limits.rate_limits import storage_key
from radius_voice.login.model import (
    AlreadyRecorded,
    CallRef,
    Limited,
    LimitOperation,
    Session,
    SessionKey,
    SwapResult,
)
from radius_voice.login.replay import ReplayRecord
from radius_voice.stores.context import StoreContext
from radius_voice.stores.encoding import FORMAT, UnreadableSession, decode, encode
from radius_voice.stores.redis_link import Argument, Link, Servers
from radius_voice.stores.redis_scripts import (
    AGAIN,
    APPLY_LIMITS,
    COMPARE_AND_SWAP,
    COUNT,
    DONE,
    DROP,
    REPLACE_DURABLE,
    SWEEP,
)
from radius_voice.stores.sealed import Sealer
from radius_voice.stores.settings import RedisSettings

MAX_CACHED_NAMES = 16_384
SESSION = f"session{FORMAT}".encode()
"""The kind in the names of sessions. It contains the format, so each node finds only sessions that it can read."""


def create(section: RedisSettings, context: StoreContext) -> RedisStore:
    """The store that `section` describes; it connects when it is first used. Raises ValueError without its password."""
    servers = Servers(
        addresses=tuple((each.host, each.port) for each in section.servers),
        mode=section.mode,
        service=section.service or "",
        username=section.username,
        password=secret_text(section.password, "store.password") if section.password is not None else None,
        tls=section.tls,
        ca_file=section.ca_file,
        timeout=section.timeout,
    )
    return RedisStore(servers, context.key(), prefix=section.prefix, replicas=section.replicas)


class RedisStore:
    """A `Store` that all nodes with the same data key (`key`) share. Methods raise Unavailable.

    A change that opens a session, places a call or ends the session succeeds only once `replicas` replicas have it.
    The time is read from the Redis server, except in tests, which pass `now` (wall-clock seconds).
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
        self._limit_name = lru_cache(MAX_CACHED_NAMES)(lambda key: self._sealer.name(b"limit", key.encode()))
        self._open = self._sealer.name(b"open", b"")
        kinds = (b"requests", b"verified", b"other")
        self._records = [self._sealer.name(kind, b"") for kind in kinds]

    async def server_time(self) -> float:
        """The clock of the Redis server, in wall-clock seconds."""
        seconds, microseconds = await self._link.command("TIME")
        return int(seconds) + int(microseconds) / 1e6

    async def load(self, key: SessionKey) -> Session | None:
        """The current session, or None. An unreadable session is deleted, because it would block logins with its key.

        A session with a result is returned only once `replicas` replicas have it, because the process that wrote it may
        have got no acknowledgement.
        """
        return await self._session_named(self._sealer.name(SESSION, key))

    async def session_of_call(self, call: CallRef) -> Session | None:
        """The session whose current delivery is that call, or None."""
        name = await self._link.command("GET", self._call(call))
        session = None if name is None else await self._session_named(name)
        return session if session is not None and session.delivery.ref == call else None

    async def _session_named(self, name: bytes) -> Session | None:
        sealed = await self._link.command("HGET", name, "body")
        if sealed is None:
            return None
        try:
            session = decode(self._sealer.unseal(name, sealed) or b"")
        except UnreadableSession:
            await self._link.script(DROP, [name], [sealed])
            return None
        if self._replicas and session.result is not None:
            await self._link.script(AGAIN, [name], [], self._replicas)
        return session

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
        name = self._sealer.name(SESSION, new.key)
        waiting = new.result is None
        live_until = 0.0 if new.delivery.over else new.delivery.live_until
        slot = self._sealer.name(b"live", new.user_key.encode())
        call = new.delivery.ref
        placed = call is not None and (old is None or old.delivery.ref != call)
        call_key = self._call(call) if call is not None else name
        durable_name = name if durable is None else self._sealer.name(b"durable", durable.key)
        keys = [name, slot, self._open, *self._records, call_key, durable_name, *self._limits(operations)]
        arguments = [
            self._clock(),
            *_recording(record),
            _stamp(old) if old else "",
            _stamp(new),
            _exact(live_until),
            _exact(new.ends_at),
            "open" if waiting else "ended",
            self._sealer.seal(name, encode(new)),
            _exact(REPEAT_SECONDS),
            "call" if placed else "",
            "" if durable is None else self._sealer.seal(durable_name, durable.value),
            *_actions(operations),
        ]
        calls = old is None or (old.id, old.delivery.number) != (new.id, new.delivery.number)
        matters = calls or not waiting
        reply = await self._link.script(COMPARE_AND_SWAP, keys, arguments, self._replicas if matters else 0)
        if isinstance(reply, list) and reply[0] == b"durable":
            return DurableExists(self._sealer.unseal(durable_name, reply[1]) or b"")
        return _obstacle(reply, operations) or SwapResult(reply.decode())

    async def apply_limits(
        self, operations: Iterable[LimitOperation], record: ReplayRecord | None = None
    ) -> Limited | AlreadyRecorded | None:
        """See `login.ports.Store`."""
        operations = tuple(operations)
        if not operations and record is None:
            return None
        keys = [*self._records, *self._limits(operations)]
        reply = await self._link.script(APPLY_LIMITS, keys, [self._clock(), *_recording(record), *_actions(operations)])
        return _obstacle(reply, operations)

    async def arrival_times(self, operations: Iterable[LimitOperation]) -> dict[LimitOperation, float]:
        """The stored number of each limit; 0 if none is stored."""
        operations = tuple(operations)
        if not operations:
            return {}
        reply = await self._link.command("MGET", *self._limits(operations))
        return {operation: float(tat or 0.0) for operation, tat in zip(operations, reply, strict=True)}

    async def put(self, key: bytes, value: bytes, ttl: float) -> None:
        """Keep a value for `ttl` seconds."""
        name = self._sealer.name(b"kept", key)
        await self._link.command("SET", name, self._sealer.seal(name, value), "PX", max(1, round(ttl * 1000)))

    async def get(self, key: bytes) -> bytes | None:
        """The value stored under `key`, or None if there is none or it has expired."""
        name = self._sealer.name(b"kept", key)
        return self._kept_value(name, await self._link.command("GET", name))

    async def durable(self, key: bytes) -> bytes | None:
        """The durable value under `key`, or None; an empty one if it cannot be decrypted."""
        name = self._sealer.name(b"durable", key)
        return self._durable_value(name, await self._link.command("GET", name))

    async def get_with_durable(self, key: bytes, durable_key: bytes) -> tuple[bytes | None, bytes | None]:
        """The results of `get` and of `durable`."""
        name, durable_name = self._sealer.name(b"kept", key), self._sealer.name(b"durable", durable_key)
        kept, durable = await self._link.command("MGET", name, durable_name)
        return self._kept_value(name, kept), self._durable_value(durable_name, durable)

    def _kept_value(self, name: bytes, sealed: bytes | None) -> bytes | None:
        return None if sealed is None else self._sealer.unseal(name, sealed)

    def _durable_value(self, name: bytes, sealed: bytes | None) -> bytes | None:
        return None if sealed is None else self._sealer.unseal(name, sealed) or b""

    async def replace_durable(self, key: bytes, old: bytes | None, new: bytes | None) -> bool:
        """See `login.ports.Store`."""
        name = self._sealer.name(b"durable", key)
        before = await self._link.command("GET", name)
        if self._durable_value(name, before) != old:
            return False
        sealed = b"" if new is None else self._sealer.seal(name, new)
        return bool(await self._link.script(REPLACE_DURABLE, [name], [before or b"", sealed], self._replicas) == DONE)

    async def open_sessions(self) -> int:
        """The number of sessions of all nodes that wait for their code."""
        return int(await self._link.script(COUNT, [self._open], [self._clock()]))

    async def sweep(self) -> int:
        """Delete expired records, and return how many sessions expired while they waited for a code.

        Each session is counted once, by one of the nodes. Everything else expires in Redis.
        """
        keys = [self._open, *self._records]
        return int(await self._link.script(SWEEP, keys, [self._clock(), _exact(REPEAT_SECONDS)]))

    async def close(self) -> None:
        """Close the connections."""
        await self._link.close()

    def _clock(self) -> str:
        return _exact(self._now()) if self._now else ""

    def _call(self, call: CallRef) -> bytes:
        return self._sealer.name(b"call", f"{call.provider}\0{call.reference}".encode())

    def _limits(self, operations: Iterable[LimitOperation]) -> list[bytes]:
        return [self._limit_name(storage_key(operation)) for operation in operations]


def _stamp(session: Session) -> str:
    """Identifies a version of a session, and differs from versions that a failover has lost."""
    return f"{session.version}:{session.write_id}:{session.id}"


def _exact(number: float) -> str:
    """A number as text, without loss of precision."""
    return format(number, ".17g")


def _actions(operations: Iterable[LimitOperation]) -> Iterable[Argument]:
    for operation in operations:
        limit, action, amount = operation.limit, operation.action.value, operation.amount
        if limit.resets or limit.counts or amount != 1:
            kind = "resets" if limit.resets else "counts" if limit.counts else "refills"
            action = f"{kind} {action} {amount}"
        yield from (limit.burst, _exact(limit.period), action)


def _recording(record: ReplayRecord | None) -> Iterable[Argument]:
    if record is None:
        return ("", "", "", "")
    return (record.key, record.value, record.replaces, "verified" if record.verified else "other")


def _obstacle(reply: Any, operations: tuple[LimitOperation, ...]) -> Limited | AlreadyRecorded | None:
    """The limit or record that prevented a script from writing, or None."""
    if not isinstance(reply, list):
        return None
    if reply[0] == b"recorded":
        return AlreadyRecorded(reply[1])
    index, retry_after = reply
    return Limited(operations[index].limit, float(retry_after))
