"""`users enroll`: verify a phone of a user by a call and a code that the user reads to the help desk."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from radius_voice.cli.common import (
    by_option,
    config_option,
    json_option,
    loaded,
    run_operation,
    source_option,
    state_option,
    user_argument,
    warn_if_not_recorded,
)

if TYPE_CHECKING:
    from radius_voice.config.schema import Settings
    from radius_voice.operations import UserName


@click.command()
@config_option
@source_option
@state_option
@click.option("--phone", metavar="NUMBER", default="", help="The phone of the user to call. Default: the first.")
@by_option
@json_option
@user_argument
def enroll(path: Path, source: str | None, state: Path | None, phone: str, by: str, as_json: bool, name: str) -> None:
    """Verify a phone of a user by a call.

    Calls the phone, or sends it a text message; the user reads the code to you. Asks for the code on a terminal,
    otherwise reads lines of standard input. A right code pins the phone as verified. The running service makes the
    delivery, under the limits of logins.
    """
    from radius_voice import operations

    settings = loaded(path, state=state).settings
    user = operations.UserName(name, source)
    called = run_operation(operations.perform(settings, "enroll_call", user, phone=phone, by=by))
    warn_if_not_recorded(called)
    by_call = called["method"] == "voice"
    does = "calling" if by_call else "sending a text message to"
    click.echo(f"{does} {called['phone']} of {called['user']} (identity source {called['source']})", err=True)
    if called["changed"]:
        text = "this phone is not pinned, but the user has pins: an attacker may have changed it in the directory"
        click.echo(f"warning: {text}", err=True)
    if not called["certain"]:
        text = "call; the phone may ring" if by_call else "text message; it may arrive"
        click.echo(f"warning: the provider did not confirm the {text}", err=True)
    done = _verified(settings, operations.UserName(name, called["source"]), called, by)
    if as_json:
        keys = ("user", "source", "phone", "verified", "at", "not_verified")
        click.echo(json.dumps({key: {**called, **done}.get(key) for key in keys}))
    elif done["verified"]:
        click.echo(_text(done))
    if not done["verified"]:
        why = "no code was entered" if done["attempts_left"] > 0 else "no attempts are left"
        click.echo(f"{called['phone']} is not verified: {why}", err=True)
        raise click.exceptions.Exit(1)


def _verified(settings: Settings, user: UserName, called: Mapping[str, Any], by: str) -> Mapping[str, Any]:
    """Ask for codes until one is right, none is entered, or no attempt is left; returns the last result."""
    from radius_voice import operations

    done: Mapping[str, Any] = {"verified": False, "attempts_left": called["attempts"]}
    while not done["verified"] and done["attempts_left"] > 0:
        code = _entered_code()
        if not code:
            return done
        answer = {"enrolment": called["enrolment"], "code": code, "by": by}
        done = run_operation(operations.perform(settings, "enroll_verify", user, **answer))
        warn_if_not_recorded(done)
        if not done["verified"]:
            left = done["attempts_left"]
            click.echo(f"wrong code, {left} {'attempt' if left == 1 else 'attempts'} left", err=True)
    return done


def _entered_code() -> str:
    """A code from the terminal, or the next line of standard input; empty at its end."""
    if sys.stdin.isatty():
        return str(click.prompt("Code", err=True))
    return sys.stdin.readline().strip()


def _text(done: Mapping[str, Any]) -> str:
    at = time.strftime("%Y-%m-%d %H:%M", time.localtime(done["at"]))
    text = f"{done['phone']} of {done['user']} is verified ({at})"
    others = ", ".join(done["not_verified"])
    return f"{text}; not verified: {others}" if others else text
