"""The program: all commands by name. A command is imported when it is called, so that each starts quickly."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

import click

from radius_voice import __version__
from radius_voice.cli.groups import CommandGroup, words_below
from radius_voice.cli.output import is_of_output, open_closed_descriptors
from radius_voice.exceptions import kind_and_place, message_of
from radius_voice.radius.dictionary_file import DictionaryError
from radius_voice.resources import documentation

COMMANDS = {
    "demo": "demo:demo",
    "init": "init:init",
    "import": "import_configuration:import_",
    "serve": "serve:serve",
    "status": "status:status",
    "reload": "reload:reload",
    "debug": "debug_running:debug",
    "check": "check:check",
    "test-credentials": "connections:test_credentials",
    "call": "call:call",
    "text": "call:text",
    "login": "login:login",
    "simulate-twilio": "simulate:simulate_twilio",
    "limits": "limits:limits",
    "clients": "clients:clients",
    "explain": "explain:explain",
    "audit": "audit:audit",
    "support-bundle": "support_bundle:support_bundle",
    "users": "users:users",
    "hash-password": "users:hash_password",
    "completion": "completion:completion",
}


class Commands(CommandGroup):
    """The commands in the order of the manual, imported one at a time."""

    def known_words(self, ctx: click.Context) -> Sequence[tuple[str, str]]:
        """Commands, and subcommands, for a user who omits the group."""
        below = words_below((name, self.get_command(ctx, name)) for name in COMMANDS)
        return [*super().known_words(ctx), *below]

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All names, in order."""
        return list(COMMANDS)

    def find_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(import_module(f"radius_voice.cli.{module}"), attribute)
        return command

    def main(self, *args: Any, **more: Any) -> Any:
        """Run the program. If standard output is full, one line says so."""
        open_closed_descriptors()
        try:
            return super().main(*args, **more)
        except OSError as problem:
            stream = "standard output: " if is_of_output(problem) else ""
            with suppress(OSError):
                click.echo(f"Error: {stream}{message_of(problem)}", err=True)
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. An unexpected exception ends it with one line that names type and place."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click reports these itself
        except DictionaryError as problem:
            raise click.ClickException(str(problem)) from None
        except Exception as problem:
            if isinstance(problem, OSError) and is_of_output(problem):
                raise
            # An operator cannot use a traceback.
            raise click.ClickException(
                f"internal error: {kind_and_place(problem)}; please report it with the command that you ran"
            ) from None


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"Documentation: {documentation()}",
)
@click.version_option(__version__, prog_name="radius-voice")
def main() -> None:
    """A RADIUS server that places a phone call as the second factor of a login."""


if __name__ == "__main__":
    main()
