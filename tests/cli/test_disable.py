"""`users disable` and `users enable` end the remembered logins of a user."""

import json

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from radius_voice.radius import packet as radius
from tests.support.polling import wait_until
from tests.support.server_process import ConfiguredUser, ServerProcess, write_configuration

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
policies: {default: {first_factor: SOURCE, directory: SOURCE, remember: 12h}}
"""
IN_FILE = CONFIGURATION.replace("SOURCE", "people")
IN_DATABASE = CONFIGURATION.replace("SOURCE", "staff") + "identity: {staff: {type: sql, url: 'sqlite:///staff.db'}}\n"
STATION = (radius.CALLING_STATION_ID, b"192.0.2.9")


class DisabledUser(ConfiguredUser):
    @property
    def entry(self):
        return super().entry | {"disabled": True}


@pytest.fixture
def user(make_user):
    return make_user()


def run(*arguments, typed=None, code=0):
    """Run a command that must end with `code`; its standard output and standard error."""
    ended = CliRunner().invoke(main, ["users", *map(str, arguments)], input=typed)
    assert code == ended.exit_code, ended.output
    return ended.stdout, ended.stderr


def add_to_database(path, user):
    run("add", "--config", path, "--source", "staff", user.name, "--phone", user.phone, typed=f"{user.password}\n")


def log_in(server, user):
    """Log in; whether a code was necessary."""
    gateway = server.client()
    reply = gateway.start_login(user, STATION)
    if reply.code == radius.ACCESS_ACCEPT:
        return False
    assert radius.ACCESS_CHALLENGE == reply.code
    assert radius.ACCESS_ACCEPT == gateway.respond(user, reply, server.simulator.code(user.phone), STATION).code
    return True


def read_users_file(server, files):
    wait_until(
        lambda: len(server.audit(kind="service", event="users_file_read")) > files, "the service has read the file"
    )


def test_the_command_ends_them_in_a_database(simulator, tmp_path, user):
    path = write_configuration(tmp_path, simulator, IN_DATABASE, [])
    add_to_database(path, user)
    server = ServerProcess(tmp_path, simulator, IN_DATABASE, [])
    assert [True, False] == [log_in(server, user), log_in(server, user)]
    place = ("--config", path, "--source", "staff", user.name)
    assert f": {user.name} is disabled\n" in run("disable", *place)[0]
    assert ["forgotten"] == [record["event"] for record in server.audit(kind="operator")]
    assert f": {user.name} is disabled already\n" in run("disable", *place)[0]
    shown = json.loads(run("enable", *place, "--json")[0])
    assert {"location": shown["location"], "user": user.name, "disabled": False, "changed": True} == shown
    assert [True, False] == [log_in(server, user), log_in(server, user)]
    assert 0 == server.stop()


def test_the_service_ends_them_when_a_users_file_changes(simulator, tmp_path, user):
    server = ServerProcess(tmp_path, simulator, IN_FILE, [user])
    users_file = tmp_path / "users.yaml"
    assert [True, False] == [log_in(server, user), log_in(server, user)]
    entry = users_file.read_text()
    for number, change in enumerate(
        (lambda: run("disable", "--file", users_file, user.name), lambda: users_file.write_text("{}\n"))
    ):
        change()
        read_users_file(server, 2 * number)
        users_file.write_text(entry)
        read_users_file(server, 2 * number + 1)
        assert [True, False] == [log_in(server, user), log_in(server, user)]
    assert 0 == server.stop()


def test_the_service_ends_them_for_a_user_who_was_disabled_while_it_did_not_run(simulator, tmp_path, user):
    server = ServerProcess(tmp_path, simulator, IN_FILE, [user])
    assert [True, False] == [log_in(server, user), log_in(server, user)]
    assert 0 == server.stop()
    users_file = tmp_path / "users.yaml"
    entry = users_file.read_text()
    _, warning = run("disable", "--config", server.path, user.name)
    assert f"warning: the remembered logins of {user.name} have not ended: no radius-voice service" in warning
    _, refused = run("enable", "--config", server.path, user.name, code=1)
    assert f"Error: {user.name} is not enabled, because the user's remembered logins cannot be ended: no" in refused
    assert json.loads(users_file.read_text())[user.name]["disabled"]

    server = ServerProcess(tmp_path, simulator, IN_FILE, [DisabledUser(user.name, user.phone)])
    users_file.write_text(users_file.read_text() + "\n")
    read_users_file(server, 0)
    users_file.write_text(entry)
    read_users_file(server, 1)
    assert [True, False] == [log_in(server, user), log_in(server, user)]
    assert 0 == server.stop()
