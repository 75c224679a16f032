"""The manual pages are correct for man and mandoc, and have every command and option."""

import re
import shutil
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from radius_voice.cli.exit_codes import exit_status
from radius_voice.cli.main import main
from radius_voice.cli.manual import pages, write_pages
from tests.docs.test_docs import every_command, section
from tests.support.requirements import require


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_pages(tmp_path_factory.mktemp("man"))


def plain(page):
    """The text of a page without its language."""
    return " ".join(re.sub(r"^\.\w+ ?", "", page, flags=re.MULTILINE).replace("\\-", "-").replace("\\&", "").split())


def test_each_command_and_group_has_a_page():
    names = {f"radius-voice-{name.replace(' ', '-')}.1" for name, _ in every_command()}
    assert names | {"radius-voice.1", "radius-voice-users.1", "radius-voice-audit.1", "radius-voice-import.1"} == set(
        pages()
    )


@pytest.mark.parametrize(("name", "command"), list(every_command()))
def test_a_page_has_the_text_of_help(name, command):
    page = plain(pages()[f"radius-voice-{name.replace(' ', '-')}.1"])
    assert " ".join(command.help.split()) in page
    for option in (each for each in command.params if isinstance(each, click.Option)):
        assert all(text in page for text in option.opts)
        assert " ".join((option.help or "").split()) in page
    assert "-h, --help" in page


def test_the_page_of_the_program_names_each_command():
    page = plain(pages()["radius-voice.1"])
    for name in main.list_commands(click.Context(main, **main.context_settings)):
        assert f"radius-voice-{name} (1)" in page


@pytest.mark.parametrize(("name", "command"), list(every_command()))
def test_page_help_and_documentation_have_the_same_exit_codes(name, command):
    status = exit_status(name)
    assert [0, 1, 2] == [int(code) for code in re.findall(r"(?:^|\. )(\d): ", status)][:3]
    assert f'"EXIT STATUS" {status}' in plain(pages()[f"radius-voice-{name.replace(' ', '-')}.1"])
    shown = CliRunner().invoke(main, [*name.split(), "--help"], terminal_width=1000)
    assert f"Exit code {status}" in " ".join(shown.output.split())
    assert f"\nExit code {status}" in section(name).replace("`", "")


def test_a_group_of_commands_has_no_exit_codes_of_its_own():
    assert "Exit code" not in CliRunner().invoke(main, ["users", "--help"]).output
    assert "The page of each command describes its exit codes." in plain(pages()["radius-voice-users.1"])


def test_a_page_is_the_same_for_the_same_date(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1764115200")
    assert '.TH RADIUS\\-VOICE 1 2025-11-26 "radius-voice ' in pages()["radius-voice.1"]
    assert pages() == pages()


def test_the_pages_are_written_to_a_folder(tmp_path):
    subprocess.run([sys.executable, "-m", "radius_voice.cli.manual", tmp_path / "man"], check=True)
    assert set(pages()) == {path.name for path in (tmp_path / "man").iterdir()}


@pytest.mark.peer("mandoc")
def test_mandoc_prints_no_warning(written):
    require("mandoc", shutil.which("mandoc"))
    checked = subprocess.run(["mandoc", "-Tlint", "-W", "style", *written], capture_output=True, text=True)
    assert (0, "", "") == (checked.returncode, checked.stdout, checked.stderr)


@pytest.mark.peer("man")
def test_man_shows_the_pages_without_a_warning(written):
    require("man", shutil.which("man"))
    command = ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", *written]
    shown = subprocess.run(command, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
    assert (0, "") == (shown.returncode, shown.stderr)
