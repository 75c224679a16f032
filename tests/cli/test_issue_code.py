"""`users issue-code`: with a running service, and with a shared store without one."""

import json
import os
import re
import time
from datetime import datetime

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from radius_voice.control import RequestFailed, ask
from radius_voice.login.phone import Phone
from radius_voice.messages import SHIPPED
from radius_voice.radius import packet as radius
from tests.support.network import free_port
from tests.support.redis_server import SharedRedis
from tests.support.server_process import ConfiguredUser, ServerProcess, WorkersProcess, write_configuration

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s, key: a server key of thirty-two octets}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""
NOWHERE = "http://127.0.0.1:1"
CODE = re.compile(r"[A-Z0-9]{4}(-[A-Z0-9]{4}){2}")


@pytest.fixture(scope="module", autouse=True)
def _stop_shared_redis():
    yield
    SharedRedis.close()


class UserWithoutPhone(ConfiguredUser):
    @property
    def entry(self):
        return {**super().entry, "phones": []}


@pytest.fixture
def user(make_user):
    known = make_user()
    return UserWithoutPhone(known.name, known.phone)


@pytest.fixture
def start(simulator, tmp_path, user):
    """Starts a server of a user without a phone."""
    servers = []

    def start(configuration=CONFIGURATION, kind=ServerProcess):
        servers.append(kind(tmp_path, simulator, configuration, [user]))
        return servers[-1]

    yield start
    for server in servers:
        assert 0 == server.stop()


def issue(path, user, *options):
    return CliRunner().invoke(main, ["users", "issue-code", "--config", str(path), user.name, *options])


def code_in(result):
    assert 0 == result.exit_code, result.output
    found = CODE.search(result.stdout)
    assert found is not None
    return found[0]


@pytest.mark.parametrize("store", ["", "store: {type: memory}\n"])
def test_a_user_without_a_phone_logs_in_with_the_code_and_only_once(start, user, store):
    server = start(CONFIGURATION + store)
    gateway = server.client()
    assert radius.ACCESS_REJECT == gateway.start_login(user).code
    code = code_in(issue(server.path, user, "--for", "10m", "--by", "Dana of the help desk"))
    challenge = gateway.start_login(user)
    assert b"Enter the code from the help desk:" == challenge.first(radius.REPLY_MESSAGE)
    challenge = gateway.respond(user, challenge, "ACDE-FGHJ-KMNP")
    assert radius.ACCESS_CHALLENGE == challenge.code
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, code.lower().replace("-", " ")).code
    assert radius.ACCESS_REJECT == gateway.start_login(user).code
    expected = ["no_phone", "issued_code", "wrong_code", "issued_code_correct", "no_phone"]
    assert expected == server.reasons(user)
    (record,) = server.audit(kind="operator")
    assert {
        "event": "code_issued",
        "user": user.name,
        "identity_source": "people",
        "uid": os.getuid(),
        "by": "Dana of the help desk",
        "detail": "valid for 10m; no phone to notify",
    } == {key: value for key, value in record.items() if key not in ("at", "kind")}
    written = "".join(server.stderr) + (server.directory / "audit.jsonl").read_text()
    assert not CODE.search(written)
    assert code not in written


def test_a_service_of_several_workers_accepts_the_code(start, user):
    server = start(CONFIGURATION.replace("reject_delay", "workers: 2, reject_delay"), WorkersProcess)
    code = code_in(issue(server.path, user))
    gateway = server.client()
    assert radius.ACCESS_ACCEPT == gateway.respond(user, gateway.start_login(user), code).code
    assert ["code_issued"] == [record["event"] for record in server.audit(kind="operator")]


def test_nodes_that_share_redis_know_the_code_that_a_command_without_a_service_issued(
    simulator, tmp_path_factory, user
):
    configuration = CONFIGURATION + f"store: {{type: redis, servers: ['127.0.0.1:{SharedRedis.emptied().port}']}}\n"
    elsewhere = write_configuration(tmp_path_factory.mktemp("elsewhere"), simulator, configuration, [user])
    result = issue(elsewhere, user)
    code = code_in(result)
    assert "warning: not recorded in the audit log: audit.path: " in result.stderr
    first = ServerProcess(tmp_path_factory.mktemp("first"), simulator, configuration, [user])
    second = ServerProcess(tmp_path_factory.mktemp("second"), simulator, configuration, [user])
    challenge = first.client().start_login(user)
    assert radius.ACCESS_ACCEPT == second.client().respond(user, challenge, code).code
    assert radius.ACCESS_REJECT == first.client().start_login(user).code
    assert (0, 0) == (first.stop(), second.stop())


def test_a_new_code_replaces_the_former_one(start, user):
    server = start()
    former, code = code_in(issue(server.path, user)), code_in(issue(server.path, user))
    gateway = server.client()
    challenge = gateway.respond(user, gateway.start_login(user), former)
    assert radius.ACCESS_CHALLENGE == challenge.code
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, code).code


@pytest.fixture
def called_user(make_user):
    return make_user()


def test_a_phone_of_the_user_is_called_with_a_notice_and_without_the_code(simulator, tmp_path, called_user):
    server = ServerProcess(tmp_path, simulator, CONFIGURATION + "limits: {calls: {user: 1 per 10m}}\n", [called_user])
    masked = Phone(called_user.phone).masked
    result = issue(server.path, called_user)
    code = code_in(result)
    assert f"notice to the user: {masked} notified by a call" in result.stdout
    (call,) = simulator.calls(called_user.phone)
    notice = SHIPPED.messages_for("en").spoken.issued_code
    assert (2, "") == (call["said"].count(notice), call["code"])
    for form in (code, code.replace("-", "")):
        assert form not in call["said"].replace(" ", "")
    limited = issue(server.path, called_user, "--json")
    assert f"{masked} not notified: limit calls.user" == json.loads(limited.stdout)["notice"]
    assert 1 == len(simulator.calls(called_user.phone))
    details = [record["detail"] for record in server.audit(kind="operator")]
    assert [
        f"valid for 1h; {masked} notified by a call",
        f"valid for 1h; {masked} not notified: limit calls.user",
    ] == details
    gateway = server.client()
    challenge = gateway.start_login(called_user)
    assert radius.ACCESS_ACCEPT == gateway.respond(called_user, challenge, code_in_json(limited)).code
    assert 0 == server.stop()


def code_in_json(result):
    return json.loads(result.stdout)["code"]


def test_a_notice_that_no_provider_placed_does_not_count_towards_the_limits(tmp_path, called_user):
    server = ServerProcess(tmp_path, NOWHERE, CONFIGURATION, [called_user])
    result = issue(server.path, called_user)
    expected = f"{Phone(called_user.phone).masked} not notified: no provider delivered"
    assert (0, True) == (result.exit_code, expected in result.stdout)
    shown = CliRunner().invoke(main, ["limits", "--config", str(server.path), "--user", called_user.name]).stdout
    assert re.search(r"^calls\.user +\S+ +0 ", shown, re.MULTILINE), shown
    assert 0 == server.stop()


def test_a_number_that_no_policy_calls_is_not_notified(simulator, tmp_path, called_user):
    policies = "policies: {default: {countries: [FR]}}\n"
    server = ServerProcess(tmp_path, simulator, CONFIGURATION + policies, [called_user])
    assert "notice to the user: no phone to notify" in issue(server.path, called_user).stdout
    assert [] == simulator.calls(called_user.phone)
    assert 0 == server.stop()


def test_json_has_the_code_and_the_end_of_its_validity(start, user):
    server = start()
    before = time.time()
    result = issue(server.path, user, "--json", "--for", "24h")
    shown = json.loads(result.stdout)
    assert (user.name, "people") == (shown["user"], shown["source"])
    assert CODE.fullmatch(shown["code"])
    expires = datetime.fromisoformat(shown["expires_at"]).timestamp()
    assert before + 86400 - 1 <= expires <= time.time() + 86400


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--for", "59s"], "must be between 1m and 1d"),
        (["--for", "25h"], "must be between 1m and 1d"),
        (["--for", "soon"], "not a duration"),
        (["--by", "x" * 101], "must be printable text of at most 100 characters"),
        (["--by", "a\x1b[2J"], "must be printable text of at most 100 characters"),
    ],
)
def test_wrong_options_are_usage_errors(tmp_path, user, options, message):
    result = issue(tmp_path / "none.yaml", user, *options)
    assert (2, True) == (result.exit_code, message in result.stderr), result.stderr


@pytest.mark.parametrize("seconds", ["59", "86401", "nan", "-inf"])
def test_the_service_itself_bounds_the_validity(start, user, seconds):
    server = start()
    with pytest.raises(RequestFailed, match="a code can be valid for 1m to 1d"):
        ask(server.directory / "state", "issue_code", name=user.name, seconds=seconds, by="")
    assert [] == server.audit(kind="operator")


def test_nothing_is_issued_for_a_disabled_or_unknown_user(start, user):
    server = start()
    unknown = CliRunner().invoke(main, ["users", "issue-code", "--config", str(server.path), "unknown"])
    assert (1, True) == (unknown.exit_code, "no identity source has a user of that name" in unknown.stderr)
    disable = ["users", "disable", "--file", str(server.directory / "users.yaml"), user.name]
    assert 0 == CliRunner().invoke(main, disable).exit_code
    server.wait_for_line("users_file_read", server.stderr)
    result = issue(server.path, user)
    expected = f"Error: {user.name} is disabled; run radius-voice users enable first\n"
    assert (1, "", expected) == (result.exit_code, result.stdout, result.stderr)
    assert [] == server.audit(kind="operator")


@pytest.mark.parametrize(
    ("store", "message"),
    [
        ("", "there is no store at "),
        ("store: {type: memory}\n", "the data of a store of type memory is lost when its service ends"),
    ],
)
def test_without_a_service_the_command_says_why_it_issued_nothing(simulator, tmp_path, user, store, message):
    configuration = CONFIGURATION.replace("127.0.0.1:0", f"127.0.0.1:{free_port()}") + store
    result = issue(write_configuration(tmp_path, simulator, configuration, [user]), user)
    assert (1, "", True) == (result.exit_code, result.stdout, message in result.stderr), result.stderr
