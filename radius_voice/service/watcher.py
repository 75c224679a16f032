"""The watcher process: serves the metrics and readiness of all workers, and administrators' commands."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from radius_voice import operations
from radius_voice.config.errors import ConfigError
from radius_voice.config.schema import Settings
from radius_voice.control import COMMAND_SECONDS, RELOAD, RELOAD_RESULT, ControlServer, Request, Stream
from radius_voice.events import EventRecord, Observer, ServiceRecord
from radius_voice.exceptions import message_of
from radius_voice.http.admin import Admin, Readiness
from radius_voice.login.model import Unavailable
from radius_voice.observe.audit import AuditLog
from radius_voice.observe.merge import MetricsMerger
from radius_voice.service.debugging import DEBUG, DebugFilter
from radius_voice.service.reload_result import ReloadProgress, merged_result
from radius_voice.service.status import service_facts
from radius_voice.service.status_merge import merged_status
from radius_voice.service.worker_debugging import WorkersDebugger
from radius_voice.service.worker_requests import ask_workers
from radius_voice.service.workers import WorkerPool
from radius_voice.state.open_store import existing_data_key, open_store
from radius_voice.wiring.adapters import load
from radius_voice.wiring.generation import daily_files_of, syslog_of

OK = 200
RESPONSE_SECONDS = 1.0
STATUS_SECONDS = 3.0


class Watcher:
    """Collects metrics and readiness from the workers' local sockets, and serves the admin listener."""

    def __init__(self, pool: WorkerPool, hosts: Iterable[str] = ()) -> None:
        self._pool = pool
        self._merger = MetricsMerger(pool.folder / "counted.json")
        self._collecting = asyncio.Lock()
        self._page = b""
        self._admin = Admin(lambda: self._page, self._ready, refresh=self._collect, hosts=hosts)

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port. Raises OSError."""
        return await self._admin.start(host, port)

    async def stop(self) -> None:
        """Stop listening."""
        await self._admin.stop()

    async def _collect(self) -> None:
        async with self._collecting:  # an older page must not follow a newer one
            before = self._starts()
            responses = await ask_all(self._pool, "/metrics")
            after = self._starts()
            # If a worker was replaced meanwhile, it is unknown which of the two processes responded.
            self._page = self._merger.page(
                {
                    worker: (after[worker], page)
                    for worker, (status, page) in responses.items()
                    if status == OK and before[worker] == after[worker]
                }
            )

    def _starts(self) -> list[int]:
        return [self._pool.starts(worker) for worker in range(len(self._pool.sockets))]

    async def _ready(self) -> Readiness:
        return readiness_of(await ask_all(self._pool, "/readyz"), len(self._pool.sockets))


class Operator:
    """Executes administrators' commands on the store that the workers share, with the present configuration.

    `log` gets each record. Raises OSError if the audit log cannot be opened.
    """

    def __init__(self, path: Path, settings: Settings, pool: WorkerPool, log: Observer) -> None:
        self._path = path
        self._settings = settings
        self._pool = pool
        self._log = log
        self._syslog = syslog_of(settings, self._warn)
        daily = daily_files_of(settings)
        self._audit = AuditLog(settings.audit.path, time.monotonic, self._warn, self._syslog, daily)
        self._control = ControlServer(pool.control.listener, self._answer)
        self._progress = ReloadProgress(pool.reloads)
        self._debugger = WorkersDebugger(pool)

    async def start(self, admin: tuple[str, int]) -> None:
        """Start to respond; `admin` is the address of the admin listener."""
        pool, listen = self._pool, self._pool.sockets[0]
        self._facts = service_facts(self._path, self._settings, listen, admin, pool.started, pool.process)
        self._sending = asyncio.ensure_future(self._syslog.run()) if self._syslog is not None else None
        await self._control.start()

    async def reload(self) -> None:
        """Reopen the audit log and read the configuration. One with errors is ignored; each worker reports it."""
        number = self._pool.reloads
        self._audit.reopen()
        try:
            with suppress(ConfigError):
                self._settings = (await asyncio.to_thread(load, self._path)).settings
        finally:
            await self._progress.end(number, None)

    async def stop(self) -> None:
        """Stop responding and close the audit log."""
        await self._control.stop()
        if self._sending is not None:
            self._sending.cancel()
        self._audit.close()

    async def _answer(self, request: Request) -> Mapping[str, Any] | Stream:
        if request.command == DEBUG:
            return self._debug(request)
        if request.command == operations.STATUS:
            processes = await ask_workers(self._pool, operations.STATUS, STATUS_SECONDS)
            return merged_status(self._facts, processes, len(self._pool.sockets), time.time())
        if request.command == RELOAD:
            return await self._reload_all()
        user = operations.UserName.of(request)
        try:
            key = await asyncio.to_thread(existing_data_key, self._settings, os.geteuid())
            store = open_store(self._settings, lambda: key)
            async with operations.open_context(self._settings, store, user, self._record, request.uid) as context:
                return await operations.respond(request, context)
        except (Unavailable, ValueError, OSError) as problem:
            return {"error": message_of(problem)}

    def _debug(self, request: Request) -> Mapping[str, Any] | Stream:
        try:
            wanted = DebugFilter.of(request, self._settings.clients)
        except ValueError as problem:
            return {"error": str(problem)}
        record = ServiceRecord(time.time(), DEBUG, wanted.record_text(request.uid))
        return self._debugger.session(wanted, lambda: self._record(record))

    async def _reload_all(self) -> Mapping[str, Any]:
        """Make every process reload, by a SIGHUP to the parent, and return the merged result of the workers.

        Workers report the first reload that began after this request.
        """
        number = self._pool.reloads + 1
        os.kill(self._pool.process, signal.SIGHUP)
        responses, _ = await asyncio.gather(
            ask_workers(self._pool, RELOAD_RESULT, COMMAND_SECONDS[RELOAD_RESULT], number=number),
            self._progress.wait_for(number),
        )
        return merged_result(self._facts, responses, len(self._pool.sockets))

    def _record(self, operated: EventRecord) -> str:
        self._log(operated)
        self._audit(operated)
        return ""

    def _warn(self, text: str) -> None:
        self._log(ServiceRecord(time.time(), "warning", text))


async def ask(pool: WorkerPool, worker: int, path: str) -> tuple[int, str]:
    """GET `path` from a worker; returns HTTP status and text. Raises OSError, or ValueError if it is incomplete."""
    reader, writer = await asyncio.open_unix_connection(pool.admin_socket(worker))
    try:
        writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        response = await reader.read()
    finally:
        writer.close()
    head, _, body = response.partition(b"\r\n\r\n")
    if b"\r\nContent-Length: %d\r\n" % len(body) not in head + b"\r\n":
        raise ValueError("cut short")  # because the worker ended
    return int(head.split(b" ", 2)[1]), body.decode()


async def ask_all(pool: WorkerPool, path: str) -> Mapping[int, tuple[int, str]]:
    """The responses, by worker, of those that respond within `RESPONSE_SECONDS` seconds."""

    async def response_of(worker: int) -> tuple[int, str]:
        async with asyncio.timeout(RESPONSE_SECONDS):
            return await ask(pool, worker, path)

    numbers = range(len(pool.sockets))
    responses = await asyncio.gather(*(response_of(number) for number in numbers), return_exceptions=True)
    return {number: found for number, found in enumerate(responses) if not isinstance(found, BaseException)}


def readiness_of(responses: Mapping[int, tuple[int, str]], workers: int) -> Readiness:
    """Merge the workers' `/readyz`: a part has the first problem that a worker reports; warnings are listed once."""
    parts: dict[str, str] = {}
    warnings: dict[str, None] = {}
    development = False
    for number in range(workers):
        if number not in responses:
            parts[f"worker {number}"] = "does not respond"
            continue
        worker = json.loads(responses[number][1])
        development = development or worker["development"]
        warnings |= dict.fromkeys(worker["warnings"])
        for part, state in worker["parts"].items():
            parts[part] = parts.get(part) or ("" if state == "ok" else state)
    return Readiness(parts, development, tuple(warnings))
