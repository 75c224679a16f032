"""The wall clock of a real process is set forward and back (libfaketime) while logins are open; monotonic time goes on."""

import os
import shutil
import subprocess

import pytest

from radius_voice.radius import packet as radius
from tests.server.test_faults import CONFIGURATION, log_in
from tests.support import program_process
from tests.support.requirements import require

HOUR, YEARS = 3600, 100_000_000
STEPS_BACK = [HOUR, YEARS] if os.environ.get("RADIUS_VOICE_LONG") else [YEARS]


class FakeClock:
    """How far the clock of a process is off, in seconds."""

    def __init__(self, path):
        self.path = path
        self.set_offset(0)

    def set_offset(self, seconds):
        fresh = self.path.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.replace(self.path)


@pytest.fixture
def users(make_user):
    return [make_user() for _ in range(3)]


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """Processes that start now have this clock."""
    require("faketime", shutil.which("faketime"))
    clock = FakeClock(tmp_path / "clock")
    shown = subprocess.run(["faketime", "-f", "+1d", "env"], capture_output=True, text=True, check=True).stdout
    (preload,) = [line.partition("=")[2] for line in shown.splitlines() if line.startswith("LD_PRELOAD=")]
    monkeypatch.setenv("LD_PRELOAD", preload)
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(clock.path))
    monkeypatch.setenv("FAKETIME_NO_CACHE", "1")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    # The library is loaded when an interpreter starts.
    monkeypatch.setattr(program_process, "PROGRAM", ("env", *program_process.PROGRAM))
    return clock


def test_a_clock_set_forward_only_ends_sessions(start_server, users, clock):
    alice, bob, _ = users
    with start_server(CONFIGURATION, users) as server:
        gateway = server.client()
        datagram = gateway.initial_request(alice)
        gateway.send(datagram)
        challenge = gateway.receive()
        clock.set_offset(HOUR)
        gateway.send(datagram)
        assert challenge.raw == gateway.receive().raw, "duplicates are known by monotonic time"
        assert radius.ACCESS_REJECT == gateway.respond(alice, challenge, server.simulator.code(alice.phone)).code
        assert ["call_placed", "expired"] == server.reasons(alice)
        assert radius.ACCESS_CHALLENGE == gateway.start_login(alice).code
        assert radius.ACCESS_ACCEPT == log_in(server, bob)
        assert [] == [line for line in server.stderr if "error" in line]
    assert 2 == len(server.simulator.calls(alice.phone))


@pytest.mark.parametrize("back", STEPS_BACK)
def test_a_clock_set_back_locks_no_user_and_extends_no_code(start_server, users, clock, back):
    alice, bob, carol = users
    clock.set_offset(back)
    with start_server(CONFIGURATION, users) as server:
        gateway = server.client()
        challenge, code = gateway.start_login(alice), server.simulator.code(alice.phone)
        joined = gateway.start_login(bob)
        assert (
            radius.ACCESS_REJECT == gateway.exchange([(radius.USER_NAME, carol.name.encode())], "not the password").code
        )
        clock.set_offset(0)
        assert radius.ACCESS_REJECT == gateway.respond(alice, challenge, code).code
        assert ["call_placed", "expired"] == server.reasons(alice)
        assert radius.ACCESS_CHALLENGE == joined.code
        for user in users:
            assert radius.ACCESS_ACCEPT == log_in(server, user)
        assert ["call_placed", "call_placed", "code_correct"] == server.reasons(bob)
        assert 0 == server.metric("radius_voice_reasons_total", reason="call_limit")
        assert 0 == server.metric("radius_voice_reasons_total", reason="wrong_password_limit")
        assert [] == [line for line in server.stderr if "error" in line]
    assert [2, 2, 1] == [len(server.simulator.calls(user.phone)) for user in users]


def test_a_clock_set_back_slightly_ends_no_session(start_server, users, clock):
    alice = users[0]
    clock.set_offset(60)
    with start_server(CONFIGURATION, users) as server:
        gateway = server.client()
        challenge = gateway.start_login(alice)
        clock.set_offset(0)
        assert radius.ACCESS_ACCEPT == gateway.respond(alice, challenge, server.simulator.code(alice.phone)).code
        assert ["call_placed", "code_correct"] == server.reasons(alice)
