"""Connects to Redis: one server, the master that Sentinels report, or the node of a Redis Cluster that has our slot.

A command that may have been executed is never sent again: there are no retries, and a timeout raises `Unavailable`.
Only commands that Redis refused are repeated: NOSCRIPT (the script is not loaded) and MOVED (another node has the
slot). All our keys are in one slot, so one node serves them all.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import hiredis
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from radius_voice.login.model import Unavailable
from radius_voice.stores.redis_scripts import DONE, Script

CONNECTIONS = 32
MAX_REDIRECTIONS = 5
MAX_DETAIL_CHARACTERS = 200
NOT_UNDERSTOOD = "the response of Redis is not understood"
CODE = re.compile(r"[A-Z]{1,32}")

Address: TypeAlias = tuple[str, int]
Argument: TypeAlias = bytes | str | int

DETAILS = (
    (MasterNotFoundError, "no sentinel knows a running master of that name"),
    (NoPermissionError, "Redis does not allow this user a command or key that is needed"),
    (AuthenticationError, "Redis refuses the user name or password"),
    (ReadOnlyError, "this Redis is a replica and takes no writes"),
    (OutOfMemoryError, "Redis is full"),
    (BusyLoadingError, "Redis is still loading its data"),
)


@dataclass(frozen=True, slots=True)
class Servers:
    """Redis addresses and credentials."""

    addresses: tuple[Address, ...]  # of the server, of the Sentinels, or of some nodes of the cluster
    mode: str = "standalone"  # or sentinel, or cluster
    service: str = ""  # the Sentinels' name of the master
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False  # the certificate and its host name are verified
    ca_file: Path | None = None  # PEM; trusted in addition to the system's authorities
    timeout: float = 0.5  # seconds for an operation, with connecting


class Route(Protocol):
    """Selects the server that has our keys."""

    @property
    def clients(self) -> Sequence[Redis]:
        """All clients created so far, to be closed."""
        ...

    def client(self) -> Redis:
        """The client for the next command."""
        ...

    def moved(self, address: Address) -> None:
        """A cluster node redirected to `address`."""
        ...

    def lost(self) -> None:
        """The last command failed: its server may be unreachable."""
        ...


@dataclass(slots=True, eq=False)
class _Command:
    """A command to be sent."""

    octets: bytes  # in the Redis protocol
    copies: int  # how many replicas must have its writes before the reply is set
    reply: asyncio.Future[Any]

    def resolve(self, reply: Any) -> None:
        """Set the reply, or raise it if it is an exception, unless the caller no longer waits for it."""
        if self.reply.done():
            return
        if isinstance(reply, Exception):
            self.reply.set_exception(reply)
        else:
            self.reply.set_result(reply)


class Link:
    """Runs commands and scripts on the server that has our keys. Every error is raised as Unavailable.

    The commands of one event loop iteration are sent together over one connection.
    """

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._route = _route(servers)
        self._waiting: list[_Command] = []
        self._waiting_until = 0.0
        self._exchanges: set[asyncio.Task[None]] = set()
        self._closing: set[asyncio.Task[None]] = set()

    async def command(self, *command: Argument) -> Any:
        """The reply to one command."""
        return await self._run(command)

    async def script(
        self, script: Script, keys: Sequence[bytes], arguments: Sequence[Argument], copies: int = 0
    ) -> Any:
        """The reply to a script. Raises Unavailable unless `copies` replicas have its writes in half of the timeout."""
        call = (len(keys), *keys, *arguments)
        try:
            return await self._run(("EVALSHA", script.sha, *call), copies)
        except NoScriptError:
            return await self._run(("EVAL", script.text, *call), copies)

    async def _run(self, command: tuple[Argument, ...], copies: int = 0) -> Any:
        """The reply to a command from the node that has our slot. Raises NoScriptError and Unavailable."""
        octets = hiredis.pack_command(command)  # type: ignore[arg-type]  # annotated as a tuple of one
        for _ in range(MAX_REDIRECTIONS):
            try:
                return await self._sent(octets, copies)
            except NoScriptError:
                raise
            except ResponseError as problem:
                self._redirect(problem)
        raise Unavailable("store", "the nodes of the cluster disagree")

    def _sent(self, octets: bytes, copies: int) -> asyncio.Future[Any]:
        """Send a command together with the other commands of this event loop iteration."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            self._waiting_until = loop.time() + self._servers.timeout
            loop.call_soon(self._flush)
        command = _Command(octets, copies, loop.create_future())
        self._waiting.append(command)
        return command.reply

    def _flush(self) -> None:
        """Send the waiting commands, unless all connections are in use."""
        if self._waiting and len(self._exchanges) < CONNECTIONS:
            commands, self._waiting = self._waiting, []
            exchange = asyncio.ensure_future(self._exchange(commands, self._waiting_until))
            self._exchanges.add(exchange)
            exchange.add_done_callback(partial(self._exchanged, commands))

    def _exchanged(self, commands: Sequence[_Command], exchange: asyncio.Task[None]) -> None:
        self._exchanges.discard(exchange)
        for command in commands:  # however the exchange ended, no command may wait forever
            command.resolve(Unavailable("store", "the exchange with Redis was aborted"))
        self._flush()

    async def _exchange(self, commands: Sequence[_Command], until: float) -> None:
        """Send commands and resolve each with its reply, or with the reason why there is none."""
        try:
            async with asyncio.timeout_at(until):
                if self._closing:  # the pool would hand out a connection that is being closed
                    await asyncio.wait(self._closing)
                await self._exchange_over(self._route.client().connection_pool, commands)
        except TimeoutError:
            self._fail(commands, f"Redis did not respond within {self._servers.timeout:g} s")
        except (RedisError, OSError) as problem:
            self._fail(commands, _detail(problem))
        except ValueError:  # a redirection without a valid address
            self._fail(commands, NOT_UNDERSTOOD)

    async def _exchange_over(self, pool: ConnectionPool, commands: Sequence[_Command]) -> None:
        connection = await pool.get_connection()
        try:
            await connection.send_packed_command([command.octets for command in commands])
            to_copy = []
            for command in commands:
                reply = await _reply(connection)
                if command.copies and reply == DONE:
                    to_copy.append(command)
                else:
                    command.resolve(reply)
            if to_copy:
                await self._copy(connection, to_copy)
        finally:
            await pool.release(connection)

    async def _copy(self, connection: AbstractConnection, commands: Sequence[_Command]) -> None:
        """Resolve commands that have written. WAIT is about all writes of its own connection, and no others."""
        copies = max(command.copies for command in commands)
        await connection.send_command("WAIT", copies, round(self._servers.timeout * 500))
        acknowledged = await connection.read_response()
        for command in commands:
            enough = acknowledged >= command.copies
            short = Unavailable("store", f"{acknowledged} of {command.copies} replicas have it")
            command.resolve(DONE if enough else short)

    def _redirect(self, problem: ResponseError) -> None:
        """Follow a redirection. Raises Unavailable for any other error."""
        try:
            address = _moved_to(problem)
        except ValueError:
            self._lost()
            raise Unavailable("store", NOT_UNDERSTOOD) from None
        if address is None:
            self._lost()
            raise Unavailable("store", _detail(problem)) from None
        self._route.moved(address)

    def _fail(self, commands: Iterable[_Command], detail: str) -> None:
        """Resolve the commands that have no reply yet: it is not known whether they were executed."""
        self._lost()
        for command in commands:
            command.resolve(Unavailable("store", detail))

    def _lost(self) -> None:
        """Close idle connections too: they may be broken for the same reason, and each would fail another login."""
        self._route.lost()
        for client in self._route.clients:
            closing = asyncio.ensure_future(_forget_idle(client))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Wait for the replies to the commands sent, and close every connection."""
        await asyncio.sleep(0)  # the waiting commands are sent at the end of this event loop iteration
        while self._exchanges:
            await asyncio.wait(self._exchanges)
        await asyncio.gather(*self._closing)
        await asyncio.gather(*(client.aclose() for client in self._route.clients), return_exceptions=True)


class _Master:
    """The route to one server, or to the master that Sentinels report at each new connection."""

    def __init__(self, client: Redis, others: Sequence[Redis] = ()) -> None:
        self.clients = (client, *others)

    def client(self) -> Redis:
        return self.clients[0]

    def moved(self, _address: Address) -> None:
        raise Unavailable("store", "this Redis is part of a cluster; write mode: cluster")

    def lost(self) -> None:
        """The client reconnects at the next command."""


class _Nodes:
    """The route to a cluster: the node that has our slot, and the configured nodes to try in turn when it fails."""

    def __init__(self, addresses: Sequence[Address], connect: Callable[[Address], Redis]) -> None:
        self._known = cycle(addresses)
        self._connect = connect
        self._made: dict[Address, Redis] = {}
        self._at = next(self._known)

    @property
    def clients(self) -> Sequence[Redis]:
        return tuple(self._made.values())

    def client(self) -> Redis:
        if self._at not in self._made:
            self._made[self._at] = self._connect(self._at)
        return self._made[self._at]

    def moved(self, address: Address) -> None:
        host, port = address
        self._at = (host or self._at[0], port)  # no host: another port of the redirecting node

    def lost(self) -> None:
        self._at = next(self._known)


def _route(servers: Servers) -> Route:
    common: dict[str, Any] = {
        # RESP2 needs no handshake, and push messages are not used here.
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "socket_connect_timeout": servers.timeout,
    }
    if servers.tls:
        ca_file = str(servers.ca_file) if servers.ca_file else None
        common |= {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True, "ssl_ca_certs": ca_file}
    # No read timeout: it would cost as much as the timeout around the whole operation.
    own = {
        **common,
        "username": servers.username,
        "password": servers.password,
        "socket_timeout": None,
        "max_connections": CONNECTIONS,
    }
    if servers.mode == "sentinel":
        # A Sentinel that does not respond must leave time to ask the next one.
        each = servers.timeout / (len(servers.addresses) + 1)
        of_sentinels = {**common, "socket_timeout": each, "socket_connect_timeout": each}
        sentinel = Sentinel(servers.addresses, sentinel_kwargs=of_sentinels, **own)
        return _Master(sentinel.master_for(servers.service), sentinel.sentinels)

    def connect(address: Address) -> Redis:
        host, port = address
        return Redis(host=host, port=port, **own)

    if servers.mode == "cluster":
        return _Nodes(servers.addresses, connect)
    return _Master(connect(servers.addresses[0]))


async def _reply(connection: AbstractConnection) -> Any:
    """The next reply; a server's error is returned, not raised."""
    try:
        return await connection.read_response()
    except ResponseError as problem:
        return problem


async def _forget_idle(client: Redis) -> None:
    with suppress(RedisError, OSError):
        await client.connection_pool.disconnect(inuse_connections=False)


def _moved_to(problem: ResponseError) -> Address | None:
    """The address in `MOVED 3999 127.0.0.1:6381` (redis-py may have removed the first word). Raises ValueError."""
    text = str(problem)
    if not isinstance(problem, MovedError) and not text.startswith("MOVED "):
        return None
    host, _, port = text.rpartition(" ")[2].rpartition(":")
    return host.strip("[]"), int(port)


def _detail(problem: Exception) -> str:
    """An error message. It contains only the first word of a server's error, because the rest may quote a password."""
    for kind, detail in DETAILS:
        if isinstance(problem, kind):
            return detail
    text = str(problem)
    if isinstance(problem, ResponseError):
        code = text.split(" ", 1)[0]
        return f"Redis refuses: {code if CODE.fullmatch(code) else type(problem).__name__}"
    printable = "".join(letter for letter in text[:MAX_DETAIL_CHARACTERS].partition("\n")[0] if letter.isprintable())
    return f"Redis is unavailable: {printable or type(problem).__name__}"
