"""`init`: creates a configuration. On a terminal it asks for the gateway, the friendly name and the Twilio account."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from radius_voice.cli.default_config import DEFAULT_CONFIG
from radius_voice.config.errors import ConfigError
from radius_voice.resources import documentation

if TYPE_CHECKING:
    from radius_voice.config.init import Answers

UNIT = Path("/lib/systemd/system/radius-voice.service")
OTHER = "other"
LATER = "(leave empty to fill it in later)"


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def init(directory: Path) -> None:
    """Write a commented configuration with new secrets.

    Creates DIRECTORY if it does not exist, and overwrites no file. On a terminal, asks for the gateway, the name that
    users hear, and the Twilio account, and writes nothing before the last answer.
    """
    from radius_voice.config.init import Answers, require_new, write_configuration

    try:
        require_new(directory)
        answers = _asked() if sys.stdin.isatty() else Answers()
        written = write_configuration(directory, answers)
    except ConfigError as problem:
        raise click.ClickException(str(problem)) from None
    except OSError as problem:
        raise click.ClickException(f"{problem.filename}: {problem.strerror}") from None
    for path in written:
        click.echo(f"wrote {path}")
    steps = _steps(directory, answers)
    click.echo("\nNext:\n" + "\n".join(f"  {number}. {step}" for number, step in enumerate(steps, 1)))


def _asked() -> Answers:
    """The answers of the user. Each is checked as the configuration is, and asked for again until it is valid."""
    from radius_voice.config.init import Answers
    from radius_voice.config.profiles import PROFILES

    kinds = [*sorted(PROFILES), OTHER]
    answers = Answers()
    click.echo("1. The gateway that sends the requests of users", err=True)
    answers = _ask(answers, "address", f"Its address or network {LATER}")
    click.echo(f"Kinds: {', '.join(kinds)}", err=True)
    kind = click.prompt("Its kind", type=click.Choice(kinds), default=OTHER, show_choices=False, err=True)
    answers = answers.with_value("profile", "" if kind == OTHER else kind)
    if answers.needs_callbacks:
        click.echo(
            "Its users approve a login by a key, which Twilio reports to this server: docs/callbacks.md", err=True
        )
        answers = _ask(answers, "public_url", f"The https:// URL at which Twilio reaches this server {LATER}")
    click.echo("\n2. The service that users log in to", err=True)
    answers = _ask(answers, "friendly_name", f"Its name, as they hear and read it, like ACME VPN {LATER}")
    click.echo("\n3. The Twilio account that places the calls", err=True)
    answers = _ask(answers, "account_sid", f"Account SID {LATER}")
    if answers.account_sid:
        answers = _ask(answers, "auth_token", f"Auth token, not shown {LATER}", hide=True)
        answers = _ask(answers, "from_number", f"The number that it calls from, with + and country code {LATER}")
    return answers


def _ask(answers: Answers, key: str, question: str, *, hide: bool = False) -> Answers:
    while True:
        text = click.prompt(question, default="", show_default=False, hide_input=hide, err=True).strip()
        answered = answers.with_value(key, text)
        problems = _problems(answers, answered, key) if text else []
        for problem in problems:
            click.echo(f"  {problem}", err=True)
        if not problems:
            return answered


def _problems(before: Answers, answered: Answers, key: str) -> list[str]:
    """The errors that an answer adds to the configuration. Those about its own key are without the key."""
    from radius_voice.config.init import PATHS

    known = set(_errors(before))
    return [error.removeprefix(f"{PATHS[key]}: ") for error in _errors(answered) if error not in known]


def _errors(answers: Answers) -> list[str]:
    """The errors of the configuration that these answers give, without the places."""
    from radius_voice.config.init import SECRET_VARIABLE, write_configuration
    from radius_voice.wiring.adapters import load

    with TemporaryDirectory(prefix="radius-voice-init-") as folder:
        path, *_ = write_configuration(Path(folder), answers, draft=True)
        try:
            load(path, {SECRET_VARIABLE: answers.auth_token})
        except ConfigError as problem:
            return [error.partition(": ")[2] for error in problem.errors]
    return []


def _steps(directory: Path, answers: Answers) -> list[str]:
    """The remaining steps, with the exact commands."""
    path = directory / "radius-voice.yaml"
    option = "" if path.absolute() == DEFAULT_CONFIG else f" -c {shlex.quote(str(path))}"
    missing = {
        "your gateway's address": answers.address,
        "the friendly name": answers.friendly_name,
        "your Twilio account": answers.account_sid,
        "the number that it calls from": answers.from_number,
    }
    if answers.needs_callbacks:
        missing["callbacks.public_url"] = answers.public_url
    left = [text for text, value in missing.items() if not value]
    steps = [f"edit {path}: {', '.join(left)}"] if left else []
    if not answers.auth_token:
        steps.append(f"write the account's auth token into {directory / 'twilio-auth-token'}")
    page = f"; its page is {documentation() / 'gateways' / answers.profile}.md" if answers.profile else ""
    return [
        *steps,
        f"radius-voice users add{option} NAME --phone +NUMBER",
        f"radius-voice check{option}",
        f"radius-voice test-credentials{option}",
        _start(directory, option),
        f"at the gateway, enter this machine, port 1812, and the secret in {directory / 'office-vpn.secret'}{page}",
    ]


def _start(directory: Path, option: str) -> str:
    """The command that starts the service: systemd's where the Debian package has a unit for this configuration."""
    if directory.absolute() == DEFAULT_CONFIG.parent and UNIT.exists():
        return "systemctl enable --now radius-voice"
    return f"radius-voice serve{option}"
