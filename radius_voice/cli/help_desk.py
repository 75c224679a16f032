"""`users issue-code`: a code for one login without a call."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from radius_voice.cli.common import (
    by_option,
    config_option,
    json_option,
    loaded,
    run_operation,
    seconds_between,
    source_option,
    state_option,
    user_argument,
    warn_if_not_recorded,
)


def _seconds(_context: click.Context, _option: click.Parameter, text: str) -> float:
    from radius_voice.login.codes.issued_codes import MAX_SECONDS, MIN_SECONDS

    return seconds_between(text, MIN_SECONDS, MAX_SECONDS)


@click.command("issue-code")
@config_option
@user_argument
@click.option(
    "--for",
    "seconds",
    default="1h",
    show_default=True,
    metavar="DURATION",
    callback=_seconds,
    help="How long the code is valid, from 1m to 24h.",
)
@by_option
@source_option
@state_option
@json_option
def issue_code(
    path: Path, name: str, seconds: float, by: str, source: str | None, state: Path | None, as_json: bool
) -> None:
    """Issue a code for one login without a call.

    For a user who cannot be called. The user logs in with the password, and enters the code at the prompt. It replaces
    an earlier code of the user.
    """
    from radius_voice import operations

    settings = loaded(path, state=state).settings
    done = run_operation(operations.issue_code(settings, operations.UserName(name, source), seconds, by))
    warn_if_not_recorded(done)
    expires = datetime.fromtimestamp(done["expires_at"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if as_json:
        shown = {key: done[key] for key in ("user", "source", "code", "notice")} | {"expires_at": expires}
        click.echo(json.dumps(shown, indent=1))
        return
    click.echo(
        f"code for one login of {done['user']} (identity source {done['source']}): {done['code']}\n"
        f"valid until {expires}; it is not shown again\n"
        f"notice to the user: {done['notice']}"
    )
