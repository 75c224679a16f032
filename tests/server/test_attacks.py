"""Attacks on a running server: by strangers, by holders of an old password, by senders of recorded packets."""

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
  gateway: {address: [127.0.0.0/24], secret: a shared secret of the tests, answer_within: 8s}
  other: {address: [127.0.1.0/24], secret: a shared secret of the tests, answer_within: 8s}
store: {type: STORE}
"""
HOME, ELSEWHERE = b"192.0.2.9", b"198.51.100.66"
LONG = bool(os.environ.get("RADIUS_VOICE_LONG"))
BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def house(request, start, make_person):
    people = [make_person() for _ in range(12)]
    with start(CONFIGURATION.replace("STORE", request.param), people) as house:
        house.unused = list(people)
        yield house


@pytest.fixture
def person(house):
    return house.unused.pop()


def station(value):
    return (radius.CALLING_STATION_ID, value)


def log_in(house, gateway, person, *more):
    challenge = gateway.begin(person, *more)
    assert radius.ACCESS_CHALLENGE == challenge.code
    assert radius.ACCESS_ACCEPT == gateway.answer(person, challenge, house.phones.code(person.phone), *more).code


def over(house, person, times):
    """Wait until so many of the person's calls were hung up or ended."""
    gateway = house.gateway("127.0.0.99")
    while sum(call["status"] in {"completed", "canceled"} for call in house.phones.calls(person.phone)) < times:
        gateway.status()


def replayed(house, octets, address="127.0.0.7"):
    """The same octets from a port that no request came from; the reply's code."""
    gateway = house.gateway(address)
    gateway.sent[octets[1]] = octets[4:20]
    gateway.send(octets)
    return gateway.receive()


def test_a_stranger_cannot_lock_a_user_out_of_a_place_where_they_logged_in(house, person):
    home, stranger = house.gateway(), house.gateway("127.0.0.3")
    log_in(house, home, person, station(HOME))
    over(house, person, 1)
    for number in range(30):
        reply = stranger.ask(
            [(radius.USER_NAME, person.name.encode()), station(b"203.0.113.%d" % number)], f"guess {number}"
        )
        assert radius.ACCESS_REJECT == reply.code
    log_in(house, home, person, station(HOME))


def test_a_recorded_wrong_guess_sent_from_ten_ports_locks_nobody(house, person):
    gateway = house.gateway()
    octets = gateway.request([(radius.USER_NAME, person.name.encode())], "mistyped")
    for number in range(10):
        assert radius.ACCESS_REJECT == replayed(house, octets, f"127.0.0.{number + 10}").code
    assert ["wrong_password"] + ["replay"] * 9 == [
        record["reason"] for record in house.audit(kind="request") if record["source"].startswith("127.0.0.1")
    ][-10:]
    for number in range(8):
        gateway.ask([(radius.USER_NAME, person.name.encode())], f"mistyped {number}")
    log_in(house, gateway, person)


def test_packets_that_had_another_effect_than_a_call_do_not_call_when_they_are_sent_again(house, person):
    gateway = house.gateway()
    challenge = gateway.begin(person, station(HOME))
    joined = gateway.first(person, station(HOME))
    gateway.send(joined)
    assert radius.ACCESS_CHALLENGE == gateway.receive().code
    busy = gateway.first(person, station(ELSEWHERE))
    gateway.send(busy)
    assert radius.ACCESS_REJECT == gateway.receive().code
    other = house.gateway("127.0.1.5")
    busy_elsewhere = other.first(person, station(HOME))
    other.send(busy_elsewhere)
    assert radius.ACCESS_REJECT == other.receive().code
    gateway.answer(person, challenge, house.phones.code(person.phone), station(HOME))
    over(house, person, 1)
    assert radius.ACCESS_REJECT == replayed(house, joined).code
    assert radius.ACCESS_REJECT == replayed(house, busy).code
    assert radius.ACCESS_REJECT == replayed(house, busy_elsewhere, "127.0.1.6").code
    assert 1 == len(house.phones.calls(person.phone))


def test_forty_replays_during_a_call_leave_the_owners_challenge_valid(house, person):
    gateway = house.gateway()
    octets = gateway.first(person)
    gateway.send(octets)
    challenge = gateway.receive()
    states = {replayed(house, octets, f"127.0.0.{number + 100}").first(radius.STATE) for number in range(40)}
    assert {challenge.first(radius.STATE)} == states
    assert radius.ACCESS_ACCEPT == gateway.answer(person, challenge, house.phones.code(person.phone)).code


def test_a_used_state_of_an_ended_login_obtains_nothing_of_the_next(house, person):
    gateway, attacker = house.gateway(), house.gateway("127.0.0.66")
    first = gateway.begin(person)
    wrong = gateway.answer(person, first, "0000000")
    assert radius.ACCESS_ACCEPT == gateway.answer(person, wrong, house.phones.code(person.phone)).code
    over(house, person, 1)
    second = gateway.begin(person, station(HOME))
    for typed in ("0000000", "phone", person.password, house.phones.code(person.phone)):
        assert radius.ACCESS_REJECT == attacker.answer(person, first, typed).code
    assert 2 == len(house.phones.calls(person.phone))
    code = house.phones.code(person.phone)
    assert radius.ACCESS_ACCEPT == gateway.answer(person, second, code, station(HOME)).code


@pytest.mark.parametrize("change", [{"disabled": True}, None, {"phones": ["+14155558888"]}])
def test_a_user_who_is_disabled_deleted_or_moved_during_a_call_is_not_let_in(house, person, change):
    gateway = house.gateway()
    challenge = gateway.begin(person)
    users = house.folder / "users.yaml"
    before = users.read_text()
    tree = json.loads(before)
    if change is None:
        del tree[person.name]
    else:
        tree[person.name] |= change
    reloaded(house, users, json.dumps(tree))
    assert radius.ACCESS_REJECT == gateway.answer(person, challenge, "phone").code
    assert radius.ACCESS_REJECT == gateway.answer(person, challenge, house.phones.code(person.phone)).code
    assert 1 == len(house.phones.calls(person.phone))
    reloaded(house, users, before)


def reloaded(house, users, text):
    """Change the users file, and wait until the server has read it."""
    count = len(house.audit(kind="lifecycle", what="reloaded"))
    users.write_text(text)
    house.send_signal(signal.SIGHUP)
    house.line("reloaded", house.stderr, count + 1)


def test_the_audit_log_has_the_users_name_and_what_was_typed(house, person):
    gateway = house.gateway()
    shouted = [(radius.USER_NAME, f" {person.name.upper()} ".encode())]
    assert radius.ACCESS_REJECT == gateway.ask(shouted, "wrong").code
    (record,) = house.audit(kind="request", typed=f" {person.name.upper()} ")
    assert (person.name, "wrong_password") == (record["user"], record["reason"])
    gateway.ask([(radius.USER_NAME, b"hunter2 in the wrong field")], "wrong")
    record = house.audit(kind="request", reason="unknown_user")[-1]
    assert {"user", "typed"}.isdisjoint(record)


def test_a_request_authenticator_of_another_guess_is_reported(house, person):
    gateway, authenticator = house.gateway(), secrets.token_bytes(16)
    for password in ("one guess", "another guess"):
        octets = gateway.request([(radius.USER_NAME, person.name.encode())], password, authenticator=authenticator)
        gateway.send(octets)
        assert radius.ACCESS_REJECT == gateway.receive().code
    steps = [step["name"] for step in house.audit(kind="request", user=person.name)[-1]["steps"]]
    assert "request_authenticator_reused" in steps
    house.line("same Request Authenticator", house.stderr)


@pytest.mark.skipif(not LONG, reason="takes minutes: RADIUS_VOICE_LONG=1")
def test_users_at_known_places_log_in_during_floods_of_guesses():
    assert 0 == subprocess.run([sys.executable, BENCH / "password_flood.py"], timeout=600).returncode
