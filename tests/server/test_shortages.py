"""Unauthenticated connections to the admin listener, and exhausted file descriptors: logins continue, at a bounded cost."""

import resource
import socket
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from radius_voice.http.listener import MAX_CONNECTIONS
from radius_voice.radius import packet as radius
from tests.server.test_faults import CONFIGURATION, log_in, resident
from tests.support import program_process
from tests.support.network import http_get
from tests.support.polling import wait_until
from tests.support.program_process import TIMEOUT

FEW = ("sh", "-c", 'ulimit -Sn 64; exec "$@"', "sh")
ENOUGH = 64 << 20


@pytest.fixture
def users(make_user):
    return [make_user() for _ in range(2)]


@contextmanager
def idle_connections(server, count, octets=b""):
    """Connections to the admin listener that have sent `octets` and wait."""
    port = int(server.admin.rpartition(":")[2])
    with ExitStack() as held:
        yield [held.enter_context(idle_connection(port, octets)) for _ in range(count)]


def idle_connection(port, octets):
    connection = socket.create_connection(("127.0.0.1", port), TIMEOUT)
    connection.sendall(octets)
    return connection


def closed(connection):
    """Wait until the server has closed the connection."""
    try:
        return b"" == connection.recv(1)
    except ConnectionResetError:
        return True


def descriptors(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def healthy(server):
    try:
        return http_get(f"{server.admin}/healthz") == (200, "ok\n")
    except OSError:
        return False


def cut_off(connection, piece):
    """Send until the server has had enough of it."""
    try:
        for _ in range(0, ENOUGH, len(piece)):
            connection.sendall(piece)
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False


def test_exhausted_file_descriptors_block_no_response_and_are_logged(start_server, users, monkeypatch):
    alice, bob = users
    monkeypatch.setattr(program_process, "PROGRAM", (*FEW, *program_process.PROGRAM))
    with start_server(CONFIGURATION, users) as server:
        pid, gateway = server.process.pid, server.client()
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        assert soft == hard, "the soft limit is raised to the hard limit"
        few = descriptors(pid) + 4
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (few, hard))
        with idle_connections(server, 10):
            server.wait_until_processed()
            assert radius.ACCESS_REJECT == gateway.start_login(alice).code
            assert "no file descriptor is left" in server.wait_for_line("not_placed", server.stderr)
            server.wait_for_line("housekeeping failed: store: unable to open", server.stderr)
            assert radius.ACCESS_ACCEPT == gateway.status().code
        wait_until(lambda: descriptors(pid) < few - 2, "the strangers' descriptors are free")
        assert radius.ACCESS_ACCEPT == log_in(server, bob)
        assert ["delivery_failed"] == server.reasons(alice)
        assert ["not_placed", "placed"] == [call["result"] for call in server.audit(kind="delivery")]
        assert 1 == len([line for line in server.stderr if "housekeeping" in line])
    assert [] == server.simulator.calls(alice.phone)


def test_slow_requests_use_only_the_connections_of_the_admin_listener(start_server, users):
    with start_server(CONFIGURATION, users) as server:
        with idle_connections(server, MAX_CONNECTIONS, b"GET /metrics HTTP/1.1\r\nX: "):
            with idle_connections(server, 20) as late:
                assert all(closed(each) for each in late)
            assert radius.ACCESS_ACCEPT == log_in(server, users[0])
        wait_until(lambda: healthy(server), "their places are free again")


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"GET /metrics HTTP/1.1\r\n", (b"X: " + b"y" * 4000 + b"\r\n") * 8),
        (b"GET /metrics HTTP/1.1\r\n", b"X:y\r\n" * 6000),
        (b"GET /metrics", b"z" * 30000),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"z" * 30000),
        (b"POST /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;" + b"z" * 30000),
        (b"", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 1000),
    ],
    ids=["long headers", "many headers", "one line", "a body", "a chunk", "pipelined"],
)
def test_oversized_requests_to_the_admin_listener_are_closed_without_residue(server, users, head, piece):
    with idle_connections(server, 1, head) as warm:
        cut_off(warm[0], piece)
    before, lines = resident(server), len(server.stderr)
    with idle_connections(server, 16, head) as many:
        assert all(cut_off(each, piece) for each in many)
    assert radius.ACCESS_ACCEPT == server.client().status().code
    assert resident(server) - before < 8 << 20
    assert len(server.stderr) - lines < 8, "unauthenticated requests must not fill the disk"


@pytest.fixture(scope="module")
def server(start_server):
    with start_server(CONFIGURATION, []) as server:
        yield server
