"""What commands share: reading a configuration, and telling people what is wrong with it."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from radius_voice.config.errors import ConfigError
from radius_voice.config.load import Loaded, load

_T = TypeVar("_T")

# Not click.Path, which asks for the file's status and waits for a mount that does not answer.
config_option = click.option(
    "--config", "path", required=True, type=Path, metavar="FILE", help="The configuration file."
)


def loaded(path: Path) -> Loaded:
    """The configuration, or the end of the command with every error in it."""
    try:
        return load(path)
    except ConfigError as problem:
        raise click.ClickException(f"the configuration cannot be used:\n{problem}") from None


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a command's asynchronous work on uvloop; an interrupt ends it quietly."""
    import uvloop

    try:
        return uvloop.run(work)
    except KeyboardInterrupt:
        raise click.Abort from None
