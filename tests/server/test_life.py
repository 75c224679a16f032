"""Reloads, drains, overload, and a slow or unavailable provider."""

import signal
import time

import pytest

from radius_voice.radius import packet as radius

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.3s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""
NEWCOMER = "  newcomer: {address: 127.0.0.2, secret: a shared secret of the tests}\n"
BY_GATEWAY = "policies: {default: {first_factor: none, directory: people}}\n"  # verifying a password takes too long
EIGHT_DIGITS = "policies: {default: {challenge: {digits: 8}}}\n"
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def users(make_user):
    return [make_user() for _ in range(4)]


def reload(server, configuration):
    """Write another configuration and reload it."""
    server.write(configuration)
    server.send_signal(signal.SIGHUP)


def test_a_reload_adds_a_client_and_an_invalid_file_changes_nothing(start_server, users):
    alice, bob, carol, _ = users
    with start_server(CONFIGURATION, users) as server:
        newcomer, gateway = server.client("127.0.0.2"), server.client()
        newcomer.send(newcomer.initial_request(alice))
        server.wait_until_processed()
        assert newcomer.received_nothing()
        before = gateway.start_login(bob)
        old_code = server.simulator.code(bob.phone)

        reload(server, CONFIGURATION + NEWCOMER + EIGHT_DIGITS)
        server.wait_for_line("reloaded", server.stderr)
        challenge = newcomer.start_login(alice)
        assert 8 == len(server.simulator.code(alice.phone))
        assert radius.ACCESS_ACCEPT == newcomer.respond(alice, challenge, server.simulator.code(alice.phone)).code
        assert 6 == len(old_code)
        assert radius.ACCESS_ACCEPT == gateway.respond(bob, before, old_code).code, "a login started before the reload"

        reload(server, CONFIGURATION + "  broken: {adress: 127.0.0.3}\n")
        bad = server.path.read_text().count("\n")
        line = server.wait_for_line("reload_failed", server.stderr)
        assert f"{server.path}:{bad}: clients.broken.adress" in line
        assert 1 == server.metric("radius_voice_reloads_total", result="failed")
        assert 1 == server.metric("radius_voice_reloads_total", result="ok")
        assert radius.ACCESS_ACCEPT == newcomer.status().code, "the configuration before it holds"
        newcomer.start_login(carol)
        assert 8 == len(server.simulator.code(carol.phone))
        assert 1 == len(server.audit(kind="service", event="reload_failed"))


def test_a_reload_reports_what_needs_a_restart(start_server, users):
    with start_server(CONFIGURATION, users) as server:
        reload(server, CONFIGURATION.replace("127.0.0.1:0", "127.0.0.9:0"))
        assert "needs a restart: server.listen" in server.wait_for_line("reloaded", server.stderr)
        assert radius.ACCESS_ACCEPT == server.client().status().code


def test_a_client_that_a_reload_removes_gets_no_response_except_to_its_session_in_progress(
    start_server, users, slow_simulator
):
    alice = users[0]
    with start_server(CONFIGURATION + NEWCOMER, users, simulator=slow_simulator) as server:
        newcomer = server.client("127.0.0.2")
        newcomer.send(newcomer.initial_request(alice))
        server.wait_until_processed()
        reload(server, CONFIGURATION)
        server.wait_for_line("reloaded", server.stderr)
        assert newcomer.received_nothing()
        challenge = newcomer.receive()
        assert radius.ACCESS_CHALLENGE == challenge.code
        newcomer.send(newcomer.challenge_response(alice, challenge, slow_simulator.code(alice.phone)))
        server.wait_until_processed()
        assert newcomer.received_nothing()


def test_sigterm_answers_accepted_requests_and_accepts_no_new_ones(start_server, users, slow_simulator):
    alice, bob, carol, _ = users
    with start_server(CONFIGURATION, users, simulator=slow_simulator) as server:
        gateway, late = server.client(), server.client()
        gateway.send(gateway.initial_request(alice))
        gateway.send(gateway.request([(radius.USER_NAME, bob.name.encode())], "not the password"))
        server.wait_until_processed()
        server.send_signal(signal.SIGTERM)
        server.wait_for_line("draining", server.stderr)
        late.send(late.initial_request(carol))
        assert {radius.ACCESS_CHALLENGE, radius.ACCESS_REJECT} == {gateway.receive().code, gateway.receive().code}
        assert 0 == server.wait()
        assert late.received_nothing()
        lives = [each["event"] for each in server.audit(kind="service") if each["event"] != "warning"]
        assert ["started", "draining", "stopped"] == lives
        (called,) = server.audit(kind="delivery")
        assert "placed" == called["result"]
    assert (1, 0) == (len(slow_simulator.calls(alice.phone)), len(slow_simulator.calls(carol.phone)))


def test_a_duplicate_during_a_slow_placement_gets_no_response_and_places_no_call(start_server, users, slow_simulator):
    alice = users[0]
    with start_server(CONFIGURATION, users, simulator=slow_simulator) as server:
        gateway = server.client()
        first = gateway.initial_request(alice)
        for _ in range(3):
            gateway.send(first)
        server.wait_until_processed()
        assert gateway.received_nothing()
        assert 2 == server.metric("radius_voice_discards_total", client="gateway", reason="duplicate")
        assert 2 == server.metric("radius_voice_duplicates_total", client="gateway")
        challenge = gateway.receive()
        server.wait_until_processed()
        assert gateway.received_nothing()
        assert 1 == len(slow_simulator.calls(alice.phone))
        assert radius.ACCESS_ACCEPT == gateway.respond(alice, challenge, slow_simulator.code(alice.phone)).code


def test_a_request_that_joins_during_a_slow_placement_places_no_call(start_server, users, slow_simulator):
    alice = users[0]
    with start_server(CONFIGURATION, users, simulator=slow_simulator) as server:
        gateway, other = server.client(), server.client()
        gateway.send(gateway.initial_request(alice))
        server.wait_until_processed()
        joined = other.start_login(alice)
        assert radius.ACCESS_CHALLENGE == gateway.receive().code
        assert 1 == len(slow_simulator.calls(alice.phone))
        assert radius.ACCESS_ACCEPT == other.respond(alice, joined, slow_simulator.code(alice.phone)).code


def test_the_server_waits_for_a_slow_provider_until_response_timeout(start_server, users, slow_simulator):
    alice = users[0]
    with start_server(
        CONFIGURATION.replace("tests}", "tests, response_timeout: 0.4s}"), users, simulator=slow_simulator
    ) as server:
        gateway = server.client()
        begun = time.monotonic()
        challenge = gateway.start_login(alice)
        assert time.monotonic() - begun >= 0.4
        assert ["delivery_pending"] == server.reasons(alice)
        assert [] == server.audit(kind="delivery"), "the call had not been taken yet"
        assert radius.ACCESS_CHALLENGE == challenge.code


def test_a_call_that_a_slow_provider_places_late_can_be_used(start_server, users, slow_simulator):
    alice = users[0]
    configuration = CONFIGURATION.replace("tests}", "tests, response_timeout: 0.3s}") + BY_GATEWAY
    with start_server(configuration, users, simulator=slow_simulator) as server:
        gateway = server.client()
        challenge = gateway.start_login(alice)
        again = gateway.respond(alice, challenge, "phone")
        assert radius.ACCESS_CHALLENGE == again.code, "the call has no reference yet, so it cannot be replaced"
        assert "redial_unavailable" == server.reasons(alice)[-1]
        server.process.send_signal(signal.SIGTERM)
        assert 0 == server.wait(), "the ring ends before the server does"
        assert ["placed"] == [call["result"] for call in server.audit(kind="delivery")]
    assert 1 == len(slow_simulator.calls(alice.phone))


def test_an_unavailable_provider_is_a_reject_and_an_alarm(start_server, users):
    alice = users[0]
    with start_server(CONFIGURATION, users, simulator=NOWHERE) as server:
        reply = server.client().start_login(alice)
        assert (radius.ACCESS_REJECT, b"Login refused.") == (reply.code, reply.first(radius.REPLY_MESSAGE))
        assert ["delivery_failed"] == server.reasons(alice)
        (call,) = server.audit(kind="delivery")
        assert "not_placed" == call["result"]
        assert "connection refused" in server.wait_for_line("not_placed", server.stderr)
        assert 1 == server.metric("radius_voice_deliveries_total", provider="twilio", result="not_placed")


def test_overload_prefers_challenge_responses_and_counts_drops(start_server, users, slow_simulator):
    alice, bob, carol, dave = users
    few = CONFIGURATION.replace("reject_delay: 0.3s", "max_concurrent: 1, max_queued: 2")
    with start_server(few, users, simulator=slow_simulator) as server:
        gateway = server.client()
        challenge = gateway.start_login(alice)
        code = slow_simulator.code(alice.phone)
        gateway.send(gateway.initial_request(bob))  # in flight
        gateway.send(gateway.initial_request(carol))  # waits
        gateway.send(gateway.initial_request(dave))  # queued, and dropped for the challenge response
        answer = gateway.challenge_response(alice, challenge, code)
        gateway.send(answer)
        server.wait_until_processed()
        assert 1 == server.metric("radius_voice_discards_total", client="gateway", reason="overload")
        replies = [gateway.receive() for _ in range(3)]
        codes = [radius.ACCESS_CHALLENGE, radius.ACCESS_ACCEPT, radius.ACCESS_CHALLENGE]
        assert codes == [reply.code for reply in replies]
        assert radius.decode(answer).identifier == replies[1].identifier
        assert [1, 1, 1, 0] == [len(slow_simulator.calls(user.phone)) for user in users]


def test_a_request_queued_past_response_timeout_places_no_call(start_server, users, slow_simulator):
    alice, bob, *_ = users
    few = CONFIGURATION.replace("reject_delay: 0.3s", "max_concurrent: 1")
    hasty = "  hasty: {address: 127.0.0.2, secret: a shared secret of the tests, response_timeout: 0.2s}\n"
    with start_server(few + hasty, users, simulator=slow_simulator) as server:
        patient, impatient = server.client(), server.client("127.0.0.2")
        patient.send(patient.initial_request(alice))
        server.wait_until_processed()
        impatient.send(impatient.initial_request(bob))
        assert radius.ACCESS_CHALLENGE == patient.receive().code
        server.wait_until_processed()
        assert 1 == server.metric("radius_voice_discards_total", client="hasty", reason="overload")
        assert impatient.received_nothing()
        assert [] == slow_simulator.calls(bob.phone)
