"""Several nodes that share one Redis are one server to gateways and people."""

import json
import re
import signal
import socket

import pytest

from radius_voice.radius import packet as radius
from tests.server.house import PATIENCE, House, get
from tests.stores.redis_server import RedisServer

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
    server = RedisServer(tmp_path / "redis", "--appendonly", "yes", "--appendfsync", "always")
    yield server
    server.close()


@pytest.fixture
def anne(make_person):
    return make_person()


@pytest.fixture
def nodes(start, redis, anne):
    configuration = CONFIGURATION.replace("PORT", str(redis.port))
    with start(configuration, [anne]) as one, start(configuration, [anne]) as other:
        yield one, other


def test_a_login_begins_on_one_node_and_ends_on_another(nodes, phones, anne):
    one, other = nodes
    challenge = one.gateway().begin(anne)
    assert radius.ACCESS_CHALLENGE == challenge.code
    joined = other.gateway().begin(anne)
    assert radius.ACCESS_CHALLENGE == joined.code
    assert 1 == len(phones.calls(anne.phone))
    assert radius.ACCESS_ACCEPT == other.gateway().answer(anne, challenge, phones.code(anne.phone)).code
    assert radius.ACCESS_REJECT == one.gateway().answer(anne, joined, phones.code(anne.phone)).code


def test_redis_that_is_gone_is_silence_and_what_it_knew_counts_again(nodes, redis, phones, anne):
    one, other = nodes
    gateway = one.gateway()
    challenge = gateway.begin(anne)
    redis.kill()
    gateway.send(gateway.second(anne, challenge, "000000"))
    one.line("store_unavailable", one.stderr)
    assert gateway.silent()
    status, page = get(f"{one.admin}/readyz")
    assert (503, True) == (status, "out of reach" in json.dumps(json.loads(page)))
    redis.start()
    assert radius.ACCESS_ACCEPT == other.gateway().answer(anne, challenge, phones.code(anne.phone)).code


# A node is killed at every step


@pytest.fixture
def victim(redis, anne, phones, tmp_path):
    """Starts a node that will be killed: `victim(phones)`."""
    victims = []

    def started(phones=phones):
        (tmp_path / "victim").mkdir()
        victims.append(House(tmp_path / "victim", phones, CONFIGURATION.replace("PORT", str(redis.port)), [anne]))
        return victims[-1]

    yield started
    for house in victims:
        house.kill()


@pytest.fixture
def survivor(start, redis, anne):
    with start(CONFIGURATION.replace("PORT", str(redis.port)), [anne]) as house:
        yield house


@pytest.fixture
def deaf_provider():
    """A provider that takes requests and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as provider:
        provider.settimeout(PATIENCE)
        yield provider


def test_after_a_death_while_the_call_was_asked_for_nobody_rings_again(victim, start, redis, anne, deaf_provider):
    url = f"http://127.0.0.1:{deaf_provider.getsockname()[1]}"
    configuration = CONFIGURATION.replace("PORT", str(redis.port))
    house = victim(url)
    with start(configuration, [anne], phones=url) as survivor:
        gateway = house.gateway()
        gateway.send(gateway.first(anne))
        asked, _ = deaf_provider.accept()
        with asked:
            assert re.match(rb"POST .*/Calls\.json", asked.recv(100))
            house.kill()
        challenge = survivor.gateway().begin(anne)
        assert radius.ACCESS_CHALLENGE == challenge.code
        for _ in range(2):
            challenge = survivor.gateway().answer(anne, challenge, "000000")
        assert radius.ACCESS_REJECT == survivor.gateway().answer(anne, challenge, "000000").code
        assert radius.ACCESS_REJECT == survivor.gateway().begin(anne).code
        assert ["joined", "wrong_code", "wrong_code", "no_tries", "busy"] == survivor.reasons(anne)
        deaf_provider.setblocking(False)
        with pytest.raises(BlockingIOError):
            deaf_provider.accept()


def test_after_a_death_in_mid_call_the_gateway_fails_over_and_the_login_goes_on(victim, survivor, phones, anne):
    house = victim()
    challenge = house.gateway().begin(anne)
    house.kill()
    joined = survivor.gateway().begin(anne)
    wrong = survivor.gateway().answer(anne, challenge, "000000")
    assert radius.ACCESS_CHALLENGE == wrong.code
    code = phones.code(anne.phone)
    assert radius.ACCESS_ACCEPT == survivor.gateway().answer(anne, joined, code).code
    assert radius.ACCESS_REJECT == survivor.gateway().answer(anne, wrong, code).code
    assert 1 == len(phones.calls(anne.phone))


def test_after_a_death_in_mid_call_a_redial_hangs_up_the_call_of_the_dead(victim, survivor, phones, anne):
    house = victim()
    challenge = house.gateway().begin(anne)
    house.kill()
    again = survivor.gateway().answer(anne, challenge, "phone")
    first, second = phones.calls(anne.phone)
    assert first["ended"] <= second["at"]
    wrong = survivor.gateway().answer(anne, again, first["code"])
    assert radius.ACCESS_CHALLENGE == wrong.code
    assert radius.ACCESS_ACCEPT == survivor.gateway().answer(anne, wrong, second["code"]).code


@pytest.mark.parametrize("decided", [False, True])
def test_after_a_death_with_the_code_the_other_node_says_what_the_first_would_have(
    victim, survivor, phones, anne, decided
):
    house = victim()
    gateway = house.gateway()
    challenge = gateway.begin(anne)
    answer = gateway.second(anne, challenge, phones.code(anne.phone))
    if decided:
        gateway.send(answer)
        assert radius.ACCESS_ACCEPT == gateway.receive().code
    else:
        house.send_signal(signal.SIGSTOP)
        gateway.send(answer)
    house.kill()
    assert radius.ACCESS_ACCEPT == survivor.gateway().answer(anne, challenge, phones.code(anne.phone)).code
    reasons = [*house.reasons(anne), *survivor.reasons(anne)]
    assert (["called", "code_right", "repeated"] if decided else ["called", "code_right"]) == reasons
    assert 1 == len(phones.calls(anne.phone))
