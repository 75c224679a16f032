"""`debug`: packets and decisions of one user or one client, while the service runs."""

from __future__ import annotations

from pathlib import Path

import click

from radius_voice.cli import completions
from radius_voice.cli.common import config_option, seconds_between, state_option
from radius_voice.cli.running import exit_codes, state_directory

MIN_SECONDS = 1.0
EXTRA_SECONDS = 15.0
"""A session may end this long after its duration. After that, the service counts as not responding."""


def _seconds(_context: click.Context, _option: click.Parameter, text: str) -> float:
    from radius_voice.service.debugging import MAX_SECONDS

    return seconds_between(text, MIN_SECONDS, MAX_SECONDS)


@click.command()
@config_option
@click.option("--user", metavar="NAME", help="Show the packets of this user.", shell_complete=completions.users)
@click.option("--client", metavar="NAME", help="Show the packets of this client.", shell_complete=completions.clients)
@click.option("--all", "show_all", is_flag=True, help="Show the packets of all users and clients.")
@click.option(
    "--for",
    "seconds",
    default="5m",
    show_default=True,
    metavar="DURATION",
    callback=_seconds,
    help="When to end, from 1s to 1h.",
)
@state_option
def debug(path: Path, user: str | None, client: str | None, show_all: bool, seconds: float, state: Path | None) -> None:
    """Show packets and decisions of the running service, without secrets.

    An interrupt ends it.
    """
    from radius_voice import control
    from radius_voice.service.debugging import DEBUG

    if user is None and client is None and not show_all:
        raise click.UsageError("name a user by --user or a client by --client, or add --all")
    directory = state_directory(path, state)
    arguments = {"user": user, "client": client, "all": show_all, "seconds": seconds}
    try:
        with exit_codes():
            for part in control.follow(directory, DEBUG, seconds + EXTRA_SECONDS, **arguments):
                if "worker" in part:
                    click.echo(f"worker {part['worker']}: packets are shown", err=True)
                if part.get("dropped"):
                    click.echo(f"{part['dropped']} packets and decisions were dropped", err=True)
                click.echo(part.get("text", ""), nl=False)
    except KeyboardInterrupt:
        return
