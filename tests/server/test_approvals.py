"""Approvals by key press at a server with two workers, through real sockets and signed callbacks."""

import subprocess
import time
from functools import partial

import pytest

from radius_voice.login.deliveries.call_scripts import TIMES_ASKED
from radius_voice.radius import packet as radius
from tests.support.polling import wait_until
from tests.support.program_process import PROGRAM, TIMEOUT
from tests.support.provider_callbacks import callbacks_section, post_callback, signature
from tests.support.server_process import WorkersProcess

DEADLINE = 3.0
CONFIGURATION = f"""\
server: {{listen: ["udp://127.0.0.1:0"], workers: 2, reject_delay: 0.2s, max_held: 40}}
clients:
  rd-gateway:
    address: 127.0.0.1
    secret: a shared secret of the tests
    second_factor: approve
    friendly_name: the remote desktop gateway
    password_required: false
    policy: gateway
    response_timeout: 8s
  quick:
    address: 127.0.0.2
    secret: a shared secret of the tests
    second_factor: approve
    response_timeout: {DEADLINE}s
policies:
  default: {{first_factor: people}}
  gateway: {{first_factor: none, gateway_checks_password: true, reply: [{{set: {{Class: "OU=Staff"}}}}]}}
"""
STATION = (radius.CALLING_STATION_ID, b"192.0.2.9")


@pytest.fixture(scope="module")
def users(make_user):
    return [make_user() for _ in range(12)]


@pytest.fixture(scope="module")
def workers(simulator, tmp_path_factory, users):
    directory = tmp_path_factory.mktemp("approvals")
    workers = WorkersProcess(directory, simulator, CONFIGURATION + callbacks_section(), users)
    yield workers
    assert 0 == workers.stop()


@pytest.fixture
def user(users):
    return users.pop()


def without_password(gateway, user, *attributes):
    return gateway.request([(radius.USER_NAME, user.name.encode()), *attributes])


def records(workers, user):
    return [(each["outcome"], each["reason"]) for each in workers.audit(kind="request", user=user.name)]


def duplicates(workers):
    return workers.metric("radius_voice_discards_total", reason="duplicate")


def session_of(workers, user):
    return workers.audit(kind="request", user=user.name)[0]["session"]


def call_is_over(workers, user):
    return workers.audit(kind="call_status", session=session_of(workers, user), status="completed")


def key_callback(workers, user):
    """The URL and the fields of the callback about a key, of the last call to the user."""
    request = workers.simulator.calls(user.phone)[-1]["callbacks"][-1]
    url = request["url"].replace("/status", "/key")
    return url, {**request["fields"], "Digits": "#"}


def test_a_key_approves_a_request_without_password(workers, user):
    workers.simulator.set_phone(user.phone, keys="#")
    gateway = workers.client()
    gateway.send(without_password(gateway, user, STATION))
    accept = gateway.receive()
    assert radius.ACCESS_ACCEPT == accept.code
    assert b"OU=Staff" == accept.first(25)
    assert {25, radius.MESSAGE_AUTHENTICATOR} == set(accept.firsts)
    (call,) = workers.simulator.calls(user.phone)
    assert call["said"].startswith(
        "ACME VPN: someone is logging in to the remote desktop gateway from 192.0.2.9. Press the pound key to approve."
    )
    assert "The login is approved. Goodbye." in call["said"]
    assert "" == call["code"]
    (record,) = workers.audit(kind="request", user=user.name)
    assert ("accept", "approved", "approve") == (record["outcome"], record["reason"], record["second_factor"])
    assert ["awaiting_approval", "call_placed", "approved"] == [
        step["detail"] for step in record["steps"] if step["name"] in ("session", "delivery", "approval")
    ]


def test_every_worker_accepts_calls_whose_keys_reach_any_worker(workers, users):
    chosen = [users.pop() for _ in range(4)]
    gateways = [workers.client() for _ in chosen]
    for gateway, user in zip(gateways, chosen, strict=True):
        gateway.send(without_password(gateway, user))
    for user in chosen:
        wait_until(partial(workers.simulator.calls, user.phone), "the call is placed")
        workers.simulator.set_phone(user.phone, keys="#")
    assert [radius.ACCESS_ACCEPT] * 4 == [gateway.receive().code for gateway in gateways]


def test_retransmissions_get_no_response_until_the_key_and_then_the_same_one(workers, user):
    gateway, before = workers.client(), duplicates(workers)
    datagram = without_password(gateway, user)
    gateway.send(datagram)
    wait_until(lambda: workers.simulator.calls(user.phone), "the call is placed")
    for _ in range(3):
        gateway.send(datagram)
    workers.wait_until_processed()
    assert gateway.received_nothing()
    workers.simulator.set_phone(user.phone, keys="#")
    accept = gateway.receive()
    gateway.send(datagram)
    assert accept.raw == gateway.receive().raw
    assert 1 == len(workers.simulator.calls(user.phone))
    assert before + 3 == duplicates(workers)
    assert [("accept", "approved")] == records(workers, user)


def test_a_copy_of_a_held_request_from_another_port_is_neither_held_nor_called(workers, user):
    gateway, other = workers.client(), workers.client()
    datagram = without_password(gateway, user)
    gateway.send(datagram)
    wait_until(lambda: workers.simulator.calls(user.phone), "the call is placed")
    other.send(datagram)
    wait_until(lambda: ("no_response", "awaiting_approval") in records(workers, user), "the copy is processed")
    workers.simulator.set_phone(user.phone, keys="#")
    assert radius.ACCESS_ACCEPT == gateway.receive().code
    assert other.received_nothing()
    other.sent = gateway.sent
    other.send(datagram)
    assert radius.ACCESS_REJECT == other.receive().code
    assert 1 == len(workers.simulator.calls(user.phone))


def test_a_second_request_while_one_is_held_is_rejected(workers, user):
    gateway = workers.client()
    gateway.send(without_password(gateway, user))
    wait_until(lambda: workers.simulator.calls(user.phone), "the call is placed")
    other = workers.client()
    other.send(without_password(other, user))
    assert radius.ACCESS_REJECT == other.receive().code
    workers.simulator.set_phone(user.phone, keys="#")
    assert radius.ACCESS_ACCEPT == gateway.receive().code
    assert [("reject", "busy"), ("accept", "approved")] == records(workers, user)


def test_without_a_key_the_request_is_rejected_at_the_deadline_and_the_user_not_called_again(workers, user):
    gateway, started = workers.client("127.0.0.2"), time.monotonic()
    reject = gateway.start_login(user)
    assert radius.ACCESS_REJECT == reject.code
    assert DEADLINE <= time.monotonic() - started
    wait_until(lambda: workers.simulator.calls(user.phone)[0]["ended"], "the call was ended")
    assert radius.ACCESS_REJECT == gateway.start_login(user).code
    assert [("reject", "not_approved"), ("reject", "call_limit")] == records(workers, user)
    assert "limits.approvals.denied" == workers.audit(kind="request", reason="call_limit")[0]["rule"]
    url, fields = key_callback(workers, user)
    status, twiml = post_callback(url, fields, signature(url, fields))
    assert (200, True) == (status, "This login has already ended." in twiml)
    assert 1 == len(workers.simulator.calls(user.phone))


def test_a_busy_phone_is_rejected_at_once(workers, users, make_user, simulator, tmp_path):
    busy = make_user(phone="+15005550010")
    configuration = CONFIGURATION + callbacks_section()
    server = WorkersProcess(tmp_path, simulator, configuration, [busy])
    gateway, started = server.client(), time.monotonic()
    gateway.send(without_password(gateway, busy))
    assert radius.ACCESS_REJECT == gateway.receive().code
    assert time.monotonic() - started < 7
    assert [("reject", "not_answered")] == records(server, busy)
    assert 0 == server.stop()


def test_key_9_rejects_and_locks_the_user_until_an_administrator_unlocks(workers, user):
    workers.simulator.set_phone(user.phone, keys="9")
    gateway = workers.client()
    gateway.send(without_password(gateway, user))
    assert radius.ACCESS_REJECT == gateway.receive().code
    (alarm,) = workers.audit(kind="alarm", user=user.name)
    assert ("fraud_reported", "rd-gateway") == (alarm["alarm"], alarm["client"])
    wait_until(lambda: call_is_over(workers, user), "the call has ended")
    gateway.send(without_password(gateway, user))
    assert radius.ACCESS_REJECT == gateway.receive().code
    assert [("reject", "fraud_reported"), ("reject", "locked")] == records(workers, user)
    command = [*PROGRAM, "users", "unlock", "--config", workers.path, user.name]
    assert 0 == subprocess.run(command, capture_output=True, timeout=TIMEOUT).returncode
    workers.simulator.set_phone(user.phone, keys="#")
    gateway.send(without_password(gateway, user))
    assert radius.ACCESS_ACCEPT == gateway.receive().code


def test_another_key_repeats_the_question(workers, user):
    workers.simulator.set_phone(user.phone, keys="*1#")
    gateway = workers.client()
    gateway.send(without_password(gateway, user))
    assert radius.ACCESS_ACCEPT == gateway.receive().code
    (call,) = workers.simulator.calls(user.phone)
    assert ("*1#", 3 * TIMES_ASKED) == (call["keys"], call["said"].count("Press the pound key to approve."))


def test_a_key_without_the_signature_of_the_provider_approves_nothing(workers, user):
    gateway = workers.client("127.0.0.2")
    gateway.send(gateway.initial_request(user))
    wait_until(lambda: workers.simulator.calls(user.phone), "the call is placed")
    wait_until(lambda: len(workers.simulator.calls(user.phone)[-1]["callbacks"]) > 2, "the call is answered")
    url, fields = key_callback(workers, user)
    for signed in ("", signature(url, fields, "another token"), signature(url, fields | {"Digits": "1"})):
        assert (403, "") == post_callback(url, fields, signed)
    other = fields | {"CallSid": "CA" + "0" * 32}
    assert radius.ACCESS_REJECT == gateway.receive().code
    assert 404 == post_callback(url, other, signature(url, other))[0]


def test_a_stopping_service_rejects_held_requests_and_ends_their_calls(simulator, tmp_path, make_user):
    user = make_user()
    server = WorkersProcess(tmp_path, simulator, CONFIGURATION + callbacks_section(), [user])
    gateway = server.client()
    gateway.send(without_password(gateway, user))
    wait_until(lambda: server.audit(kind="call_status", status="answered"), "the call is answered")
    server.process.terminate()
    assert radius.ACCESS_REJECT == gateway.receive().code
    assert 0 == server.process.wait(TIMEOUT)
    assert 0 == server.stop()
    assert [("reject", "interrupted")] == records(server, user)
    wait_until(lambda: simulator.calls(user.phone)[0]["ended"], "the call was ended")
