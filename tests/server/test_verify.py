"""Logins through Twilio Verify: the real server, radclient as the gateway, and a simulated phone that reads codes."""

import shutil

import pytest

from tests.support import server_process
from tests.support.polling import wait_until
from tests.support.radclient import RadclientGateway
from tests.support.requirements import require

pytestmark = pytest.mark.peer("radclient")

PROVIDERS = """\
    verify:
      type: twilio-verify
      account_sid: AC00000000000000000000000000000000
      auth_token: simulated-token
      service_sid: VAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      methods: [sms]
      base_url: SIMULATOR
      timeout: 2s
    calls:
      type: twilio-verify
      account_sid: AC00000000000000000000000000000000
      auth_token: simulated-token
      service_sid: VAbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
      custom_code: true
      methods: [voice]
      dtmf_input_required: true
      base_url: SIMULATOR
      timeout: 2s
  voice: [calls]
admin:"""
CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s}
clients:
  texts: {address: 127.0.0.1, secret: a shared secret of the tests, policy: texts}
  calls: {address: 127.0.0.2, secret: a shared secret of the tests, policy: calls}
policies:
  texts: {methods: [sms, voice]}
  calls: {methods: [voice, sms], voicemail: press}
limits: {calls: {total: 100 per 1m, country: 100 per 1m, client: 100 per 1m}}
"""
TEXTS, CALLS = "127.0.0.1", "127.0.0.2"
CHALLENGE, ACCEPT, REJECT = "Access-Challenge", "Access-Accept", "Access-Reject"


@pytest.fixture(scope="module")
def users(make_user):
    """Users by the behaviour of their phones, or by the test that they are for."""
    numbers = {
        "first check fails": "+15005550040",
        "first check is reset": "+15005550041",
        "cannot cancel": "+15005550042",
        "no answer": "+15005550033",
        "landline": "+15005550009",
        "blocked": "+15005550004",
    }
    users = {name: make_user(phone=number) for name, number in numbers.items()}
    return users | {name: make_user() for name in ("right", "wrong", "redial", "ended", "call", "twice")}


@pytest.fixture(scope="module")
def server(start_server, users):
    require("radclient", shutil.which("radclient"))
    with pytest.MonkeyPatch.context() as patch:
        base = server_process.BASE_CONFIGURATION.replace("admin:", PROVIDERS)
        patch.setattr(server_process, "BASE_CONFIGURATION", base)
        with start_server(CONFIGURATION, users.values()) as server:
            yield server


@pytest.fixture
def log_in(server, users):
    """Starts a login of a user at a gateway, and returns the gateway and the first response."""

    def start(who, source=TEXTS):
        gateway = RadclientGateway(server, source, users[who])
        return gateway, *gateway.start()

    return start


def statuses(simulator, user):
    return [each["status"] for each in simulator.verifications(user.phone)]


def last_reasons(server, number):
    """The reasons of the last decisions about any user; one without a response names no user."""
    return [record["reason"] for record in server.audit(kind="request")[-number:]]


def test_metrics_have_only_the_series_of_what_each_provider_can_do(server):
    deliveries = server.samples("radius_voice_deliveries_total")
    found = {(sample.labels["provider"], sample.labels["method"]) for sample in deliveries}
    assert {("twilio", "voice"), ("verify", "sms"), ("calls", "voice")} == found
    statuses_of = {sample.labels["provider"] for sample in server.samples("radius_voice_call_status_changes_total")}
    assert {"twilio"} == statuses_of, "Verify does not report about calls"
    assert [] == server.samples("radius_voice_callbacks_total")


def test_the_code_of_verify_is_accepted(users, simulator, log_in):
    gateway, code, prompt = log_in("right")
    assert (CHALLENGE, True) == (code, "text message" in prompt)
    assert ACCEPT == gateway.send(simulator.verification_code(users["right"].phone))[0]
    assert ["approved"] == statuses(simulator, users["right"])


def test_a_wrong_code_costs_an_attempt_and_the_last_one_cancels_the_verification(server, users, simulator, log_in):
    user = users["wrong"]
    gateway, *_ = log_in("wrong")
    right = simulator.verification_code(user.phone)
    wrong = ["1" * 6, "2" * 6] if right[0] != "1" else ["3" * 6, "4" * 6]
    prompts = [gateway.send(typed) for typed in wrong]
    assert [CHALLENGE] * 2 == [code for code, _ in prompts]
    assert "1 attempt" in prompts[1][1]
    assert REJECT == gateway.send("5" * 6)[0]
    wait_until(lambda: ["canceled"] == statuses(simulator, user), "the verification is canceled")
    assert ["text_sent", "wrong_code", "wrong_code", "no_attempts_left"] == server.reasons(user)


def test_a_redial_has_a_new_code_and_the_old_one_is_wrong(users, simulator, log_in):
    user = users["redial"]
    gateway, *_ = log_in("redial")
    old = simulator.verification_code(user.phone)
    assert CHALLENGE == gateway.send("sms")[0]
    assert ["canceled", "pending"] == statuses(simulator, user)
    assert CHALLENGE == gateway.send(old)[0]
    assert ACCEPT == gateway.send(simulator.verification_code(user.phone))[0]


def test_a_call_delivers_another_code_by_the_other_method(users, simulator, log_in):
    user = users["twice"]
    gateway, *_ = log_in("twice")
    assert CHALLENGE == gateway.send("phone")[0]
    first, second = simulator.verifications(user.phone)
    assert ("canceled", ["sms"], ["call"]) == (first["status"], first["channels"], second["channels"])
    assert ACCEPT == gateway.send(second["code"])[0]


def test_without_an_answer_about_a_code_the_retransmission_succeeds(server, users, simulator, log_in):
    user = users["first check fails"]
    gateway, *_ = log_in("first check fails")
    assert ACCEPT == gateway.send(simulator.verification_code(user.phone), attempts=3, seconds=1)[0]
    assert ["text_sent", "verifier_unavailable", "code_correct"] == last_reasons(server, 3)


def test_a_check_whose_answer_is_lost_is_never_taken_for_a_right_code(server, users, simulator, log_in):
    user = users["first check is reset"]
    gateway, *_ = log_in("first check is reset")
    assert CHALLENGE == gateway.send(simulator.verification_code(user.phone), attempts=3, seconds=1)[0]
    assert ["text_sent", "verifier_unavailable", "wrong_code"] == last_reasons(server, 3)
    assert CHALLENGE == gateway.send("sms")[0]
    assert ACCEPT == gateway.send(simulator.verification_code(user.phone))[0]


def test_a_verification_that_cannot_be_canceled_is_no_redial_and_its_code_stays_right(server, users, simulator, log_in):
    user = users["cannot cancel"]
    gateway, *_ = log_in("cannot cancel")
    assert CHALLENGE == gateway.send("sms")[0]
    assert ["pending"] == statuses(simulator, user)
    assert ACCEPT == gateway.send(simulator.verification_code(user.phone))[0]
    assert ["text_sent", "redial_unavailable", "code_correct"] == server.reasons(user)


def test_a_delivery_of_unknown_result_can_be_completed(server, users, simulator, log_in):
    user = users["no answer"]
    gateway, code, _ = log_in("no answer")
    assert CHALLENGE == code
    wait_until(lambda: server.audit(kind="delivery", result="indeterminate"), "the request times out")
    assert ACCEPT == gateway.send(simulator.verification_code(user.phone))[0]
    assert [["sms"]] == [each["channels"] for each in simulator.verifications(user.phone)]


def test_a_landline_is_called_instead(users, simulator, log_in):
    gateway, code, prompt = log_in("landline")
    assert (CHALLENGE, True) == (code, "is calling your phone" in prompt)
    (called,) = simulator.verifications(users["landline"].phone)
    assert ["call"] == called["channels"]
    assert ACCEPT == gateway.send(called["code"])[0]


def test_a_number_that_fraud_guard_blocks_is_rejected_with_an_alarm(server, users, simulator, log_in):
    assert REJECT == log_in("blocked")[1]
    assert [] == simulator.verifications(users["blocked"].phone)
    session = server.audit(kind="request", user=users["blocked"].name)[0]["session"]
    deliveries = server.audit(kind="delivery", session=session)
    assert [("60410: blocked by Fraud Guard", True)] * 2 == [(each["detail"], each["alarm"]) for each in deliveries]


def test_a_code_of_ours_is_delivered_by_verify_and_approved_there(users, simulator, log_in):
    user = users["call"]
    gateway, code, prompt = log_in("call", CALLS)
    assert (CHALLENGE, True) == (code, "is calling your phone" in prompt)
    assert ACCEPT == gateway.send(simulator.verification_code(user.phone))[0]
    (called,) = simulator.verifications(user.phone)
    assert (["call"], 0) == (called["channels"], called["checks"])
    wait_until(lambda: ["approved"] == statuses(simulator, user), "the verification is approved")


def test_no_log_or_audit_record_has_a_code(server, users, simulator, log_in):
    gateway, *_ = log_in("ended")
    code = simulator.verification_code(users["ended"].phone)
    assert ACCEPT == gateway.send(code)[0]
    server.audit(kind="request", user=users["ended"].name)
    written = "".join(path.read_text() for path in server.directory.glob("*.jsonl"))
    assert code not in written
