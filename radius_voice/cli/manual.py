"""Manual pages for man, generated from the commands: `python -m radius_voice.cli.manual DIRECTORY`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from textwrap import wrap

import click

from radius_voice import __version__
from radius_voice.cli.default_config import DEFAULT_CONFIG
from radius_voice.cli.exit_codes import exit_status
from radius_voice.cli.main import main

PROGRAM = "radius-voice"
LINE_WIDTH = 72


def pages() -> dict[str, str]:
    """The pages in the language of man(7), by the names of their files: the program, each command and subcommand."""
    commands = dict(_commands(click.Context(main, info_name=PROGRAM, **main.context_settings)))
    return {f"{name.replace(' ', '-')}.1": _page(name, context) for name, context in commands.items()}


def _commands(context: click.Context) -> Iterator[tuple[str, click.Context]]:
    """Each command by its words, with its context."""
    yield context.command_path, context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command is not None:
                yield from _commands(click.Context(command, parent=context, info_name=name))


def _page(name: str, context: click.Context) -> str:
    command = context.command
    summary, *description = [" ".join(text.split()) for text in (command.help or "").split("\n\n")]
    sections = {
        "NAME": _lines(f"{name.replace(' ', '-')} - {_lower(summary).removesuffix('.')}"),
        "SYNOPSIS": [f".B {_text(name)}", *_lines(" ".join(command.collect_usage_pieces(context)))],
        "DESCRIPTION": [line for paragraph in (summary, *description) for line in (".PP", *_lines(paragraph))][1:],
        "OPTIONS": list(_options(context)),
        "COMMANDS": list(_subcommands(context)),
        "EXIT STATUS": _lines(_exit_status(name)),
        "FILES": list(_files(context)),
        "SEE ALSO": list(_see_also(context)),
    }
    lines = [line for title, body in sections.items() if body for line in (f'.SH "{title}"', *body)]
    return "\n".join([_title(name), ".nh", ".ad l", *lines, ""])


def _title(name: str) -> str:
    at = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())), UTC)
    upper = _text(name.replace(" ", "-").upper())
    return f'.TH {upper} 1 {at:%Y-%m-%d} "{PROGRAM} {__version__}" "{PROGRAM} manual"'


def _options(context: click.Context) -> Iterator[str]:
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if isinstance(parameter, click.Option) and record is not None:
            names, text = record
            yield from (".TP", f".B {_text(names)}", *_lines(text))


def _subcommands(context: click.Context) -> Iterator[str]:
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command is not None:
                yield from (".TP", _reference(f"{context.command_path} {name}"), *_lines(command.short_help or ""))


def _exit_status(name: str) -> str:
    described = exit_status(name.removeprefix(PROGRAM).strip())
    return described or "The page of each command describes its exit codes."


def _files(context: click.Context) -> Iterator[str]:
    if any("--config" in parameter.opts for parameter in context.command.params):
        yield from (".TP", f".I {_text(str(DEFAULT_CONFIG))}", *_lines("The configuration, if --config is not given."))


def _see_also(context: click.Context) -> Iterator[str]:
    if context.parent is not None:
        yield _reference(context.parent.command_path)
    else:
        yield from _lines("radius-voice --help names the folder with the documentation.")


def _reference(command: str) -> str:
    return f".BR {_text(command.replace(' ', '-'))} (1)"


def _lower(text: str) -> str:
    """The text as the summary of a page: it begins in lower case, except with an abbreviation."""
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text


def _lines(text: str) -> list[str]:
    """The text in short lines."""
    return [_text(line) for line in wrap(text, LINE_WIDTH, break_long_words=False, break_on_hyphens=False)]


def _text(text: str) -> str:
    """The text with the characters escaped that man(7) interprets."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def write_pages(directory: Path) -> list[Path]:
    """Write all pages into a directory, which is created if necessary; returns the files."""
    directory.mkdir(parents=True, exist_ok=True)
    files = {directory / name: page for name, page in pages().items()}
    for path, page in files.items():
        path.write_text(page, encoding="utf-8")
    return list(files)


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
