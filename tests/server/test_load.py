"""A restart and reloads under load disturb no login, with one process and with several."""

import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from itertools import count, cycle

import pytest

from radius_voice.identity.passwords import CHEAPEST, hash_password
from radius_voice.radius import packet as radius
from tests.support.network import free_port
from tests.support.polling import wait_until
from tests.support.program_process import TIMEOUT
from tests.support.radius_test_client import RadiusTestClient
from tests.support.server_process import ConfiguredUser, ServerProcess, WorkersProcess

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:PORT"], workers: WORKERS, reject_delay: 0.3s}
clients:
  gateway: {address: 127.0.1.0/24, secret: a shared secret of the tests, response_timeout: 20s}
policies: {default: {first_factor: none, directory: people, challenge: {digits: 8}}}
limits: {calls: {client: off, country: off, total: off}}
"""


class Caller(ConfiguredUser):
    """A user whose password the gateway verifies. The hash is cheap, because the server does not use it."""

    @cached_property
    def hashed(self):
        return hash_password(self.password, CHEAPEST)


class LoginLoad:
    """Concurrent logins, each through its own client. `servers` counts the servers started so far."""

    def __init__(self, make_user, count, simulator):
        self.users = [Caller(**vars(make_user())) for _ in range(count)]
        self.simulator = simulator
        self.finished = []
        self.servers = 1

    @contextmanager
    def logging_in(self, port, at_once, users=None):
        """These users, or all, so many at a time; at the end they are in."""
        with ThreadPoolExecutor(at_once) as pool:
            logins = [
                pool.submit(self._log_in, RadiusTestClient(port, f"127.0.1.{number}"), user)
                for number, user in enumerate(users or self.users, 1)
            ]
            yield logins
            assert {radius.ACCESS_ACCEPT} == {login.result() for login in logins}

    def _log_in(self, gateway, user):
        try:
            challenge = self._ask(gateway, gateway.initial_request(user))
            code = self.simulator.code(user.phone)
            return self._ask(gateway, gateway.challenge_response(user, challenge, code)).code
        finally:
            gateway.close()
            self.finished.append(user)

    def _ask(self, gateway, octets):
        """The reply to a packet. It is sent again when another server has started."""
        asked = self.servers
        gateway.send(octets)
        gateway.sock.settimeout(0.2)
        over = time.monotonic() + 2 * TIMEOUT
        while time.monotonic() < over:
            try:
                return gateway.receive()
            except TimeoutError:
                if asked != self.servers:
                    asked = self.servers
                    gateway.send(octets)
        raise AssertionError("a login got no answer")

    def calls(self):
        return [len(self.simulator.calls(user.phone)) for user in self.users]


class RestartableServer:
    """A server of one process or several, which can be started again with the same directory and port."""

    def __init__(self, directory, simulator, workers):
        self.port, self.workers = free_port(), workers
        self.configuration = CONFIGURATION.replace("PORT", str(self.port)).replace("WORKERS", str(workers))
        self._directory, self._simulator = directory, simulator
        self.processes: list[ServerProcess] = []

    def start(self, users):
        kind = WorkersProcess if self.workers > 1 else ServerProcess
        self.processes.append(kind(self._directory, self._simulator, self.configuration, users))
        return self.processes[-1]


@pytest.fixture(params=[1, 2])
def restartable(request, slow_simulator, tmp_path):
    server = RestartableServer(tmp_path, slow_simulator, request.param)
    yield server
    for process in server.processes:
        process.kill()


def test_a_restart_under_load_loses_no_accepted_login(restartable, slow_simulator, make_user):
    load = LoginLoad(make_user, 40, slow_simulator)
    server = restartable.start(load.users)
    with load.logging_in(restartable.port, at_once=20):
        wait_until(lambda: len(load.finished) >= 5, "some are inside and most are not")
        server.send_signal(signal.SIGTERM)
        assert 0 == server.wait()
        server = restartable.start(load.users)
        load.servers += 1
    assert 0 == server.stop()
    assert [1] * 40 == load.calls()
    answered = Counter(record["client_address"] for record in server.audit(kind="request"))
    assert dict.fromkeys(answered, 2) == answered, "a request accepted before the stop was sent again after it"


def test_reloads_under_load_lose_no_login(restartable, slow_simulator, make_user):
    load = LoginLoad(make_user, 200, slow_simulator)
    server = restartable.start(load.users)
    reloads = count(1)

    def reload(digits):
        server.write(restartable.configuration.replace("digits: 8", f"digits: {digits}"))
        server.send_signal(signal.SIGHUP)
        server.wait_for_line("reloaded", server.stderr, times=next(reloads) * restartable.workers)

    with load.logging_in(restartable.port, 50, load.users[:100]):
        wait_until(lambda: load.finished, "the first has logged in with 8 digits")
        reload(9)
        with load.logging_in(restartable.port, 50, load.users[100:]) as logins:
            wait_until(lambda: any(login.done() for login in logins), "one has logged in with 9 digits")
            for digits in cycle([8, 9]):
                reload(digits)
                if all(login.done() for login in logins):
                    break
    assert 0 == server.stop()
    assert {8, 9} == {len(slow_simulator.code(user.phone)) for user in load.users}
    assert [1] * 200 == load.calls()
    assert 400 == len(server.audit(kind="request"))
