"""Something that listens where a peer should be, and does what a test wants instead."""

import socket
import struct
import threading

from tests.server.house import PATIENCE


class Listener:
    """Every connection gets a thread and is handed to `serve`; it is closed when that returns. Closed, it can be opened again."""

    def __init__(self, serve, port=0):
        self.serve = serve
        self.port = port
        self.open()

    def open(self):
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._listen, args=(self.listener,), daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _listen(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            try:
                self.serve(connection)
            except OSError:
                return

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def silent(connection):
    """Say nothing until the other side has had enough."""
    connection.settimeout(PATIENCE)
    while connection.recv(65536):
        pass


def resetting(connection):
    """Reset the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def saying(octets):
    """Say `octets`, whatever was asked."""
    return lambda connection: connection.sendall(octets)
