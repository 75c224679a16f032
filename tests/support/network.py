"""Free ports of loopback, and HTTP pages."""

import socket
import urllib.error
import urllib.request

LOOPBACK = "127.0.0.1"
TIMEOUT = 10.0  # seconds that a response may take on a busy machine before a test fails


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind((LOOPBACK, 0))
        port: int = bound.getsockname()[1]
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
