"""What commands share: reading a configuration, and telling people what is wrong with it."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from radius_voice.config.errors import ConfigError
from radius_voice.config.load import Loaded, load

_T = TypeVar("_T")

config_option = click.option(
    "--config", "path", required=True, type=click.Path(path_type=Path), help="The configuration file."
)


state_option = click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help="The state directory of the service, where it is not the configuration's: systemd sets $STATE_DIRECTORY.",
)


def loaded(path: Path, *, for_service: bool = False, owner: int | None = None, state: Path | None = None) -> Loaded:
    """The configuration, or the end of the command with every error in it; `load` says what the options mean.

    `state` replaces the state directory.
    """
    try:
        configuration = load(path, for_service=for_service, owner=owner)
    except ConfigError as problem:
        raise click.ClickException(f"the configuration cannot be used:\n{problem}") from None
    if state is None:
        return configuration
    settings = configuration.settings
    server = settings.server.model_copy(update={"state": state.absolute()})
    return replace(configuration, settings=settings.model_copy(update={"server": server}))


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a command's asynchronous work on uvloop; an interrupt ends it quietly."""
    import uvloop

    try:
        return uvloop.run(work)
    except KeyboardInterrupt:
        raise click.Abort from None
