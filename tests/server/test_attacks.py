"""Attacks on a running server: without credentials, with an old password, with recorded packets."""

import json
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from radius_voice.radius import packet as radius

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.1s, duplicate_window: 5s}
clients:
  gateway: {address: [127.0.0.0/24], secret: a shared secret of the tests, response_timeout: 8s}
  other: {address: [127.0.1.0/24], secret: a shared secret of the tests, response_timeout: 8s}
store: {type: STORE}
"""
HOME, ELSEWHERE = b"192.0.2.9", b"198.51.100.66"
LONG = bool(os.environ.get("RADIUS_VOICE_LONG"))
BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def server(request, start_server, make_user):
    users = [make_user() for _ in range(12)]
    with start_server(CONFIGURATION.replace("STORE", request.param), users) as server:
        server.unused = list(users)
        yield server


@pytest.fixture
def user(server):
    return server.unused.pop()


def station(value):
    return (radius.CALLING_STATION_ID, value)


def log_in(server, gateway, user, *more):
    challenge = gateway.start_login(user, *more)
    assert radius.ACCESS_CHALLENGE == challenge.code
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, server.simulator.code(user.phone), *more).code


def over(server, user, times):
    """Wait until `count` calls to the user have ended."""
    gateway = server.client("127.0.0.99")
    while sum(call["status"] in {"completed", "canceled"} for call in server.simulator.calls(user.phone)) < times:
        gateway.status()


def replayed(server, octets, address="127.0.0.7"):
    """The same octets from a port that no request came from; the reply's code."""
    gateway = server.client(address)
    gateway.sent[octets[1]] = octets[4:20]
    gateway.send(octets)
    return gateway.receive()


def test_an_attacker_cannot_lock_out_a_user_at_a_station_where_they_logged_in(server, user):
    home, idle_connection = server.client(), server.client("127.0.0.3")
    log_in(server, home, user, station(HOME))
    over(server, user, 1)
    for number in range(30):
        reply = idle_connection.exchange(
            [(radius.USER_NAME, user.name.encode()), station(b"203.0.113.%d" % number)], f"guess {number}"
        )
        assert radius.ACCESS_REJECT == reply.code
    log_in(server, home, user, station(HOME))


def test_a_recorded_wrong_guess_sent_from_ten_ports_locks_no_user(server, user):
    gateway = server.client()
    octets = gateway.request([(radius.USER_NAME, user.name.encode())], "mistyped")
    for number in range(10):
        assert radius.ACCESS_REJECT == replayed(server, octets, f"127.0.0.{number + 10}").code
    assert ["wrong_password"] + ["replay"] * 9 == [
        record["reason"] for record in server.audit(kind="request") if record["client_address"].startswith("127.0.0.1")
    ][-10:]
    for number in range(8):
        gateway.exchange([(radius.USER_NAME, user.name.encode())], f"mistyped {number}")
    log_in(server, gateway, user)


def test_replayed_packets_without_a_call_place_none_later(server, user):
    gateway = server.client()
    challenge = gateway.start_login(user, station(HOME))
    joined = gateway.initial_request(user, station(HOME))
    gateway.send(joined)
    assert radius.ACCESS_CHALLENGE == gateway.receive().code
    busy = gateway.initial_request(user, station(ELSEWHERE))
    gateway.send(busy)
    assert radius.ACCESS_REJECT == gateway.receive().code
    other = server.client("127.0.1.5")
    busy_elsewhere = other.initial_request(user, station(HOME))
    other.send(busy_elsewhere)
    assert radius.ACCESS_REJECT == other.receive().code
    gateway.respond(user, challenge, server.simulator.code(user.phone), station(HOME))
    over(server, user, 1)
    assert radius.ACCESS_REJECT == replayed(server, joined).code
    assert radius.ACCESS_REJECT == replayed(server, busy).code
    assert radius.ACCESS_REJECT == replayed(server, busy_elsewhere, "127.0.1.6").code
    assert 1 == len(server.simulator.calls(user.phone))


def test_forty_replays_during_a_call_leave_the_owners_challenge_valid(server, user):
    gateway = server.client()
    octets = gateway.initial_request(user)
    gateway.send(octets)
    challenge = gateway.receive()
    states = {replayed(server, octets, f"127.0.0.{number + 100}").first(radius.STATE) for number in range(40)}
    assert {challenge.first(radius.STATE)} == states
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, server.simulator.code(user.phone)).code


def test_a_used_state_of_an_ended_session_obtains_nothing_of_the_next(server, user):
    gateway, attacker = server.client(), server.client("127.0.0.66")
    first = gateway.start_login(user)
    wrong = gateway.respond(user, first, "0000000")
    assert radius.ACCESS_ACCEPT == gateway.respond(user, wrong, server.simulator.code(user.phone)).code
    over(server, user, 1)
    second = gateway.start_login(user, station(HOME))
    for typed in ("0000000", "phone", user.password, server.simulator.code(user.phone)):
        assert radius.ACCESS_REJECT == attacker.respond(user, first, typed).code
    assert 2 == len(server.simulator.calls(user.phone))
    code = server.simulator.code(user.phone)
    assert radius.ACCESS_ACCEPT == gateway.respond(user, second, code, station(HOME)).code


@pytest.mark.parametrize("change", [{"disabled": True}, None, {"phones": ["+14155558888"]}])
def test_a_user_disabled_deleted_or_moved_during_a_call_is_rejected(server, user, change):
    gateway = server.client()
    challenge = gateway.start_login(user)
    users_file = server.directory / "users.yaml"
    before = users_file.read_text()
    tree = json.loads(before)
    if change is None:
        del tree[user.name]
    else:
        tree[user.name] |= change
    reloaded(server, users_file, json.dumps(tree))
    assert radius.ACCESS_REJECT == gateway.respond(user, challenge, "phone").code
    assert radius.ACCESS_REJECT == gateway.respond(user, challenge, server.simulator.code(user.phone)).code
    assert 1 == len(server.simulator.calls(user.phone))
    reloaded(server, users_file, before)


def reloaded(server, users_file, text):
    """Change the users file, and wait until the server has read it."""
    count = len(server.audit(kind="service", event="reloaded"))
    users_file.write_text(text)
    server.send_signal(signal.SIGHUP)
    server.wait_for_line("reloaded", server.stderr, count + 1)


def test_the_audit_log_has_the_users_name_and_the_typed_name(server, user):
    gateway = server.client()
    shouted = [(radius.USER_NAME, f" {user.name.upper()} ".encode())]
    assert radius.ACCESS_REJECT == gateway.exchange(shouted, "wrong").code
    (record,) = server.audit(kind="request", typed_user=f" {user.name.upper()} ")
    assert (user.name, "wrong_password") == (record["user"], record["reason"])
    gateway.exchange([(radius.USER_NAME, b"hunter2 in the wrong field")], "wrong")
    record = server.audit(kind="request", reason="unknown_user")[-1]
    assert {"user", "typed_user"}.isdisjoint(record)


def test_a_request_authenticator_of_another_guess_is_reported(server, user):
    gateway, authenticator = server.client(), secrets.token_bytes(16)
    for password in ("one guess", "another guess"):
        octets = gateway.request([(radius.USER_NAME, user.name.encode())], password, authenticator=authenticator)
        gateway.send(octets)
        assert radius.ACCESS_REJECT == gateway.receive().code
    steps = [step["name"] for step in server.audit(kind="request", user=user.name)[-1]["steps"]]
    assert "request_authenticator_reused" in steps
    server.wait_for_line("same Request Authenticator", server.stderr)


@pytest.mark.skipif(not LONG, reason="takes minutes: RADIUS_VOICE_LONG=1")
def test_users_at_known_stations_log_in_during_floods_of_guesses():
    assert 0 == subprocess.run([sys.executable, BENCH / "password_flood.py"], timeout=600).returncode
