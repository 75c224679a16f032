"""LDAP servers with faults, in place of a server."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from tests.support.network import LOOPBACK, TIMEOUT
from tests.support.slapd_server import SlapdServer
from tests.support.tcp_listener import TcpListener, never_respond, reset_connection

SUCCESS = bytes.fromhex("78070a010004000400")
"""ExtendedResponse, without the message and its ID."""
SECONDS_PER_OCTET = 0.2


def answer_start_tls_only(connection: socket.socket) -> None:
    """Accept StartTLS, and make no handshake."""
    request = connection.recv(4096)
    if request:
        message_id = request[2 : 4 + request[3]]  # in a message of less than 128 octets
        connection.sendall(bytes((0x30, len(message_id + SUCCESS))) + message_id + SUCCESS)
        never_respond(connection)


def answer_http(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n".ljust(2 + ord("T")))  # "T" is read as the length of a message
    never_respond(connection)


def send_unfinished_length(connection: socket.socket) -> None:
    """Announce a message of two gigabytes."""
    connection.sendall(b"\x30\x84\x7f\xff\xff\xff")
    never_respond(connection)


def trickle(slapd: SlapdServer) -> Callable[[socket.socket], None]:
    """Relay to slapd, and its responses octet by octet: each arrives in time, the message does not."""

    def relay(connection: socket.socket) -> None:
        never = threading.Event()
        with socket.create_connection((LOOPBACK, slapd.port), TIMEOUT) as upstream:
            while request := connection.recv(4096):
                upstream.sendall(request)
                for octet in upstream.recv(4096):
                    never.wait(SECONDS_PER_OCTET)
                    connection.sendall(bytes((octet,)))

    return relay


@contextmanager
def dropping_syns() -> Iterator[int]:
    """A port whose backlog is full, so that the kernel drops every further SYN."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(64):
            connection = stack.enter_context(socket.socket())
            connection.settimeout(0.2)
            try:
                connection.connect(address)
            except TimeoutError:
                break
        else:
            raise AssertionError("the backlog does not fill up")
        yield address[1]


@contextmanager
def faulty_server(fault: str, slapd: SlapdServer) -> Iterator[str]:
    """The URL of a server with that fault."""
    if fault == "drops SYNs":
        with dropping_syns() as port:
            yield f"ldap://{LOOPBACK}:{port}"
        return
    serve = {
        "does not respond": never_respond,
        "does not respond in the TLS handshake": never_respond,
        "does not respond after StartTLS": answer_start_tls_only,
        "trickles": trickle(slapd),
        "resets": reset_connection,
        "closes": lambda connection: connection.recv(4096),
        "sends no LDAP": answer_http,
        "sends an unfinished length": send_unfinished_length,
    }[fault]
    with TcpListener(serve) as listener:
        scheme = "ldaps" if "handshake" in fault else "ldap"
        yield f"{scheme}://{LOOPBACK}:{listener.port}"
