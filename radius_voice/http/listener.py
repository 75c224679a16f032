"""An HTTP listener with limits: connections, their duration, and the size of a request.

A connection carries one request. No response names the software.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage, StreamWriter
from multidict import CIMultiDict

MAX_CONNECTIONS = 64
CONNECTION_SECONDS = 10.0
MAX_LINE_BYTES = 4096
MAX_REQUEST_BYTES = 16384
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

Respond = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class ListenerLimits:
    """At most `connections` are open, each for at most `connection_seconds`; more are closed unread."""

    connections: int = MAX_CONNECTIONS
    connection_seconds: float = CONNECTION_SECONDS


class HttpListener:
    """Passes each request to `respond`. A connection is aborted after MAX_REQUEST_BYTES octets."""

    def __init__(self, respond: Respond, limits: ListenerLimits) -> None:
        self._respond = respond
        self._limits = limits
        self._http: web.Server | None = None
        self._listener: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which the system chooses if `port` is 0. Raises OSError."""
        self._listener = await asyncio.get_running_loop().create_server(self._protocol_factory(), host, port)
        bound: int = self._listener.sockets[0].getsockname()[1]
        return bound

    async def start_at(self, path: Path) -> None:
        """Listen on a local socket, for another process of this service. Raises OSError."""
        self._listener = await asyncio.get_running_loop().create_unix_server(self._protocol_factory(), path)

    async def start_on(self, sock: socket.socket) -> int:
        """Listen on a bound socket, which other processes may share; returns its port. Raises OSError."""
        self._listener = await asyncio.get_running_loop().create_server(self._protocol_factory(), sock=sock)
        bound: int = sock.getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Stop listening and close all connections; a request in progress has a second to end."""
        if self._listener is not None:
            self._listener.close()
        if self._http is not None:
            await self._http.shutdown(1.0)

    def _protocol_factory(self) -> Callable[[], _LimitedConnection]:
        http = web.Server(
            self._response,
            handler_cancellation=True,
            request_factory=_request,
            access_log=None,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            lingering_time=0,
            auto_decompress=False,  # a compressed body would be larger than the limits say, or end in aiohttp's own 500
        )
        self._http = http
        return lambda: _LimitedConnection(http, self._limits)

    async def _response(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await self._respond(request)
        response.force_close()
        return response


class _LimitedConnection(asyncio.Protocol):
    """Limits a connection's duration and its request's size. A connection above the maximum is closed unread."""

    def __init__(self, http: web.Server, limits: ListenerLimits) -> None:
        self._http = http
        self._limits = limits
        self._octets_left = MAX_REQUEST_BYTES
        self._handler: asyncio.Protocol | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has the same methods but is no subclass
        if len(self._http.connections) >= self._limits.connections:
            transport.close()
            return
        # An absolute deadline bounds slow headers, slow bodies and slow readers.
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._limits.connection_seconds, self._transport.abort)
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
    writer = _AnonymousWriter(handler, loop)
    return web.BaseRequest(message, body, handler, writer, task, loop, client_max_size=MAX_REQUEST_BYTES)


class _AnonymousWriter(StreamWriter):
    """Writes no Server header, also in aiohttp's own response to a request that is not HTTP."""

    async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None:
        headers.popall("Server", None)
        await super().write_headers(status_line, headers)
