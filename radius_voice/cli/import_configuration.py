"""`import`: turns the configuration of another RADIUS server into one of radius-voice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from radius_voice.cli.completions import files
from radius_voice.cli.groups import CommandGroup

if TYPE_CHECKING:
    from radius_voice.importing.plan import Plan


@click.group("import", cls=CommandGroup)
def import_() -> None:
    """Import the configuration of another RADIUS server."""


def _parameters(command: Callable[..., None]) -> Callable[..., Any]:
    output = click.option(
        "--output",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIRECTORY",
        help="Write the configuration and its secrets into this directory, and overwrite no file.",
    )
    return click.argument("file", type=Path, shell_complete=files)(output(command))


@import_.command()
@_parameters
def duo(file: Path, output: Path | None) -> None:
    """Import authproxy.cfg of the Duo Authentication Proxy.

    Without --output, it prints the configuration and writes no file.
    """
    from radius_voice.importing.duo import plan_from

    _import(plan_from, file, output)


@import_.command()
@_parameters
def freeradius(file: Path, output: Path | None) -> None:
    """Import clients.conf of FreeRADIUS.

    Without --output, it prints the configuration and writes no file.
    """
    from radius_voice.importing.freeradius import plan_from

    _import(plan_from, file, output)


@import_.command()
@_parameters
def nps(file: Path, output: Path | None) -> None:
    """Import an XML file that netsh nps export has written.

    Without --output, it prints the configuration and writes no file.
    """
    from radius_voice.importing.nps import plan_from

    _import(plan_from, file, output)


def _import(plan_from: Callable[[Path], Plan], file: Path, output: Path | None) -> None:
    """Write the configuration that `plan_from` makes of a file, and print the manual steps."""
    from radius_voice.config.errors import ConfigError
    from radius_voice.importing.output import write
    from radius_voice.importing.render import render, steps_of

    try:
        plan = plan_from(file)
        written = [] if output is None else write(plan, output)
    except ConfigError as problem:
        raise click.ClickException(str(problem)) from None
    if output is None:
        click.echo(render(plan), nl=False)
        click.echo("no file is written, and no secret is shown; --output DIRECTORY writes both", err=True)
    for path in written:
        click.echo(f"wrote {path}")
    click.echo("\nManual steps:" if output is None else f"\nManual steps in {output}:", err=True)
    for number, step in enumerate(steps_of(plan), 1):
        click.echo(f"  {number}. {step}", err=True)
