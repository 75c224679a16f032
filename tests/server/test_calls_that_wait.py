"""More logins at once than the provider starts calls: the real server, and two workers with one store."""

import time

import pytest

from radius_voice.radius import packet as radius
from tests.support import server_process
from tests.support.polling import wait_until
from tests.support.server_process import WorkersProcess

INTERVAL = 2.5
CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.1s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
limits: {calls: {total: 100 per 1m, country: 100 per 1m, client: 100 per 1m}}
"""


@pytest.fixture(scope="module")
def users(make_user):
    return [make_user() for _ in range(4)]


@pytest.fixture(scope="module")
def paced():
    with pytest.MonkeyPatch.context() as patch:
        base = server_process.BASE_CONFIGURATION.replace("calls_per_second: off", f"calls_per_second: {1 / INTERVAL}")
        patch.setattr(server_process, "BASE_CONFIGURATION", base)
        yield


@pytest.fixture(scope="module")
def server(paced, start_server, users):
    with start_server(CONFIGURATION, users) as server:
        yield server


def message(response):
    return response.firsts[radius.REPLY_MESSAGE].decode()


def test_the_prompt_of_the_second_of_two_users_says_the_wait_and_then_the_phone_rings(server, users, simulator):
    first, second = users[:2]
    assert "is calling your phone" in message(server.client().start_login(first))
    client, began = server.client(), time.monotonic()
    challenge = client.start_login(second)
    assert time.monotonic() - began < INTERVAL - 0.5, "the challenge does not wait for the call"
    assert f"ACME VPN will call your phone ending in {second.phone[-2:]} in about 3 seconds. " in message(challenge)
    assert ([], ["delivery_queued"]) == (simulator.calls(second.phone), server.reasons(second))
    wait_until(lambda: simulator.calls(second.phone), "the second user is called")
    (before,), (call,) = simulator.calls(first.phone), simulator.calls(second.phone)
    assert call["at"] - before["at"] > INTERVAL - 0.1
    assert radius.ACCESS_ACCEPT == client.respond(second, challenge, simulator.code(second.phone)).code


def test_a_stopping_service_calls_the_users_who_wait(paced, start_server, users, simulator):
    with start_server(CONFIGURATION, users) as server:
        assert radius.ACCESS_CHALLENGE == server.client().start_login(users[2]).code
        assert "in about 3 seconds" in message(server.client().start_login(users[3]))
        assert [] == simulator.calls(users[3].phone)
    assert 1 == len(simulator.calls(users[3].phone))


def test_workers_share_the_rate(paced, tmp_path, make_user, simulator):
    several = [make_user() for _ in range(4)]
    configuration = CONFIGURATION.replace("server: {", "server: {workers: 2, ") + "store: {type: sqlite}\n"
    with WorkersProcess(tmp_path, simulator, configuration, several) as server:
        began = time.monotonic()
        texts = [message(server.client().start_login(user)) for user in several]
        elapsed = time.monotonic() - began
    waits = [text.partition(" in about ")[2].partition(" ")[0] for text in texts]
    assert "" == waits[0], "the first call does not wait"
    for place, wait in enumerate(waits[1:], 1):
        assert place * INTERVAL - elapsed <= int(wait) <= place * INTERVAL + 1
