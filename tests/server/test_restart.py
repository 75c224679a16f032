"""What outlives a process that was killed, with the store that `serve` has by default."""

import pytest

from radius_voice.radius import packet as radius
from tests.support.server_process import ServerProcess

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.3s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests, require_message_authenticator: auto}
limits:
  wrong_codes: {user: 2 per 24h}
"""


@pytest.fixture
def users(make_user):
    return [make_user() for _ in range(3)]


@pytest.fixture
def restart(simulator, tmp_path, users):
    """Starts the server, again and again in the same folder; all but the last are killed."""
    servers: list[ServerProcess] = []

    def start():
        if servers:
            servers[-1].kill()
        servers.append(ServerProcess(tmp_path, simulator, CONFIGURATION, users))
        return servers[-1]

    yield start
    assert 0 == servers[-1].stop()


def test_a_challenge_sent_before_a_kill_can_be_answered_after_the_restart(restart, users):
    alice = users[0]
    server = restart()
    challenge = server.client().start_login(alice)
    server = restart()
    accept = server.client().respond(alice, challenge, server.simulator.code(alice.phone))
    assert radius.ACCESS_ACCEPT == accept.code
    assert 1 == len(server.simulator.calls(alice.phone))


def test_a_state_used_before_a_kill_is_not_accepted_with_another_code(restart, users):
    alice = users[0]
    server = restart()
    challenge = server.client().start_login(alice)
    wrong = server.client().respond(alice, challenge, "000000x")
    assert radius.ACCESS_CHALLENGE == wrong.code
    server = restart()
    code = server.simulator.code(alice.phone)
    assert radius.ACCESS_REJECT == server.client().respond(alice, challenge, code).code
    assert radius.ACCESS_ACCEPT == server.client().respond(alice, wrong, code).code


def test_limits_persist_through_a_kill(restart, users):
    alice = users[0]
    server = restart()
    challenge = server.client().start_login(alice)
    for _ in range(2):
        challenge = server.client().respond(alice, challenge, "wrong")
    server = restart()
    assert radius.ACCESS_REJECT == server.client().respond(alice, challenge, server.simulator.code(alice.phone)).code
    assert "locked" == server.reasons(alice)[-1]


def test_signing_clients_are_known_after_a_kill(restart, users):
    alice, bob, _ = users
    server = restart()
    unsigned = server.client()
    assert radius.ACCESS_CHALLENGE == unsigned.start_login(alice, signed=False).code
    challenge = server.client().start_login(bob)
    assert radius.ACCESS_ACCEPT == server.client().respond(bob, challenge, server.simulator.code(bob.phone)).code
    server.wait_until_processed()
    server = restart()
    gateway = server.client()
    gateway.send(gateway.initial_request(alice, signed=False))
    server.wait_until_processed()
    assert gateway.received_nothing()
    assert 1 == server.metric("radius_voice_discards_total", reason="no_message_authenticator")
