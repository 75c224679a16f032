"""`serve`: the server."""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from radius_voice.cli.common import config_option, loaded, run

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from radius_voice.app import Worker
    from radius_voice.config.load import Loaded
    from radius_voice.config.schema import Settings
    from radius_voice.workers import House


def spare_the_collector() -> None:
    """Rows and packets hold no cycles: what lives at start is never looked at again, the rest seldom. Saves a tenth."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def allow_descriptors() -> None:
    """Take as many file descriptors as this process may: a burst of calls needs a connection each."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS has a ceiling of its own
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@click.command()
@config_option
@click.option("--debug", is_flag=True, help="Print decoded packets and every decision; secrets are hidden.")
def serve(path: Path, debug: bool) -> None:
    """Run the server until SIGTERM; SIGHUP reads the configuration again."""
    configuration = loaded(path)
    allow_descriptors()
    if configuration.settings.server.workers == 1:
        run(_serve(path, configuration, debug, None))
    else:
        _serve_by_workers(path, configuration, debug)


def _serve_by_workers(path: Path, configuration: Loaded, debug: bool) -> None:
    from radius_voice.app import Worker, prepare
    from radius_voice.workers import WATCHER, Parent

    async def child(configuration: Loaded, house: House, number: int) -> None:
        asyncio.get_running_loop().add_reader(house.parent, lambda: signal.raise_signal(signal.SIGTERM))
        if number == WATCHER:
            await _watch(configuration.settings, house)
            return
        worker = Worker(number, house.sockets[number], house.admin_of(number), lambda: house.deaths)
        await _serve(path, configuration, debug, worker)

    logger = configure_log(configuration)
    try:
        prepare(configuration.settings)
        code = Parent(path, configuration, child, logger.warning).run()
    except (ValueError, OSError) as problem:
        raise click.ClickException(str(problem)) from None
    raise click.exceptions.Exit(code)


async def _serve(path: Path, configuration: Loaded, debug: bool, worker: Worker | None) -> None:
    from radius_voice.app import CannotStart, Service
    from radius_voice.cli.debug import Debug
    from radius_voice.observe.log import Log
    from radius_voice.workers import CANNOT_START

    reader = Log(configure_log(configuration), time.monotonic)
    service = Service(path, configuration, reader, Debug(sys.stdout, time.time) if debug else None, worker)
    over = _signalled()
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = asyncio.ensure_future(service.reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
    try:
        await service.start()
    except CannotStart as problem:
        click.echo(f"Error: {problem}", err=True)
        raise SystemExit(1 if worker is None else CANNOT_START) from None
    spare_the_collector()
    await over.wait()
    await service.stop()


async def _watch(settings: Settings, house: House) -> None:
    from radius_voice.watcher import Watcher
    from radius_voice.workers import CANNOT_START

    watcher = Watcher(house, settings.admin.hosts)
    over = _signalled()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: None)
    endpoint = settings.admin.listen
    try:
        port = await watcher.start(endpoint.host, endpoint.port)
    except OSError as problem:
        click.echo(f"Error: admin.listen: {endpoint}: {problem.strerror}; is it running already?", err=True)
        raise SystemExit(CANNOT_START) from None
    click.echo(f"metrics of all workers on http://{endpoint.host}:{port}/metrics", err=True)
    await over.wait()
    await watcher.stop()


def _signalled() -> asyncio.Event:
    """Set at SIGTERM or an interrupt."""
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    return over


def configure_log(configuration: Loaded) -> FilteringBoundLogger:
    """The log as the configuration wants it, on standard error."""
    from radius_voice.observe.log import configure

    log = configuration.settings.log
    return configure(log.level, log.format, sys.stderr)
