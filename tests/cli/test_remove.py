"""`users remove --config`: what the store has about the user is deleted, or nothing is changed."""

import json
import os

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from radius_voice.radius import packet as radius
from tests.support.network import free_port
from tests.support.redis_server import SharedRedis
from tests.support.server_process import ServerProcess, WorkersProcess, write_configuration
from tests.support.slapd_server import BASE, READER, READER_PASSWORD, USERS, SlapdServer

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s, key: a server key of thirty-two octets}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
  other: {address: 127.0.0.2, secret: a shared secret of the tests}
"""
WORKERS = CONFIGURATION.replace("reject_delay", "workers: 2, reject_delay")
STATION = (radius.CALLING_STATION_ID, b"192.0.2.9")


@pytest.fixture(scope="module", autouse=True)
def _stop_shared_redis():
    yield
    SharedRedis.close()


@pytest.fixture
def user(make_user):
    return make_user()


def run(*arguments):
    return CliRunner().invoke(main, ["users", *map(str, arguments)])


def names(directory):
    return list(json.loads((directory / "users.yaml").read_text()))


def store_of(kind):
    if kind == "redis":
        return f"store: {{type: redis, servers: ['127.0.0.1:{SharedRedis.emptied().port}']}}\n"
    return f"store: {{type: {kind}}}\n"


@pytest.mark.parametrize(
    ("configuration", "kind", "store"),
    [
        (CONFIGURATION, ServerProcess, "sqlite"),
        (CONFIGURATION, ServerProcess, "memory"),
        (CONFIGURATION, ServerProcess, "redis"),
        (WORKERS, WorkersProcess, "sqlite"),
    ],
    ids=["sqlite", "memory", "redis", "workers"],
)
def test_everything_about_the_user_is_deleted_from_the_store(
    simulator, tmp_path, user, make_user, configuration, kind, store
):
    other = make_user()
    server = kind(tmp_path, simulator, configuration + store_of(store), [user, other])
    gateway = server.client()
    challenge = gateway.start_login(user, STATION)
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, server.simulator.code(user.phone), STATION).code
    issued = json.loads(run("issue-code", "--config", server.path, "--json", user.name).stdout)["code"]
    elsewhere = server.client("127.0.0.2")
    asked = elsewhere.start_login(user)
    others = gateway.start_login(other)

    removed = run("remove", "--config", server.path, "--yes", user.name)
    assert 0 == removed.exit_code, removed.output
    detail = "open logins: 1, counters: 3, known Calling-Station-Ids: 1, issued codes: 1, pinned phones: 1"
    expected = f"deleted from the store: {detail}\n{tmp_path / 'users.yaml'}: {user.name} removed\n"
    assert (expected, "") == (removed.stdout, removed.stderr)
    assert [other.name] == names(tmp_path)
    record = server.audit(kind="operator")[-1]
    assert ("user_data_deleted", user.name, "people", os.getuid(), detail) == tuple(
        record[key] for key in ("event", "user", "identity_source", "uid", "detail")
    )
    assert radius.ACCESS_REJECT == elsewhere.respond(user, asked, issued).code
    answered = gateway.respond(other, others, server.simulator.code(other.phone))
    assert radius.ACCESS_ACCEPT == answered.code, "another user's login goes on"
    assert 0 == server.stop()


def test_a_user_who_is_added_again_has_no_former_counters(simulator, tmp_path, user):
    limits = "limits: {wrong_codes: {user: 1 per 24h}}\n"
    server = ServerProcess(tmp_path, simulator, CONFIGURATION + limits, [user])
    gateway = server.client()
    challenge = gateway.respond(user, gateway.start_login(user), "wrong")
    assert radius.ACCESS_REJECT == gateway.respond(user, challenge, server.simulator.code(user.phone)).code
    assert "locked" == server.reasons(user)[-1]
    text = (tmp_path / "users.yaml").read_text()
    assert 0 == run("remove", "--config", server.path, "--yes", user.name).exit_code
    server.wait_for_line("users_file_read", server.stderr)
    (tmp_path / "users.yaml").write_text(text)
    server.wait_for_line("users_file_read", server.stderr, times=2)
    assert radius.ACCESS_CHALLENGE == server.client("127.0.0.2").start_login(user).code
    assert 0 == server.stop()


def test_a_user_who_is_added_again_has_no_remembered_login(simulator, tmp_path, user):
    server = ServerProcess(tmp_path, simulator, CONFIGURATION + "policies: {default: {remember: 12h}}\n", [user])
    gateway = server.client()
    challenge = gateway.start_login(user, STATION)
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, server.simulator.code(user.phone), STATION).code
    assert radius.ACCESS_ACCEPT == gateway.start_login(user, STATION).code
    text = (tmp_path / "users.yaml").read_text()
    assert 0 == run("remove", "--config", server.path, "--yes", user.name).exit_code
    server.wait_for_line("users_file_read", server.stderr)
    (tmp_path / "users.yaml").write_text(text)
    server.wait_for_line("users_file_read", server.stderr, times=2)
    assert radius.ACCESS_CHALLENGE == gateway.start_login(user, STATION).code
    assert 0 == server.stop()


def test_if_the_store_cannot_be_reached_the_user_is_not_removed(simulator, tmp_path, user):
    server = ServerProcess(tmp_path, simulator, CONFIGURATION, [user])
    assert 0 == server.stop()
    stopped = run("remove", "--config", server.path, "--yes", user.name)
    assert (1, "") == (stopped.exit_code, stopped.stdout)
    assert f"Error: {user.name} is not removed, because what the store has about the user cannot" in stopped.stderr
    assert "only the service changes a store of type sqlite: start it and run this again" in stopped.stderr
    assert [user.name] == names(tmp_path)

    path = write_configuration(
        tmp_path,
        simulator,
        CONFIGURATION + f"store: {{type: redis, servers: ['127.0.0.1:{free_port()}']}}\n",
        [user],
    )
    unavailable = run("remove", "--config", path, "--yes", user.name)
    assert (1, True) == (unavailable.exit_code, "store: Redis is unavailable" in unavailable.stderr)
    assert [user.name] == names(tmp_path)


def test_without_a_confirmation_nothing_is_deleted(simulator, tmp_path, user):
    server = ServerProcess(tmp_path, simulator, CONFIGURATION, [user])
    gateway = server.client()
    challenge = gateway.start_login(user)
    refused = run("remove", "--config", server.path, user.name)
    assert (1, "") == (refused.exit_code, refused.stdout)
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, server.simulator.code(user.phone)).code
    assert [] == server.audit(kind="operator")
    assert 0 == server.stop()


def test_where_there_is_no_store_the_user_is_removed_and_the_command_says_so(simulator, tmp_path, user):
    path = write_configuration(tmp_path, simulator, CONFIGURATION, [user])
    removed = run("remove", "--config", path, "--yes", user.name)
    assert (0, True) == (removed.exit_code, "nothing to delete from the store: there is none\n" in removed.stdout)
    assert [] == names(tmp_path)


def test_with_a_users_file_only_the_command_says_what_stays(simulator, tmp_path, user):
    write_configuration(tmp_path, simulator, CONFIGURATION, [user])
    removed = run("remove", "--file", tmp_path / "users.yaml", "--yes", user.name)
    assert (0, True) == (removed.exit_code, "what the store has about the user stays" in removed.stderr)


IN_A_DIRECTORY = """\
identity:
  corp: {{type: ldap, servers: ['{url}'], bind_dn: '{reader}', bind_password: {password}, base: '{base}', phones: [mobile]}}
policies: {{default: {{remember: 12h}}}}
"""


def test_the_data_of_a_user_in_a_directory_is_deleted_and_the_entry_stays(simulator, tmp_path, user):
    slapd = SlapdServer(tmp_path / "slapd")
    slapd.add_user(user.name, user.password, mobile=user.phone)
    identity = IN_A_DIRECTORY.format(url=slapd.url, reader=READER, password=READER_PASSWORD, base=BASE)
    server = ServerProcess(tmp_path, simulator, CONFIGURATION + identity, [])
    gateway = server.client()
    challenge = gateway.start_login(user, STATION)
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, server.simulator.code(user.phone), STATION).code
    assert radius.ACCESS_ACCEPT == gateway.start_login(user, STATION).code, "the login is remembered"

    refused = run("remove", "--config", server.path, "--yes", user.name)
    assert (1, True) == (refused.exit_code, "run: radius-voice users forget --all-data" in refused.stderr)
    unconfirmed = run("forget", "--config", server.path, "--all-data", user.name)
    assert (1, True) == (unconfirmed.exit_code, "nothing is deleted: without a terminal" in unconfirmed.stderr)
    forgotten = run("forget", "--config", server.path, "--all-data", "--yes", user.name)
    assert 0 == forgotten.exit_code, forgotten.output
    deleted, unchanged = forgotten.stdout.splitlines()
    assert deleted.startswith("deleted from the store: open logins: 0, counters: 3, known Calling-Station-Ids: 1, ")
    assert deleted.endswith(", pinned phones: 1")
    assert "the identity source corp is not changed" == unchanged
    assert "user_data_deleted" == server.audit(kind="operator", user=user.name)[-1]["event"]
    slapd.modify(f"uid={user.name},{USERS}", mobile=["+14155550190"])
    assert radius.ACCESS_CHALLENGE == gateway.start_login(user, STATION).code
    again = json.loads(run("forget", "--config", server.path, "--all-data", "--yes", "--json", user.name).stdout)
    assert {"user", "source", "deleted"} == set(again)
    assert 1 == again["deleted"]["open logins"]
    assert 0 == server.stop()
    slapd.stop()


def test_the_data_of_a_user_who_has_left_the_directory_is_deleted_by_the_id(simulator, tmp_path, user):
    slapd = SlapdServer(tmp_path / "slapd")
    dn = slapd.add_user(user.name, user.password, mobile=user.phone)
    with slapd.administrator() as connection:
        connection.search(dn, "(objectClass=*)", attributes=["entryUUID"])
        ((user_id,),) = [entry["attributes"]["entryUUID"] for entry in connection.response or ()]
    identity = IN_A_DIRECTORY.format(url=slapd.url, reader=READER, password=READER_PASSWORD, base=BASE)
    server = ServerProcess(tmp_path, simulator, CONFIGURATION + identity, [])
    gateway = server.client()
    challenge = gateway.start_login(user, STATION)
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, server.simulator.code(user.phone), STATION).code
    with slapd.administrator() as connection:
        connection.delete(dn)

    by_name = run("forget", "--config", server.path, "--all-data", "--yes", user.name)
    assert (1, True) == (by_name.exit_code, "no identity source has a user of that name" in by_name.stderr)
    by_id = ["forget", "--config", server.path, "--all-data", "--yes", "--json", "--id", user_id]
    assert 2 == run(*by_id, user.name).exit_code
    unknown = run(*by_id, "--source", "people", user.name)
    assert (1, True) == (unknown.exit_code, "no identity source has the name 'people'" in unknown.stderr)
    done = json.loads(run(*by_id, "--source", "corp", "former-name").stdout)
    assert ("former-name", "corp", 1, 1) == (
        done["user"],
        done["source"],
        done["deleted"]["pinned phones"],
        done["deleted"]["known Calling-Station-Ids"],
    )
    again = json.loads(run(*by_id, "--source", "corp", "former-name").stdout)
    assert {0} == set(again["deleted"].values())
    assert 0 == server.stop()
    slapd.stop()
