"""docs/troubleshooting.md names every reason of a problem at a user or gateway, and commands that exist."""

import re
import shlex
import subprocess
from dataclasses import replace

import click
import pytest

from radius_voice.cli.main import main
from radius_voice.radius import packet as radius
from tests.docs.pages import text
from tests.support.matching import search
from tests.support.program_process import PROGRAM, TIMEOUT

PAGE = text("docs/troubleshooting.md")
SUCCESSES = {"code_correct", "issued_code_correct", "repeated", "approved"}
"""Reasons of logins without a problem."""
SYMPTOMS = {title: body for title, _, body in (part.partition("\n") for part in PAGE.split("\n## ")[1:])}
COMMANDS = sorted(set(re.findall(r"`(radius-voice [^`]+)`", PAGE)))


def listed(heading):
    """The reasons in the table below that heading of observing.md."""
    section = text("docs/observing.md").split(f"\n### {heading}\n")[1].split("\n##")[0]
    return set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


def named(body):
    """The reasons in the first column of the tables of a section."""
    rows = re.findall(r"^\| (.*?) \|", body, re.MULTILINE)
    return {reason for row in rows for reason in re.findall(r"`(\w+)`", row)}


def test_every_reason_that_is_named_exists_and_every_other_one_is_named():
    known = listed("Reasons") | listed("Discards")
    found = {reason for body in SYMPTOMS.values() for reason in named(body)}
    assert known - SUCCESSES == found


@pytest.mark.parametrize("title", SYMPTOMS)
def test_a_symptom_says_what_user_and_gateway_show_and_what_to_run(title):
    assert ["User", "Gateway", "Run"] == re.findall(r"^- \*\*(\w+)\*\*: .", SYMPTOMS[title], re.MULTILINE)
    assert re.search(r"^- \*\*Run\*\*: `radius-voice ", SYMPTOMS[title], re.MULTILINE)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_that_is_named_exists_with_its_options(line):
    words = shlex.split(line)[1:]
    command: click.Command | None = main
    while isinstance(command, click.Group) and words:
        command = command.get_command(click.Context(command), words.pop(0))
    assert command is not None, line
    options = {option for parameter in command.params for option in parameter.opts}
    assert [] == [word for word in words if word.startswith("-") and word not in options]


def test_the_command_of_a_symptom_shows_one_of_its_reasons(start_server, make_user):
    alice = make_user("alice")
    configuration = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  office-vpn: {address: 127.0.0.1, secret: a shared secret of the tests}
limits: {wrong_codes: {user: 3 per 24h}}
store: {type: memory}
"""
    with start_server(configuration, [alice]) as server:
        gateway = server.client()

        def shows(title):
            line = search(r"^- \*\*Run\*\*: `radius-voice (.+?)`", SYMPTOMS[title], re.MULTILINE)
            done = subprocess.run(
                [*PROGRAM, *shlex.split(line[1]), "-c", server.path],
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                check=True,
            )
            return {reason for reason in named(SYMPTOMS[title]) if re.search(rf"\b{reason}\b", done.stdout)}

        wrong = replace(alice, password="wrong")
        assert radius.ACCESS_REJECT == gateway.start_login(wrong).code
        assert {"wrong_password"} == shows('"Wrong password", although it is right')
        challenge = gateway.start_login(alice)
        assert {"call_placed"} == shows("The prompt appears, and the phone does not ring")
        for _ in range(3):
            challenge = gateway.respond(alice, challenge, "000000x")
        assert radius.ACCESS_REJECT == challenge.code
        assert {"no_attempts_left", "wrong_code"} == {record["reason"] for record in server.audit(kind="request")[-2:]}
        misconfigured = server.client(secret=b"another secret than the one here")
        misconfigured.send(misconfigured.initial_request(alice))
        server.wait_until_processed()
        assert {"bad_message_authenticator"} == shows("No response")
