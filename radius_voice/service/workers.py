"""`server.workers: N`: several processes that serve one configuration.

The parent binds the sockets, forks, waits and forwards signals. At SIGHUP it also reads the configuration, for workers
that it forks later. It keeps every socket open, so that a new worker reads the datagrams that were queued for a dead
one. Each worker has its own socket on every port. The kernel delivers all packets from one address and port of a
gateway to the same socket, so a retransmission reaches the worker that has the request in its duplicate table. One more
child, the watcher, collects the workers' metrics and health and serves the control socket.
"""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from radius_voice.bounded import bounded
from radius_voice.config.errors import ConfigError
from radius_voice.config.load import Loaded, until_restart
from radius_voice.config.schema import Settings
from radius_voice.control import ControlSocket
from radius_voice.endpoints import ADMIN_LISTEN, bind_tcp, cannot_bind, listen_for_callbacks, udp_endpoints
from radius_voice.service.heartbeats import ChildReports, Heartbeats
from radius_voice.service.notify import ServiceManager
from radius_voice.transports.udp import bind_shared
from radius_voice.wiring.adapters import load

SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGALRM}
CANNOT_START = 3
RESTART_DELAY = 2.0
STOP_SECONDS = 45
WATCHER = -1
DEATHS, GENERATION = 0, 1
FIRST_WORKER = 3
"""Indexes of the shared counts. WATCHER has the one before FIRST_WORKER."""
FOLDER = "workers"


@dataclass(slots=True)
class _Child:
    """A worker or the watcher; `started` is monotonic seconds."""

    number: int
    started: float


@dataclass(slots=True)
class WorkerPool:
    """The objects that the processes of one service share. Only the parent changes the counts."""

    sockets: list[list[socket.socket]]
    """The UDP sockets, by worker and address."""
    folder: Path
    """A folder for the local sockets of these processes."""
    parent: int
    """The read end of a pipe that becomes readable when the parent ends."""
    control: ControlSocket
    """The watcher serves it. The parent keeps it open too, so that requests wait while a dead watcher is replaced."""
    heartbeats: Heartbeats
    """The state that the children report."""
    callbacks: socket.socket | None = None
    """The listening socket for callbacks, from which all workers accept connections; None without callbacks."""
    process: int = field(default_factory=os.getpid)
    """The process id of the parent."""
    started: float = field(default_factory=time.time)
    """When the parent started, in wall-clock seconds."""
    _counts: mmap.mmap = field(init=False)
    _folder_descriptor: int = field(init=False)

    def __post_init__(self) -> None:
        self._counts = mmap.mmap(-1, 8 * (FIRST_WORKER + len(self.sockets)))
        self._folder_descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        self.generation = 1

    @property
    def deaths(self) -> int:
        """Number of children that died unexpectedly: workers and the watcher."""
        return self._read(DEATHS)

    def count_death(self) -> None:
        """Count the unexpected death of a child."""
        self._write(DEATHS, self.deaths + 1)

    def starts(self, number: int) -> int:
        """Number of processes that have been worker `number`, including the current one."""
        return self._read(FIRST_WORKER + number)

    def count_start(self, number: int) -> None:
        """Count a new process for worker `number`; the previous one has ended."""
        self._write(FIRST_WORKER + number, self.starts(number) + 1)

    @property
    def reloads(self) -> int:
        """Number of reloads that have begun, whatever their results."""
        return self.heartbeats.requested

    @property
    def generation(self) -> int:
        """The generation that a worker starts with: 1 at the start of the service, n + 1 after reload n."""
        return self._read(GENERATION)

    @generation.setter
    def generation(self, number: int) -> None:
        self._write(GENERATION, number)

    def _read(self, index: int) -> int:
        return int.from_bytes(self._counts[8 * index : 8 * index + 8])

    def _write(self, index: int, value: int) -> None:
        self._counts[8 * index : 8 * index + 8] = value.to_bytes(8)

    def admin_socket(self, worker: int) -> Path:
        """The local socket on which a worker serves its metrics and health.

        The path goes through the folder's descriptor, which all processes have open, because unix(7) limits its length.
        """
        return Path(f"/proc/self/fd/{self._folder_descriptor}/worker-{worker}")

    def request_socket(self, worker: int) -> Path:
        """The local socket on which a worker answers requests of the watcher."""
        return self.admin_socket(worker).with_suffix(".requests")


def bind_all(settings: Settings) -> list[list[socket.socket]]:
    """For each worker, a socket on every endpoint, in the order of `udp_endpoints`.

    Raises ValueError if an address cannot be bound. The admin address is tried too: the watcher binds it later, when
    workers already serve.
    """
    try:
        bind_tcp(settings.admin.listen).close()
    except OSError as problem:
        raise ValueError(cannot_bind(ADMIN_LISTEN, settings.admin.listen, problem)) from None
    by_endpoint: list[list[socket.socket]] = []
    for key, endpoint in udp_endpoints(settings):
        try:
            by_endpoint.append(bind_shared(endpoint.host, endpoint.port, settings.server.workers))
        except OSError as problem:
            raise ValueError(cannot_bind(key, endpoint, problem)) from None
    return [list(sockets) for sockets in zip(*by_endpoint, strict=True)]


Serve = Callable[[Loaded, WorkerPool, int], Coroutine[Any, Any, None]]
"""The function that child `number` runs: a worker, or the watcher (`WATCHER`)."""


class Parent:
    """Forks the workers and one watcher, and replaces those that die. `manager` gets the state of all of them."""

    def __init__(
        self,
        path: Path,
        loaded: Loaded,
        control: ControlSocket,
        serve: Serve,
        warn: Callable[[str], None],
        manager: ServiceManager,
    ) -> None:
        self._path = path
        self._loaded = loaded
        self._control = control
        self._serve = serve
        self._warn = warn
        self._manager = manager
        self._children: dict[int, _Child] = {}
        self._due: dict[int, float] = {}
        self._stopping = False

    def run(self) -> int:
        """Serve until SIGTERM; returns the exit code. Raises OSError, or ValueError if a socket cannot be bound."""
        sockets, callbacks = bind_all(self._loaded.settings), listen_for_callbacks(self._loaded.settings)
        folder = _empty_folder(self._loaded.settings.server.state / FOLDER)
        parent, self._parent_lives = os.pipe()
        heartbeats = Heartbeats(WATCHER, 1 + len(sockets), time.monotonic)
        self._pool = WorkerPool(sockets, folder, parent, self._control, heartbeats, callbacks)
        self._reports = ChildReports(heartbeats, self._manager, time.monotonic)
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            for number in (WATCHER, *range(len(self._pool.sockets))):
                self._fork(number)
            return self._supervise()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _supervise(self) -> int:
        code = self._reap()  # a child that ended before signals were blocked left no pending SIGCHLD
        while self._children or (self._due and not self._stopping):
            received = signal.sigtimedwait(SIGNALS, min(self._seconds_until_due(), self._reports.send_due()))
            match received.si_signo if received else None:
                case signal.SIGTERM | signal.SIGINT:
                    self._stopping = True
                    self._reports.stopping()
                    self._signal_all(signal.SIGTERM)
                    signal.alarm(STOP_SECONDS)
                case signal.SIGALRM:
                    self._signal_all(signal.SIGKILL)
                case signal.SIGHUP:
                    self._reload()
            code = max(code, self._reap())
            self._start_due()
        signal.alarm(0)
        return code

    def _seconds_until_due(self) -> float:
        now = time.monotonic()
        return max(0.0, min((at - now for at in self._due.values()), default=3600.0))

    def _reap(self) -> int:
        """Reap exited children. Returns 1, and stops the service, if one could not start."""
        code = 0
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return code
            child = self._children.pop(pid, None)
            if child is None:
                continue  # an orphan of another process, whose parent became this one
            if os.waitstatus_to_exitcode(status) == CANNOT_START and not self._pool.deaths:
                code, self._stopping = 1, True
                self._signal_all(signal.SIGTERM)
            elif not self._stopping:
                self._schedule_restart(child, os.waitstatus_to_exitcode(status))
        return code

    def _schedule_restart(self, child: _Child, code: int) -> None:
        """Replace a child that died: now, or later if it died soon after its start."""
        now = time.monotonic()
        name = "the watcher" if child.number == WATCHER else f"worker {child.number}"
        if code == CANNOT_START:
            self._warn(f"{name} cannot start; the error is logged above; next attempt in {RESTART_DELAY:g} s")
        else:
            self._warn(f"{name} died ({_exit_status(code)}) and is replaced")
            self._pool.count_death()
        at_once = code != CANNOT_START and now - child.started > RESTART_DELAY
        self._due[child.number] = now if at_once else now + RESTART_DELAY

    def _start_due(self) -> None:
        now = time.monotonic()
        for number in [number for number, at in self._due.items() if at <= now and not self._stopping]:
            del self._due[number]
            self._fork(number)

    def _reload(self) -> None:
        """Make the children reload. Later forks use the new configuration too, except keys that need a restart."""
        self._reports.reload()
        self._signal_all(signal.SIGHUP)
        with suppress(ConfigError, OSError):  # each worker reports the error and keeps its configuration
            loaded = bounded("configuration", partial(load, self._path))
            self._loaded = replace(loaded, settings=until_restart(self._loaded.settings, loaded.settings))
            self._pool.generation = self._pool.reloads + 1

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self._children:
            os.kill(pid, number)

    def _fork(self, number: int) -> None:
        self._pool.count_start(number)
        self._pool.heartbeats.started(number)
        pid = os.fork()
        if pid:
            self._children[pid] = _Child(number, time.monotonic())
            return
        code = 1
        try:
            os.close(self._parent_lives)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            code = _run_child(self._serve(self._loaded, self._pool, number))
        finally:
            os._exit(code)


def _run_child(work: Coroutine[Any, Any, None]) -> int:
    import uvloop  # noqa: PLC0415

    try:
        uvloop.run(work)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0


def _exit_status(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _empty_folder(path: Path) -> Path:
    """A new folder at `path`, for this service only; replaces one that a killed service left."""
    with suppress(FileNotFoundError):
        shutil.rmtree(path)
    path.mkdir(mode=0o700)
    return path
