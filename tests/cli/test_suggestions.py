"""Unknown commands and options are answered with similar ones, and help shows whole summaries."""

import click
import pytest
from click.testing import CliRunner

from radius_voice.cli.default_config import DEFAULT_CONFIG
from radius_voice.cli.groups import CommandGroup
from radius_voice.cli.main import COMMANDS, main


def run(*arguments, **more):
    return CliRunner().invoke(main, arguments, **more)


def groups():
    """The program, and each group of subcommands."""
    context = click.Context(main, **main.context_settings)
    below = {name: main.get_command(context, name) for name in COMMANDS}
    return {"": main} | {name: group for name, group in below.items() if isinstance(group, click.Group)}


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["chek"], "check"),
        (["Check"], "check"),
        (["test_credentials"], "test-credentials"),
        (["hash"], "hash-password"),
        (["user"], "users"),
        (["unlock", "bob"], "users unlock"),
        (["unlok", "bob"], "users unlock"),
        (["users", "lst"], "list"),
        (["users", "remvoe", "bob"], "remove"),
        (["users", "set"], "set-language, set-password or set-phone"),
    ],
)
def test_an_unknown_command_is_answered_with_similar_ones(words, meant):
    ended = run(*words)
    unknown = words[1] if words[0] == "users" else words[0]
    assert (2, "") == (ended.exit_code, ended.stdout)
    assert ended.stderr.endswith(f"Error: no such command: '{unknown}'; did you mean {meant}?\n")


@pytest.mark.parametrize("word", ["frobnicate", "", "a\x1b[31mb"])
def test_a_command_that_is_like_no_other_has_no_suggestion(word):
    ended = run(word)
    assert 2 == ended.exit_code
    assert ended.stderr.endswith(f"Error: no such command: {word!r}\n")


def test_an_unknown_option_is_answered_with_similar_ones():
    ended = run("check", "--conect")
    assert (2, True) == (ended.exit_code, "'--connect'" in ended.stderr)


def test_an_option_in_place_of_a_command_is_named_as_an_option():
    ended = run("--versoin")
    assert (2, True) == (ended.exit_code, "No such option '--versoin'. Did you mean '--version'?" in ended.stderr)


@pytest.mark.parametrize("name", groups())
@pytest.mark.parametrize("width", ["50", "80"])
def test_help_cuts_no_summary_off(name, width):
    shown = " ".join(run(*name.split(), "--help", env={"COLUMNS": width}).stdout.split())
    group = groups()[name]
    assert isinstance(group, CommandGroup)
    for command in group.list_commands(context := click.Context(group)):
        found = group.get_command(context, command)
        assert found is not None
        assert found.help is not None
        summary = " ".join(found.help.partition("\n\n")[0].split())
        assert f"{command} {summary}" in shown
    assert "..." not in shown.replace("[ARGS]...", "")


def test_no_line_of_help_ends_in_the_middle_of_a_path():
    assert str(DEFAULT_CONFIG) in run("status", "--help").stdout
    assert [] == [line for line in run("audit", "search", "--help").stdout.splitlines() if line.endswith("-")]
