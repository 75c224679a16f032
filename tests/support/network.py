"""Free ports of loopback, and HTTP pages."""

import os
import secrets
import socket
import urllib.error
import urllib.request

LOOPBACK = "127.0.0.1"
PORTS = range(10_000, 32_768)  # below those that Linux assigns to sockets which ask for none
PROCESSES = 16  # pytest processes; each has its own ports, so that no other binds a port that this one has checked
TIMEOUT = 60.0  # seconds that a response may take on a busy machine before a test fails


_assigned: set[int] = set()


def free_port() -> int:
    """A port that is free for TCP and UDP. Later calls do not return it again, and Linux assigns it to no connection."""
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % PROCESSES
    while True:
        port = secrets.choice(PORTS[process::PROCESSES])
        if port in _assigned:
            continue
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind((LOOPBACK, port))
                udp.bind((LOOPBACK, port))
            except OSError:
                continue
            _assigned.add(port)
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
