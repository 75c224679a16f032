"""`completion`: prints the completion script of a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

PROGRAM = "radius-voice"
VARIABLE = "_RADIUS_VOICE_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    SHELL is bash, zsh or fish. The script completes commands, options, and the names of users, clients and identity
    sources.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"click has no completion for {shell}")
    script = kind(click.get_current_context().find_root().command, {}, PROGRAM, VARIABLE)
    click.echo(script.source(), nl=False)
