"""`users` commands on the identity sources of a configuration: a users file, SQLite and PostgreSQL."""

import json
import stat
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from radius_voice.cli.main import main
from radius_voice.identity.passwords import verify
from radius_voice.login.model import StoredUser
from radius_voice.operations import editor_of
from radius_voice.wiring.adapters import load
from tests.support.postgresql_server import PASSWORD, SharedPostgresql

KINDS = ["users_file", "sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgresql"))]
ADD = ["add", "Alice", "--phone", "+4915112345678", "--phone", "+442079410199", "--group", "staff", "--language", "de"]


@pytest.fixture
def sections(tmp_path):
    """The identity sources by type."""

    def section(kind):
        if kind == "users_file":
            return {"type": "users_file", "path": "users.yaml"}
        if kind == "sqlite":
            return {"type": "sql"}
        return {"type": "sql", "url": SharedPostgresql.running().new_database(), "password": PASSWORD}

    return section


@pytest.fixture
def configure(tmp_path):
    """Writes a configuration with these identity sources. Its path."""

    def configure(**identity):
        path = tmp_path / "radius-voice.yaml"
        policy = dict.fromkeys(("first_factor", "directory"), next(iter(identity)))
        tree = {
            "development": True,
            "clients": {"gateway": {"address": "127.0.0.1", "secret": "a-secret-of-twenty-characters"}},
            "identity": identity,
            "policies": {"default": policy},
            "delivery": {"friendly_name": "ACME VPN", "providers": {"fixed": {"type": "fixed", "code": "123456"}}},
        }
        path.write_text(yaml.safe_dump(tree))
        path.chmod(0o600)
        return path

    return configure


class Runner:
    """Runs commands on the only identity source of a configuration."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, command: str, *arguments: object, typed: str = "arctangent\n", code: int = 0) -> str:
        """Run a command that must end with `code`. Its output, or what it writes to standard error."""
        words = [command, "--config", str(self.path), *map(str, arguments)]
        ended = CliRunner().invoke(main, ["users", *words], input=typed)
        assert code == ended.exit_code, ended.output
        return ended.stderr if code else ended.stdout

    def stored(self) -> list[StoredUser]:
        """The users of the source."""
        editor = editor_of(load(self.path, {}).settings, None)
        try:
            return list(editor.all_users())
        finally:
            editor.close()


@pytest.fixture(params=KINDS)
def run(request, sections, configure):
    """Runs commands on an identity source without users."""
    return Runner(configure(office=sections(request.param)))


def of_alice(run):
    return json.loads(run("show", "--json", "--show-phones", " ALICE "))


def test_a_user_is_added_shown_changed_and_removed(run):
    assert run(*ADD).endswith(": Alice added\n")
    alice = {
        "name": "Alice",
        "password": "argon2id m=19456,t=2,p=1",
        "phones": ["+4915112345678", "+442079410199"],
        "language": "de",
        "groups": ["staff"],
        "disabled": False,
    }
    assert alice == of_alice(run)
    assert run("set-phone", "alice", "--yes", "--phone", "+14152220199").endswith(
        ": Alice has this phone: +14*******99\n"
    )
    assert run("set-language", "alice", "fr-CA").endswith(": Alice has the language fr-CA\n")
    assert run("disable", "alice").endswith(": Alice is disabled\n")
    assert run("disable", "alice").endswith(": Alice is disabled already\n")
    changed = {**alice, "phones": ["+14152220199"], "language": "fr-CA"}
    assert {**changed, "disabled": True} == of_alice(run)
    assert run("enable", "ALICE").endswith(": Alice is enabled\n")
    assert changed == of_alice(run)
    assert "Alice  +14*******99  fr-CA     staff" == run("list").splitlines()[1]
    assert "Alice is not removed: without a terminal, confirm with --yes" in run("remove", "alice", code=1)
    assert run("remove", "alice", "--yes").endswith(": Alice removed\n")
    assert ["name  phones  language  groups"] == run("list").splitlines()
    assert [] == json.loads(run("list", "--json"))


def test_changes_are_shown_as_json(run, tmp_path):
    def shown(*command):
        answer = json.loads(run(*command, "--json"))
        assert answer.pop("location")
        return answer

    assert {"user": "Alice"} == shown(*ADD)
    phones = {"phones": ["+14*******99"]}
    assert {"user": "Alice", **phones} == shown("set-phone", "alice", "--yes", "--phone", "+14152220199")
    assert {"user": "Alice"} == shown("set-password", "alice", "--yes")
    assert {"user": "Alice", "language": "fr"} == shown("set-language", "alice", "fr")
    for command, disabled, changed in (("disable", True, True), ("disable", True, False), ("enable", False, True)):
        assert {"user": "Alice", "disabled": disabled, "changed": changed} == shown(command, "alice")
    table = tmp_path / "users.csv"
    table.write_text("name\nbob\ncarol\n")
    assert {"users": 2, "added": False, "errors": []} == shown("import", "--dry-run", table)
    assert {"users": 2, "added": True, "errors": []} == shown("import", table)
    refused = CliRunner().invoke(main, ["users", "import", "--config", str(run.path), "--json", str(table)])
    answer = json.loads(refused.stdout)
    assert (1, 0, False) == (refused.exit_code, answer["users"], answer["added"])
    assert [f"{table}:{line}: name: " for line in (2, 3)] == [each.partition("'")[0] for each in answer["errors"]]
    assert {"user": "bob", "deleted": {}} == shown("remove", "bob", "--yes")


def test_a_phone_or_password_is_replaced_only_after_a_confirmation(run):
    run(*ADD)
    before = run.stored()
    for what, *command in (
        ("phones", "set-phone", "alice", "--phone", "+14152220199"),
        ("password", "set-password", "alice"),
    ):
        refused = run(*command, code=1)
        assert f"the {what} of Alice {'are' if what == 'phones' else 'is'} not replaced: without a terminal" in refused
    assert before == run.stored()
    phones = [word for phone in before[0].user.phones for word in ("--phone", phone.text)]
    run("set-phone", "alice", *phones)


def test_a_first_phone_or_password_needs_no_confirmation(run, tmp_path):
    table = tmp_path / "users.csv"
    table.write_text("name\nbob\n")
    run("import", table)
    run("set-phone", "bob", "--phone", "+14152220199")
    run("set-password", "bob")
    (bob,) = run.stored()
    assert ("+14152220199", True) == (bob.user.phones[0].address, verify(bob.password, "arctangent"))


@pytest.mark.parametrize("password", ["größe ÄÖÜß", "🔑🔑🔑 emoji", "100 % sure, or not", "x" * 128])
def test_any_password_is_stored(run, password):
    run(*ADD)
    assert run("set-password", "alice", "--yes", typed=f"{password}\n").endswith(": Alice has a new password\n")
    (alice,) = run.stored()
    assert verify(alice.password, password)


def test_a_name_that_is_taken_is_refused(run):
    run(*ADD)
    before = run.stored()
    ended = run("add", " alice ", "--phone", "+14152220199", code=1)
    assert "'Alice' exists already; change it with: radius-voice users set-phone" in ended
    assert "a name that has only spaces" in run("add", "  ", "--phone", "+14152220199", code=1)
    assert before == run.stored()


@pytest.mark.parametrize(
    "command",
    [["show"], ["set-password"], ["set-language", "de"], ["disable"], ["enable"], ["remove", "--yes"]],
)
def test_an_unknown_name_is_an_error(run, command):
    run(*ADD)
    assert "there is no user 'mallory'; radius-voice users list" in run(command[0], "mallory", *command[1:], code=1)


def test_users_are_imported_all_or_none(run, tmp_path):
    run(*ADD)
    table = tmp_path / "users.csv"
    table.write_text("name,phones,groups\nbob,+14152220199;+4915112345678,a;b\ncarol,12,\nALICE,,\n")
    ended = run("import", table, code=1)
    assert "Error: no user is added:\n" in ended
    assert f"{table}:3: phones: not a phone number" in ended
    assert f"{table}:4: name: 'Alice' exists already" in ended
    table.write_text("name,phones,groups\nbob,+14152220199;+4915112345678,a;b\ncarol,,\n")
    assert run("import", "--dry-run", table).endswith(": 2 users would be added\n")
    assert ["Alice"] == [each.user.name for each in run.stored()]
    assert run("import", table).endswith(": 2 users added\n")
    _alice, bob, carol = run.stored()
    assert (["+14152220199", "+4915112345678"], {"a", "b"}) == ([p.address for p in bob.user.phones], bob.user.groups)
    assert ("carol", None) == (carol.user.name, carol.password)


def test_an_import_makes_a_file_where_there_is_none(run, tmp_path):
    table = tmp_path / "users.csv"
    table.write_text("name\nbob\n")
    assert run("import", table).endswith(": 1 user added\n")
    assert ["bob"] == [each.user.name for each in run.stored()]


# The choice of the source


def test_the_sqlite_file_is_created_for_its_owner_only(configure, sections, tmp_path):
    path = configure(office=sections("sqlite"))
    for command in (["list"], ["show", "alice"]):
        ended = CliRunner().invoke(main, ["users", *command, "--config", str(path)])
        assert (1, f"Error: {tmp_path / 'users.db'}: No such file or directory\n") == (ended.exit_code, ended.stderr)
    refused = CliRunner().invoke(main, ["users", *ADD, "--config", str(path)], input="short\n")
    assert 1 == refused.exit_code
    assert not (tmp_path / "users.db").exists()
    assert 0 == CliRunner().invoke(main, ["users", *ADD, "--config", str(path)], input="arctangent\n").exit_code
    assert 0o600 == stat.S_IMODE((tmp_path / "users.db").stat().st_mode)


def test_an_exposed_sqlite_file_is_refused(configure, sections, tmp_path):
    path = configure(office=sections("sqlite"))
    CliRunner().invoke(main, ["users", *ADD, "--config", str(path)], input="arctangent\n")
    (tmp_path / "users.db").chmod(0o604)
    ended = CliRunner().invoke(main, ["users", "list", "--config", str(path)])
    assert (1, True) == (ended.exit_code, "is readable or writable by other users" in ended.stderr)


def test_several_sources_need_a_choice(configure, sections, tmp_path):
    path = configure(office=sections("users_file"), staff=sections("sqlite"))
    (tmp_path / "users.yaml").write_text("{}\n")
    (tmp_path / "users.yaml").chmod(0o600)
    ended = CliRunner().invoke(main, ["users", "list", "--config", str(path)])
    assert (1, True) == (ended.exit_code, "several identity sources; add --source office or --source" in ended.stderr)
    ended = CliRunner().invoke(main, ["users", *ADD, "--config", str(path), "--source", "staff"], input="arctangent\n")
    assert (0, f"{tmp_path / 'users.db'}: Alice added\n") == (ended.exit_code, ended.stdout)
    ended = CliRunner().invoke(main, ["users", "list", "--config", str(path), "--source", "staf"])
    assert "no identity source has the name 'staf'; the configuration has office, staff" in ended.stderr


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ([], "neither --config nor --file is given"),
        (["--file", "a", "--config", "b"], "give either --file, the users file, or --config, the configuration"),
        (["--file", "a", "--source", "b"], "--source is for --config"),
    ],
)
def test_a_command_needs_one_place_of_users(options, error):
    ended = CliRunner().invoke(main, ["users", "list", *options])
    assert (2, True) == (ended.exit_code, error in ended.stderr)


def test_users_of_a_directory_are_neither_listed_nor_changed(configure):
    path = configure(corp={"type": "ldap", "servers": ["ldap://127.0.0.1"], "base": "dc=example"})
    for command in (["list"], ["remove", "--yes", "alice"]):
        result = CliRunner().invoke(main, ["users", command[0], "--config", str(path), *command[1:]])
        assert 1 == result.exit_code
        assert "identity.corp: radius-voice cannot list or change users of type ldap; use the tools" in result.stderr
        assert (command[0] == "remove") == ("run: radius-voice users forget --all-data" in result.stderr)
