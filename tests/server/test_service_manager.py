"""`serve` under a service manager such as systemd: the messages of a running service."""

import os
import signal

import pytest

from radius_voice.radius import packet as radius
from tests.support.notify_socket import NotifySocket
from tests.support.server_process import ServerProcess, WorkersProcess

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""
BY_WORKERS = CONFIGURATION.replace("reject_delay", "workers: 2, reject_delay")
KINDS = [pytest.param(ServerProcess, CONFIGURATION, id="one"), pytest.param(WorkersProcess, BY_WORKERS, id="workers")]
WATCHDOG_SECONDS = 1.0


@pytest.fixture
def user(make_user):
    return make_user()


@pytest.fixture
def manager(tmp_path):
    with NotifySocket(tmp_path / "notify") as manager:
        yield manager


@pytest.fixture
def start(simulator, tmp_path, user, manager):
    """Starts a service under the manager; `variables` are added to its environment."""
    servers = []

    def started(kind, configuration, **variables):
        environment = {**os.environ, "NOTIFY_SOCKET": str(manager.path), **variables}
        server = kind(tmp_path, simulator, configuration, [user], env=environment)
        servers.append(server)
        return server

    yield started
    for server in servers:
        server.stop()


@pytest.mark.parametrize(("kind", "configuration"), KINDS)
def test_the_service_manager_follows_start_reload_and_stop(start, manager, user, kind, configuration):
    server = start(kind, configuration)
    assert "READY=1" == manager.receive()
    assert radius.ACCESS_CHALLENGE == server.client().start_login(user).code
    server.write(configuration.replace("127.0.0.1, secret", "127.0.0.9, secret"))
    server.send_signal(signal.SIGHUP)
    manager.wait_for("RELOADING=1")
    assert "READY=1" == manager.receive()
    assert radius.ACCESS_CHALLENGE == server.client("127.0.0.9").start_login(user).code
    server.write("nonsense: 1\n")
    server.send_signal(signal.SIGHUP)
    manager.wait_for("RELOADING=1")
    assert "READY=1" == manager.receive()
    server.stop()
    assert "STOPPING=1" == manager.receive()


@pytest.mark.parametrize(("kind", "configuration"), KINDS)
def test_the_watchdog_gets_messages_until_the_service_ends(start, manager, kind, configuration):
    start(kind, configuration, WATCHDOG_USEC=str(int(WATCHDOG_SECONDS * 1e6)))
    for _ in range(4):
        manager.wait_for("WATCHDOG=1")


def test_the_watchdog_gets_none_of_a_process_that_it_does_not_watch(start, manager):
    server = start(ServerProcess, CONFIGURATION, WATCHDOG_USEC="1000", WATCHDOG_PID="1")
    server.stop()
    manager.wait_for("STOPPING=1")
    assert ["READY=1"] == manager.passed


def test_the_watchdog_gets_no_message_while_a_worker_does_not_respond(start, manager):
    server = start(WorkersProcess, BY_WORKERS, WATCHDOG_USEC=str(int(WATCHDOG_SECONDS * 1e6)))
    stopped = server.children()[-1]
    os.kill(stopped, signal.SIGSTOP)
    try:
        manager.wait_for_end(2 * WATCHDOG_SECONDS)
    finally:
        os.kill(stopped, signal.SIGCONT)
    manager.wait_for("WATCHDOG=1")


def test_a_service_that_cannot_start_is_never_ready(start, manager):
    with pytest.raises(AssertionError, match="no 'started'"):
        start(ServerProcess, CONFIGURATION.replace("udp://127.0.0.1:0", "udp://192.0.2.1:1"))
    with pytest.raises(TimeoutError):
        manager.receive(0.001)
