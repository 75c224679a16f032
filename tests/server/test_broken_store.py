"""A failing store: the server sends no response, log and /readyz report the cause, and the store recovers."""

import json
import os
import resource
from contextlib import contextmanager

import pytest

from radius_voice.radius import packet as radius
from tests.server.test_faults import CONFIGURATION, log_in
from tests.support.network import http_get
from tests.support.polling import wait_until
from tests.support.program_process import ProgramProcess
from tests.support.redis_server import RedisServer
from tests.support.server_process import write_configuration
from tests.support.tcp_listener import TcpListener, never_respond, reset_connection, send_octets

REDIS = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s, key: a server key that the tests have}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
store: {type: redis, servers: ["127.0.0.1:PORT"], timeout: 0.3s}
"""
FAULTS = {
    "says nothing": (never_respond, "did not respond"),
    "resets the connection": (reset_connection, "unavailable"),
    "closes the connection": (send_octets(b""), "unavailable"),
    "is a web server": (send_octets(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), ""),
    "talks noise": (send_octets(bytes(range(256)) * 20), ""),
    "promises without end": (send_octets(b"$999999999999\r\n"), ""),
    "nests without end": (send_octets(b"*1\r\n" * 100_000), ""),
    "answers wrongly": (send_octets(b"+OK\r\n+OK\r\n*2\r\n:1\r\n$-1\r\n" * 20), ""),
}

if not os.environ.get("RADIUS_VOICE_LONG"):
    FAULTS = {
        fault: FAULTS[fault] for fault in ("says nothing", "resets the connection", "talks noise", "answers wrongly")
    }


@pytest.fixture
def users(make_user):
    return [make_user() for _ in range(2)]


def ready(server):
    status, page = http_get(f"{server.admin}/readyz")
    return status, json.loads(page)["parts"]["store"]


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis"), "--appendonly", "yes", "--appendfsync", "always")
    yield server
    server.close()


@pytest.fixture(scope="module")
def redis_users(make_user):
    return [make_user() for _ in range(2 * len(FAULTS))]


@pytest.fixture(scope="module")
def server(start_server, redis, redis_users):
    with start_server(REDIS.replace("PORT", str(redis.port)), redis_users) as server:
        yield server


@pytest.fixture(scope="module")
def unused_users(redis_users):
    return iter(redis_users)


@contextmanager
def replaced_by(redis, serve):
    """Another server listens on the port of Redis."""
    redis.kill()
    try:
        with TcpListener(serve, redis.port):
            yield
    finally:
        redis.start()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_redis_gives_no_response_until_it_recovers(server, redis, unused_users, fault):
    serve, cause = FAULTS[fault]
    alice, bob = next(unused_users), next(unused_users)
    gateway = server.client()
    challenge = gateway.start_login(alice)
    unanswered = len(server.audit(reason="store_unavailable"))
    with replaced_by(redis, serve):
        gateway.send(gateway.challenge_response(alice, challenge, server.simulator.code(alice.phone)))
        wait_until(lambda: len(server.audit(reason="store_unavailable")) > unanswered, "the request gets no response")
        assert gateway.received_nothing()
        status, why = ready(server)
        assert (503, True) == (status, cause in why and why != "ok")
        server.wait_for_line("housekeeping failed: store: ", server.stderr)
    wait_until(lambda: ready(server) == (200, "ok"), "Redis is connected again")
    assert radius.ACCESS_ACCEPT == gateway.respond(alice, challenge, server.simulator.code(alice.phone)).code
    assert radius.ACCESS_ACCEPT == log_in(server, bob)
    assert 1 == len(server.simulator.calls(alice.phone))
    assert unanswered + 1 == server.metric("radius_voice_reasons_total", reason="store_unavailable")
    assert [] == server.audit(reason="internal_error")


@contextmanager
def full_disk(server):
    """No file of the server can grow."""
    pid = server.process.pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def test_a_full_disk_gives_no_response_until_space_is_free(start_server, users):
    alice, bob = users
    with start_server(CONFIGURATION, users) as server:
        gateway = server.client()
        with full_disk(server):
            gateway.send(gateway.initial_request(alice))
            server.wait_for_line("store_unavailable", server.stderr)
            server.wait_for_line("audit: ", server.stderr)
            status, why = ready(server)
            assert (503, True) == (status, why not in {"", "ok"})
            server.wait_until_processed()
            assert gateway.received_nothing()
        assert (200, "ok") == ready(server)
        assert radius.ACCESS_ACCEPT == log_in(server, bob)
        assert radius.ACCESS_ACCEPT == log_in(server, alice)
        assert 1 <= server.metric("radius_voice_audit_failures_total")
        assert 1 == server.metric("radius_voice_reasons_total", reason="store_unavailable")
    assert 1 == len(server.simulator.calls(alice.phone))


@pytest.mark.parametrize("replaced", [False, True])
def test_a_store_whose_file_is_moved_away_gives_no_response_until_it_is_back(start_server, users, replaced):
    alice, bob = users
    with start_server(CONFIGURATION, users) as server:
        gateway, file = server.client(), server.directory / "state" / "state.db"
        challenge = gateway.start_login(alice)
        file.rename(file.with_name("moved.db"))
        if replaced:
            file.write_bytes(b"")
        gateway.send(gateway.initial_request(bob))
        server.wait_for_line("store_unavailable", server.stderr)
        server.wait_for_line("housekeeping failed", server.stderr)
        status, why = ready(server)
        assert 503 == status
        assert "move the file back, or restart the service" in why
        assert replaced is file.exists()
        file.with_name("moved.db").rename(file)
        assert (200, "ok") == ready(server)
        assert gateway.received_nothing()
        accept = gateway.respond(alice, challenge, server.simulator.code(alice.phone))
        assert radius.ACCESS_ACCEPT == accept.code
        assert radius.ACCESS_ACCEPT == log_in(server, bob)
    assert 1 == len(server.simulator.calls(bob.phone))


def test_a_directory_that_cannot_be_written_is_reported_at_start(tmp_path, users):
    (tmp_path / "taken").write_text("a file is not a directory")
    path = write_configuration(
        tmp_path,
        "http://127.0.0.1:1",
        CONFIGURATION.replace("reject_delay", "state: taken/state, reject_delay"),
        users,
    )
    with ProgramProcess("serve", "--config", path) as program:
        assert "taken" in program.wait_for_line("Error", program.stderr)
        assert 1 == program.wait()
