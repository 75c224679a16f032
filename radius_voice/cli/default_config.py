"""The path of the configuration if no option names one."""

from __future__ import annotations

from pathlib import Path

import click

DEFAULT_CONFIG = Path("/etc/radius-voice/radius-voice.yaml")


def default_config(not_given: str = "--config is not given") -> Path:
    """The path of the configuration if no option names one. Ends the command if that file does not exist.

    `not_given` is what the message then says about options.
    """
    try:
        DEFAULT_CONFIG.lstat()
    except (FileNotFoundError, NotADirectoryError):
        raise click.UsageError(
            f"{not_given}, and {DEFAULT_CONFIG} does not exist; to create it, run: "
            f"radius-voice init {DEFAULT_CONFIG.parent}"
        ) from None
    except OSError:
        pass  # reading it reports the cause
    return DEFAULT_CONFIG
