"""Selects the server of a directory for each request, and runs the request in a thread.

At most `connections` requests run in parallel for each server, so a server that does not respond does not block the
others. A server that has failed is skipped. A background task probes it at once and then every PROBE_SECONDS. After the
first successful probe it is used again.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from radius_voice.bounded import in_daemon_thread
from radius_voice.identity.ldap.client import NO_ANSWER, RequestRefused, ServerFailed
from radius_voice.identity.ldap.pool import Lease, Pool
from radius_voice.identity.ldap.turns import Turns
from radius_voice.identity.passwords import Turn
from radius_voice.login.deliveries.adapter_reports import PossiblyForwarded, ServerState
from radius_voice.login.model import Unavailable

PROBE_SECONDS = 2.0
GRACE_SECONDS = 0.05
"""How long after its deadline a thread may end. A longer delay means a name resolution, which cannot be interrupted."""

T = TypeVar("T")


class _Busy(Exception):
    """Every connection to the server is in use."""


class _Server:
    """One server. `problem` says why it is skipped; empty if it is used."""

    def __init__(self, pool: Pool, connections: int) -> None:
        self.pool = pool
        self.problem = ""
        self.probe: asyncio.Task[None] | None = None
        self._turns = Turns(connections)

    async def run(self, lease: Lease, work: Callable[[Lease], T], deadline: float, turn: Turn) -> T:
        """The result of `work`. Raises ServerFailed, RequestRefused, or _Busy if no connection is free in time."""
        if not await self._turns.take(turn, deadline):
            raise _Busy
        if self.problem:
            self._turns.end()
            raise ServerFailed(self.problem)
        running = asyncio.ensure_future(in_daemon_thread(partial(_work, lease, work)))
        running.add_done_callback(self._ended)
        return await _result(running, deadline)

    def _ended(self, running: asyncio.Future[Any]) -> None:
        self._turns.end()
        if not running.cancelled():
            running.exception()  # its request may no longer wait for it


class Servers:
    """The servers of a directory, in order of preference. `name` is the source's, for messages.

    One server has at most `timeout` seconds for a request, so that the next one can still be asked. `probe` is the work
    that a skipped server must complete. `warn` is called when a server fails and when it responds again.
    """

    def __init__(
        self,
        name: str,
        pools: Sequence[Pool],
        connections: int,
        timeout: float,
        probe: Callable[[Lease], object],
        warn: Callable[[str], None],
    ) -> None:
        self._name = name
        self._servers = [_Server(pool, connections) for pool in pools]
        self._timeout = timeout
        self._probe = probe
        self._warn = warn

    async def run(self, work: Callable[[Lease], T], deadline: float, turn: Turn) -> T:
        """The result of `work`, done in a thread with the first usable server. Raises Unavailable.

        A request that has sent a user's password is not repeated at another server: both servers could count it as a
        wrong password and lock the account.
        """
        problems = []
        for server in self._servers:
            if server.problem:
                problems.append(f"{server.pool.address}: {server.problem}")
                continue
            now = time.monotonic()
            if now >= deadline:
                problems.append("too late to ask another server")
                break
            until = min(deadline, now + self._timeout)
            lease = Lease(server.pool, until)
            try:
                return await server.run(lease, work, until, turn)
            except _Busy:
                problems.append(f"{server.pool.address}: every connection is in use")
            except RequestRefused as problem:
                raise self._unavailable(lease, f"{server.pool.address}: {problem}") from None
            except ServerFailed as problem:
                problems.append(f"{server.pool.address}: {problem}")
                self._failed(server, str(problem), conclusive=until < deadline or time.monotonic() < until)
            if lease.password_sent:
                raise self._unavailable(lease, "; ".join(problems))
        raise Unavailable(self._component, "; ".join(problems))

    def _unavailable(self, lease: Lease, detail: str) -> Unavailable:
        return (PossiblyForwarded if lease.password_sent else Unavailable)(self._component, detail)

    async def ask_each(
        self, work: Callable[[Lease], T], deadline: float
    ) -> list[tuple[str, T | ServerFailed | RequestRefused]]:
        """Ask every server, skipped or not, before `deadline`. Returns addresses with results or errors."""
        results: list[tuple[str, T | ServerFailed | RequestRefused]] = []
        for server in self._servers:
            try:
                result: T | ServerFailed | RequestRefused = await self._separately(server, work, deadline)
            except (ServerFailed, RequestRefused) as problem:
                result = problem
            results.append((str(server.pool.address), result))
        return results

    def states(self) -> list[ServerState]:
        """The servers, with the reasons why some are skipped now."""
        return [ServerState(str(server.pool.address), server.problem) for server in self._servers]

    async def close(self) -> None:
        """End the probes and close every idle connection."""
        for server in self._servers:
            if server.probe is not None:
                server.probe.cancel()
            server.pool.close()

    @property
    def _component(self) -> str:
        return f"identity.{self._name}"

    def _failed(self, server: _Server, problem: str, *, conclusive: bool) -> None:
        """Probe the server, and skip it. If the request had too little time (not `conclusive`), the probe decides."""
        server.pool.close_idle()
        if conclusive:
            self._skip(server, problem)
        if server.probe is None:
            server.probe = asyncio.create_task(self._probed(server))
            server.probe.add_done_callback(lambda _: setattr(server, "probe", None))

    def _skip(self, server: _Server, problem: str) -> None:
        if not server.problem:
            self._warn(f"{self._component}: {server.pool.address}: {problem}; it is skipped until it answers")
        server.problem = problem

    async def _probed(self, server: _Server) -> None:
        """Probe the server until it can be used. Errors do not end the probes, or it would be skipped forever."""
        probe = partial(self._separately, server, self._probe, math.inf)
        while problem := (await asyncio.gather(probe(), return_exceptions=True))[0]:
            self._skip(server, str(problem) if isinstance(problem, ServerFailed | RequestRefused) else repr(problem))
            await asyncio.sleep(PROBE_SECONDS)
        if server.problem:
            server.problem = ""
            self._warn(f"{self._component}: {server.pool.address}: answers again")

    async def _separately(self, server: _Server, work: Callable[[Lease], T], deadline: float) -> T:
        """Do work on new connections, without waiting for a free one of the pool."""
        pool = Pool(server.pool.address, server.pool.access)
        try:
            until = min(deadline, time.monotonic() + self._timeout)
            return await in_daemon_thread(partial(_work, Lease(pool, until), work))
        finally:
            pool.close()


def _work(lease: Lease, work: Callable[[Lease], T]) -> T:
    try:
        result = work(lease)
    except BaseException:
        lease.close()
        raise
    lease.put_back()
    return result


async def _result(running: asyncio.Future[T], deadline: float) -> T:
    """The result of a thread. Raises ServerFailed if there is none shortly after the deadline."""
    await asyncio.wait({running}, timeout=max(0.0, deadline + GRACE_SECONDS - time.monotonic()))
    if not running.done():
        raise ServerFailed(NO_ANSWER)
    return running.result()
