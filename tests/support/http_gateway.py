"""An HTTP server that stands for an administrator's SMS gateway: it records requests, and tests choose its responses."""

import json
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.support.network import TIMEOUT
from tests.support.tcp_listener import Serve, TcpListener, send_octets


@dataclass(frozen=True)
class GatewayRequest:
    """One request as it was received. The names of headers are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, strict_parsing=True))

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), strict_parsing=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Respond = Callable[[GatewayRequest], Serve]


class HttpGateway(TcpListener):
    """Keeps every complete request in `requests`, and then serves its connection with `respond`.

    With `keep_alive`, a connection serves further requests. A `fault` is served before any request is read.
    """

    def __init__(self, respond: Respond | None = None, *, keep_alive: bool = False) -> None:
        self.requests: list[GatewayRequest] = []
        self.connections = 0
        self.respond = respond or (lambda _request: send_response(200, b"{}"))
        self.fault: Serve | None = None
        self._keep_alive = keep_alive
        super().__init__(self._serve_requests)
        self.url = f"http://127.0.0.1:{self.port}"

    def _serve_requests(self, connection: socket.socket) -> None:
        connection.settimeout(TIMEOUT)
        self.connections += 1
        if self.fault is not None:
            self.fault(connection)
            return
        while (request := _read_request(connection)) is not None:
            self.requests.append(request)
            self.respond(request)(connection)
            if not self._keep_alive:
                return


def send_response(status: int, body: bytes, *, missing: int = 0, content_type: str = "application/json") -> Serve:
    """Send the last response of a connection; it announces `missing` more octets than it has."""
    headers = f"Content-Type: {content_type}\r\nContent-Length: {len(body) + missing}\r\nConnection: close\r\n"
    return send_octets(f"HTTP/1.1 {status} X\r\n{headers}\r\n".encode() + body)


def _read_request(connection: socket.socket) -> GatewayRequest | None:
    """The next request of a connection, None if the peer has closed it."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return None
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65536)
    method, target = re.fullmatch(r"(\S+) (\S+) HTTP/1\.1", first).groups()  # type: ignore[union-attr]
    return GatewayRequest(method, target, headers, body)
