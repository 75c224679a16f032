"""A TCP server in place of a peer, with the behaviour that a test gives it."""

import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.support.network import TIMEOUT

Serve = Callable[[socket.socket], object]


class TcpListener:
    """Calls `serve` with every connection, in a thread, and closes the connection afterwards. It can be reopened."""

    def __init__(self, serve: Serve, port: int = 0) -> None:
        self.serve = serve
        self.port = port
        self.open()

    def open(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._listen, args=(self.listener,), daemon=True).start()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _listen(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                self.serve(connection)
            except OSError:
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def never_respond(connection: socket.socket) -> None:
    """Send nothing until the peer closes the connection."""
    connection.settimeout(TIMEOUT)
    while connection.recv(65536):
        pass


def reset_connection(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def send_octets(octets: bytes) -> Serve:
    """Send `octets` without reading the request."""
    return lambda connection: connection.sendall(octets)
