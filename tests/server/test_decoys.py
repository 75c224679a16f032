"""Decoys through the real program: challenges for users who cannot log in."""

import signal
import time

import pytest

from radius_voice.radius import packet as radius

RESPONSE_TIMEOUT = 1.0
CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s, max_concurrent: 1}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests, response_timeout: 1s}
policies:
  default: {first_factor: none, decoys: true, directory: people}
"""


@pytest.fixture(scope="module")
def users(make_user):
    return [make_user() for _ in range(3)]


@pytest.fixture(scope="module")
def server(start_server, users):
    with start_server(CONFIGURATION, users) as server:
        yield server


def login(server, user):
    """Each reply of a login with wrong codes: its code, the attributes' types and lengths, and text without digits."""
    gateway = server.client()
    started = time.monotonic()
    replies = [gateway.start_login(user)]
    took = time.monotonic() - started
    for typed in ("phone", "000", "001", "002"):
        replies.append(gateway.respond(user, replies[-1], typed))
    shape = [(reply.code, [(kind, len(value)) for kind, value in reply.attributes]) for reply in replies]
    texts = [
        "".join(letter for letter in reply.first(radius.REPLY_MESSAGE).decode() if not letter.isdigit())
        for reply in replies
    ]
    return took, shape, texts


def test_a_decoy_has_the_packets_of_a_login_with_wrong_codes(server, users, make_user):
    real, decoy = login(server, users[0]), login(server, make_user("hunter2"))
    assert real[1:] == decoy[1:]
    assert [radius.ACCESS_CHALLENGE] * 4 + [radius.ACCESS_REJECT] == [code for code, _ in decoy[1]]
    assert min(real[0], decoy[0]) >= RESPONSE_TIMEOUT


def test_the_audit_log_and_the_metrics_tell_decoys_from_calls(server, make_user):
    gateway, before = server.client(), len(server.audit(kind="delivery"))
    challenge = gateway.start_login(make_user("hunter3"))
    assert radius.ACCESS_CHALLENGE == challenge.code
    record = server.audit(kind="request")[-1]
    assert ("challenge", "decoy") == (record["outcome"], record["reason"])
    assert {"user", "typed_user", "phone"}.isdisjoint(record)
    assert [("decoy", "unknown_user"), ("session", "opened")] == [
        (step["name"], step["detail"]) for step in record["steps"]
    ]
    assert before == len(server.audit(kind="delivery"))
    assert server.metric("radius_voice_reasons_total", reason="decoy") >= 1
    written = "".join(server.stderr) + (server.directory / "audit.jsonl").read_text()
    assert "hunter3" not in written


def test_challenges_that_wait_for_their_time_keep_no_other_login_waiting(server, make_user):
    gateways = [server.client() for _ in range(20)]
    for number, gateway in enumerate(gateways):
        gateway.send(gateway.initial_request(make_user(f"unknown{number}")))
    assert {radius.ACCESS_CHALLENGE} == {gateway.receive().code for gateway in gateways}


def test_a_challenge_that_waits_for_its_time_is_sent_before_the_service_ends(start_server, users):
    with start_server(CONFIGURATION, users) as server:
        gateway = server.client()
        gateway.send(gateway.initial_request(users[2]))
        server.wait_until_processed()
        server.process.send_signal(signal.SIGTERM)
        assert radius.ACCESS_CHALLENGE == gateway.receive().code
        assert 0 == server.wait()


def test_users_log_in_beside_decoys(server, users):
    gateway = server.client()
    challenge = gateway.start_login(users[1])
    assert radius.ACCESS_ACCEPT == gateway.respond(users[1], challenge, server.simulator.code(users[1].phone)).code
