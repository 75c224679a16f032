"""`reload`: a new configuration for the running service."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from radius_voice.cli.common import config_option, json_option, state_option
from radius_voice.cli.running import exit_codes, state_directory


@click.command()
@config_option
@state_option
@json_option
def reload(path: Path, state: Path | None, as_json: bool) -> None:
    """Make the running service read its configuration again, and show the result."""
    from radius_voice import control
    from radius_voice.radius.values import printable

    with exit_codes():
        result = control.ask(state_directory(path, state), control.RELOAD)
    if as_json:
        click.echo(json.dumps(result, indent=1))
        if result["errors"]:
            raise click.exceptions.Exit(1)
        return
    if os.path.realpath(path) != result["config"]:
        click.echo(f"warning: the service reads {result['config']}, not {path}", err=True)
    for warning in result["warnings"]:
        click.echo(printable(f"warning: {warning}"), err=True)
    if result["errors"]:
        lines = ["the configuration cannot be used, and the previous one stays in effect:", *result["errors"]]
        raise click.ClickException("\n".join(map(printable, lines)))
    for line in _lines(result):
        click.echo(line)


def _lines(result: Mapping[str, Any]) -> Iterator[str]:
    yield f"{result['config']}: in effect as generation {result['generation']}"
    listed = [f"{kind}: {key}" for kind in ("added", "removed", "changed") for key in result[kind]]
    restart = [f"needs a restart: {key}" for key in result["needs_restart"]]
    if not listed:
        yield "no changed setting takes effect at a reload" if restart else "no setting has changed"
    yield from listed + restart
