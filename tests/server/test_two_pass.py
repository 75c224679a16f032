"""Two passes at a server with two workers, through real sockets."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from radius_voice.radius import packet as radius
from tests.support.server_process import WorkersProcess

REJECT_DELAY = 0.3
CONFIGURATION = f"""\
server: {{listen: ["udp://127.0.0.1:0"], workers: 2, reject_delay: {REJECT_DELAY}s}}
clients:
  gateway:
    address: 127.0.0.1
    secret: a shared secret of the tests
    second_factor: two_pass
    response_timeout: 8s # whatever else this machine does meanwhile
  other: {{address: 127.0.0.2, secret: a shared secret of the tests, second_factor: two_pass, delimiter: "/"}}
"""
STATION = (radius.CALLING_STATION_ID, b"192.0.2.9")


@pytest.fixture
def users(make_user):
    return [make_user(), make_user(password="comma,123456")]


@pytest.fixture
def workers(simulator, tmp_path, users):
    workers = WorkersProcess(tmp_path, simulator, CONFIGURATION, users)
    yield workers
    assert 0 == workers.stop()


def second_pass(gateway, user, code, delimiter=","):
    return gateway.request([(radius.USER_NAME, user.name.encode()), STATION], f"{user.password}{delimiter}{code}")


def test_both_passes_are_answered_at_any_worker_and_recorded(workers, users):
    for user in users:
        gateway, started = workers.client(), time.monotonic()
        reject = gateway.start_login(user, STATION)
        assert time.monotonic() - started >= REJECT_DELAY
        expected = f"ACME VPN is calling your phone ending in {user.phone[-2:]}. Log in again with password,code"
        assert (radius.ACCESS_REJECT, expected.encode()) == (reject.code, reject.first(radius.REPLY_MESSAGE))
        assert {radius.MESSAGE_AUTHENTICATOR, radius.REPLY_MESSAGE} == set(reject.firsts)
        code = workers.simulator.code(user.phone)
        for typed, response in ((f"{(int(code) + 1) % 10**6:06}", radius.ACCESS_REJECT), (code, radius.ACCESS_ACCEPT)):
            gateway = workers.client()
            gateway.send(second_pass(gateway, user, typed))
            assert response == gateway.receive().code
        assert 1 == len(workers.simulator.calls(user.phone))
        records = workers.audit(kind="request", user=user.name)
        assert [
            ("challenge", "call_placed", "two_pass"),
            ("challenge", "wrong_code", "two_pass"),
            ("accept", "code_correct", "two_pass"),
        ] == [(each["outcome"], each["reason"], each["second_factor"]) for each in records]
        assert 1 == len({each["session"] for each in records})


def test_a_client_has_its_own_delimiter(workers, users):
    user, gateway = users[0], workers.client("127.0.0.2")
    assert b"password/code" in (gateway.start_login(user, STATION).first(radius.REPLY_MESSAGE) or b"")
    gateway.send(second_pass(gateway, user, workers.simulator.code(user.phone), "/"))
    assert radius.ACCESS_ACCEPT == gateway.receive().code


def test_copies_of_a_second_pass_at_both_workers_are_accepted_once_and_repeated(workers, users):
    user = users[0]
    workers.client().start_login(user, STATION)
    gateways = [workers.client() for _ in range(8)]
    datagram = second_pass(gateways[0], user, workers.simulator.code(user.phone))
    for gateway in gateways:
        gateway.sent = gateways[0].sent

    def sent(gateway):
        gateway.send(datagram)
        return gateway.receive().code

    with ThreadPoolExecutor(8) as pool:
        assert [radius.ACCESS_ACCEPT] * 8 == list(pool.map(sent, gateways))
    reasons = [each["reason"] for each in workers.audit(kind="request", outcome="accept")]
    assert 1 == reasons.count("code_correct")
    assert {"code_correct", "repeated"} >= set(reasons)
