"""`explain`: a past login from the audit log, or what would happen at a login."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import to_builtins

from radius_voice.cli import completions
from radius_voice.cli.audit_log import AUDIT, CONFIG, audit_log_of, show_login
from radius_voice.cli.common import json_option, loaded, run, state_option
from radius_voice.cli.default_config import default_config

if TYPE_CHECKING:
    from radius_voice.config.load import Loaded
    from radius_voice.explain.modes import Explanation


def _attributes(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    pairs = [text.partition("=") for text in texts]
    if not all(name and value for name, _, value in pairs):
        raise click.BadParameter("must be written as NAME=VALUE")
    return tuple((name, value) for name, _, value in pairs)


@click.command()
@CONFIG
@click.option(
    "--client",
    metavar="NAME",
    help="The client through which USER would log in. Required if there are several.",
    shell_complete=completions.clients,
)
@click.option(
    "--calling-station-id",
    metavar="TEXT",
    default="",
    help="Calling-Station-Id of the login, usually the user's address. Default: none.",
)
@click.option(
    "--attribute",
    "attributes",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_attributes,
    help="A further attribute of the login's request, for exemptions with address_attribute. May be repeated.",
)
@click.option("--login", "session", metavar="ID", help="A past login: session or request_id in the audit log.")
@AUDIT
@state_option
@json_option
@click.argument("user", required=False, shell_complete=completions.users)
def explain(
    config: Path | None,
    client: str | None,
    calling_station_id: str,
    attributes: tuple[tuple[str, str], ...],
    session: str | None,
    audit: Path | None,
    state: Path | None,
    as_json: bool,
    user: str | None,
) -> None:
    """Show why a login went as it did, or what would happen at the next one.

    With USER: every decision about a login of USER through a client, with the line of the configuration that it
    depends on. Verifies no password and places no call. With --login: every packet and call of a past login,
    from the audit log and its rotated files; with a configuration also the present line of the rule that decided.
    """
    from radius_voice.explain.next_login import explain as explain_login

    if session is None:
        if user is None or audit is not None:
            raise click.UsageError("give USER, or --login")
        configuration = loaded(config or default_config(), state=state)
        client = client or _only_client(configuration)
        login = explain_login(configuration, client, user, calling_station_id, attributes)
        _explain_next(login, client, user, as_json)
    elif any((client, user, calling_station_id, attributes)):
        raise click.UsageError("with --login, give only --config, the configuration, or --audit, the audit log")
    else:
        path, place_of = audit_log_of(config, audit)
        show_login(path, session, place_of, as_json)


def _only_client(configuration: Loaded) -> str:
    """The client of a configuration with one client. Ends the command if there are several."""
    first, *others = configuration.settings.clients
    if others:
        raise click.UsageError(f"the configuration has several clients; add --client: {', '.join([first, *others])}")
    return first


def _explain_next(login: Coroutine[Any, Any, Explanation], client: str, user: str, as_json: bool) -> None:
    from radius_voice.explain.modes import result_text
    from radius_voice.explain.record_text import printable
    from radius_voice.operations import OperationFailed

    try:
        explanation = run(login)
    except OperationFailed as problem:
        raise click.ClickException(str(problem)) from None
    if as_json:
        click.echo(
            json.dumps(
                {"user": user, "client": client, **to_builtins(explanation), "result": result_text(explanation)},
                indent=1,
            )
        )
        return
    for step in explanation.steps:
        click.echo(printable(f"{step.topic:<13} {step.text}" + (f" -> {step.reason}" if step.reason else "")))
        for place in step.places:
            click.echo(f"{'':<13}   {place}")
    click.echo(f"{'result':<13} {result_text(explanation)}")
