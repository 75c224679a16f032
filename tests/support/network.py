"""Free ports of loopback, and HTTP pages."""

import secrets
import socket
import urllib.error
import urllib.request

LOOPBACK = "127.0.0.1"
PORTS = range(10_000, 32_768)  # below those that Linux assigns to sockets which ask for none
TIMEOUT = 10.0  # seconds that a response may take on a busy machine before a test fails


def free_port() -> int:
    """A port that is free for TCP and UDP. Linux assigns it to no connection before the caller binds it."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind((LOOPBACK, port))
                udp.bind((LOOPBACK, port))
            except OSError:
                continue
            return port


def accepts_connections(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), TIMEOUT).close()
    except OSError:
        return False
    return True


def http_get(url: str) -> tuple[int, str]:
    """Status and text of a page."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as page:
            return page.status, page.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
