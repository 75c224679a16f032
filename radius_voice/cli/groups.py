"""A group of commands that suggests similar commands for an unknown one, and shows summaries in full."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from radius_voice.cli.exit_codes import exit_status
from radius_voice.config.suggestions import nearest

MAX_SUGGESTIONS = 3
UNBROKEN_HYPHEN = "\N{NON-BREAKING HYPHEN}"


class HelpFormatter(click.HelpFormatter):
    """Help whose lines do not end at a hyphen, so that paths and options can be copied."""

    def write_text(self, text: str) -> None:
        """Write a paragraph."""
        super().write_text(text.replace("-", UNBROKEN_HYPHEN))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write options or commands, each with its description."""
        unbroken = [(name, text.replace("-", UNBROKEN_HYPHEN)) for name, text in rows]
        super().write_dl(unbroken, col_max, col_spacing)

    def getvalue(self) -> str:
        """The text."""
        return super().getvalue().replace(UNBROKEN_HYPHEN, "-")


class CommandContext(click.Context):
    """The context of each command."""

    formatter_class = HelpFormatter


class CommandGroup(click.Group):
    """A group of commands."""

    context_class = CommandContext

    def known_words(self, ctx: click.Context) -> Sequence[tuple[str, str]]:
        """The words to compare an unknown command with, each with the command to suggest for it."""
        return [(name, name) for name in self.list_commands(ctx)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first argument names. Raises click.UsageError with similar ones if there is none."""
        word = args[0]
        if ctx.resilient_parsing or self.get_command(ctx, word) is not None:
            return super().resolve_command(ctx, args)
        raise click.UsageError(f"no such command: {word!r}{_suggestion(word, self.known_words(ctx))}", ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None.

        Help and completions do not cut off its summary, and its help has its exit codes.
        """
        command = self.find_command(ctx, cmd_name)
        if command is not None:
            command.context_class = CommandContext
            command.short_help = command.short_help or _first_paragraph(command.help or "")
            status = exit_status(cmd_name if ctx.parent is None else f"{self.name} {cmd_name}")
            command.epilog = command.epilog or (f"Exit code {status}" if status else None)
        return command

    def find_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        return super().get_command(ctx, cmd_name)


def words_below(commands: Iterable[tuple[str, click.Command | None]]) -> list[tuple[str, str]]:
    """The names of subcommands, each with that of its group before it."""
    groups = [(name, command) for name, command in commands if isinstance(command, click.Group)]
    return [(word, f"{name} {word}") for name, group in groups for word in group.commands]


def _suggestion(word: str, known: Sequence[tuple[str, str]]) -> str:
    """`; did you mean X?` with the commands that begin with the word or are nearest to it; nothing if none is near."""
    near = nearest(word, (name for name, _ in known))
    meant = [command for name, command in known if word and name.startswith(word)]
    meant = meant or [command for name, command in known if name == near]
    *first, last = meant[:MAX_SUGGESTIONS] or [""]
    return f"; did you mean {', '.join(first)}{' or ' if first else ''}{last}?" if last else ""


def _first_paragraph(text: str) -> str:
    return " ".join(text.partition("\n\n")[0].split())
