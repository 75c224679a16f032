"""`audit`: past and live logins, from the audit log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from difflib import get_close_matches
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from radius_voice.cli import completions
from radius_voice.cli.audit_log import (
    AUDIT,
    CONFIG,
    audit_errors,
    audit_log_of,
    no_record,
    paint,
    show,
    show_login,
    warn_of,
    warn_of_skipped,
)
from radius_voice.cli.common import json_option
from radius_voice.cli.groups import CommandGroup
from radius_voice.events import Discard, Outcome, Reason
from radius_voice.explain.audit_filter import KINDS, AuditFilter

if TYPE_CHECKING:
    from radius_voice.explain.audit_filter import Selection
    from radius_voice.explain.audit_follow import Follower
    from radius_voice.explain.audit_lines import Record
    from radius_voice.explain.past_login import PlaceOf

OUTCOMES = tuple(outcome.value for outcome in Outcome)
POLL_SECONDS = 0.2
TIMES = "how long ago (2h, 7d), a date, or a date and time in UTC (2026-11-26T13:50)"


def _reason(_context: click.Context, _option: click.Parameter, text: str) -> str:
    known = [*Reason, *Discard]
    if text and text not in known:
        close = dict.fromkeys(get_close_matches(text, known))
        raise click.BadParameter(f"no reason {text!r}" + (f"; did you mean {' or '.join(close)}?" if close else ""))
    return text


def _moment(_context: click.Context, option: click.Parameter, text: str) -> str:
    from radius_voice.explain.audit_times import moment

    try:
        return moment(text, time.time(), is_end=option.name == "until") if text else ""
    except ValueError as problem:
        raise click.BadParameter(str(problem)) from None


def _choice(
    option: str, value: str, values: tuple[str, ...], text: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option that takes one of a few values."""
    return click.option(option, metavar=value, type=click.Choice(values), help=f"{text}: {', '.join(values)}.")


FILTERS = (
    click.option(
        "--user",
        metavar="NAME",
        default="",
        shell_complete=completions.users,
        help="Only this user, with the calls of their logins.",
    ),
    click.option(
        "--client",
        metavar="NAME",
        default="",
        shell_complete=completions.clients,
        help="Only this client, with the calls of its logins.",
    ),
    _choice("--outcome", "OUTCOME", OUTCOMES, "Only requests with this outcome"),
    _choice("--would", "OUTCOME", OUTCOMES[:3], "Only requests that would have this outcome without report mode"),
    click.option("--reason", metavar="REASON", default="", callback=_reason, help="Only records with this reason."),
    _choice("--kind", "KIND", KINDS, "Only records of this kind"),
    click.option("--login", metavar="ID", default="", help="Only this login: session or request_id in the audit log."),
)


def _with_filters(command: Callable[..., None]) -> Callable[..., None]:
    """A command with options for a filter, which is its first argument."""

    @wraps(command)
    def run_command(
        user: str,
        client: str,
        outcome: str | None,
        would: str | None,
        reason: str,
        kind: str | None,
        login: str,
        **arguments: Any,
    ) -> None:
        wanted = AuditFilter(user, client, outcome or "", reason, kind or "", login, would=would or "")
        command(wanted, **arguments)

    for option in reversed(FILTERS):
        run_command = option(run_command)
    return run_command


def _show(record: Record, place_of: PlaceOf | None, as_json: bool) -> None:
    from radius_voice.explain.past_login import explained
    from radius_voice.explain.record_text import record_line

    if as_json:
        click.echo(json.dumps(explained(record, place_of)))
    else:
        show(record_line(record, paint))


@click.group(cls=CommandGroup)
def audit() -> None:
    """Show past and live logins, from the audit log."""


@audit.command()
@CONFIG
@AUDIT
@_with_filters
@click.option(
    "--limit", metavar="N", type=click.IntRange(0), default=10, help="How many past records to show first. Default: 10."
)
@json_option
def tail(wanted: AuditFilter, config: Path | None, audit: Path | None, limit: int, as_json: bool) -> None:
    """Show the newest records of the current file, then each new one, until an interrupt."""
    from radius_voice.explain.audit_filter import Selection
    from radius_voice.explain.audit_follow import Follower
    from radius_voice.explain.audit_search import AuditSearch

    path, place_of = audit_log_of(config, audit)
    selection = Selection(wanted)
    with audit_errors(path):
        follower = Follower(path, time.monotonic)
        past = AuditSearch(path, wanted, selection, follower.start)
        for record in past.newest(limit):
            _show(record, place_of, as_json)
        warn_of(past)
        if not follower.has_file:
            click.echo(f"{path}: does not exist yet; waiting for it", err=True)
        try:
            _follow(follower, selection, lambda record: _show(record, place_of, as_json))
        except KeyboardInterrupt:
            return


def _follow(follower: Follower, selection: Selection, show_record: Callable[[Record], None]) -> None:
    """Show new records until an interrupt. Raises OSError if a file cannot be read."""
    while True:
        skipped, lines = selection.skipped, follower.lines()
        for line in lines:
            for record in selection.select(line):
                show_record(record)
        warn_of_skipped(selection.skipped - skipped)
        if not lines:
            time.sleep(POLL_SECONDS)


@audit.command()
@CONFIG
@AUDIT
@_with_filters
@click.option(
    "--since", metavar="TIME", default="", callback=_moment, help=f"Only records from this time on. TIME is {TIMES}."
)
@click.option(
    "--until",
    metavar="TIME",
    default="",
    callback=_moment,
    help="Only records up to this time; a date includes its day.",
)
@click.option("--limit", metavar="N", type=click.IntRange(1), help="Only the N newest records. Default: all.")
@json_option
def search(
    wanted: AuditFilter,
    config: Path | None,
    audit: Path | None,
    since: str,
    until: str,
    limit: int | None,
    as_json: bool,
) -> None:
    """Show past records, one per line, in the order of their times."""
    from msgspec.structs import replace

    from radius_voice.explain.audit_search import AuditSearch

    if until and since > until:
        raise click.UsageError("--since is later than --until")
    path, place_of = audit_log_of(config, audit)
    with audit_errors(path):
        found = AuditSearch(path, replace(wanted, since=since, until=until))
    count = 0
    for record in found.records() if limit is None else found.newest(limit):
        _show(record, place_of, as_json)
        count += 1
    warn_of(found)
    if not count:
        raise no_record(path, found, "no record matches")


@audit.command(name="show")
@CONFIG
@AUDIT
@json_option
@click.argument("login")
def show_command(config: Path | None, audit: Path | None, as_json: bool, login: str) -> None:
    """Show one login as a timeline: every packet, decision and call."""
    path, place_of = audit_log_of(config, audit)
    show_login(path, login, place_of, as_json)
