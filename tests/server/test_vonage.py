"""Two companies: logins go on while one has an outage, and no fault places a call at both."""

import json
import re
from contextlib import contextmanager

import pytest

from radius_voice.radius import packet as radius
from tests.support import server_process
from tests.support.network import free_port
from tests.support.polling import wait_until
from tests.support.simulator_process import SimulatorProcess
from tests.support.vonage_double import (
    APPLICATION,
    VonageDouble,
    cut,
    pem,
    reset_after,
    reset_before,
    respond,
    slow,
)

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.1s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
limits: {calls: {total: 100 per 1m, country: 100 per 1m, client: 100 per 1m}}
"""
VONAGE = f"""\
    vonage:
      type: vonage-voice
      application_id: {APPLICATION}
      private_key: PRIVATE_KEY
      from: "+12025550100"
      base_url: VONAGE_URL
      timeout: 0.5s
      connect_timeout: 0.5s
admin:"""


@pytest.fixture(scope="module")
def double():
    with VonageDouble() as double:
        yield double
        assert [] == double.refused


@pytest.fixture(scope="module")
def start_with_vonage(start_server, double):
    """Starts a server whose providers are Twilio and Vonage, in that order unless `voice` is another."""

    @contextmanager
    def start(users, simulator, voice="[twilio, vonage]"):
        vonage = VONAGE.replace("VONAGE_URL", double.url).replace("PRIVATE_KEY", json.dumps(pem()))
        base = server_process.BASE_CONFIGURATION.replace("admin:", vonage)
        base = base.replace("delivery:", f"delivery:\n  voice: {voice}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(server_process, "BASE_CONFIGURATION", base)
            with start_server(CONFIGURATION, users, simulator=simulator) as server:
                yield server

    return start


def no_code_in_outputs(server, codes):
    outputs = "".join([*server.stdout, *server.stderr, (server.directory / "audit.jsonl").read_text()])
    return not any(re.search(rf"(?<![\w.]){code}(?!\w)", outputs) for code in codes)


def logs_in(server, double, user):
    """Log a user in with a call of Vonage. Whether each provider was asked as expected, in order."""
    gateway = server.client()
    challenge = gateway.start_login(user)
    assert radius.ACCESS_CHALLENGE == challenge.code
    (call,) = double.calls_to(user.phone)
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, call.code).code
    wait_until(lambda: "completed" == call.status, "the call is hung up")
    assert no_code_in_outputs(server, [call.code])
    session = server.audit(user=user.name)[0]["session"]
    return [(record["provider"], record["result"]) for record in server.audit(kind="delivery", session=session)]


def test_a_login_goes_on_by_vonage_while_twilio_is_down(start_with_vonage, double, make_user):
    user = make_user()
    with start_with_vonage([user], f"http://127.0.0.1:{free_port()}") as server:
        assert [("twilio", "not_placed"), ("vonage", "placed")] == logs_in(server, double, user)


def test_a_login_goes_on_by_vonage_while_twilio_refuses_the_account(start_with_vonage, double, make_user):
    user = make_user()
    with (
        SimulatorProcess("--auth-token", "another-token") as twilio,
        start_with_vonage([user], twilio) as server,
    ):
        assert [("twilio", "not_placed"), ("vonage", "placed")] == logs_in(server, double, user)
        assert [] == twilio.calls(user.phone)
        assert 1 == server.metric("radius_voice_provider_alarms_total")


def test_the_end_of_a_call_by_vonage_releases_the_user(start_with_vonage, double, make_user):
    user = make_user()
    with start_with_vonage([user], f"http://127.0.0.1:{free_port()}") as server:
        gateway = server.client()
        challenge = gateway.start_login(user)
        (call,) = double.calls_to(user.phone)
        call.status = "unanswered"
        wait_until(lambda: server.audit(kind="call_status"), "the status is recorded")
        assert ["no_answer"] == [record["status"] for record in server.audit(kind="call_status")]
        again = gateway.respond(user, challenge, "phone")
        assert radius.ACCESS_CHALLENGE == again.code
        (_, second) = double.calls_to(user.phone)
        assert radius.ACCESS_ACCEPT == gateway.respond(user, again, second.code).code


# A fault of Vonage, which is asked first: the calls of Vonage and of Twilio, and the result of Vonage

FAULTS = {
    "reset before the call is placed": (reset_before, 0, 0, "indeterminate"),
    "reset after the call is placed": (reset_after, 1, 0, "indeterminate"),
    "429": (respond(429, ""), 0, 1, "not_placed"),
    "slow": (slow, 1, 0, "indeterminate"),
    "garbage": (respond(201, "\x00garbage", placed=True), 1, 0, "indeterminate"),
    "400": (respond(400, "{}"), 0, 1, "not_placed"),
    "cut in the body": (cut, 1, 0, "indeterminate"),
    "500 after the call is placed": (respond(500, "", placed=True), 1, 0, "indeterminate"),
    "no fault": (None, 1, 0, "placed"),
    "503": (respond(503, "<html>"), 0, 0, "indeterminate"),
    "401": (respond(401, ""), 0, 1, "not_placed"),
}
"""In an order without three outages in a row, after which Vonage would be skipped."""


@pytest.fixture(scope="module")
def users(make_user):
    return {fault: make_user() for fault in FAULTS}


@pytest.fixture(scope="module")
def server(start_with_vonage, simulator, users):
    with start_with_vonage(users.values(), simulator, voice="[vonage, twilio]") as server:
        yield server


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_places_a_call_at_both_companies(fault, server, double, simulator, users):
    behaviour, by_vonage, by_twilio, result = FAULTS[fault]
    double.faults += [behaviour] if behaviour else []
    user, gateway = users[fault], server.client()
    challenge = gateway.start_login(user)
    repeated = gateway.start_login(user)
    assert [radius.ACCESS_CHALLENGE] * 2 == [challenge.code, repeated.code]
    calls, at_twilio = double.calls_to(user.phone), simulator.calls(user.phone)
    assert (by_vonage, by_twilio) == (len(calls), len(at_twilio))
    session = server.audit(user=user.name)[0]["session"]
    (first, *_) = server.audit(kind="delivery", session=session)
    assert ("vonage", result) == (first["provider"], first["result"])
    codes = [call.code for call in calls] + [call["code"] for call in at_twilio]
    assert no_code_in_outputs(server, codes)
    for code in codes:
        assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, code).code
