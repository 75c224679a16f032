"""`limits` and `users unlock`: the use of limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from radius_voice.cli import completions
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


@click.command()
@config_option
@click.option(
    "--user",
    "name",
    metavar="NAME",
    help="Show the limits of this user and their phones.",
    shell_complete=completions.users,
)
@source_option
@state_option
@json_option
def limits(path: Path, name: str | None, source: str | None, state: Path | None, as_json: bool) -> None:
    """Show how much of each limit is used and left.

    In total, by client and by country; or for one user. Asks the running service; if none runs, reads the store.
    """
    from radius_voice import operations
    from radius_voice.config.field_types import duration_text

    if source is not None and name is None:
        raise click.UsageError("--source needs --user")
    settings = loaded(path, state=state).settings
    user = None if name is None else operations.UserName(name, source)
    found = run_operation(operations.limits(settings, user))
    if as_json:
        click.echo(json.dumps(found["limits"], indent=1))
        return
    name_width, of_width = (max([20, *(len(limit[key]) for limit in found["limits"])]) for key in ("limit", "of"))
    click.echo(f"{'limit':<{name_width}} {'of':<{of_width}} {'used':>6} {'left':>6}  allowed")
    for limit in found["limits"]:
        numbers = (limit["burst"] - limit["left"], limit["left"], limit["burst"])
        used, left, burst = (_number(limit, number) for number in numbers)
        currency = f" {limit['currency']}" if "currency" in limit else ""
        allowed = f"{burst}{currency} per {duration_text(limit['period'])}"
        name, of = f"{limit['limit']:<{name_width}}", f"{limit['of']:<{of_width}}"
        click.echo(f"{name} {of} {used:>6} {left:>6}  {allowed}")


def _number(limit: Mapping[str, Any], number: float) -> str:
    """A number of uses, or for a budget an amount of money."""
    return f"{number:.2f}" if "currency" in limit else f"{number}"


@click.command("unlock")
@config_option
@user_argument
@source_option
@state_option
@by_option
@json_option
def unlock(path: Path, name: str, source: str | None, state: Path | None, by: str, as_json: bool) -> None:
    """Reset the limits of a user and their phones.

    Wrong codes, wrong passwords and calls. Asks the running service, which records it in the audit log.
    """
    from radius_voice import operations

    user = operations.UserName(name, source)
    done = run_operation(operations.unlock(loaded(path, state=state).settings, user, by))
    warn_if_not_recorded(done)
    if as_json:
        click.echo(json.dumps({"user": done["user"], "source": done["source"]}))
    else:
        click.echo(f"{done['user']} is unlocked (identity source {done['source']})")
