"""Strangers at the admin listener, and file descriptors that run out: logins go on, and what they cost is bounded."""

import resource
import socket
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from radius_voice.http.admin import CONNECTIONS
from radius_voice.radius import packet as radius
from tests.server import house as houses
from tests.server.house import PATIENCE, get
from tests.server.test_faults import CONFIGURATION, log_in, resident
from tests.stores.redis_server import until

FEW = ("sh", "-c", 'ulimit -Sn 64; exec "$@"', "sh")
ENOUGH = 64 << 20


@pytest.fixture
def people(make_person):
    return [make_person() for _ in range(2)]


@contextmanager
def strangers(house, count, octets=b""):
    """Connections to the admin listener that have sent `octets` and wait."""
    port = int(house.admin.rpartition(":")[2])
    with ExitStack() as held:
        yield [held.enter_context(stranger(port, octets)) for _ in range(count)]


def stranger(port, octets):
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
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


def healthy(house):
    try:
        return get(f"{house.admin}/healthz") == (200, "ok\n")
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


def test_descriptors_that_run_out_stop_no_answer_and_are_loud(start, people, monkeypatch):
    anne, bob = people
    monkeypatch.setattr(houses, "PROGRAM", (*FEW, *houses.PROGRAM))
    with start(CONFIGURATION, people) as house:
        pid, gateway = house.process.pid, house.gateway()
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        assert soft == hard, "it takes as many as it may"
        few = descriptors(pid) + 4
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (few, hard))
        with strangers(house, 10):
            house.settled()
            assert radius.ACCESS_REJECT == gateway.begin(anne).code
            assert "no file descriptor is left" in house.line("not_placed", house.stderr)
            house.line("housekeeping failed: store: unable to open", house.stderr)
            assert radius.ACCESS_ACCEPT == gateway.status().code
        until(lambda: descriptors(pid) < few - 2, "the strangers' descriptors are free")
        assert radius.ACCESS_ACCEPT == log_in(house, bob)
        assert ["delivery_failed"] == house.reasons(anne)
        assert ["not_placed", "placed"] == [call["result"] for call in house.audit(kind="call")]
        assert 1 == len([line for line in house.stderr if "housekeeping" in line])
    assert [] == house.phones.calls(anne.phone)


def test_slow_requests_take_the_admin_listeners_places_and_no_more(start, people):
    with start(CONFIGURATION, people) as house:
        with strangers(house, CONNECTIONS, b"GET /metrics HTTP/1.1\r\nX: "):
            with strangers(house, 20) as late:
                assert all(closed(each) for each in late)
            assert radius.ACCESS_ACCEPT == log_in(house, people[0])
        until(lambda: healthy(house), "their places are free again")


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
def test_who_sends_the_admin_listener_too_much_is_cut_off_and_leaves_nothing(house, people, head, piece):
    with strangers(house, 1, head) as warm:
        cut_off(warm[0], piece)
    before, lines = resident(house), len(house.stderr)
    with strangers(house, 16, head) as many:
        assert all(cut_off(each, piece) for each in many)
    assert radius.ACCESS_ACCEPT == house.gateway().status().code
    assert resident(house) - before < 8 << 20
    assert len(house.stderr) - lines < 8, "a stranger must not fill the disk"


@pytest.fixture(scope="module")
def house(start):
    with start(CONFIGURATION, []) as house:
        yield house
