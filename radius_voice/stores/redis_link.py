"""Connects to Redis: one server, the master that Sentinels report, or the node of a Redis Cluster that has our slot.

A command that may have been executed is never sent again: there are no retries, and a timeout raises `Unavailable`.
Only commands that Redis refused are repeated: NOSCRIPT (the script is not loaded) and MOVED (another node has the
slot). All our keys share one slot, so one node serves them all, and following MOVED finds it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

from redis.asyncio import Redis
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
CODE = re.compile(r"[A-Z]{1,32}")

Address: TypeAlias = tuple[str, int]
Argument: TypeAlias = bytes | str | int
Given = TypeVar("Given")

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
    """Redis addresses and credentials. `mode` is standalone, sentinel or cluster.

    `addresses` are those of the server, of the Sentinels, or of some nodes of the cluster. `service` is the master's
    name at the Sentinels. An operation, connecting included, takes at most `timeout` seconds. TLS verifies the
    certificate and its host name, with `ca_file` (PEM) or the system's authorities.
    """

    addresses: tuple[Address, ...]
    mode: str = "standalone"
    service: str = ""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: Path | None = None
    timeout: float = 0.5


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


class Link:
    """Runs commands and scripts on the server that has our keys. Every error is raised as Unavailable."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._route = _route(servers)
        self._turns = asyncio.Semaphore(CONNECTIONS)
        self._closing: set[asyncio.Task[None]] = set()

    async def command(self, *command: Argument) -> Any:
        """The reply to one command."""
        return await self._run(lambda client: client.execute_command(*command))

    async def script(
        self, script: Script, keys: Sequence[bytes], arguments: Sequence[Argument], copies: int = 0
    ) -> Any:
        """A script's reply. Raises Unavailable unless `copies` replicas have its writes within half the timeout."""
        call = (len(keys), *keys, *arguments)
        if copies:
            return await self._run(lambda client: self._copied(client, script, call, copies))
        return await self._run(lambda client: _evaluated(client, script, call))

    async def _copied(self, client: Redis, script: Script, call: Sequence[Argument], copies: int) -> Any:
        """WAIT covers the writes of its own connection only, so both commands use one connection."""
        async with client.client() as one:
            answer = await _evaluated(one, script, call)
            if answer == DONE:
                acknowledged = await one.execute_command("WAIT", copies, round(self._servers.timeout * 500))
                if acknowledged < copies:
                    raise Unavailable("store", f"{acknowledged} of {copies} replicas have it")
            return answer

    async def _run(self, work: Callable[[Redis], Awaitable[Given]]) -> Given:
        try:
            async with asyncio.timeout(self._servers.timeout), self._turns:
                return await self._follow(work)
        except TimeoutError:
            self._lost()
            raise Unavailable("store", f"Redis did not respond within {self._servers.timeout:g} s") from None
        except (RedisError, OSError) as problem:
            self._lost()
            raise Unavailable("store", _detail(problem)) from None
        except ValueError:  # a redirection without a valid address
            self._lost()
            raise Unavailable("store", "the response of Redis is not understood") from None

    async def _follow(self, work: Callable[[Redis], Awaitable[Given]]) -> Given:
        for _ in range(MAX_REDIRECTIONS):
            client = self._route.client()
            try:
                return await work(client)
            except ResponseError as problem:
                address = _moved_to(problem)
                if address is None:
                    raise
                self._route.moved(address)
        raise Unavailable("store", "the nodes of the cluster disagree")

    def _lost(self) -> None:
        """Drop idle connections too: what broke one may have broken all, and each would fail another login."""
        self._route.lost()
        for client in self._route.clients:
            closing = asyncio.ensure_future(_forget_idle(client))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(*self._closing)
        await asyncio.gather(*(client.aclose() for client in self._route.clients), return_exceptions=True)


class _Master:
    """One server, or the master that Sentinels report at each new connection."""

    def __init__(self, client: Redis, others: Sequence[Redis] = ()) -> None:
        self.clients = (client, *others)

    def client(self) -> Redis:
        return self.clients[0]

    def moved(self, _address: Address) -> None:
        raise Unavailable("store", "this Redis is part of a cluster; write mode: cluster")

    def lost(self) -> None:
        """The client reconnects at the next command."""


class _Nodes:
    """Cluster nodes: the one that has our slot, and the configured ones to try in turn when it fails."""

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
        asked = {**common, "socket_timeout": each, "socket_connect_timeout": each}
        sentinel = Sentinel(servers.addresses, sentinel_kwargs=asked, **own)
        return _Master(sentinel.master_for(servers.service), sentinel.sentinels)

    def connect(address: Address) -> Redis:
        host, port = address
        return Redis(host=host, port=port, **own)

    if servers.mode == "cluster":
        return _Nodes(servers.addresses, connect)
    return _Master(connect(servers.addresses[0]))


async def _evaluated(client: Redis, script: Script, call: Sequence[Argument]) -> Any:
    try:
        return await client.execute_command("EVALSHA", script.sha, *call)
    except NoScriptError:
        return await client.execute_command("EVAL", script.text, *call)


async def _forget_idle(client: Redis) -> None:
    with suppress(RedisError, OSError):
        await client.connection_pool.disconnect(inuse_connections=False)


def _moved_to(problem: ResponseError) -> Address | None:
    """The address in `MOVED 3999 127.0.0.1:6381` (redis-py may have removed the first word). Raises ValueError."""
    said = str(problem)
    if not isinstance(problem, MovedError) and not said.startswith("MOVED "):
        return None
    host, _, port = said.rpartition(" ")[2].rpartition(":")
    return host.strip("[]"), int(port)


def _detail(problem: Exception) -> str:
    """An error message. Of a server's error it has only the first word: the rest may quote a password."""
    for kind, detail in DETAILS:
        if isinstance(problem, kind):
            return detail
    said = str(problem)
    if isinstance(problem, ResponseError):
        code = said.split(" ", 1)[0]
        return f"Redis refuses: {code if CODE.fullmatch(code) else type(problem).__name__}"
    shown = "".join(letter for letter in said[:MAX_DETAIL_CHARACTERS].partition("\n")[0] if letter.isprintable())
    return f"Redis is unavailable: {shown or type(problem).__name__}"
