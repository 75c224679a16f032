"""`limits` and `users unlock`: what is used of limits, and how to give it back."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

import click

from radius_voice.cli.common import config_option, loaded, run, state_option


@click.command()
@config_option
@click.option("--user", "name", help="What counts for this user and their phones.")
@state_option
def limits(path: Path, name: str | None, state: Path | None) -> None:
    """Show what is used of limits and what is left: in total and by client and country, or of one user.

    Asks the running service; without one it reads the store.
    """
    from radius_voice import operations

    settings = loaded(path, state=state).settings
    found = _done(operations.limits(settings, name))
    click.echo(f"{'limit':<28} {'of':<20} {'used':>6} {'left':>6}  allowed")
    for limit in found["limits"]:
        used = limit["burst"] - limit["left"]
        allowed = f"{limit['burst']} per {_written(limit['period'])}"
        click.echo(f"{limit['limit']:<28} {limit['of']:<20} {used:>6} {limit['left']:>6}  {allowed}")


@click.command("unlock")
@config_option
@click.argument("name")
@state_option
def unlock(path: Path, name: str, state: Path | None) -> None:
    """Clear what is counted for the user NAME and their phones: wrong codes, wrong passwords, and calls.

    Acts on every identity source that has the name. Asks the running service, which records it in the audit log.
    """
    from radius_voice import operations

    done = _done(operations.unlock(loaded(path, state=state).settings, name))
    if done["not_recorded"]:
        click.echo(f"warning: not recorded in the audit log: {done['not_recorded']}", err=True)
    sources = done["sources"]
    also = f" in the identity sources {', '.join(sources)}" if len(sources) > 1 else ""
    click.echo(f"{done['user']} is unlocked{also}")


def _done(work: Coroutine[Any, Any, Mapping[str, Any]]) -> Mapping[str, Any]:
    from radius_voice.operations import OperationFailed

    try:
        return run(work)
    except OperationFailed as problem:
        raise click.ClickException(str(problem)) from None


def _written(seconds: float) -> str:
    """A period as the configuration writes it."""
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"
