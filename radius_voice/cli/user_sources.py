"""The options of commands on the users of one identity source."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from radius_voice.cli import completions
from radius_voice.cli.common import config_parameter, loaded
from radius_voice.cli.default_config import DEFAULT_CONFIG, default_config
from radius_voice.cli.output import is_of_output

if TYPE_CHECKING:
    from radius_voice.login.ports import UserEditor

# Not click.Path, which reads the file's status and blocks on a mount that does not respond.
FILE = click.option(
    "--file",
    "file",
    type=Path,
    metavar="FILE",
    help="A users file, instead of a configuration.",
    shell_complete=completions.files,
)
CONFIG = config_parameter("config", f"The configuration. Default: {DEFAULT_CONFIG}")
SOURCE = click.option(
    "--source",
    metavar="NAME",
    help="The identity source, if the configuration has several.",
    shell_complete=completions.identity_sources,
)


def with_editor(command: Callable[..., None], hint: str = "") -> Callable[..., None]:
    """A command whose first argument is the editor of the users file or identity source that the options name.

    `hint` is added to the message for a source that commands cannot change.
    """

    @FILE
    @CONFIG
    @SOURCE
    @wraps(command)
    def run_command(file: Path | None, config: Path | None, source: str | None, **arguments: Any) -> None:
        editor = _editor(file, config, source, hint)
        try:
            with _source_errors(editor):
                command(editor, **arguments)
        finally:
            editor.close()

    return run_command


def config_of_command() -> Path | None:
    """The configuration that the running command uses; None with --file."""
    options = click.get_current_context().params
    return None if options["file"] is not None else _or_default(options["config"])


def _or_default(config: Path | None) -> Path:
    return config or default_config("neither --config nor --file is given")


def _editor(file: Path | None, config: Path | None, source: str | None, hint: str) -> UserEditor:
    if file is None:
        return _configured_editor(_or_default(config), source, hint)
    if config is not None:
        raise click.UsageError("give either --file, the users file, or --config, the configuration")
    if source is not None:
        raise click.UsageError("--source is for --config")
    from radius_voice.identity.users_file.editor import UsersFileEditor

    return UsersFileEditor(file)


def _configured_editor(config: Path, source: str | None, hint: str) -> UserEditor:
    from radius_voice.operations import OperationFailed, editor_of

    try:
        return editor_of(loaded(config).settings, source)
    except OperationFailed as problem:
        raise click.ClickException(f"{problem}; {hint}" if hint else str(problem)) from None


def report_change(editor: UserEditor, as_json: bool, text: str, **values: object) -> None:
    """Print what a command has changed: `text` after the place of the users, or `values` in JSON."""
    if as_json:
        click.echo(json.dumps({"location": editor.location, **values}))
    else:
        click.echo(f"{editor.location}: {text}")


@contextmanager
def _source_errors(editor: UserEditor) -> Iterator[None]:
    """End the command with a message for an error of the identity source."""
    try:
        yield
    except OSError as problem:
        if is_of_output(problem):
            raise
        raise click.ClickException(f"{editor.location}: {problem.strerror}") from None
    except ValueError as problem:
        raise click.ClickException(str(problem)) from None
