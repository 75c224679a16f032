"""`users enroll` with a running service: a real call at the simulator, and the code on standard input."""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner

from radius_voice import control
from radius_voice.cli.main import main
from radius_voice.radius import packet as radius
from tests.support.network import free_port
from tests.support.server_process import BASE_CONFIGURATION, ServerProcess, WorkersProcess

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
policies: {default: {first_phone: verified}}
limits:
  calls: {user: 3 per 10m}
  wrong_codes: {user: 4 per 24h}
"""
TRUST = CONFIGURATION.replace("first_phone: verified", "first_phone: trust")
TIMEOUT = 60.0


@pytest.fixture
def user(make_user):
    return make_user()


@pytest.fixture
def server(simulator, tmp_path, user, request):
    server = ServerProcess(tmp_path, simulator, getattr(request, "param", CONFIGURATION), [user])
    yield server
    assert 0 == server.stop()


def enroll(server, user, *options, codes=lambda: ()):
    """Run the command; `codes` gives the lines to type once the phone is called. Exit code, output and errors."""
    words = ["users", "enroll", "--config", str(server.path), *options, user.name]
    with subprocess.Popen(
        [sys.executable, "-m", "radius_voice.cli.main", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stderr is not None
        first = command.stderr.readline()
        typed = "".join(f"{code}\n" for code in codes()) if first.startswith(("calling ", "sending ")) else ""
        output, errors = command.communicate(typed, timeout=TIMEOUT)
    return command.returncode, output, first + errors


def log_in(server, user):
    gateway = server.client()
    challenge = gateway.start_login(user)
    if challenge.code != radius.ACCESS_CHALLENGE:
        return challenge.code
    return gateway.respond(user, challenge, server.simulator.code(user.phone)).code


def masked(phone):
    return f"{phone[:3]}{'*' * (len(phone) - 5)}{phone[-2:]}"


@pytest.mark.parametrize("server", [TRUST], indirect=True)
def test_a_phone_that_is_not_among_the_pinned_ones_is_called_with_a_warning(server, user):
    warning = "warning: this phone is not pinned, but the user has pins"
    words = ["users", "enroll", "--config", str(server.path), user.name]
    assert warning not in CliRunner().invoke(main, words, input="").stderr
    assert radius.ACCESS_ACCEPT == log_in(server, user)
    entry = user.entry | {"phones": ["+14155550191"]}
    (server.directory / "users.yaml").write_text(json.dumps({user.name: entry}))
    server.wait_for_line("users_file_read", server.stderr)
    assert warning in CliRunner().invoke(main, words, input="").stderr


def test_a_right_code_verifies_the_phone_and_logins_call_it(server, user):
    assert radius.ACCESS_REJECT == log_in(server, user)
    assert "phone_not_verified" == server.reasons(user)[-1]
    code, output, errors = enroll(server, user, codes=lambda: [server.simulator.code(user.phone)])
    assert 0 == code, errors
    assert output.startswith(f"{masked(user.phone)} of {user.name} is verified (20")
    assert f"calling {masked(user.phone)} of {user.name} (identity source people)\n" in errors
    assert "This code is for your help desk and not for a login. It is" in server.simulator.calls(user.phone)[0]["said"]
    assert ["enrolment_called", "phone_verified"] == [record["event"] for record in server.audit(kind="operator")]
    assert {os.getuid()} == {record["uid"] for record in server.audit(kind="operator")}
    (call,) = server.audit(kind="delivery")
    assert ("placed", masked(user.phone)) == (call["result"], call["phone"])
    assert radius.ACCESS_ACCEPT == log_in(server, user)


def test_with_several_workers_a_phone_is_verified_and_a_changed_one_confirmed(simulator, tmp_path, user):
    workers = CONFIGURATION.replace("reject_delay: 0s}", "reject_delay: 0s, workers: 2}")
    server = WorkersProcess(tmp_path, simulator, workers, [user])
    code, _, errors = enroll(server, user, codes=lambda: [server.simulator.code(user.phone)])
    assert 0 == code, errors
    assert 1 == len(server.audit(kind="delivery"))
    assert ["enrolment_called", "phone_verified"] == [record["event"] for record in server.audit(kind="operator")]
    assert radius.ACCESS_ACCEPT == log_in(server, user)
    confirmed = CliRunner().invoke(main, ["users", "confirm", "--config", str(server.path), user.name])
    assert (0, True) == (confirmed.exit_code, "the phones are pinned and verified already" in confirmed.stdout)
    assert 0 == server.stop()


def test_the_result_is_json_for_programs(server, user):
    code, output, _ = enroll(server, user, "--json", codes=lambda: ["000000", server.simulator.code(user.phone)])
    done = json.loads(output)
    assert (0, True, user.name, "people", masked(user.phone), []) == (
        code,
        done["verified"],
        done["user"],
        done["source"],
        done["phone"],
        done["not_verified"],
    )
    assert isinstance(done["at"], float)
    code, output, _ = enroll(server, user, "--json")
    assert (1, False, None) == (code, json.loads(output)["verified"], json.loads(output)["at"])


def test_after_wrong_codes_the_phone_is_not_verified_and_the_user_is_locked(server, user):
    wrong = ["000000", "000001", "000002"]
    code, output, errors = enroll(server, user, codes=lambda: [*wrong, server.simulator.code(user.phone)])
    assert (1, "") == (code, output)
    assert "wrong code, 2 attempts left\nwrong code, 1 attempt left\nwrong code, 0 attempts left\n" in errors
    assert errors.endswith(f"{masked(user.phone)} is not verified: no attempts are left\n")
    records = [record for record in server.audit(kind="operator") if record["event"] == "enrolment_code_wrong"]
    assert [f"attempts left: {left}" for left in (2, 1, 0)] == [record["detail"] for record in records]
    assert {user.name} == {record["user"] for record in records}
    code, _, errors = enroll(server, user, codes=lambda: ["000000", server.simulator.code(user.phone)])
    assert (1, True) == (code, "the limit wrong_codes.user is reached; try again in" in errors)
    code, _, errors = enroll(server, user)
    assert (1, True) == (code, errors.startswith("Error: the limit wrong_codes.user is reached"))
    assert radius.ACCESS_REJECT == log_in(server, user)


def test_simultaneous_wrong_codes_get_no_further_attempt(server, user):
    state = server.directory / "state"
    called = control.ask(state, "enroll_call", name=user.name, source="people", phone="")

    def guess(code):
        answer = {"name": user.name, "source": "people", "enrolment": called["enrolment"], "code": code}
        try:
            return control.ask(state, "enroll_verify", **answer)["verified"]
        except control.RequestFailed as problem:
            return str(problem)

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(guess, [f"{number:06}" for number in range(8)]))
    assert 3 == results.count(False)
    assert {False, "the enrolment has ended or expired; run this again"} == set(results)
    assert 3 == len([each for each in server.audit(kind="operator") if each["event"] == "enrolment_code_wrong"])
    assert "has ended or expired" in guess(server.simulator.code(user.phone))


@pytest.mark.parametrize("server", [TRUST], indirect=True)
def test_a_code_of_a_login_verifies_no_phone_and_that_of_an_enrolment_accepts_no_login(server, user):
    gateway = server.client()
    challenge = gateway.start_login(user)
    of_login = server.simulator.code(user.phone)
    of_enrolment = []

    def codes():
        of_enrolment.append(server.simulator.calls(user.phone)[-1]["code"])
        return [of_login]

    code, _, errors = enroll(server, user, codes=codes)
    assert (1, True) == (code, "wrong code, 2 attempts left" in errors)
    assert of_enrolment != [of_login]
    again = gateway.respond(user, challenge, of_enrolment[0])
    assert radius.ACCESS_CHALLENGE == again.code
    assert "wrong_code" == server.reasons(user)[-1]
    assert radius.ACCESS_ACCEPT == gateway.respond(user, again, of_login).code


def test_calls_of_enrolments_count_towards_the_limits_of_calls(server, user):
    for _ in range(3):
        assert 1 == enroll(server, user)[0]
    code, _, errors = enroll(server, user)
    assert 1 == code
    assert errors.startswith("Error: the limit calls.user is reached; try again in 4m")
    assert errors.endswith("or run: radius-voice users unlock\n")
    assert 3 == len(server.audit(kind="delivery"))


def test_another_phone_of_the_user_is_verified(simulator, tmp_path, user):
    server = ServerProcess(tmp_path, simulator, CONFIGURATION, [user])
    second = "+14155550177"
    entry = {user.name: user.entry | {"phones": [user.phone, f"{second} ext. 42"]}}
    (tmp_path / "users.yaml").write_text(json.dumps(entry))
    server.send_signal(1)
    server.wait_for_line("users_file_read", server.stderr)
    options = ("--phone", f"{second};ext=42")
    code, output, errors = enroll(server, user, *options, codes=lambda: [server.simulator.code(second)])
    assert 0 == code, errors
    assert output.endswith(f"; not verified: {masked(user.phone)}\n")
    assert "wwww42" == simulator.calls(second)[0]["digits"]
    challenge = server.client().start_login(user)
    assert any(value.endswith(b"77. Enter the code you hear:") for _, value in challenge.attributes)
    assert 0 == server.stop()


def test_a_phone_that_cannot_be_called_is_reported(server, user):
    code, _, errors = enroll(server, user, "--phone", "+14155550199")
    assert (1, True) == (code, "the directory does not have +14*******99 for" in errors)
    code, _, errors = enroll(server, user, "--phone", "five")
    assert (1, True) == (code, "not a phone number" in errors)
    assert [] == server.audit(kind="delivery")


def test_a_phone_that_a_provider_refuses_is_reported(simulator, tmp_path, make_user):
    user = make_user(phone="+15005550020")
    server = ServerProcess(tmp_path, simulator, CONFIGURATION, [user])
    code, _, errors = enroll(server, user)
    assert (1, True) == (code, "is not called: twilio: 20429: too many requests" in errors), errors
    assert 0 == server.stop()


def test_a_call_that_no_provider_can_have_received_is_not_charged(tmp_path, user):
    server = ServerProcess(tmp_path, f"http://127.0.0.1:{free_port()}", CONFIGURATION, [user])
    for _ in range(4):
        code, _, errors = enroll(server, user)
        assert (1, True) == (code, "is not called: twilio: not sent: " in errors), errors
    assert 4 == len(server.audit(kind="delivery", result="not_placed"))
    assert 0 == server.stop()


def test_a_number_that_the_policy_forbids_is_not_called(simulator, tmp_path, make_user):
    user = make_user(phone="+4915112345678")
    configuration = CONFIGURATION.replace("first_phone: verified", "first_phone: verified, countries: [US]")
    server = ServerProcess(tmp_path, simulator, configuration, [user])
    code, _, errors = enroll(server, user)
    assert (1, True) == (code, "is not called: policies.default: country DE" in errors)
    assert 0 == server.stop()


def test_a_verify_service_without_custom_codes_is_reported_once_with_the_fix(simulator, tmp_path, user, monkeypatch):
    base = re.sub(" *(calls_per_second|from:).*\n", "", BASE_CONFIGURATION)
    verify = f"type: twilio-verify\n      service_sid: VA{'a' * 32}"
    monkeypatch.setattr("tests.support.server_process.BASE_CONFIGURATION", base.replace("type: twilio-voice", verify))
    both = CONFIGURATION.replace("first_phone: verified", "first_phone: verified, methods: [voice, sms]")
    server = ServerProcess(tmp_path, simulator, both, [user])
    code, _, errors = enroll(server, user)
    why = "twilio: not sent: Verify delivers codes of logins only"
    fix = "add a provider of another type, or ask Twilio for custom codes and write custom_code: true"
    assert (1, f"Error: {masked(user.phone)} is not called: {why} ({fix})\n") == (code, errors)
    assert 0 == server.stop()


def test_without_a_service_no_call_is_placed(server, user, tmp_path):
    server.stop()
    ended = CliRunner().invoke(main, ["users", "enroll", "--config", str(server.path), user.name])
    assert (1, True) == (ended.exit_code, "no radius-voice service listens" in ended.output)


def test_a_text_message_is_named_where_the_policy_sends_one(simulator, tmp_path, user, monkeypatch):
    base = re.sub(" *calls_per_second.*\n", "", BASE_CONFIGURATION).replace("twilio-voice", "twilio-sms")
    monkeypatch.setattr("tests.support.server_process.BASE_CONFIGURATION", base)
    texts = CONFIGURATION.replace("first_phone: verified", "first_phone: verified, methods: [sms]")
    server = ServerProcess(tmp_path, simulator, texts, [user])
    code, _, errors = enroll(server, user, codes=lambda: [server.simulator.texted_code(user.phone)])
    assert f"sending a text message to {masked(user.phone)} of {user.name} (identity source people)\n" in errors
    assert (0, 0) == (code, server.stop())
