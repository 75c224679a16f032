"""`explain`: a past login from the audit log, or what would happen at a login."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import to_builtins

from radius_voice.cli.common import json_option, loaded, run, state_option
from radius_voice.exceptions import message_of

if TYPE_CHECKING:
    from radius_voice.config.load import Loaded
    from radius_voice.explain.audit_files import Found

CONFIG = click.option("--config", "config", type=Path, metavar="FILE", help="The configuration file.")
AUDIT = click.option(
    "--audit", "audit", type=Path, metavar="FILE", help="The audit log for --login, instead of --config."
)


@click.command()
@CONFIG
@click.option("--client", metavar="NAME", help="The client through which USER would log in.")
@click.option(
    "--calling-station-id",
    metavar="TEXT",
    default="",
    help="Calling-Station-Id of the login, usually the user's address. Default: none.",
)
@click.option("--login", "session", metavar="ID", help="A past login: the value of session in the audit log.")
@AUDIT
@state_option
@json_option
@click.argument("user", required=False)
def explain(
    config: Path | None,
    client: str | None,
    calling_station_id: str,
    session: str | None,
    audit: Path | None,
    state: Path | None,
    as_json: bool,
    user: str | None,
) -> None:
    """Show why a login went as it did, or what would happen at the next one.

    With USER and --client: every decision about a login of USER through that client, with the line of the configuration
    that it depends on. Verifies no password and places no call. With --login: every packet and call of a past login,
    from the audit log and its rotated files.
    """
    if session is None:
        if config is None or client is None or user is None or audit is not None:
            raise click.UsageError("give --config, --client and USER; or --login with --config or --audit")
        _explain_next(loaded(config, state=state), client, user, calling_station_id, as_json)
    elif client is not None or user is not None or calling_station_id or (config is None) is (audit is None):
        raise click.UsageError("with --login, give only --config, the configuration, or --audit, the audit log")
    else:
        _explain_past(_audit_log(config) if audit is None else audit, session, as_json)


def _explain_next(configuration: Loaded, client: str, user: str, calling_station_id: str, as_json: bool) -> None:
    from radius_voice.explain.next_login import explain as explain_login
    from radius_voice.explain.next_login import result_text
    from radius_voice.operations import OperationFailed

    try:
        explanation = run(explain_login(configuration, client, user, calling_station_id))
    except OperationFailed as problem:
        raise click.ClickException(str(problem)) from None
    if as_json:
        click.echo(json.dumps({"user": user, "client": client, **to_builtins(explanation)}, indent=1))
        return
    for step in explanation.steps:
        click.echo(_printable(f"{step.topic:<13} {step.text}" + (f" -> {step.reason}" if step.reason else "")))
        for place in step.places:
            click.echo(f"{'':<13}   {place}")
    click.echo(f"{'result':<13} {result_text(explanation)}")


def _audit_log(config: Path | None) -> Path:
    path = loaded(config).settings.audit.path if config is not None else None
    if path is None:
        raise click.ClickException(
            "audit.path is standard output, so the records are where that goes; write them to a file, "
            "and name it: --audit FILE"
        )
    return path


def _explain_past(path: Path, session: str, as_json: bool) -> None:
    from radius_voice.explain.audit_files import session_records
    from radius_voice.explain.past_login import timeline, with_meaning

    try:
        found = session_records(path, session)
    except OSError as problem:
        raise click.ClickException(message_of(problem)) from None
    for text in found.problems:
        click.echo(f"warning: {text}", err=True)
    if not found.records:
        raise click.ClickException(_not_found(path, session, found))
    if as_json:
        shown = {
            "login": session,
            "searched": [str(file) for file in found.searched],
            "not_searched": list(found.problems),
            "records": [with_meaning(record) for record in found.records],
        }
        click.echo(json.dumps(shown, indent=1))
        return
    for line in timeline(session, found.records):
        click.echo(_printable(line))


def _not_found(path: Path, session: str, found: Found) -> str:
    if not found.searched:
        return f"{path}: there is no audit log that can be read"
    names = ", ".join(str(file) for file in found.searched)
    return f"no record has the session id {_printable(session)}; searched: {names}"


def _printable(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
