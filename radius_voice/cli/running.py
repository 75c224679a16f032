"""Functions of the commands that ask the running service: its state directory, and exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from radius_voice.cli.exit_codes import NOT_RUNNING, UNKNOWN
from radius_voice.config.errors import ConfigError


class Ended(click.ClickException):
    """Ends a command with an exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.exit_code = code  # type: ignore[misc]  # click reads it from the instance


@contextmanager
def exit_codes() -> Iterator[None]:
    """End the command with exit code NOT_RUNNING or UNKNOWN if the service does not respond."""
    from radius_voice.control import NotRunning, RequestFailed
    from radius_voice.operations import SERVICE_STATE, STATE_HINT

    try:
        yield
    except NotRunning as problem:
        hint = "" if f" {SERVICE_STATE}/" in str(problem) else f"; {STATE_HINT}"
        raise Ended(f"{problem}{hint}", NOT_RUNNING) from None
    except RequestFailed as problem:
        raise Ended(str(problem), UNKNOWN) from None


def state_directory(path: Path, state: Path | None) -> Path:
    """The state directory of the service: `state` if given, otherwise that of the configuration, even with errors.

    Ends the command if the configuration cannot be read.
    """
    from radius_voice.config import load

    if state is not None:
        return state.absolute()
    try:
        return load.state_directory(path)
    except ConfigError as problem:
        raise Ended(f"{problem}\nname the state directory of the service by --state", UNKNOWN) from None


def time_text(at: float) -> str:
    """A time for people, in UTC. `at` is wall-clock seconds."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
