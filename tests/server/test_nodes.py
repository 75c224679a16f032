"""Several nodes that share one Redis act as one server."""

import json
import re
import signal
import socket

import pytest

from radius_voice.radius import packet as radius
from tests.support.network import http_get
from tests.support.program_process import TIMEOUT
from tests.support.redis_server import RedisServer
from tests.support.server_process import ServerProcess

CONFIGURATION = """\
server:
  listen: ["udp://127.0.0.1:0"]
  key: a server key that both nodes have
  reject_delay: 0.3s
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
store: {type: redis, servers: ["127.0.0.1:PORT"], timeout: 0.3s}
"""


@pytest.fixture
def redis(tmp_path):
    node = RedisServer(tmp_path / "redis", "--appendonly", "yes", "--appendfsync", "always")
    yield node
    node.close()


@pytest.fixture
def alice(make_user):
    return make_user()


@pytest.fixture
def nodes(start_server, redis, alice):
    configuration = CONFIGURATION.replace("PORT", str(redis.port))
    with start_server(configuration, [alice]) as one, start_server(configuration, [alice]) as other:
        yield one, other


def test_a_login_begins_on_one_node_and_ends_on_another(nodes, simulator, alice):
    one, other = nodes
    challenge = one.client().start_login(alice)
    assert radius.ACCESS_CHALLENGE == challenge.code
    joined = other.client().start_login(alice)
    assert radius.ACCESS_CHALLENGE == joined.code
    assert 1 == len(simulator.calls(alice.phone))
    assert radius.ACCESS_ACCEPT == other.client().respond(alice, challenge, simulator.code(alice.phone)).code
    assert radius.ACCESS_REJECT == one.client().respond(alice, joined, simulator.code(alice.phone)).code


def test_both_of_two_passes_go_to_any_node_and_a_copy_repeats_the_accept(start_server, redis, simulator, alice):
    configuration = CONFIGURATION.replace("PORT", str(redis.port)).replace("tests}", "tests, second_factor: two_pass}")
    with start_server(configuration, [alice]) as one, start_server(configuration, [alice]) as other:
        assert radius.ACCESS_REJECT == one.client().start_login(alice).code
        typed = f"{alice.password},{simulator.code(alice.phone)}"
        gateway, elsewhere = other.client(), one.client()
        request = gateway.request([(radius.USER_NAME, alice.name.encode())], typed)
        elsewhere.sent = gateway.sent
        for client in (gateway, elsewhere):
            client.send(request)
            assert radius.ACCESS_ACCEPT == client.receive().code
        assert (["call_placed", "repeated"], ["code_correct"]) == (one.reasons(alice), other.reasons(alice))


def test_an_accept_without_a_call_is_repeated_by_another_node(start_server, redis, alice):
    exempt = f"policies: {{default: {{exemptions: [{{users: [{alice.name}], reason: no phone line}}]}}}}\n"
    configuration = CONFIGURATION.replace("PORT", str(redis.port)) + exempt
    with start_server(configuration, [alice]) as one, start_server(configuration, [alice]) as other:
        gateway, elsewhere = one.client(), other.client()
        request = gateway.initial_request(alice)
        elsewhere.sent = gateway.sent
        for client in (gateway, elsewhere):
            client.send(request)
            assert radius.ACCESS_ACCEPT == client.receive().code
        assert (["exempt"], ["repeated"]) == (one.reasons(alice), other.reasons(alice))


def test_an_unavailable_redis_gives_no_response_and_its_state_is_valid_again_later(nodes, redis, simulator, alice):
    one, other = nodes
    gateway = one.client()
    challenge = gateway.start_login(alice)
    redis.kill()
    gateway.send(gateway.challenge_response(alice, challenge, "000000"))
    one.wait_for_line("store_unavailable", one.stderr)
    assert gateway.received_nothing()
    status, page = http_get(f"{one.admin}/readyz")
    assert (503, True) == (status, "unavailable" in json.dumps(json.loads(page)))
    redis.start()
    assert radius.ACCESS_ACCEPT == other.client().respond(alice, challenge, simulator.code(alice.phone)).code


# A node is killed at every step


@pytest.fixture
def victim(redis, alice, simulator, tmp_path):
    """Starts a node that will be killed: `victim(phones)`."""
    victims = []

    def started(simulator=simulator):
        (tmp_path / "victim").mkdir()
        victims.append(
            ServerProcess(tmp_path / "victim", simulator, CONFIGURATION.replace("PORT", str(redis.port)), [alice])
        )
        return victims[-1]

    yield started
    for node in victims:
        node.kill()


@pytest.fixture
def survivor(start_server, redis, alice):
    with start_server(CONFIGURATION.replace("PORT", str(redis.port)), [alice]) as node:
        yield node


@pytest.fixture
def hanging_provider():
    """A provider that accepts requests and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as provider:
        provider.settimeout(TIMEOUT)
        yield provider


def test_a_node_killed_during_placement_leads_to_no_second_call(victim, start_server, redis, alice, hanging_provider):
    url = f"http://127.0.0.1:{hanging_provider.getsockname()[1]}"
    configuration = CONFIGURATION.replace("PORT", str(redis.port))
    node = victim(url)
    with start_server(configuration, [alice], simulator=url) as survivor:
        gateway = node.client()
        gateway.send(gateway.initial_request(alice))
        asked, _ = hanging_provider.accept()
        with asked:
            assert re.match(rb"POST .*/Calls\.json", asked.recv(100))
            node.kill()
        challenge = survivor.client().start_login(alice)
        assert radius.ACCESS_CHALLENGE == challenge.code
        for _ in range(2):
            challenge = survivor.client().respond(alice, challenge, "000000")
        assert radius.ACCESS_REJECT == survivor.client().respond(alice, challenge, "000000").code
        assert radius.ACCESS_REJECT == survivor.client().start_login(alice).code
        assert ["joined", "wrong_code", "wrong_code", "no_attempts_left", "busy"] == survivor.reasons(alice)
        hanging_provider.setblocking(False)
        with pytest.raises(BlockingIOError):
            hanging_provider.accept()


def test_a_gateway_fails_over_during_a_call_and_the_login_continues(victim, survivor, simulator, alice):
    node = victim()
    challenge = node.client().start_login(alice)
    node.kill()
    joined = survivor.client().start_login(alice)
    wrong = survivor.client().respond(alice, challenge, "000000")
    assert radius.ACCESS_CHALLENGE == wrong.code
    code = simulator.code(alice.phone)
    assert radius.ACCESS_ACCEPT == survivor.client().respond(alice, joined, code).code
    assert radius.ACCESS_REJECT == survivor.client().respond(alice, wrong, code).code
    assert 1 == len(simulator.calls(alice.phone))


def test_a_redial_after_a_node_died_during_a_call_hangs_up_that_call(victim, survivor, simulator, alice):
    node = victim()
    challenge = node.client().start_login(alice)
    node.kill()
    again = survivor.client().respond(alice, challenge, "phone")
    first, second = simulator.calls(alice.phone)
    assert first["ended"] <= second["at"]
    wrong = survivor.client().respond(alice, again, first["code"])
    assert radius.ACCESS_CHALLENGE == wrong.code
    assert radius.ACCESS_ACCEPT == survivor.client().respond(alice, wrong, second["code"]).code


@pytest.mark.parametrize("decided", [False, True])
def test_a_node_killed_after_the_code_is_replaced_with_the_same_response(victim, survivor, simulator, alice, decided):
    node = victim()
    gateway = node.client()
    challenge = gateway.start_login(alice)
    answer = gateway.challenge_response(alice, challenge, simulator.code(alice.phone))
    if decided:
        gateway.send(answer)
        assert radius.ACCESS_ACCEPT == gateway.receive().code
    else:
        node.send_signal(signal.SIGSTOP)
        gateway.send(answer)
    node.kill()
    assert radius.ACCESS_ACCEPT == survivor.client().respond(alice, challenge, simulator.code(alice.phone)).code
    reasons = [*node.reasons(alice), *survivor.reasons(alice)]
    assert (["call_placed", "code_correct", "repeated"] if decided else ["call_placed", "code_correct"]) == reasons
    assert 1 == len(simulator.calls(alice.phone))
