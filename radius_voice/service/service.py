"""The running service: start, reload, drain, stop."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from radius_voice.config.load import Loaded
from radius_voice.config.schema import Settings
from radius_voice.control import ControlServer, ControlSocket, Request, listen
from radius_voice.endpoints import (
    ACCOUNTING,
    ADMIN_LISTEN,
    addresses_text,
    cannot_bind,
    listen_for_callbacks,
    udp_endpoints,
)
from radius_voice.events import Observer
from radius_voice.exceptions import message_of
from radius_voice.http.admin import Admin, Readiness
from radius_voice.http.callbacks import Callbacks
from radius_voice.identity.passwords import Hasher
from radius_voice.login.codes.keys import Keys
from radius_voice.login.model import Unavailable
from radius_voice.observe.metrics import Metrics
from radius_voice.observe.provider_results import ProviderResults
from radius_voice.server.accepted_names import AcceptedNames
from radius_voice.server.accounting import Accounting
from radius_voice.server.recorder import Recorder, Tap, Taps
from radius_voice.server.server import Server
from radius_voice.server.traffic_file import WRITE_SECONDS, TrafficFile
from radius_voice.service.commands import ProcessCommands, Response
from radius_voice.service.debugging import MAX_SESSIONS, Debugger, Printers, no_printer
from radius_voice.service.housekeeping import Housekeeping
from radius_voice.service.identity_watch import IdentityWatch, warnings_of
from radius_voice.service.inactive_users import InactiveUsers
from radius_voice.service.readings import readings_of
from radius_voice.service.reload import Generations, Reloader, create_series
from radius_voice.service.reload_result import ReloadProgress, ReloadResult
from radius_voice.service.reporting import Reporter
from radius_voice.service.status import ProcessStatus, service_facts, store_problem
from radius_voice.service.tasks import BackgroundTasks
from radius_voice.state.directory import claim
from radius_voice.state.open_store import established_data_key, open_store, require_store_of
from radius_voice.transports.udp import UdpListener, bind
from radius_voice.wiring.generation import BuiltGeneration, Shared, build, max_queued_verifications, server_rules


class CannotStart(Exception):
    """The service cannot start. The text names the setting or file, the problem and the fix."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One of several processes of a service."""

    number: int
    sockets: list[socket.socket]
    """One UDP socket for each address, in the order of `udp_endpoints`."""
    admin: Path
    """Its local socket for metrics and health."""
    deaths: Callable[[], int]
    """How many processes of the service have died so far."""
    folder: Path
    """A folder that all workers share."""
    callbacks: socket.socket | None = None
    """The listening socket for callbacks of providers, if they are configured."""
    requests: Path | None = None
    """Its local socket for requests of the watcher."""
    reloads: Callable[[], int] = lambda: 0
    """How many reloads of the service have begun."""
    reloads_before: int = 0
    """How many of these had begun when this process was forked."""
    generation: int = 1
    """The generation that this process starts with."""


class Service:
    """A service of one process, or one worker of several. `start` creates it.

    `ports` are the UDP ports that it listens on, in the order of `udp_endpoints`. `stack` closes everything it opened.
    """

    def __init__(
        self,
        path: Path,
        loaded: Loaded,
        built: BuiltGeneration,
        shared: Shared,
        reporter: Reporter,
        tap: Tap | None,
        worker: Worker | None,
        log_lines_lost: Callable[[], int],
        printers: Printers,
    ) -> None:
        settings = built.settings
        number = worker.number if worker is not None else 0
        self.stack = AsyncExitStack()
        self.ports: list[int] = []
        self._path = path
        self._shared = shared
        self._reporter = reporter
        self._worker = worker
        self._started = time.time()
        self._reloads_begun = 0
        self._listeners: list[UdpListener] = []
        self._tasks = BackgroundTasks(reporter.report)
        self._generations = Generations(built, worker.generation if worker is not None else 1)
        self._traffic = TrafficFile(settings.server.state, number, reporter.log_warning)
        taps = Taps() if tap is None else Taps(tap)
        names = AcceptedNames(shared.store, shared.keys.accepted_name)
        self._server = self._new_server(built, taps, names)
        self._accounting = self._new_accounting(taps, names)
        self._housekeeping = self._new_housekeeping(first_process=number == 0)
        self._metrics = self._new_metrics(built, log_lines_lost)
        reporter.add(results := ProviderResults())
        self._reloader = self._new_reloader(loaded, check_users=number == 0)
        status = ProcessStatus(
            number,
            self._started,
            settings.store.type,
            shared.store,
            self._generations,
            self._server,
            self._housekeeping,
            reporter,
            self._reloader,
            results,
        )
        # A worker serves the debug sessions of the watcher. One that has ended there may still run here for a moment.
        limit = MAX_SESSIONS if worker is None else 2 * MAX_SESSIONS
        self._commands = ProcessCommands(
            shared,
            self._generations,
            reporter,
            self._tasks,
            status,
            Debugger(taps, printers, number, limit),
            self._reloader.progress,
            self._reload_once,
            lambda: self._reloads_begun,
        )
        self._admin = Admin(
            self._metrics.page, self._ready, refresh=self._housekeeping.count, hosts=settings.admin.hosts
        )

    def _new_server(self, built: BuiltGeneration, taps: Taps, names: AcceptedNames) -> Server:
        return Server(
            built.generation,
            server_rules(built.settings),
            self._shared.store,
            self._reporter,
            time.time,
            taps,
            names if built.settings.server.accounting else None,
            self._traffic.report,
        )

    def _new_accounting(self, taps: Taps, names: AcceptedNames) -> Accounting:
        return Accounting(
            self._server.client_at,
            names,
            self._reporter.recorded,
            Recorder(self._reporter, taps, time.time, time.monotonic, self._traffic.report),
            time.monotonic,
            time.time,
            lambda: self._generations.newest.settings.server.status_server,
        )

    def _new_housekeeping(self, *, first_process: bool) -> Housekeeping:
        shared, reporter = self._shared, self._reporter
        users = IdentityWatch(reporter.report, time_verifications=first_process)
        inactive = InactiveUsers(shared.keys, shared.store) if first_process else None
        return Housekeeping(shared.store, self._generations, reporter, users, inactive)

    def _new_metrics(self, built: BuiltGeneration, log_lines_lost: Callable[[], int]) -> Metrics:
        readings = readings_of(
            self._reporter,
            self._generations,
            self._server,
            self._housekeeping,
            log_lines_lost,
            self._worker.deaths if self._worker is not None else lambda: 0,
        )
        metrics = Metrics(CollectorRegistry(), readings)
        create_series(metrics, built)
        self._reporter.add(metrics)
        return metrics

    def _new_reloader(self, loaded: Loaded, *, check_users: bool) -> Reloader:
        worker = self._worker
        return Reloader(
            self._path,
            loaded,
            self._shared,
            self._generations,
            self._server,
            self._metrics,
            self._reporter,
            self._tasks,
            ReloadProgress(worker.reloads_before if worker is not None else 0),
            worker.reloads if worker is not None else self._begin_reload,
            check_users=check_users,
        )

    async def open(self, stack: AsyncExitStack, loaded: Loaded, control: ControlSocket | None) -> None:
        """Listen and start the background tasks. `stack` closes them. Raises ValueError or OSError."""
        settings = loaded.settings
        stack.push_async_callback(self._generations.close)
        stack.push_async_callback(self._tasks.cancel)
        if self._reporter.syslog is not None:
            self._tasks.run(self._reporter.syslog.run())
        sockets, admin_port = await self._open_sockets(stack, settings)
        if control is not None:
            admin = (settings.admin.listen.host, admin_port)
            facts = service_facts(self._path, settings, sockets, admin, self._started)
            await self._open_control(stack, control, facts)
        elif self._worker is not None and self._worker.requests is not None:
            requests = stack.enter_context(listen(self._worker.requests))
            await self._serve_commands(stack, ControlServer(requests, self._commands.answer_watcher))
        callbacks_port = await self._start_callbacks(stack, settings)
        for (key, _), sock in zip(udp_endpoints(settings), sockets, strict=True):
            listener = UdpListener(sock, self._accounting if key == ACCOUNTING else self._server)
            stack.callback(listener.close)
            self._listeners.append(listener)
        self.ports = [listener.port for listener in self._listeners]
        self._housekeeping.start(self._tasks)
        self._tasks.repeat(WRITE_SECONDS, self._write_traffic)
        self._reloader.announce(loaded, self._generations.newest)
        number = self._worker.number if self._worker is not None else None
        self._reporter.started(addresses_text(settings, self.ports, admin_port, callbacks_port, number))

    async def reload(self) -> ReloadResult | None:
        """Reopen the audit log and load the configuration again. An invalid configuration changes nothing."""
        self._reporter.audit.reopen()
        return await self._reloader.reload()

    async def stop(self) -> None:
        """Stop receiving, respond to the packets received so far, then close everything."""
        self._generations.draining = True
        self._reporter.report("draining")
        for listener in self._listeners:
            listener.pause()
        self._generations.interrupt()
        await self._server.drain()
        await self._accounting.drain()
        with suppress(OSError):  # reported by the task that writes it
            await self._write_traffic()
        await self._generations.drain()
        await self.stack.aclose()

    async def _open_sockets(self, stack: AsyncExitStack, settings: Settings) -> tuple[list[socket.socket], int]:
        """Open the UDP sockets and the admin listener; returns the sockets, and its port (0 for a worker)."""
        if self._worker is not None:
            await self._admin.start_at(self._worker.admin)
            stack.push_async_callback(self._admin.stop)
            return self._worker.sockets, 0
        endpoint = settings.admin.listen
        try:
            admin_port = await self._admin.start(endpoint.host, endpoint.port)
        except OSError as problem:
            raise ValueError(cannot_bind(ADMIN_LISTEN, endpoint, problem)) from None
        stack.push_async_callback(self._admin.stop)
        sockets = []
        for key, endpoint in udp_endpoints(settings):
            try:
                sockets.append(stack.enter_context(bind(endpoint.host, endpoint.port)))
            except OSError as problem:
                raise ValueError(cannot_bind(key, endpoint, problem)) from None
        return sockets, admin_port

    async def _start_callbacks(self, stack: AsyncExitStack, settings: Settings) -> int:
        """Start the listener for callbacks, if they are configured. Returns its port, or 0."""
        if settings.callbacks is None:
            return 0
        sock = self._worker.callbacks if self._worker is not None else listen_for_callbacks(settings)
        if sock is None:
            return 0
        port: int = sock.getsockname()[1]
        listener = Callbacks(settings.callbacks.public_url, self._generations.on_callback)
        await listener.start_on(sock)
        stack.push_async_callback(listener.stop)
        return port

    async def _open_control(self, stack: AsyncExitStack, control: ControlSocket, facts: Mapping[str, object]) -> None:
        async def handle(request: Request) -> Response:
            return await self._commands.answer(request, facts)

        await self._serve_commands(stack, ControlServer(control.listener, handle))

    async def _serve_commands(self, stack: AsyncExitStack, server: ControlServer) -> None:
        await server.start()
        stack.push_async_callback(server.stop)

    async def _reload_once(self) -> None:
        await self.reload()

    def _begin_reload(self) -> int:
        self._reloads_begun += 1
        return self._reloads_begun

    async def _write_traffic(self) -> None:
        await self._traffic.write(self._generations.newest.settings.clients)

    async def _ready(self) -> Readiness:
        newest = self._generations.newest
        draining = "draining" if self._generations.draining else ""
        parts = {"store": await store_problem(self._shared.store), "service": draining}
        return Readiness(parts, newest.settings.development, warnings_of(newest.identity))


async def start(
    path: Path,
    loaded: Loaded,
    log: Observer | None = None,
    tap: Tap | None = None,
    worker: Worker | None = None,
    log_lines_lost: Callable[[], int] = lambda: 0,
    printers: Printers = no_printer,
) -> Service:
    """Start the service. Raises CannotStart, having closed everything that was opened.

    `log` gets the records for the log. `tap` observes every packet. `log_lines_lost` is read for the metrics.
    `printers` creates a printer of packets for each `radius-voice debug`.
    """
    settings = loaded.settings
    async with AsyncExitStack() as stack:
        try:
            control = _claim(stack, settings) if worker is None else None
            reporter = Reporter(settings, log, time.monotonic)
            stack.callback(reporter.close)
            shared = _open_shared(stack, settings, reporter, worker)
            await require_store_of(settings, shared.store, shared.key)
            built = build(settings, shared)
            service = Service(path, loaded, built, shared, reporter, tap, worker, log_lines_lost, printers)
            await service.open(stack, loaded, control)
        except (ValueError, OSError, Unavailable) as problem:
            raise CannotStart(message_of(problem)) from None
        service.stack = stack.pop_all()
    return service


def _claim(stack: AsyncExitStack, settings: Settings) -> ControlSocket:
    control = claim(settings)
    stack.callback(control.release)
    return control


def _open_shared(stack: AsyncExitStack, settings: Settings, reporter: Reporter, worker: Worker | None) -> Shared:
    key = established_data_key(settings)
    store = open_store(settings, lambda: key)
    stack.push_async_callback(store.close)
    hasher = Hasher(max_queued=max_queued_verifications(settings))
    stack.callback(hasher.close)
    copies = worker.folder if worker is not None else None
    return Shared(Keys(key), store, hasher, reporter, time.monotonic, reporter.log_warning, key, copies)
