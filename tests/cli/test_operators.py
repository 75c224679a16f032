"""The audit log names the operator of every command that changes what the store has about a user."""

import json
import os

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from tests.support.server_process import ServerProcess

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""
COMMANDS = {
    "confirm": (["USER", "--yes"], "phones_confirmed"),
    "pin": (["--all", "--yes"], "phones_pinned"),
    "unlock": (["USER"], "unlocked"),
    "forget": (["USER"], "forgotten"),
    "issue-code": (["USER"], "code_issued"),
    "remove": (["USER", "--yes"], "user_data_deleted"),
}


@pytest.fixture(scope="module")
def user(make_user):
    return make_user()


@pytest.fixture
def server(simulator, tmp_path, user):
    server = ServerProcess(tmp_path, simulator, CONFIGURATION, [user])
    yield server
    assert 0 == server.stop()


def run(command, *arguments, typed=None):
    return CliRunner().invoke(main, ["users", command, *map(str, arguments)], input=typed)


def test_the_operator_is_recorded(server, user):
    for command, (arguments, event) in COMMANDS.items():
        words = [user.name if word == "USER" else word for word in arguments]
        ended = run(command, "--config", server.path, "--by", "dana", "--json", *words)
        assert 0 == ended.exit_code, ended.output
        assert isinstance(json.loads(ended.stdout), dict)
        record = server.audit(kind="operator")[-1]
        assert (event, user.name, "people", os.getuid(), "dana") == tuple(
            record[key] for key in ("event", "user", "identity_source", "uid", "by")
        )


def test_the_operator_of_an_enrolment_is_recorded(server, user):
    ended = run("enroll", "--config", server.path, "--by", "dana", user.name, typed="000\n")
    assert 1 == ended.exit_code
    assert {"dana"} == {record["by"] for record in server.audit(kind="operator")}


def test_without_a_name_none_is_recorded(server, user):
    assert 0 == run("unlock", "--config", server.path, user.name).exit_code
    (record,) = server.audit(kind="operator")
    assert "by" not in record


@pytest.mark.parametrize("name", ["d" * 101, "da\x1bna"])
def test_a_name_that_cannot_be_recorded_is_refused(name):
    ended = run("unlock", "--config", "nothing.yaml", "--by", name, "alice")
    assert (2, True) == (ended.exit_code, "must be printable text of at most 100 characters" in ended.stderr)


def test_a_users_file_alone_has_no_audit_log(tmp_path):
    ended = run("remove", "--file", tmp_path / "users.yaml", "--by", "dana", "--yes", "alice")
    assert (2, True) == (ended.exit_code, "--by is not for --file" in ended.stderr)
