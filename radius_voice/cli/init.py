"""`init`: creates a configuration."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def init(directory: Path) -> None:
    """Write a commented configuration with new secrets.

    Creates DIRECTORY if it does not exist, and overwrites no file.
    """
    from radius_voice.config.errors import ConfigError
    from radius_voice.config.init import write_configuration

    try:
        written = write_configuration(directory)
    except ConfigError as problem:
        raise click.ClickException(str(problem)) from None
    except OSError as problem:
        raise click.ClickException(f"{problem.filename}: {problem.strerror}") from None
    for path in written:
        click.echo(f"wrote {path}")
    configuration = written[0]
    click.echo(
        "\nNext:\n"
        f"  1. edit {configuration}: your gateway's address, your Twilio account and number\n"
        f"  2. write the account's auth token into {directory / 'twilio-auth-token'}\n"
        f"  3. radius-voice users add --file {directory / 'users.yaml'} NAME --phone +NUMBER\n"
        f"  4. radius-voice check --config {configuration}\n"
        f"  5. radius-voice serve --config {configuration}"
    )
