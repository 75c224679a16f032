"""The admin listener: liveness, readiness and metrics.

It has no authentication, so it belongs on loopback or behind a proxy that has. Its responses hold no secrets. A slow
or noisy connection takes one of `CONNECTIONS` places for at most `PATIENCE` seconds, and sends at most
`LONGEST_REQUEST` octets.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from radius_voice.http.hosts import HostCheck

CONNECTIONS = 64
PATIENCE = 10.0
READY_PATIENCE = 5.0
LINE_SIZE = 4096
LONGEST_REQUEST = 16384
JSON_TYPE = "application/json"
MISDIRECTED = (
    "This host name is not allowed here. Use the server's IP address, or add the name to admin.hosts in the "
    "configuration of radius-voice and restart it.\n"
)
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Readiness:
    """The parts that a login needs, each with what is wrong with it (empty: nothing). Holds no secrets.

    `development`: a configured provider places no calls. `warnings` need an administrator but prevent no login.
    """

    parts: Mapping[str, str]
    development: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether no part has a problem."""
        return not any(self.parts.values())


class Admin:
    """Responds to GET and HEAD of /metrics, /healthz and /readyz; everything else gets 404.

    A request for a host other than an IP address, `localhost` or one of `hosts` gets 421 (see `HostCheck`).

    `page` generates the metrics, after `refresh`; `ready` is called for every /readyz. A connection carries one request
    and lives for at most `patience` seconds; it is aborted after LONGEST_REQUEST octets. While `connections` are open,
    new ones are closed.
    """

    def __init__(
        self,
        page: Callable[[], bytes],
        ready: Callable[[], Awaitable[Readiness]],
        *,
        refresh: Callable[[], Awaitable[None]] | None = None,
        hosts: Iterable[str] = (),
        connections: int = CONNECTIONS,
        patience: float = PATIENCE,
        ready_patience: float = READY_PATIENCE,
    ) -> None:
        self._host_check = HostCheck(hosts)
        self._page = page
        self._ready = ready
        self._refresh = refresh
        self._connections = connections
        self._patience = patience
        self._ready_patience = ready_patience
        self._http: web.Server | None = None
        self._listener: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which the system chooses if `port` is 0. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._opened(), host, port)
        bound: int = self._listener.sockets[0].getsockname()[1]
        return bound

    async def start_at(self, path: Path) -> None:
        """Listen on a local socket, for another process of this service. Raises OSError."""
        self._listener = await asyncio.get_running_loop().create_unix_server(self._opened(), path)

    def _opened(self) -> Callable[[], _Door]:
        loop = asyncio.get_running_loop()
        http = web.Server(
            self._answer,
            handler_cancellation=True,
            request_factory=lambda message, body, http, writer, task: _Request(message, body, http, writer, task, loop),
            access_log=None,
            max_line_size=LINE_SIZE,
            max_field_size=LINE_SIZE,
            lingering_time=0,
        )
        self._http = http
        return lambda: _Door(http, self._connections, self._patience)

    async def stop(self) -> None:
        """Stop listening and close all connections; a request in progress has a second to end."""
        if self._listener is not None:
            self._listener.close()
        if self._http is not None:
            await self._http.shutdown(1.0)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await self._response(request)
        response.force_close()
        return response

    async def _response(self, request: web.BaseRequest) -> web.Response:
        if not self._host_check.allows(request.headers.getall("Host", ()), request.raw_path):
            return web.Response(status=421, text=MISDIRECTED, headers=HEADERS)
        if request.method not in {"GET", "HEAD"}:
            return web.Response(status=404, text="not found\n", headers=HEADERS)
        match request.path:
            case "/metrics":
                if self._refresh is not None:
                    await self._refresh()
                return web.Response(body=self._page(), headers=HEADERS | {"Content-Type": CONTENT_TYPE_LATEST})
            case "/healthz":
                return web.Response(text="ok\n", headers=HEADERS)
            case "/readyz":
                return await self._readiness()
            case _:
                return web.Response(status=404, text="not found\n", headers=HEADERS)

    async def _readiness(self) -> web.Response:
        try:
            async with asyncio.timeout(self._ready_patience):
                found = await self._ready()
        except TimeoutError:
            found = Readiness({"readiness": f"not known within {self._ready_patience:g} s"})
        except Exception as error:  # noqa: BLE001 - any failure means "not ready"
            found = Readiness({"readiness": f"not known: {type(error).__name__}"})
        body = {
            "ready": found.ready,
            "development": found.development,
            "warnings": list(found.warnings),
            "parts": {part: wrong or "ok" for part, wrong in found.parts.items()},
        }
        status = 200 if found.ready else 503
        return web.Response(status=status, text=json.dumps(body) + "\n", content_type=JSON_TYPE, headers=HEADERS)


class _Door(asyncio.Protocol):
    """Limits a connection's duration and its request's size. A connection above the maximum is closed unread."""

    def __init__(self, http: web.Server, connections: int, patience: float) -> None:
        self._http = http
        self._connections = connections
        self._patience = patience
        self._room = LONGEST_REQUEST
        self._handler: asyncio.Protocol | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._stream = cast("asyncio.Transport", transport)  # uvloop's has the same methods but is no subclass
        if len(self._http.connections) >= self._connections:
            transport.close()
            return
        # An absolute deadline bounds slow headers, slow bodies and slow readers.
        self._end = asyncio.get_running_loop().call_later(self._patience, self._stream.abort)
        self._handler = self._http()
        self._handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._room -= len(data)
        if self._room < 0:
            self._stream.abort()
        elif self._handler is not None:
            self._handler.data_received(data)

    def eof_received(self) -> bool | None:
        return self._handler.eof_received() if self._handler is not None else None

    def pause_writing(self) -> None:
        if self._handler is not None:
            self._handler.pause_writing()

    def resume_writing(self) -> None:
        if self._handler is not None:
            self._handler.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._handler is not None:
            self._end.cancel()
            self._handler.connection_lost(exc)
            self._handler = None


class _Request(web.BaseRequest):
    """Its response has no Server header, also after a request that is not HTTP."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        response.headers.popall("Server", None)
