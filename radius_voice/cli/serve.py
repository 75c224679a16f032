"""`serve`: the server."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from radius_voice.cli.common import config_option, loaded, run

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from radius_voice.config.load import Loaded
    from radius_voice.observe.stream import TextStream
    from radius_voice.service.notify import ServiceManager, Supervisor
    from radius_voice.service.service import Service, Worker
    from radius_voice.service.workers import WorkerPool

SWITCH_SECONDS = 0.0005
"""How long a thread that computes may keep the event loop waiting. A tenth of the default; less makes all slower."""


def tune_interpreter() -> None:
    """Collect garbage rarely, never examine the objects that exist at start, and switch threads often.

    Sessions and packets form no reference cycles, so that a login takes a tenth less CPU. By default, a thread that
    computes keeps the others waiting for 5 ms. While one checked 100,000 users, half of the logins took a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    sys.setswitchinterval(SWITCH_SECONDS)


def raise_descriptor_limit() -> None:
    """Raise the limit of file descriptors to the maximum: in a burst, each call needs a connection."""
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS has a lower limit of its own
        resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))


@click.command()
@config_option
@click.option("--debug", is_flag=True, help="Print decoded packets and decisions, without secrets.")
def serve(path: Path, debug: bool) -> None:
    """Run the server.

    SIGTERM stops it, SIGHUP reloads the configuration.
    """
    from radius_voice.service.notify import ServiceManager

    configuration = loaded(path, for_service=True)
    if debug:
        from radius_voice.cli.debug import shipped_attributes

        shipped_attributes()  # an error in a dictionary ends the command here, and not each worker
    raise_descriptor_limit()
    with closing(ServiceManager.of(os.environ, os.getpid())) as manager:
        if configuration.settings.server.workers == 1:
            run(_serve(path, configuration, debug, manager, None))
        else:
            _serve_by_workers(path, configuration, debug, manager)


def _serve_by_workers(path: Path, configuration: Loaded, debug: bool, manager: ServiceManager) -> None:
    from radius_voice.exceptions import message_of
    from radius_voice.login.model import Unavailable
    from radius_voice.observe.stream import LineStream
    from radius_voice.service.heartbeats import ParentProcess
    from radius_voice.service.service import Worker
    from radius_voice.service.workers import WATCHER, Parent
    from radius_voice.state.directory import claim
    from radius_voice.state.open_store import established_data_key

    async def child(configuration: Loaded, pool: WorkerPool, number: int) -> None:
        asyncio.get_running_loop().add_reader(pool.parent, lambda: signal.raise_signal(signal.SIGTERM))
        parent = ParentProcess(pool.heartbeats, number, manager.alive_interval)
        if number == WATCHER:
            await _watch(path, configuration, pool, parent)
            return
        worker = Worker(
            number,
            pool.sockets[number],
            pool.admin_socket(number),
            lambda: pool.deaths,
            pool.folder,
            pool.callbacks,
            pool.request_socket(number),
            lambda: pool.reloads,
            reloads_before=pool.reloads,
            generation=pool.generation,
        )
        await _serve(path, configuration, debug, parent, worker)

    logger = configure_log(configuration, LineStream(sys.stderr))
    try:
        control = claim(configuration.settings)
        try:
            established_data_key(configuration.settings)
            code = Parent(path, configuration, control, child, logger.warning, manager).run()
        finally:
            control.release()
    except (ValueError, OSError, Unavailable) as problem:
        _cannot_start(configuration, message_of(problem))
        code = 1
    raise click.exceptions.Exit(code)


async def _serve(path: Path, configuration: Loaded, debug: bool, supervisor: Supervisor, worker: Worker | None) -> None:
    from radius_voice.cli.debug import Debug
    from radius_voice.observe.log import Log
    from radius_voice.observe.stream import LineStream
    from radius_voice.service.service import CannotStart, start
    from radius_voice.service.workers import CANNOT_START

    errors, output = LineStream(sys.stderr), LineStream(sys.stdout)
    log = Log(configure_log(configuration, errors), time.monotonic)
    tap = Debug(output, time.time) if debug else None
    started: asyncio.Future[Service] = asyncio.get_running_loop().create_future()

    async def reload() -> None:
        await (await asyncio.shield(started)).reload()

    stop = _stop_event()
    _at_hangup(reload, supervisor)
    try:
        started.set_result(
            service := await start(
                path,
                configuration,
                log,
                tap,
                worker,
                lambda: errors.lost + output.lost,
                lambda stream: Debug(stream, time.time),
            )
        )
    except CannotStart as problem:
        _cannot_start(configuration, str(problem))
        raise SystemExit(1 if worker is None else CANNOT_START) from None
    tune_interpreter()
    async with _reporting_to(supervisor):
        await stop.wait()
        supervisor.stopping()
        await service.stop()


async def _watch(path: Path, configuration: Loaded, pool: WorkerPool, supervisor: Supervisor) -> None:
    from radius_voice.endpoints import ADMIN_LISTEN, cannot_bind
    from radius_voice.exceptions import message_of
    from radius_voice.observe.log import Log
    from radius_voice.observe.stream import LineStream
    from radius_voice.service.watcher import Operator, Watcher
    from radius_voice.service.workers import CANNOT_START

    logger = configure_log(configuration, LineStream(sys.stderr))
    watcher = Watcher(pool, configuration.settings.admin.hosts)
    stop = _stop_event()
    endpoint = configuration.settings.admin.listen
    try:
        operator = Operator(path, configuration.settings, pool, Log(logger, time.monotonic))
    except OSError as problem:
        _cannot_start(configuration, message_of(problem))
        raise SystemExit(CANNOT_START) from None
    _at_hangup(operator.reload, supervisor)
    try:
        port = await watcher.start(endpoint.host, endpoint.port)
    except OSError as problem:
        _cannot_start(configuration, cannot_bind(ADMIN_LISTEN, endpoint, problem))
        raise SystemExit(CANNOT_START) from None
    await operator.start((endpoint.host, port))
    logger.info("metrics of all workers", url=f"http://{endpoint.host}:{port}/metrics")
    async with _reporting_to(supervisor):
        await stop.wait()
        await operator.stop()
        await watcher.stop()


@asynccontextmanager
async def _reporting_to(supervisor: Supervisor) -> AsyncIterator[None]:
    """Report that the service has started, and then that it responds."""
    from radius_voice.service.notify import report_alive

    supervisor.ready()
    alive = asyncio.ensure_future(report_alive(supervisor))
    try:
        yield
    finally:
        alive.cancel()


def _at_hangup(reload: Callable[[], Coroutine[Any, Any, None]], supervisor: Supervisor) -> None:
    """Run `reload` at each SIGHUP, and report it."""
    reloads: set[asyncio.Task[None]] = set()

    async def reported() -> None:
        supervisor.reloading()
        await reload()
        supervisor.ready()

    def start() -> None:
        task = asyncio.ensure_future(reported())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, start)


def _stop_event() -> asyncio.Event:
    """An event that SIGTERM or an interrupt sets."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _cannot_start(configuration: Loaded, text: str) -> None:
    """Write to standard error why the service does not start: as JSON if the log is JSON, else as text."""
    if configuration.settings.log.format == "json":
        configure_log(configuration, sys.stderr).error("cannot_start", detail=text)
    else:
        click.echo(f"Error: {text}", err=True)


def configure_log(configuration: Loaded, stream: TextStream) -> FilteringBoundLogger:
    """The logger that the configuration describes, on `stream`."""
    from radius_voice.observe.log import configure

    log = configuration.settings.log
    return configure(log.level, log.format, stream)
