"""The wall clock of a real process is set forward and back (libfaketime) while logins are open; monotonic time goes on."""

import os
import shutil
import subprocess

import pytest

from radius_voice.radius import packet as radius
from tests.peers.needs import need
from tests.server.test_faults import CONFIGURATION, log_in

HOUR, YEARS = 3600, 100_000_000
STEPS_BACK = [HOUR, YEARS] if os.environ.get("RADIUS_VOICE_LONG") else [YEARS]


class Clock:
    """How far the clock of a process is off, in seconds."""

    def __init__(self, path):
        self.path = path
        self.off(0)

    def off(self, seconds):
        fresh = self.path.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.replace(self.path)


@pytest.fixture
def people(make_person):
    return [make_person() for _ in range(3)]


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """Processes that start now have this clock."""
    need("faketime", shutil.which("faketime"))
    clock = Clock(tmp_path / "clock")
    shown = subprocess.run(["faketime", "-f", "+1d", "env"], capture_output=True, text=True, check=True).stdout
    (preload,) = [line.partition("=")[2] for line in shown.splitlines() if line.startswith("LD_PRELOAD=")]
    monkeypatch.setenv("LD_PRELOAD", preload)
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(clock.path))
    monkeypatch.setenv("FAKETIME_NO_CACHE", "1")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    return clock


def test_a_clock_set_forward_ends_logins_and_nothing_else(start, people, clock):
    anne, bob, _ = people
    with start(CONFIGURATION, people) as house:
        gateway = house.gateway()
        datagram = gateway.first(anne)
        gateway.send(datagram)
        challenge = gateway.receive()
        clock.off(HOUR)
        gateway.send(datagram)
        assert challenge.raw == gateway.receive().raw, "duplicates are known by monotonic time"
        assert radius.ACCESS_REJECT == gateway.answer(anne, challenge, house.phones.code(anne.phone)).code
        assert ["called", "expired"] == house.reasons(anne)
        assert radius.ACCESS_CHALLENGE == gateway.begin(anne).code
        assert radius.ACCESS_ACCEPT == log_in(house, bob)
        assert [] == [line for line in house.stderr if "error" in line]
    assert 2 == len(house.phones.calls(anne.phone))


@pytest.mark.parametrize("back", STEPS_BACK)
def test_a_clock_set_back_locks_nobody_and_lets_no_code_live_on(start, people, clock, back):
    anne, bob, carl = people
    clock.off(back)
    with start(CONFIGURATION, people) as house:
        gateway = house.gateway()
        challenge, code = gateway.begin(anne), house.phones.code(anne.phone)
        joined = gateway.begin(bob)
        assert radius.ACCESS_REJECT == gateway.ask([(radius.USER_NAME, carl.name.encode())], "not the password").code
        clock.off(0)
        assert radius.ACCESS_REJECT == gateway.answer(anne, challenge, code).code
        assert ["called", "expired"] == house.reasons(anne)
        assert radius.ACCESS_CHALLENGE == joined.code
        for person in people:
            assert radius.ACCESS_ACCEPT == log_in(house, person)
        assert ["called", "called", "code_right"] == house.reasons(bob)
        assert 0 == house.metric("radius_voice_reasons_total", reason="call_limit")
        assert 0 == house.metric("radius_voice_reasons_total", reason="failure_limit")
        assert [] == [line for line in house.stderr if "error" in line]
    assert [2, 2, 1] == [len(house.phones.calls(person.phone)) for person in people]


def test_a_clock_set_back_a_little_ends_no_login(start, people, clock):
    anne = people[0]
    clock.off(60)
    with start(CONFIGURATION, people) as house:
        gateway = house.gateway()
        challenge = gateway.begin(anne)
        clock.off(0)
        assert radius.ACCESS_ACCEPT == gateway.answer(anne, challenge, house.phones.code(anne.phone)).code
        assert ["called", "code_right"] == house.reasons(anne)
