"""Policies that accept or reject users without a call, through real sockets."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from radius_voice import operations
from radius_voice.cli.main import main
from radius_voice.radius import packet as radius
from radius_voice.wiring.adapters import load
from tests.support.server_process import ServerProcess

CONFIGURATION = """\
server:
  listen: ["udp://127.0.0.1:0"]
  reject_delay: 0.1s
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests, response_timeout: 8s}
  new-gateway: {address: 127.0.0.2, secret: a shared secret of the tests, response_timeout: 8s, policy: new}
policies:
  new:
    mode: {report_until: "TOMORROW", pilot_groups: [pilot]}
    reply:
      - {set: {Class: new}}
  default:
    reply:
      - {set: {Class: staff}}
    exemptions:
      - {users: [svc-backup], reason: no phone line in the data centre}
      - {groups: [operators], networks: [10.0.0.0/8], reason: control room}
    group_rules:
      - when: {group: past}
        allowed_hours: {time_zone: UTC, hours: ["PAST 00:00-24:00"]}
      - when: {group: remembered}
        remember: 12h
""".replace("TOMORROW", (datetime.now(UTC) + timedelta(days=1)).isoformat()).replace(
    "PAST", (datetime.now(UTC) - timedelta(days=2)).strftime("%a").lower()
)
CLASS = 25
CONTROL_ROOM = (radius.CALLING_STATION_ID, b"10.20.30.40:51820")
ELSEWHERE = (radius.CALLING_STATION_ID, b"203.0.113.5")


@pytest.fixture(scope="module")
def backup(make_user):
    return make_user("svc-backup")


@pytest.fixture(scope="module")
def operator(make_user):
    return make_user("operator", groups=("operators",))


@pytest.fixture(scope="module")
def late(make_user):
    return make_user("late", groups=("past",))


@pytest.fixture(scope="module")
def pilot(make_user):
    return make_user("pilot", groups=("pilot",))


@pytest.fixture(scope="module")
def remembered(make_user):
    return make_user("remembered", groups=("remembered",))


@pytest.fixture(scope="module")
def server(start_server, backup, operator, late, pilot, remembered):
    with start_server(CONFIGURATION, [backup, operator, late, pilot, remembered]) as server:
        yield server


def test_an_exempt_user_is_accepted_without_a_call(server, backup):
    gateway = server.client()
    accept = gateway.start_login(backup)
    assert (radius.ACCESS_ACCEPT, b"staff") == (accept.code, accept.first(CLASS))
    assert [] == server.simulator.calls(backup.phone)
    (record,) = server.audit(kind="request", user="svc-backup")
    assert ("exempt", "policies.default.exemptions[0]") == (record["reason"], record["rule"])
    assert "no phone line in the data centre" == record["rule_reason"]
    wrong = gateway.exchange([(radius.USER_NAME, b"svc-backup")], "not the password")
    assert radius.ACCESS_REJECT == wrong.code


def test_an_exemption_by_network_reads_the_address_that_the_gateway_sends(server, operator):
    gateway = server.client()
    assert radius.ACCESS_ACCEPT == gateway.start_login(operator, CONTROL_ROOM).code
    assert [] == server.simulator.calls(operator.phone)
    assert radius.ACCESS_CHALLENGE == gateway.start_login(operator, ELSEWHERE).code
    assert 1 == len(server.simulator.calls(operator.phone))


def test_a_lost_accept_is_repeated_also_to_another_port(server, backup):
    gateway, another_port = server.client(), server.client()
    request = gateway.initial_request(backup)
    gateway.send(request)
    accept = gateway.receive()
    gateway.send(request)
    assert accept.raw == gateway.receive().raw
    another_port.sent = gateway.sent
    another_port.send(request)
    assert radius.ACCESS_ACCEPT == another_port.receive().code
    assert "repeated" == server.reasons(backup)[-1]


def test_a_login_outside_the_allowed_hours_is_rejected_without_a_call(server, late):
    reply = server.client().start_login(late)
    assert radius.ACCESS_REJECT == reply.code
    assert [] == server.simulator.calls(late.phone)
    (record,) = server.audit(kind="request", user="late")
    expected = ("outside_allowed_hours", "policies.default.group_rules[0].allowed_hours")
    assert expected == (record["reason"], record["rule"])


def test_report_mode_calls_pilots_only_and_is_announced(server, late, pilot):
    gateway = server.client("127.0.0.2")
    accept = gateway.start_login(late)
    assert (radius.ACCESS_ACCEPT, b"new") == (accept.code, accept.first(CLASS))
    assert [] == server.simulator.calls(late.phone)
    assert radius.ACCESS_REJECT == gateway.exchange([(radius.USER_NAME, b"late")], "not the password").code
    challenge = gateway.start_login(pilot)
    assert radius.ACCESS_CHALLENGE == challenge.code
    assert radius.ACCESS_ACCEPT == gateway.respond(pilot, challenge, server.simulator.code(pilot.phone)).code
    records = server.audit(kind="request", client="new-gateway")
    assert ["report_mode", "wrong_password", "call_placed", "code_correct"] == [each["reason"] for each in records]
    assert {"report"} == {record["mode"] for record in records}
    assert ("challenge", "call_placed") == (records[0]["would_outcome"], records[0]["would_reason"])
    assert 1 == server.metric("radius_voice_report_mode", policy="new")
    assert 0 == server.metric("radius_voice_report_mode", policy="default")
    (warning,) = [
        record for record in server.audit(kind="service", event="warning") if "mode.report" in record["detail"]
    ]
    assert warning["detail"].startswith("policy new: mode.report_until: until ")


def test_a_login_is_remembered_until_a_command_forgets_it(server, remembered):
    gateway = server.client()

    def log_in():
        challenge = gateway.start_login(remembered, ELSEWHERE)
        assert radius.ACCESS_CHALLENGE == challenge.code
        code = server.simulator.code(remembered.phone)
        assert radius.ACCESS_ACCEPT == gateway.respond(remembered, challenge, code, ELSEWHERE).code

    log_in()
    accept = gateway.start_login(remembered, ELSEWHERE)
    assert (radius.ACCESS_ACCEPT, b"staff") == (accept.code, accept.first(CLASS))
    assert 1 == len(server.simulator.calls(remembered.phone))
    record = server.audit(kind="request", user="remembered")[-1]
    assert ("remembered", "policies.default.group_rules[1].remember") == (record["reason"], record["rule"])
    arguments = ["users", "forget", "--config", str(server.path), "--json", "Remembered"]
    forgotten = CliRunner().invoke(main, arguments)
    assert {"user": "remembered", "source": "people"} == json.loads(forgotten.stdout), forgotten.output
    assert "forgotten" == server.audit(kind="operator", user="remembered")[-1]["event"]
    log_in()
    unlocked = CliRunner().invoke(main, ["users", "unlock", "--config", str(server.path), "remembered"])
    assert 0 == unlocked.exit_code, unlocked.output
    log_in()
    unknown = CliRunner().invoke(main, ["users", "forget", "--config", str(server.path), "no-such-user"])
    assert (1, True) == (unknown.exit_code, "no identity source has a user of that name" in unknown.stderr)


def test_no_station_is_shared_by_many_users(server):
    assert {"clients": []} == asyncio.run(operations.shared_stations(load(server.path).settings))


SEPARATE = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
identity:
  passwords: {type: users_file, path: users.yaml}
  phones: {type: users_file, path: phones.yaml}
policies:
  default:
    first_factor: passwords
    directory: phones
    mode: {report_until: "TOMORROW", pilot_groups: [pilot]}
""".replace("TOMORROW", (datetime.now(UTC) + timedelta(days=1)).isoformat())


def test_report_mode_accepts_a_user_whom_only_the_first_factor_has(simulator, tmp_path, make_user):
    missing, pilot = make_user(), make_user(groups=("pilot",))
    phones = tmp_path / "phones.yaml"
    phones.write_text(json.dumps({pilot.name: {"phones": [pilot.phone], "groups": ["pilot"]}}))
    phones.chmod(0o600)
    server = ServerProcess(tmp_path, simulator, SEPARATE, [missing, pilot])
    gateway = server.client()
    assert radius.ACCESS_ACCEPT == gateway.start_login(missing).code
    (record,) = server.audit(kind="request")
    assert ("report_mode", "reject", "unknown_user", missing.name) == tuple(
        record[key] for key in ("reason", "would_outcome", "would_reason", "user")
    )
    challenge = gateway.start_login(pilot)
    assert radius.ACCESS_ACCEPT == gateway.respond(pilot, challenge, server.simulator.code(pilot.phone)).code
    assert {"report"} == {each.get("mode") for each in [*server.audit(kind="request"), *server.audit(kind="delivery")]}
    wrong = gateway.exchange([(radius.USER_NAME, missing.name.encode())], "wrong")
    unknown = gateway.exchange([(radius.USER_NAME, b"mallory")], "wrong")
    assert {radius.ACCESS_REJECT} == {wrong.code, unknown.code}
    assert not [each for each in server.audit(kind="request") if each.get("user") == "mallory"]
    assert 0 == server.stop()
