"""The documentation is correct: links, samples, commands, transcripts."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner
from pyrad.dictionary import Dictionary
from pyrad.packet import Packet

from radius_voice.cli.main import COMMANDS, main
from radius_voice.config.schema import Settings, json_schema, settings_type
from radius_voice.identity.users_file.text import KEYS, parse
from radius_voice.messages import LANGUAGES, SHIPPED
from radius_voice.radius import packet as radius
from radius_voice.resources import shipped
from radius_voice.wiring.adapters import ADAPTERS, load
from tests.docs.pages import ROOT, anchors, blocks, commands, pages, prose, text
from tests.support.matching import search
from tests.support.requirements import require
from tests.support.vonage_double import pem

PASSWORD = "correct horse"
REAL_CALLS = ("serve", "test-credentials")
YAML = [(page, number) for page in pages() for number in range(len(blocks(page, "yaml")))]


def console(*words, **more):
    """Run a radius-voice command line in the directory `cwd`."""
    command = [sys.executable, "-m", "radius_voice.cli.main", *words]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False, **more)


@pytest.mark.parametrize("page", pages())
def test_every_relative_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (ROOT / page).parent / path if path else ROOT / page
        assert linked.exists(), f"{page} links to {target}"
        if anchor:
            assert anchor in anchors(linked.resolve().relative_to(ROOT)), f"{page} links to {target}"


@pytest.mark.parametrize("page", pages())
def test_no_page_names_a_path_of_one_machine(page):
    places = {str(ROOT), str(Path.home()), sys.prefix, str(Path(sys.prefix).parent)}
    mine = {place for place in places if len(Path(place).parts) > 2} | set(
        re.findall(r"/(?:home|Users)/\w+", text(page))
    )
    assert [] == [place for place in mine if place in text(page)]


@pytest.mark.parametrize("page", pages())
def test_every_python_file_that_a_page_names_exists(page):
    sources = [path for folder in ("radius_voice", "tests", "docs", "bench") for path in (ROOT / folder).rglob("*.py")]
    named = set(re.findall(r"`([\w/]+\.py)`", prose(page))) - {"pl.py", "pt_pt.py"}  # examples of new languages

    assert [] == [name for name in named if not any(str(path).endswith(f"/{name}") for path in sources)]


@pytest.mark.parametrize("page", [page for page in pages() if page.startswith("docs/")])
def test_every_page_can_be_reached_from_the_readme(page):
    seen, ahead = set(), ["README.md"]
    while ahead:
        here = ahead.pop()
        seen.add(here)
        for target in re.findall(r"\]\((?!\w+:)([^)\s#]+\.md)", prose(here)):
            path = os.path.relpath((ROOT / here).parent / target, ROOT)
            ahead += [path] if path not in seen else []
    assert page in seen


@pytest.mark.parametrize(("page", "number"), YAML)
def test_every_configuration_that_is_shown_can_be_loaded(tmp_path, monkeypatch, page, number):
    shown = blocks(page, "yaml")[number].replace("/etc/radius-voice/", "")
    read = yaml.safe_load(shown)
    if not set(read) <= {*Settings.model_fields}:
        return  # a configuration of other software: only its YAML syntax is checked
    least = yaml.safe_load((shipped("config") / "minimal.yaml").read_text())
    rest = {key: value for key, value in least.items() if key not in read}
    path = tmp_path / "radius-voice.yaml"
    path.write_text(shown + (yaml.safe_dump(rest) if rest else ""))
    for variable in re.findall(r"env: (\w+)", path.read_text()):
        monkeypatch.setenv(variable, "a secret of more than thirty-two octets")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    for name in re.findall(r"\{(?:file|credential): ([\w./-]+)\}", shown):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch(0o600)
        is_key = re.search(rf"private_key: \{{file: {re.escape(name)}\}}", shown)
        (tmp_path / name).write_text(pem() if is_key else f"a secret of more than thirty-two octets {name}\n")
    for name in re.findall(r"^ +messages: ([\w.-]+)", shown, re.MULTILINE):
        (tmp_path / name).write_text("en: {}\n")
    for name in re.findall(r"prices: ([\w.-]+)", shown):
        (tmp_path / name).write_text(blocks("docs/cost.md", "csv")[0])
    for name in ("users.yaml", *re.findall(r"type: users_file, path: ([\w.-]+)", shown)):
        (tmp_path / name).touch()

    assert set(read) <= load(path).settings.model_fields_set


def test_every_language_is_listed_with_its_voice():
    rows = re.findall(r"^\| \w+ \| `([\w-]+)` \| `([\w-]+)` \|$", text("docs/languages.md"), re.MULTILINE)
    assert {language: SHIPPED.messages_for(language).spoken.locale for language in LANGUAGES} == dict(rows)


# README


def test_the_readme_steps_lead_to_a_valid_configuration(tmp_path):
    lines = [shlex.split(line)[1:] for line in commands("README.md") if line.startswith("radius-voice ")]
    assert ["init", "users", "check", "test-credentials", "serve"] == [line[0] for line in lines]
    outcomes = []
    for line in lines:
        if line[0] not in REAL_CALLS:
            done = console(*line, cwd=tmp_path, input=f"{PASSWORD}\n")
            assert 0 == done.returncode, done.stderr
            outcomes += done.stdout.splitlines()
        assert 0 == console(line[0], "--help").returncode

    assert any(line.endswith("vpn/users.yaml: alice added") for line in outcomes)
    assert "identity people: 1 user" in outcomes
    assert "vpn/radius-voice.yaml: good" == outcomes[-1]


def test_the_readme_shows_the_demos_own_output():
    shown = text("README.md").split("<!-- the demo's own output -->\n```text\n")[1].split("```")[0]
    printed = console("demo", stdin=subprocess.DEVNULL)

    assert 0 == printed.returncode, printed.stderr
    assert without_codes(shown) == without_codes(printed.stdout)


def without_codes(printed):
    return re.sub(r"\b\d{6}\b", "CODE", re.sub(r"\b\d( \d){5}\b", "C O D E", printed))


def test_contributing_names_the_packages_that_the_tests_need():
    install = text("tests/peers/install")
    wanted = search(r'^packages="(.+)"$', install, re.MULTILINE)[1].split()
    wanted += re.findall(r'packages="\$packages (\w+)"', install)

    assert wanted in [line.split()[2:] for line in text("CONTRIBUTING.md").splitlines() if "apt-get install" in line]


def test_the_make_targets_in_the_readme_exist():
    targets = set(re.findall(r"^([\w-]+):", text("Makefile"), re.MULTILINE))

    assert {"demo", "wheel"} <= set(re.findall(r"^    make ([\w-]+)", text("README.md"), re.MULTILINE)) <= targets


def test_the_wheel_is_built_without_test_dependencies():
    require("make", shutil.which("make"))
    command = ["make", "--dry-run", "--always-make", "wheel"]
    steps = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout

    assert "--wheel-dir dist" in steps
    assert [] == [word for word in ("[dev]", "--editable", "tests/peers/install", ".venv/") if word in steps]


def test_the_readme_lists_every_type():
    table = text("README.md").split("## What it works with")[1].split("\n\nIt ")[0]
    kinds = {
        node["properties"]["type"]["const"]
        for node in json_schema(settings_type(ADAPTERS.sections))["$defs"].values()
        if "const" in node.get("properties", {}).get("type", {})
    }

    assert kinds == set(re.findall(r"`([\w-]+)`", table))


# The users file


def test_every_key_of_the_users_file_is_documented_and_no_other():
    keys = text("docs/users-file.md").split("## Keys of a user")[1].split("\n## ")[0]

    assert list(KEYS) == re.findall(r"^\| `(\w+)` \|", keys, re.MULTILINE)


@pytest.mark.parametrize("sample", [text("config/users.yaml"), *blocks("docs/users-file.md", "yaml")])
def test_every_users_file_that_is_shown_can_be_read(sample):
    users = parse(sample, "users.yaml")

    assert users["alice"].user.phones


def test_the_sample_users_file_shows_every_key():
    assert set(KEYS) == set(yaml.safe_load(text("config/users.yaml"))["alice"])


# Commands


def every_command():
    """Each command and subcommand by its words."""
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        below = getattr(command, "commands", None)
        if below is None:
            yield name, command
        else:
            yield from ((f"{name} {word}", each) for word, each in below.items())


def section(name):
    """The section of docs/commands.md about a command."""
    found = re.search(rf"^## `{re.escape(name)}`\n(.*?)(?=^## |\Z)", text("docs/commands.md"), re.MULTILINE | re.DOTALL)
    assert found, f"docs/commands.md has no section on {name}"
    return found[1]


def parameters(command, kind):
    return [each for each in command.params if each.param_type_name == kind]


def test_every_command_is_documented_and_no_other():
    documented = re.findall(r"^## `(.+)`$", text("docs/commands.md"), re.MULTILINE)

    assert [name for name, _ in every_command()] == documented


@pytest.mark.parametrize(("name", "command"), list(every_command()))
def test_every_option_is_documented_and_no_other(name, command):
    documented = re.findall(r"^\| `(--[\w-]+)", section(name), re.MULTILINE)

    assert [option.opts[-1] for option in parameters(command, "option")] == documented


@pytest.mark.parametrize(("name", "command"), list(every_command()))
def test_an_option_names_its_value_as_its_documentation_does(name, command):
    documented = re.findall(r"^\| `(--[^`]+)`", section(name), re.MULTILINE)
    options = parameters(command, "option")

    assert [f"{each.opts[-1]} {each.metavar}" if each.metavar else each.opts[-1] for each in options] == documented


@pytest.mark.parametrize(("name", "command"), list(every_command()))
def test_the_usage_line_names_arguments_and_required_options(name, command):
    usage = search(r"^`(radius-voice .+)`$", section(name), re.MULTILINE)[1]

    assert usage.startswith(f"radius-voice {name}")
    needed = [option.opts[-1] for option in parameters(command, "option") if option.required]
    needed += [argument.name.upper() for argument in parameters(command, "argument")]
    assert [] == [word for word in needed if word not in usage]


@pytest.mark.parametrize(("name", "command"), list(every_command()))
def test_every_command_says_when_its_exit_code_is_0(name, command):
    assert 1 == section(name).count("Exit code 0: ")


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (0, "hash-password"),
        (1, "users list --file nothing.yaml"),
        (1, "users show --file nothing.yaml alice"),
        (1, "users set-phone --file nothing.yaml alice --phone +14155550123"),
        (2, "users set-phone --file nothing.yaml alice"),
        (1, "users remove --file nothing.yaml alice --yes"),
        (1, "check --config nothing.yaml"),
        (1, "serve --config nothing.yaml"),
        (1, "test-credentials --config nothing.yaml"),
        (1, "call --config nothing.yaml +14155550123"),
        (1, "login nowhere.invalid alice --secret aSecret"),
        (2, "check"),
        (2, "simulate-twilio --listen 192.0.2.1:1"),
        (2, "users add --file users.yaml alice --phone 5"),
        (2, "nothing"),
    ],
)
def test_exit_codes_match_the_manual(tmp_path, monkeypatch, code, line):
    monkeypatch.chdir(tmp_path)

    assert code == CliRunner().invoke(main, line.split(), input=f"{PASSWORD}\n").exit_code


def test_the_changelog_names_every_command():
    listed = search(r"^- Commands: (.+)\.$", text("CHANGELOG.md"), re.MULTILINE)[1]

    assert {name for name, _ in every_command()} >= set(re.findall(r"`([\w -]+)`", listed))


# Decisions


def test_decisions_are_numbered_without_a_gap_and_say_the_same_three_things():
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))

    for number, path in enumerate(decisions, 1):
        assert path.name.startswith(f"{number:04}-")
        assert f"# {number}. " == path.read_text()[: len(f"# {number}. ")]
        assert ["Situation", "Decision", "Consequences"] == re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)


@pytest.mark.parametrize("attribute", [b"\x00\x02", b"\x01\x0aAB"])
def test_pyrad_accepts_what_the_codec_refuses_as_decision_1_says(attribute):
    octets = b"\x01\x01" + (20 + len(attribute)).to_bytes(2) + bytes(16) + attribute

    Packet(secret=b"s", dict=Dictionary(str(shipped("dictionaries") / "dictionary"))).DecodePacket(octets)
    with pytest.raises(radius.MalformedPacket):
        radius.decode(octets)
