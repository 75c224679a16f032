"""`users confirm`, `users pin` and `users remove` with a running service and real logins."""

import json
import os
import signal
import sqlite3

import pytest
from click.testing import CliRunner

from radius_voice import operations
from radius_voice.cli.main import main
from radius_voice.login.phone import Phone
from radius_voice.radius import packet as radius
from tests.support.polling import wait_until
from tests.support.redis_server import SharedRedis
from tests.support.server_process import ServerProcess, write_configuration
from tests.support.slapd_server import BASE, READER, READER_PASSWORD, USERS, SlapdServer

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""
VERIFIED = CONFIGURATION + "policies: {default: {first_phone: verified}}\n"
MEMORY = "store: {type: memory}\n"
NEW_PHONE = "+14155550190"


@pytest.fixture
def user(make_user):
    return make_user()


@pytest.fixture
def other(make_user):
    return make_user()


@pytest.fixture
def server(simulator, tmp_path, user, other, request):
    server = ServerProcess(tmp_path, simulator, getattr(request, "param", CONFIGURATION), [user, other])
    yield server
    assert 0 == server.stop()


def run(*arguments, typed=None):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=typed)


def succeed(*arguments):
    ended = run(*arguments)
    assert 0 == ended.exit_code, ended.output
    return ended.stdout


def log_in(server, user, phone=None):
    """Log in with the code that the phone hears; the code of the final response."""
    gateway = server.client()
    challenge = gateway.start_login(user)
    if challenge.code != radius.ACCESS_CHALLENGE:
        return challenge.code
    return gateway.respond(user, challenge, server.simulator.code(phone or user.phone)).code


def give_phone(server, user, *phones):
    """Change the phones in the users file, and wait until the service has read it."""
    read = len(server.audit(kind="service", event="users_file_read"))
    options = [word for phone in phones for word in ("--phone", phone)]
    succeed("users", "set-phone", "--yes", "--file", server.directory / "users.yaml", user.name, *options)
    server.send_signal(signal.SIGHUP)
    wait_until(lambda: len(server.audit(kind="service", event="users_file_read")) > read, "the users file is read")


@pytest.mark.parametrize("server", [CONFIGURATION, CONFIGURATION + MEMORY], indirect=True)
def test_a_changed_phone_is_rejected_until_it_is_confirmed(server, user, other):
    assert radius.ACCESS_ACCEPT == log_in(server, user)
    give_phone(server, user, NEW_PHONE)
    assert radius.ACCESS_REJECT == log_in(server, user)
    assert "phone_not_confirmed" == server.reasons(user)[-1]
    (alarm,) = server.audit(kind="alarm")
    assert ("phone_changed", user.name, "gateway") == (alarm["alarm"], alarm["user"], alarm["client"])
    assert f"users confirm --source people {user.name}" in alarm["detail"]
    assert 1 == server.metric("radius_voice_alarms_total", alarm="phone_changed")
    server.wait_for_line("alarm", server.stderr)
    assert radius.ACCESS_ACCEPT == log_in(server, other)

    shown = succeed("users", "confirm", "--config", server.path, "--yes", user.name)
    assert f"in directory: {NEW_PHONE[:3]}*******{NEW_PHONE[-2:]} (not pinned)\n" in shown
    assert "(at the first login, 20" in shown
    assert shown.endswith(f"the phones of {user.name} are confirmed\n")
    assert not [phone for phone in (user.phone, NEW_PHONE) if phone in shown]
    assert radius.ACCESS_ACCEPT == log_in(server, user, NEW_PHONE)
    again = succeed("users", "confirm", "--config", server.path, user.name)
    assert again.endswith("the phones are pinned and verified already\n")
    (record,) = server.audit(kind="operator")
    expected = {"event": "phones_confirmed", "user": user.name, "identity_source": "people", "uid": os.getuid()}
    assert expected == {key: value for key, value in record.items() if key not in ("at", "kind")}


def test_a_changed_phone_that_looks_like_the_pinned_one_when_masked_is_marked(server, user):
    assert radius.ACCESS_ACCEPT == log_in(server, user)
    similar = f"{user.phone[:-3]}{(int(user.phone[-3]) + 1) % 10}{user.phone[-2:]}"
    assert Phone(similar).masked == Phone(user.phone).masked
    give_phone(server, user, user.phone, similar)
    shown = run("users", "confirm", "--config", server.path, user.name).stdout
    assert f"in directory: {Phone(user.phone).masked}, {Phone(similar).masked} (not pinned)\n" in shown


def test_pins_survive_a_restart(simulator, tmp_path, user):
    server = ServerProcess(tmp_path, simulator, CONFIGURATION, [user])
    assert radius.ACCESS_ACCEPT == log_in(server, user)
    server.kill()
    server = ServerProcess(tmp_path, simulator, CONFIGURATION, [user])
    give_phone(server, user, user.phone, NEW_PHONE)
    assert radius.ACCESS_REJECT == log_in(server, user)
    assert 0 == server.stop()


@pytest.mark.parametrize("server", [VERIFIED], indirect=True)
def test_only_pinned_phones_are_called_with_first_phone_verified(server, user, other):
    assert radius.ACCESS_REJECT == log_in(server, user)
    assert "phone_not_verified" == server.reasons(user)[-1]
    assert [] == server.audit(kind="delivery")
    pinned = succeed("users", "pin", "--config", server.path, "--all", "--yes")
    assert "people: the phones of 2 users are pinned\n" == pinned
    for each in (user, other):
        assert radius.ACCESS_ACCEPT == log_in(server, each)
    assert {user.name, other.name} == {record["user"] for record in server.audit(event="phones_pinned")}
    as_json = json.loads(succeed("users", "pin", "--config", server.path, "--all", "--yes", "--json"))
    assert {"pinned": {"people": 2}, "without_phone": {"people": 0}, "not_listed": []} == as_json


def test_many_users_are_pinned_in_several_requests(simulator, tmp_path, make_user):
    users = [make_user(f"{'u' * 100}{number}", password="arctangent") for number in range(30)]
    hashed = users[0].hashed
    server = ServerProcess(tmp_path, simulator, CONFIGURATION, users[:1])
    entries = {each.name: {"phones": [each.phone]} for each in users} | {users[0].name: {"password": hashed}}
    (tmp_path / "users.yaml").write_text(json.dumps(entries))
    server.send_signal(signal.SIGHUP)
    wait_until(lambda: server.audit(kind="service", event="users_file_read"), "the users file is read")
    pinned = succeed("users", "pin", "--config", server.path, "--all", "--yes")
    assert "people: the phones of 30 users are pinned; 1 of them has no phone\n" == pinned
    assert 0 == server.stop()


def test_nothing_is_changed_without_a_confirmation(server, user):
    for command in (("confirm", user.name), ("pin", "--all")):
        ended = run("users", command[0], "--config", server.path, *command[1:])
        assert (1, True) == (ended.exit_code, "nothing is changed: without a terminal" in ended.stderr)
    assert [] == server.audit(kind="operator")
    assert 2 == run("users", "pin", "--config", server.path).exit_code


def test_a_user_without_a_phone_and_an_unknown_user_are_reported(server, user):
    entries = json.loads((server.directory / "users.yaml").read_text())
    (server.directory / "users.yaml").write_text(json.dumps(entries | {user.name: entries[user.name] | {"phones": []}}))
    server.send_signal(signal.SIGHUP)
    wait_until(lambda: server.audit(kind="service", event="users_file_read"), "the users file is read")
    ended = run("users", "confirm", "--config", server.path, "--yes", user.name)
    assert (1, True) == (ended.exit_code, f"the directory has no phone of {user.name}; add one" in ended.stderr)
    assert "pinned:       no phone\nin directory: no phone\n" in ended.stdout
    ended = run("users", "confirm", "--config", server.path, "--yes", "unknown")
    assert (1, True) == (ended.exit_code, "no identity source has a user of that name" in ended.stderr)
    ended = run("users", "pin", "--config", server.path, "--all", "--yes", "--source", "unknown")
    assert (1, True) == (ended.exit_code, "no identity source has the name 'unknown'" in ended.stderr)


def test_a_phone_that_changes_before_the_confirmation_is_not_pinned(server, user, monkeypatch):
    assert radius.ACCESS_ACCEPT == log_in(server, user)
    give_phone(server, user, NEW_PHONE)
    monkeypatch.setattr("radius_voice.cli.pins.confirm_or_end", lambda *_: give_phone(server, user, "+14155550191"))
    ended = run("users", "confirm", "--config", server.path, user.name)
    assert (1, True) == (ended.exit_code, "have changed in the directory meanwhile; run this again" in ended.stderr)
    assert radius.ACCESS_REJECT == log_in(server, user)


def test_removing_a_user_deletes_the_pins(server, user):
    assert radius.ACCESS_ACCEPT == log_in(server, user)
    entry = json.loads((server.directory / "users.yaml").read_text())[user.name] | {"phones": [NEW_PHONE]}
    removed = succeed("users", "remove", "--config", server.path, "--yes", user.name)
    assert "pinned phones: 1\n" in removed
    users_file = server.directory / "users.yaml"
    users_file.write_text(json.dumps(json.loads(users_file.read_text()) | {user.name: entry}))
    server.send_signal(signal.SIGHUP)
    wait_until(lambda: server.audit(kind="service", event="users_file_read"), "the users file is read")
    assert radius.ACCESS_ACCEPT == log_in(server, user, NEW_PHONE)


QUERIES = """\
identity:
  people:
    type: sql
    url: sqlite:///people.db
    queries: {user: "SELECT 'id' AS id, :name AS name", user_by_id: "SELECT :id AS id, 'bob' AS name"}
"""


TABLES = """\
identity:
  passwords: {type: users_file, path: users.yaml}
  people:
    type: sql
    url: sqlite:///people.db
    queries:
      user: SELECT id, login AS name FROM account WHERE login = :name
      user_by_id: SELECT id, login AS name FROM account WHERE id = :id
      phones: SELECT mobile FROM account WHERE id = :id
      ids: SELECT id FROM account
policies: {default: {first_factor: passwords, directory: people, first_phone: verified}}
"""


def test_users_of_a_directory_that_cannot_list_them_are_reported(simulator, tmp_path):
    path = write_configuration(tmp_path, simulator, CONFIGURATION + QUERIES, [])
    ended = run("users", "pin", "--config", path, "--all", "--yes", "--source", "people")
    assert 1 == ended.exit_code
    assert "people: cannot list its users; run radius-voice users confirm for each of them (" in ended.stderr
    assert "identity.people.queries.ids: is missing; write a query for the ids of all users)\n" in ended.stderr


def test_the_users_of_tables_of_another_program_are_pinned(simulator, tmp_path, user, other):
    with sqlite3.connect(tmp_path / "people.db") as connection:
        connection.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, login TEXT, mobile TEXT)")
        connection.executemany(
            "INSERT INTO account (login, mobile) VALUES (?, ?)", [(each.name, each.phone) for each in (user, other)]
        )
    connection.close()
    (tmp_path / "people.db").chmod(0o600)
    server = ServerProcess(tmp_path, simulator, CONFIGURATION + TABLES, [user, other])
    assert radius.ACCESS_REJECT == log_in(server, user)
    pinned = succeed("users", "pin", "--config", server.path, "--all", "--yes")
    assert "people: the phones of 2 users are pinned\n" == pinned
    for each in (user, other):
        assert radius.ACCESS_ACCEPT == log_in(server, each)
    assert 0 == server.stop()


@pytest.fixture
def slapd(tmp_path):
    server = SlapdServer(tmp_path / "slapd")
    yield server
    server.stop()


def test_the_users_of_an_ldap_directory_are_pinned(simulator, tmp_path, slapd, make_user, monkeypatch):
    monkeypatch.setattr("radius_voice.identity.ldap.lister.PAGE_SIZE", 2)
    monkeypatch.setattr("radius_voice.cli.pins.MAX_IDS", 2)
    alice, *others = users = [make_user() for _ in range(4)]
    for each in users:
        slapd.add_user(each.name, each.password, mobile=each.phone)
    slapd.add_user("nobody-without-phone")
    identity = f"identity:\n  corp: {{type: ldap, servers: ['{slapd.url}'], bind_dn: '{READER}', "
    identity += f"bind_password: {READER_PASSWORD}, base: '{BASE}', phones: [mobile]}}\n"
    policies = "policies: {default: {first_factor: corp, directory: corp, first_phone: verified}}\n"
    server = ServerProcess(tmp_path, simulator, CONFIGURATION + identity + policies, [])
    assert radius.ACCESS_REJECT == log_in(server, alice)

    pinned = succeed("users", "pin", "--config", server.path, "--all", "--yes")
    assert "corp: the phones of 5 users are pinned; 1 of them has no phone\n" == pinned
    assert radius.ACCESS_ACCEPT == log_in(server, alice)
    slapd.modify(f"uid={others[0].name},{USERS}", mobile=[NEW_PHONE])
    assert radius.ACCESS_REJECT == log_in(server, others[0])
    assert ["phone_not_verified", "phone_not_confirmed"] == [server.reasons(each)[0] for each in (alice, others[0])]

    slapd.stop()
    ended = run("users", "pin", "--config", server.path, "--all", "--yes")
    assert (1, True) == (ended.exit_code, "nothing is pinned: identity.corp: ldap://" in ended.stderr), ended.output
    assert 0 == server.stop()


def test_a_failure_after_some_users_says_how_many_are_pinned(server, monkeypatch):
    monkeypatch.setattr("radius_voice.cli.pins.MAX_IDS", 1)
    perform, asked = operations.perform, []

    async def fail_at_the_second(*arguments, **more):
        asked.append(more)
        if len(asked) == 2:
            raise operations.OperationFailed("store: no connection")
        return await perform(*arguments, **more)

    monkeypatch.setattr("radius_voice.operations.perform", fail_at_the_second)
    ended = run("users", "pin", "--config", server.path, "--all", "--yes")
    text = "people: the phones of 1 user are pinned, and then it failed; run this again: store: no connection"
    assert (1, True) == (ended.exit_code, text in ended.stderr), ended.output


def test_pins_in_redis_are_changed_without_a_service(simulator, tmp_path, user):
    redis = SharedRedis.emptied()
    configuration = (
        VERIFIED.replace("reject_delay", "key: a server key of thirty-two octets, reject_delay")
        + f"store: {{type: redis, servers: ['127.0.0.1:{redis.port}']}}\n"
    )
    path = write_configuration(tmp_path, simulator, configuration, [user])
    assert "people: the phones of 1 user are pinned\n" == succeed("users", "pin", "--config", path, "--all", "--yes")
    server = ServerProcess(tmp_path, simulator, configuration, [user])
    assert radius.ACCESS_ACCEPT == log_in(server, user)
    assert 0 == server.stop()


def issue_code(server, user):
    return json.loads(succeed("users", "issue-code", "--config", server.path, "--json", user.name))["notice"]


def test_the_notice_of_an_issued_code_calls_only_a_phone_that_a_login_would_call(server, user, other):
    assert radius.ACCESS_ACCEPT == log_in(server, user)
    give_phone(server, user, other.phone)
    assert f"{Phone(other.phone).masked} not notified: not pinned" == issue_code(server, user)
    give_phone(server, user, other.phone, user.phone)
    assert f"{Phone(user.phone).masked} notified by a call" == issue_code(server, user)
    assert [] == server.simulator.calls(other.phone)


@pytest.mark.parametrize("server", [VERIFIED], indirect=True)
def test_the_notice_of_an_issued_code_calls_only_a_verified_phone_if_the_policy_says_so(server, user):
    assert f"{Phone(user.phone).masked} not notified: not verified" == issue_code(server, user)
    assert [] == server.simulator.calls(user.phone)
    succeed("users", "confirm", "--config", server.path, "--yes", user.name)
    assert f"{Phone(user.phone).masked} notified by a call" == issue_code(server, user)
