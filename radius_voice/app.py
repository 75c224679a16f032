"""Configuration -> running service: build, serve, reload, drain. The only place that wires."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from radius_voice import operations
from radius_voice.advice import user_warnings
from radius_voice.bounded import in_daemon_thread
from radius_voice.build import (
    Built,
    Shared,
    announcements,
    build,
    bypass_until,
    server_rules,
    syslog_of,
    waiting_verifications,
)
from radius_voice.config.errors import ConfigError
from radius_voice.config.load import Loaded, load, restart_needed
from radius_voice.config.schema import Settings
from radius_voice.control import ControlServer, ControlSocket, Request
from radius_voice.endpoints import ADMIN_LISTEN, LISTEN, cannot_bind
from radius_voice.events import Ended, Lifecycle, Observer, Operated, Recorded
from radius_voice.faults import message_of
from radius_voice.http.admin import Admin, Readiness
from radius_voice.identity.passwords import Hasher
from radius_voice.listeners.udp import UdpListener, bind
from radius_voice.login.codes import Keys
from radius_voice.login.model import Unavailable
from radius_voice.observe.audit import AuditLog
from radius_voice.observe.metrics import Metrics, Readings
from radius_voice.observe.repeats import Repeats
from radius_voice.observe.syslog import Syslog
from radius_voice.server import Server, Tap
from radius_voice.state import claim, open_store, server_key
from radius_voice.users_watch import UsersWatch, warnings_of

TIDY_EVERY = 2.0
FOLLOW_EVERY = 2.0
WATCH_EVERY = 2.0
READY_FOR = 60.0


class CannotStart(Exception):
    """The service cannot start; the text names the thing, the place and the fix."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One of several processes: its sockets, where it tells metrics and health, and how many have died so far."""

    number: int
    sockets: list[socket.socket]
    admin: Path
    deaths: Callable[[], int]


class Service:
    """A running radius-voice, alone or as one worker. `log` tells people what is recorded; `tap` sees every packet."""

    def __init__(
        self,
        path: Path,
        loaded: Loaded,
        log: Observer | None = None,
        tap: Tap | None = None,
        worker: Worker | None = None,
    ) -> None:
        self._worker = worker
        self._path = path
        self._started_with = self._settings = loaded.settings
        self._loaded = loaded
        self._log = log
        self._tap = tap
        self._clock = time.monotonic
        self._written: list[Observer] = [] if log is None else [log]
        self._repeats = Repeats(self._written, self._clock)
        self._readers: list[Observer] = [self._repeats]
        self._listeners: list[UdpListener] = []
        self._running: list[Built] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._users = UsersWatch(self._tell, time_verifications=worker is None or worker.number == 0)
        self._open_logins = 0
        self._draining = False
        self._reloading = asyncio.Lock()
        self._shared: Shared
        self._server: Server
        self._audit: AuditLog
        self._syslog: Syslog | None = None
        self._metrics: Metrics
        self._admin: Admin
        self._claimed: ControlSocket | None = None
        self._control: ControlServer | None = None
        self._status: Mapping[str, object]
        self._started = False
        self.admin_port = 0

    @property
    def ports(self) -> list[int]:
        """The UDP ports that are listened on, in the order of `server.listen`."""
        return [listener.port for listener in self._listeners]

    async def start(self) -> None:
        """Serve. Raises CannotStart and leaves nothing open behind."""
        settings = self._settings
        try:
            if self._worker is None:
                self._claimed = claim(settings)
            self._open(settings)
            await self._listen(settings)
            if self._claimed is not None:
                self._control = ControlServer(self._claimed.listener, self._operate)
                await self._control.start()
        except (ValueError, OSError) as problem:
            await self.stop()
            raise CannotStart(message_of(problem)) from None
        self._started = True
        self._repeat(TIDY_EVERY, self._tidy)
        self._repeat(FOLLOW_EVERY, self._follow)
        self._repeat(WATCH_EVERY, self._watch_users)
        for warning in (*self._loaded.warnings, *announcements(settings)):
            self._tell("warning", warning)
        self._tell("started", self._where(settings))
        self._keep(self._warn_of_users(self._loaded, self._running[-1]))

    def _where(self, settings: Settings) -> str:
        pairs = zip(settings.server.listen, self.ports, strict=True)
        where = f"RADIUS on {', '.join(f'udp {endpoint.host} port {port}' for endpoint, port in pairs)}"
        if self._worker is not None:
            return f"worker {self._worker.number}: {where}"
        return f"{where}; metrics on http://{settings.admin.listen.host}:{self.admin_port}/metrics"

    def _open(self, settings: Settings) -> None:
        self._syslog = syslog_of(settings, self._complain)
        self._audit = AuditLog(settings.audit.path, self._clock, self._complain, self._syslog)
        if self._syslog is not None:
            self._keep(self._syslog.run())
        self._written.append(self._audit)
        self._metrics = Metrics(CollectorRegistry(), self._readings())
        self._readers.append(self._metrics)
        key = server_key(settings)
        store = open_store(settings)
        hasher = Hasher(waiting=waiting_verifications(settings))
        self._shared = Shared(Keys(key), store, hasher, self._observe, self._clock, self._complain, key)
        built = build(settings, self._shared)
        self._adopt(built)
        self._server = Server(built.generation, server_rules(settings), store, self._observe, time.time, self._tap)

    def _adopt(self, built: Built) -> None:
        rotating = [name for name, client in built.settings.clients.items() if len(client.secret) > 1]
        self._metrics.expect(built.settings.clients, built.settings.delivery.providers, rotating)
        self._running.append(built)

    async def _listen(self, settings: Settings) -> None:
        self._admin = Admin(self._metrics.page, self._ready, refresh=self._count, hosts=settings.admin.hosts)
        if self._worker is not None:
            await self._admin.start_at(self._worker.admin)
            sockets = self._worker.sockets
        else:
            sockets = await self._bound(settings)
            self._status = operations.status(self._path, sockets, (settings.admin.listen.host, self.admin_port))
        self._listeners = [UdpListener(sock, self._server.receive) for sock in sockets]

    async def _bound(self, settings: Settings) -> list[socket.socket]:
        endpoint = settings.admin.listen
        try:
            self.admin_port = await self._admin.start(endpoint.host, endpoint.port)
        except OSError as problem:
            raise ValueError(cannot_bind(ADMIN_LISTEN, endpoint, problem)) from None
        sockets: list[socket.socket] = []
        for endpoint in settings.server.listen:
            try:
                sockets.append(bind(endpoint.host, endpoint.port))
            except OSError as problem:
                for sock in sockets:
                    sock.close()
                raise ValueError(cannot_bind(LISTEN, endpoint, problem)) from None
        return sockets

    # Reload and end

    async def reload(self) -> None:
        """Start a new generation between two packets. A file that is wrong changes nothing, and says so."""
        self._audit.reopen()
        async with self._reloading:
            await self._reload()

    async def _reload(self) -> None:
        old = self._running[-1]
        try:
            # In a thread: many people take seconds to read, and logins go on meanwhile. It may outlive the service.
            loaded = await in_daemon_thread(partial(load, self._path))
            built = await in_daemon_thread(partial(build, loaded.settings, self._shared, old))
        except (ConfigError, ValueError, OSError) as problem:
            self._tell("reload_failed", message_of(problem))
            return
        if self._draining:
            await built.close()
            return
        self._settings = loaded.settings
        self._adopt(built)
        self._server.use(built.generation, server_rules(loaded.settings))
        self._shared.hasher.allow(waiting_verifications(loaded.settings))
        for warning in (*loaded.warnings, *announcements(loaded.settings)):
            self._tell("warning", warning)
        waiting = restart_needed(self._started_with, loaded.settings)
        self._tell("reloaded", f"needs a restart: {', '.join(waiting)}" if waiting else "")
        self._keep(self._warn_of_users(loaded, built))
        self._keep(self._retire(old))

    async def _warn_of_users(self, loaded: Loaded, built: Built) -> None:
        """Of several workers the first does it. In a thread: many users take seconds, and logins go on meanwhile."""
        if self._worker is not None and self._worker.number:
            return
        users = {name: source.everyone() for name, source in built.identity.items()}
        without_password = {name: source.without_password() for name, source in built.identity.items()}
        find = partial(user_warnings, loaded.settings, users, without_password)
        for warning in await in_daemon_thread(lambda: loaded.placed(find())):
            self._tell("warning", warning)

    async def _retire(self, old: Built) -> None:
        """A generation ends with its last login: its calls are followed until they are over."""
        await self._server.release(old.generation)
        await old.dialog.drain()
        while len(old.dialog.follower):
            await asyncio.sleep(FOLLOW_EVERY)
            await old.dialog.drain()
        self._running.remove(old)
        await old.close()

    async def stop(self) -> None:
        """Drain: take no more packets, answer those that were taken, then close everything."""
        self._draining = True
        if self._listeners:
            self._tell("draining", "")
        for listener in self._listeners:
            listener.pause()
        if hasattr(self, "_server"):
            await self._server.drain()
        for built in list(self._running):  # one that was replaced may end meanwhile
            await built.dialog.drain()
            await built.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._close()

    async def _close(self) -> None:
        """Close what was opened; the state directory is given back last."""
        for listener in self._listeners:
            listener.close()
        if hasattr(self, "_admin"):
            await self._admin.stop()
        if self._control is not None:
            await self._control.stop()
        if self._started:
            self._repeats.write_rest()
            self._tell("stopped", "")
        if hasattr(self, "_shared"):
            self._shared.hasher.close()
            await self._shared.store.close()
        if hasattr(self, "_audit"):
            self._audit.close()
        if self._claimed is not None:
            self._claimed.release()

    # Operations

    async def _operate(self, request: Request) -> Mapping[str, object]:
        """The response to an operator's command."""
        if request.command == operations.STATUS:
            return self._status
        built, shared = self._running[-1], self._shared
        dependencies = operations.Dependencies(
            settings=built.settings,
            store=shared.store,
            keys=lambda: shared.keys,
            identity=built.identity,
            record=self._recorded,
            uid=request.uid,
        )
        return await operations.answer(request, dependencies)

    def _recorded(self, operated: Operated) -> str:
        self._observe(operated)
        return ""

    # Readers of what is recorded

    def _observe(self, recorded: Recorded) -> None:
        for reader in self._readers:
            reader(recorded)

    def _tell(self, what: str, detail: str) -> None:
        self._observe(Lifecycle(time.time(), what, detail))

    def _complain(self, text: str) -> None:
        """Tell people, but not the audit log: it may be what is complained about."""
        if self._log is not None:
            self._log(Lifecycle(time.time(), "warning", text))

    def _readings(self) -> Readings:
        return Readings(
            open_challenges=lambda: self._open_logins,
            logins_in_flight=lambda: self._server.in_flight,
            bypass_active=lambda: bypass_until(self._settings) > time.time(),
            development=lambda: self._settings.development,
            users_files_invalid=lambda: {n: u.problem is not None for n, u in self._running[-1].identity.items()},
            audit_failures=lambda: self._audit.failures,
            syslog_dropped=lambda: self._syslog.dropped if self._syslog else 0,
            worker_deaths=self._worker.deaths if self._worker else lambda: 0,
        )

    async def _ready(self) -> Readiness:
        parts = {"store": "", "service": "draining" if self._draining else ""}
        try:
            await self._shared.store.remember(b"ready", b"", READY_FOR)  # a full disk can be read
        except Unavailable as problem:
            parts["store"] = problem.detail
        return Readiness(parts, self._settings.development, warnings_of(self._running[-1].identity))

    # Housekeeping

    def _repeat(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        async def forever() -> None:
            told = ""
            while True:
                await asyncio.sleep(seconds)
                failed = await _failure(work)
                if failed and failed != told:
                    self._tell("warning", f"housekeeping failed: {failed}")
                told = failed

        self._keep(forever())

    def _keep(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tidy(self) -> None:
        self._repeats.write_due()
        abandoned = await self._shared.store.sweep()
        if abandoned:
            self._observe(Ended(time.time(), abandoned))

    async def _count(self) -> None:
        with suppress(Unavailable):
            self._open_logins = await self._shared.store.open_logins()

    async def _watch_users(self) -> None:
        answer_within = {name: client.answer_within for name, client in self._running[-1].settings.clients.items()}
        await self._users.look([built.identity for built in self._running], answer_within)

    async def _follow(self) -> None:
        for built in list(self._running):
            await built.dialog.follower.poll()


async def _failure(work: Callable[[], Awaitable[None]]) -> str:
    """Why `work` failed, or nothing. The next time may go well, and without it nothing is tidied."""
    try:
        await work()
    except Unavailable as problem:
        return str(problem)
    except Exception as problem:  # noqa: BLE001
        return type(problem).__name__
    return ""
