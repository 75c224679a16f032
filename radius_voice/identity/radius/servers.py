"""Several RADIUS servers with the same users: failover, and Status-Server probes (RFC 5997) of dead servers."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from radius_voice.login.deliveries.adapter_reports import ServerState
from radius_voice.metric_labels import UpstreamEvent
from radius_voice.radius.packet import ACCESS_REQUEST, STATUS_SERVER, Attribute, Packet
from radius_voice.radius_client import NoReply, RadiusClient, Response, Timers

MAX_TRANSMISSIONS = 100
"""Larger than any request needs: a request ends at its deadline."""
RESPONSE_SECONDS = 6.0
"""The minimum time to wait for a response, even after the deadline: FreeRADIUS delays rejects by up to 5 s."""
MAX_TRIALS = 8
"""The maximum number of parallel requests while every server is dead; others fail at once."""
PROBES_NEEDED = 3
"""A server that responds to this many probes in a row is used again (RFC 3539 section 3.4.1, RFC 5997 section 4.2)."""
PROBE_SECONDS = 2.0
PROBE_JITTER = 0.2
NO_RESPONSE = "sends no response"
NAS_IDENTIFIER: Attribute = (32, b"radius-voice")


class NotSent(NoReply):
    """No server has got the request."""


@dataclass(slots=True, eq=False)
class Server:
    """The state of a server."""

    client: RadiusClient
    responded_at: float = 0.0  # monotonic time of the last response to a request
    dead: bool = False
    probes: int = 0  # how many probes in a row it has responded to
    probing: asyncio.Task[None] | None = None  # sends the probes

    def __str__(self) -> str:
        return str(self.client)


class Servers:
    """Asks the first server that is not dead, and while no response arrives also the servers after it.

    A server is dead if it has not responded to any request for `timers.initial` seconds after a request. It is used
    again when it responds to a request, or to PROBES_NEEDED probes in a row, one every `probe_interval` seconds. Dead
    servers are asked last. `notify` is called when a server becomes dead or alive.
    """

    def __init__(
        self,
        clients: Sequence[RadiusClient],
        timers: Timers,
        probe_interval: float,
        notify: Callable[[Server, UpstreamEvent], None],
        clock: Callable[[], float],
    ) -> None:
        self._servers = [Server(client) for client in clients]
        self._timers = replace(timers, transmissions=MAX_TRANSMISSIONS)
        self._probe_interval = probe_interval
        self._notify = notify
        self._clock = clock
        self._trials = 0

    async def request(
        self, attributes: Sequence[Attribute], password: bytes, deadline: float, only: str = ""
    ) -> tuple[Server, Response]:
        """The response to an Access-Request, and the server that sent it. With `only`, ask only that server.

        Packets are sent until `deadline` (monotonic seconds), and responses accepted for at least RESPONSE_SECONDS.
        Raises NoReply if there is no response, its subclass NotSent if no server got the request, and ValueError if
        attributes or password do not fit into a packet.
        """
        servers = [server for server in self._servers if only in ("", str(server))]
        if any(not server.dead for server in servers):
            servers.sort(key=lambda server: server.dead)
            return await self._first_response(servers, attributes, password, deadline)
        if self._trials >= MAX_TRIALS:
            raise NotSent("no server responds, and others are being tried already")
        self._trials += 1
        try:
            return await self._first_response(servers, attributes, password, deadline)
        finally:
            self._trials -= 1

    async def probe(self, deadline: float) -> list[tuple[Server, Packet | NoReply]]:
        """Send a Status-Server to each server. Returns the responses until `deadline` (monotonic), or the errors."""
        seconds = min(PROBE_SECONDS, max(0.0, deadline - self._clock()))
        results = await asyncio.gather(*(_status(server, seconds) for server in self._servers))
        return list(zip(self._servers, results, strict=True))

    def states(self) -> list[ServerState]:
        """The servers, and whether they are dead now."""
        return [ServerState(str(server), NO_RESPONSE if server.dead else "") for server in self._servers]

    async def close(self) -> None:
        """End the probes, and close the sockets. Requests in flight get no reply."""
        probing = [server.probing for server in self._servers if server.probing is not None]
        for task in probing:
            task.cancel()
        await asyncio.gather(*probing, return_exceptions=True)
        for server in self._servers:
            server.client.close()

    async def _first_response(
        self, servers: Sequence[Server], attributes: Sequence[Attribute], password: bytes, deadline: float
    ) -> tuple[Server, Response]:
        waiting, attempts = deque(servers), set[asyncio.Task[tuple[Server, Response]]]()
        problem: BaseException = NotSent("not asked before the response to the gateway is due")
        try:
            while waiting or attempts:
                if waiting and self._clock() < deadline:
                    attempt = self._attempt(waiting.popleft(), attributes, password, deadline)
                    attempts.add(asyncio.ensure_future(attempt))
                elif not attempts:
                    break
                else:
                    waiting.clear()
                timeout = self._timers.initial if waiting else None
                done, attempts = await asyncio.wait(attempts, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                failures = {each: each.exception() for each in done}
                for each, failure in failures.items():
                    if failure is None:
                        return each.result()
                    problem = failure
                    if not isinstance(problem, NoReply):
                        raise problem
            raise problem
        finally:
            for pending in attempts:
                pending.cancel()

    async def _attempt(
        self, server: Server, attributes: Sequence[Attribute], password: bytes, deadline: float
    ) -> tuple[Server, Response]:
        sent_at = self._clock()
        total = deadline - sent_at
        timers = replace(self._timers, total=total, late=max(0.0, RESPONSE_SECONDS - total))
        loop = asyncio.get_running_loop()
        overdue = loop.call_later(self._timers.initial, self._on_overdue, server, sent_at)
        try:
            response = await server.client.request(attributes, password, ACCESS_REQUEST, timers)
        except NoReply:
            self._on_overdue(server, sent_at)
            raise
        finally:
            overdue.cancel()
        server.responded_at = self._clock()
        self._revive(server)
        return server, response

    def _on_overdue(self, server: Server, sent_at: float) -> None:
        """A request has no response after `timers.initial`. Mark the server dead unless it has responded to others."""
        if server.dead or server.responded_at > sent_at:
            return
        server.dead, server.probes = True, 0
        self._notify(server, UpstreamEvent.DEAD)
        if server.probing is None or server.probing.done():
            server.probing = asyncio.ensure_future(self._probe_until_alive(server))

    def _revive(self, server: Server) -> None:
        if server.dead:
            server.dead = False
            self._notify(server, UpstreamEvent.ALIVE)

    async def _probe_until_alive(self, server: Server) -> None:
        while server.dead:
            varied = random.uniform(1 - PROBE_JITTER, 1 + PROBE_JITTER)  # noqa: S311 - RFC 3539 section 3.4.1
            await asyncio.sleep(self._probe_interval * varied)
            if server.dead:
                responds = not isinstance(await _status(server, PROBE_SECONDS), NoReply)
                server.probes = server.probes + 1 if responds else 0
            if server.probes >= PROBES_NEEDED:
                self._revive(server)


async def _status(server: Server, seconds: float) -> Packet | NoReply:
    timers = Timers(initial=seconds, transmissions=1, total=seconds)
    try:
        return (await server.client.request([NAS_IDENTIFIER], None, STATUS_SERVER, timers)).packet
    except NoReply as problem:
        return problem
