"""`support-bundle`: an archive that helps others to find the cause of a problem."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import click

from radius_voice.cli.common import config_option, state_option


def _seconds(_context: click.Context, _option: click.Parameter, text: str) -> float:
    from radius_voice.config.field_types import seconds_of

    try:
        return seconds_of(text)
    except ValueError as problem:
        raise click.BadParameter(str(problem)) from None


@click.command("support-bundle")
@config_option
@click.option(
    "--output",
    type=Path,
    metavar="FILE",
    help="The archive, which must not exist. Default: radius-voice-support-TIME.tar.gz here.",
)
@click.option(
    "--since",
    metavar="DURATION",
    default="24h",
    callback=_seconds,
    help="How far back audit records and log go. Default: 24h.",
)
@click.option("--without-names", is_flag=True, help="Replace user names and addresses by hashes.")
@state_option
def support_bundle(path: Path, state: Path | None, output: Path | None, since: float, without_names: bool) -> None:
    """Write an archive without secrets, to find the cause of a problem.

    Has the settings, versions, log, audit records, metrics and results of checks. Works also if no service runs or the
    configuration has errors.
    """
    from radius_voice.exceptions import message_of
    from radius_voice.support_bundle.archive import write_archive
    from radius_voice.support_bundle.bundle import Collector

    now = time.time()
    name = datetime.fromtimestamp(now, UTC).strftime("radius-voice-support-%Y%m%dT%H%M%SZ.tar.gz")
    output = output or Path(name)
    if output.exists() or output.is_symlink():
        raise click.ClickException(f"{output}: exists; name another file by --output")
    bundle = Collector(path, state, now - since, now, with_names=not without_names).collect()
    try:
        write_archive(output, bundle.files, now)
    except OSError as problem:
        raise click.ClickException(message_of(problem)) from None
    for missing, reason in bundle.problems.items():
        state_of = "not complete" if missing in bundle.files else "not included"
        click.echo(f"{missing}: {state_of}: {reason}", err=True)
    click.echo(f"wrote {output}, which only you can read; README.txt in it says what it has")
