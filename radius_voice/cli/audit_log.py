"""Functions of the commands that read the audit log: its path, colours, warnings, and the timeline of one login."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from radius_voice.cli import completions
from radius_voice.cli.common import config_parameter, loaded
from radius_voice.cli.default_config import DEFAULT_CONFIG, default_config
from radius_voice.cli.output import is_of_output
from radius_voice.exceptions import message_of

if TYPE_CHECKING:
    from radius_voice.config.load import Loaded
    from radius_voice.explain.audit_search import AuditSearch
    from radius_voice.explain.past_login import PlaceOf

COLOURS = {
    "accept": "green",
    "challenge": "yellow",
    "reject": "red",
    "no_response": "magenta",
    "alarm": "red",
    "discarded": "magenta",
    "operator": "cyan",
    "service": "cyan",
}
CONFIG = config_parameter("config", f"The configuration. Default: {DEFAULT_CONFIG}, unless --audit is given.")
AUDIT = click.option(
    "--audit",
    "audit",
    type=Path,
    metavar="FILE",
    help="The audit log. Default: that of the configuration.",
    shell_complete=completions.files,
)
NO_RECORD = "a health check, a retransmission and a discarded datagram have none"


def audit_log_of(config: Path | None, audit: Path | None) -> tuple[Path, PlaceOf | None]:
    """The path of the audit log, and a function that returns the place of a rule in the configuration.

    The function is None if only --audit is given. Ends the command if no audit log is known.
    """
    from radius_voice.explain.places import place_of_rule

    if config is None and audit is not None:
        return audit, None
    configuration = loaded(config or default_config("neither --config nor --audit is given"))
    return audit or _configured(configuration), partial(place_of_rule, configuration)


def _configured(configuration: Loaded) -> Path:
    path = configuration.settings.audit.path
    if path is None:
        raise click.ClickException(
            "audit.path is standard output, which cannot be read here; save the service's output to a file, "
            "and name it: --audit FILE"
        )
    return path


@contextmanager
def audit_errors(path: Path) -> Iterator[None]:
    """End the command with a message if the audit log or its directory cannot be read."""
    from radius_voice.explain.audit_files import denied_text

    try:
        yield
    except PermissionError as problem:
        raise click.ClickException(denied_text(Path(problem.filename or path))) from None
    except OSError as problem:
        if is_of_output(problem):
            raise
        raise click.ClickException(message_of(problem)) from None


def paint(text: str, tone: str) -> str:
    """The text in the colour of an outcome or kind; `show` removes it where colours are not wanted."""
    return click.style(text, fg=COLOURS.get(tone))


def show(line: str) -> None:
    """Print a line. Colours are kept on a terminal only, and not if NO_COLOR is set."""
    click.echo(line, color=False if os.environ.get("NO_COLOR") else None)


def warn_of(search: AuditSearch) -> None:
    """Warn of files that were not read and of lines that are not records."""
    for text in search.problems:
        click.echo(f"warning: {text}", err=True)
    warn_of_skipped(search.selection.skipped)


def warn_of_skipped(lines: int) -> None:
    """Warn of lines that are not records."""
    if lines:
        text = "line that is not a record was" if lines == 1 else "lines that are not records were"
        click.echo(f"warning: {lines} {text} skipped", err=True)


def no_record(path: Path, search: AuditSearch, text: str) -> click.ClickException:
    """The error of a search without a result; it names the files that were searched."""
    if (search.problems and not search.searched) or not search.has_files:
        return click.ClickException(f"{path}: there is no audit log that can be read")
    if not search.searched:
        return click.ClickException(f"{text}: no file has records of that time")
    return click.ClickException(f"{text}; searched: {', '.join(map(str, search.searched))}")


def show_login(path: Path, login: str, place_of: PlaceOf | None, as_json: bool) -> None:
    """Print the timeline of a login. Ends the command if the audit log has no record of it."""
    from radius_voice.explain.audit_accounting import accounting_of
    from radius_voice.explain.audit_filter import AuditFilter
    from radius_voice.explain.audit_search import AuditSearch
    from radius_voice.explain.past_login import explained, timeline
    from radius_voice.explain.record_text import printable

    with audit_errors(path):
        search = AuditSearch(path, AuditFilter(login=login))
        found = list(search.records())
        records = [*found, *accounting_of(path, found)]
    warn_of(search)
    if not records:
        raise no_record(path, search, f"no record has the id {printable(login)}, and {NO_RECORD}")
    if as_json:
        shown = {
            "login": login,
            "searched": [str(file) for file in search.searched],
            "not_searched": search.problems,
            "records": [explained(record, place_of) for record in records],
        }
        click.echo(json.dumps(shown, indent=1))
        return
    for line in timeline(login, records, place_of, paint):
        show(line)
