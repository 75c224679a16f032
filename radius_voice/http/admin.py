"""The admin listener: liveness, readiness and metrics.

It has no authentication, so it must be on loopback or behind a proxy that authenticates. Its responses hold no secrets.
At most `MAX_CONNECTIONS` connections are open, each for at most `CONNECTION_SECONDS`; a request has at most
`MAX_REQUEST_BYTES` octets.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage, StreamWriter
from multidict import CIMultiDict
from prometheus_client import CONTENT_TYPE_LATEST

from radius_voice.http.hosts import HostCheck

MAX_CONNECTIONS = 64
CONNECTION_SECONDS = 10.0
READY_SECONDS = 5.0
MAX_LINE_BYTES = 4096
MAX_REQUEST_BYTES = 16384
JSON_TYPE = "application/json"
MISDIRECTED = (
    "This host name is not allowed here. Use the server's IP address, or add the name to admin.hosts in the "
    "configuration of radius-voice and restart it.\n"
)
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Readiness:
    """The components that a login needs, each with its problem (empty: none). Holds no secrets.

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
    and lives for at most `connection_seconds`; it is aborted after MAX_REQUEST_BYTES octets. While `max_connections`
    are open, new ones are closed.
    """

    def __init__(
        self,
        page: Callable[[], bytes],
        ready: Callable[[], Awaitable[Readiness]],
        *,
        refresh: Callable[[], Awaitable[None]] | None = None,
        hosts: Iterable[str] = (),
        max_connections: int = MAX_CONNECTIONS,
        connection_seconds: float = CONNECTION_SECONDS,
        ready_seconds: float = READY_SECONDS,
    ) -> None:
        self._host_check = HostCheck(hosts)
        self._page = page
        self._ready = ready
        self._refresh = refresh
        self._max_connections = max_connections
        self._connection_seconds = connection_seconds
        self._ready_seconds = ready_seconds
        self._http: web.Server | None = None
        self._listener: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which the system chooses if `port` is 0. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._protocol_factory(), host, port)
        bound: int = self._listener.sockets[0].getsockname()[1]
        return bound

    async def start_at(self, path: Path) -> None:
        """Listen on a local socket, for another process of this service. Raises OSError."""
        self._listener = await asyncio.get_running_loop().create_unix_server(self._protocol_factory(), path)

    def _protocol_factory(self) -> Callable[[], _LimitedConnection]:
        http = web.Server(
            self._respond,
            handler_cancellation=True,
            request_factory=_request,
            access_log=None,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            lingering_time=0,
        )
        self._http = http
        return lambda: _LimitedConnection(http, self._max_connections, self._connection_seconds)

    async def stop(self) -> None:
        """Stop listening and close all connections; a request in progress has a second to end."""
        if self._listener is not None:
            self._listener.close()
        if self._http is not None:
            await self._http.shutdown(1.0)

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
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
            async with asyncio.timeout(self._ready_seconds):
                found = await self._ready()
        except TimeoutError:
            found = Readiness({"readiness": f"not known within {self._ready_seconds:g} s"})
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


class _LimitedConnection(asyncio.Protocol):
    """Limits a connection's duration and its request's size. A connection above the maximum is closed unread."""

    def __init__(self, http: web.Server, max_connections: int, seconds: float) -> None:
        self._http = http
        self._max_connections = max_connections
        self._seconds = seconds
        self._octets_left = MAX_REQUEST_BYTES
        self._handler: asyncio.Protocol | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has the same methods but is no subclass
        if len(self._http.connections) >= self._max_connections:
            transport.close()
            return
        # An absolute deadline bounds slow headers, slow bodies and slow readers.
        self._deadline = asyncio.get_running_loop().call_later(self._seconds, self._transport.abort)
        self._handler = self._http()
        self._handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._octets_left -= len(data)
        if self._octets_left < 0:
            self._transport.abort()
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
            self._deadline.cancel()
            self._handler.connection_lost(exc)
            self._handler = None


def _request(
    message: RawRequestMessage,
    body: StreamReader,
    handler: web.RequestHandler,
    _writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, body, handler, _AnonymousWriter(handler, loop), task, loop)


class _AnonymousWriter(StreamWriter):
    """Writes no Server header, also in aiohttp's own response to a request that is not HTTP."""

    async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None:
        headers.popall("Server", None)
        await super().write_headers(status_line, headers)
