"""Commands read /etc/radius-voice/radius-voice.yaml unless --config names another file."""

import click
import pytest
from click.testing import CliRunner

from radius_voice.cli import default_config
from radius_voice.cli.main import COMMANDS, main
from tests.support.matching import search
from tests.support.server_process import write_configuration

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"]}
clients:
  host: {address: 127.0.0.1, secret: a shared secret of the tests}
"""
OF_CONFIGURATION = [
    ["check"],
    ["serve"],
    ["test-credentials"],
    ["call", "+14155550123"],
    ["text", "+14155550123"],
    ["limits"],
    ["explain", "--client", "host", "alice"],
    ["explain", "--login", "id"],
    ["users", "unlock", "alice"],
    ["users", "confirm", "alice"],
    ["users", "pin", "--all"],
    ["users", "enroll", "alice"],
    ["users", "forget", "alice"],
    ["users", "issue-code", "alice"],
]
OF_USERS = [
    ["users", "list"],
    ["users", "show", "alice"],
    ["users", "add", "alice", "--phone", "+14155550123"],
    ["users", "disable", "alice"],
    ["users", "remove", "alice"],
]


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def user(make_user):
    return make_user()


@pytest.fixture
def default(tmp_path, monkeypatch, simulator, user):
    """The default configuration, in a folder of the test."""
    (tmp_path / "default").mkdir()
    path = write_configuration(tmp_path / "default", simulator, CONFIGURATION, [user])
    monkeypatch.setattr(default_config, "DEFAULT_CONFIG", path)
    return path


def test_the_default_path_is_that_of_the_package_and_help_names_it():
    for command in ("check", "limits"):
        assert "Default:/etc/radius-voice/radius-voice.yaml" in "".join(run(command, "--help").stdout.split())


def test_check_reads_the_default_and_files_beside_it(default):
    shown = run("check")
    assert (0, f"{default}: good") == (shown.exit_code, shown.stdout.splitlines()[-1]), shown.output
    assert "identity people: 1 user\n" in shown.stdout


@pytest.mark.parametrize("option", ["-c", "--config"])
def test_an_option_names_another_configuration(default, tmp_path, simulator, option):
    other = write_configuration(tmp_path, simulator, CONFIGURATION, [])
    shown = run("check", option, other)
    assert (0, f"{other}: good") == (shown.exit_code, shown.stdout.splitlines()[-1]), shown.output


def test_a_missing_file_that_the_option_names_is_not_replaced_by_the_default(default, tmp_path):
    shown = run("check", "-c", tmp_path / "other.yaml")
    assert (1, "") == (shown.exit_code, shown.stdout)
    assert f"{tmp_path / 'other.yaml'}: cannot be read: No such file or directory" in shown.stderr


@pytest.mark.parametrize("command", OF_CONFIGURATION, ids=" ".join)
def test_without_a_configuration_the_message_names_the_option_and_the_default(tmp_path, monkeypatch, command):
    monkeypatch.setattr(default_config, "DEFAULT_CONFIG", tmp_path / "none.yaml")
    shown = run(*command)
    assert (2, "") == (shown.exit_code, shown.stdout)
    expected = f" given, and {tmp_path / 'none.yaml'} does not exist; to create it, run: "
    assert f"{expected}radius-voice init {tmp_path}\n" in shown.stderr


@pytest.mark.parametrize("command", OF_USERS, ids=" ".join)
def test_commands_on_users_name_both_options(tmp_path, monkeypatch, command):
    monkeypatch.setattr(default_config, "DEFAULT_CONFIG", tmp_path / "no folder" / "none.yaml")
    shown = run(*command)
    expected = f"Error: neither --config nor --file is given, and {default_config.DEFAULT_CONFIG} does not exist; "
    assert (2, True) == (shown.exit_code, expected in shown.stderr), shown.output


def test_a_default_that_cannot_be_read_is_reported_as_that(tmp_path, monkeypatch):
    monkeypatch.setattr(default_config, "DEFAULT_CONFIG", tmp_path)
    shown = run("check")
    assert (1, True) == (shown.exit_code, f"{tmp_path}: cannot be read: " in shown.stderr), shown.output


def test_a_default_in_a_folder_that_cannot_be_entered_is_reported_as_that(tmp_path, monkeypatch):
    path = tmp_path / "loop" / "radius-voice.yaml"
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.setattr(default_config, "DEFAULT_CONFIG", path)
    shown = run("check")
    assert (1, True) == (shown.exit_code, f"{path}: cannot be read: " in shown.stderr), shown.output


def test_users_of_the_default_configuration_are_listed_and_changed(default, user):
    assert user.name in run("users", "list").stdout
    disabled = run("users", "disable", user.name)
    assert (0, True) == (disabled.exit_code, f"{user.name} is disabled" in disabled.stdout), disabled.output
    assert "disabled: true" in run("users", "show", user.name).stdout
    removed = run("users", "remove", "--yes", user.name)
    assert (0, True) == (removed.exit_code, f"{user.name} removed" in removed.stdout), removed.output
    assert "nothing to delete from the store" in removed.stdout


def test_a_users_file_is_not_that_of_the_default_configuration(default, user, tmp_path):
    other = tmp_path / "users.yaml"
    other.write_text(f"{user.name}: {{}}\n")
    other.chmod(0o600)
    before = (default.parent / "users.yaml").read_bytes()
    removed = run("users", "remove", "--file", other, "--yes", user.name)
    assert (0, True) == (removed.exit_code, "what the store has about the user stays" in removed.stderr)
    assert before == (default.parent / "users.yaml").read_bytes()


def test_explain_of_the_default_configuration_shows_its_lines(default, user):
    shown = run("explain", "--client", "host", user.name)
    assert (0, True) == (shown.exit_code, search(rf"{default}:\d+", shown.stdout) is not None), shown.output


def test_explain_with_an_audit_log_reads_no_configuration(tmp_path, monkeypatch):
    monkeypatch.setattr(default_config, "DEFAULT_CONFIG", tmp_path / "none.yaml")
    audit = tmp_path / "audit.jsonl"
    audit.touch()
    shown = run("explain", "--login", "some-id", "--audit", audit)
    assert (1, True) == (shown.exit_code, "no record has the id some-id" in shown.stderr), shown.output


def every_command():
    for name in COMMANDS:
        command = main.get_command(click.Context(main, **main.context_settings), name)
        yield from getattr(command, "commands", {name: command}).values()


def test_every_option_config_has_the_short_form():
    options = [each for command in every_command() for each in command.params if "--config" in each.opts]
    assert len(options) > len(OF_CONFIGURATION)
    assert [["-c", "--config"]] * len(options) == [option.opts for option in options]
