"""Functions that commands share: reading a configuration, and reporting its errors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from radius_voice.cli import completions
from radius_voice.cli.default_config import DEFAULT_CONFIG, default_config
from radius_voice.config.errors import ConfigError
from radius_voice.config.load import Loaded
from radius_voice.login.phone import Phone, caution, parse_phone, refused_type

_T = TypeVar("_T")
MAX_BY_CHARACTERS = 100


def config_parameter(name: str, description: str, **more: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option `--config`, or `-c`, whose value is the argument `name` of the command.

    Its type is not click.Path, which reads the file's status and blocks on a mount that does not respond.
    """
    return click.option(
        "-c", "--config", name, type=Path, metavar="FILE", help=description, shell_complete=completions.files, **more
    )


config_option = config_parameter(
    "path",
    f"The configuration. Default: {DEFAULT_CONFIG}",
    callback=lambda _context, _option, path: path or default_config(),
)


source_option = click.option(
    "--source",
    metavar="NAME",
    help="The identity source of the user, if several have a user of that name.",
    shell_complete=completions.identity_sources,
)


state_option = click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIRECTORY",
    help="The state directory of the service, if it is not the configuration's (systemd's StateDirectory=).",
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


def _operator(_context: click.Context, _option: click.Parameter, name: str) -> str:
    if len(name) > MAX_BY_CHARACTERS or not name.isprintable():
        raise click.BadParameter(f"must be printable text of at most {MAX_BY_CHARACTERS} characters")
    return name


by_option = click.option("--by", default="", metavar="NAME", callback=_operator, help="Your name, for the audit log.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")

user_argument = click.argument("name", shell_complete=completions.users)


def loaded(path: Path, *, for_service: bool = False, state: Path | None = None) -> Loaded:
    """The configuration; ends the command with all errors if it cannot be used. See `wiring.load` for `for_service`.

    `state` replaces the state directory.
    """
    from radius_voice.wiring.adapters import load

    try:
        configuration = load(path, for_service=for_service)
    except ConfigError as problem:
        raise click.ClickException(f"the configuration cannot be used:\n{problem}") from None
    return with_state(configuration, state)


def with_state(configuration: Loaded, state: Path | None) -> Loaded:
    """The configuration, with another state directory if one is given."""
    if state is None:
        return configuration
    settings = configuration.settings
    server = settings.server.model_copy(update={"state": state.absolute()})
    return replace(configuration, settings=settings.model_copy(update={"server": server}))


def callable_phone(text: str, allowed: tuple[str, ...] = (), sip_domains: Collection[str] = ()) -> Phone:
    """The phone in `text`. Ends the command with the reason if it must not be called.

    `allowed` are numbers and prefixes that may be called whatever their type. `sip_domains` are the hosts of SIP
    addresses that may be called.
    """
    try:
        phone = parse_phone(text)
    except ValueError as problem:
        raise click.ClickException(str(problem)) from None
    reason = None if phone.address.startswith(allowed) or phone.domain in sip_domains else caution(phone)
    if reason and (phone.is_sip or refused_type(phone)):
        raise click.ClickException(reason)
    if reason:
        click.echo(f"warning: {reason}", err=True)
    return phone


def seconds_between(text: str, least: float, most: float) -> float:
    """The seconds of a duration that an option has. Raises BadParameter unless it is between `least` and `most`."""
    from radius_voice.config.field_types import duration_text, seconds_of

    try:
        seconds = seconds_of(text)
    except ValueError as problem:
        raise click.BadParameter(str(problem)) from None
    if not least <= seconds <= most:
        raise click.BadParameter(f"must be between {duration_text(least)} and {duration_text(most)}")
    return seconds


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a command's asynchronous work on uvloop; an interrupt ends it without a traceback."""
    import uvloop

    try:
        return uvloop.run(work)
    except KeyboardInterrupt:
        raise click.Abort from None


def run_operation(work: Coroutine[Any, Any, Mapping[str, Any]]) -> Mapping[str, Any]:
    """The result of an operation for administrators. Ends the command with the reason if it failed."""
    from radius_voice.operations import OperationFailed

    try:
        return run(work)
    except OperationFailed as problem:
        raise click.ClickException(str(problem)) from None


def warn_if_not_recorded(done: Mapping[str, Any]) -> None:
    """Warn if an operation could not be recorded in the audit log."""
    if done["not_recorded"]:
        click.echo(f"warning: not recorded in the audit log: {done['not_recorded']}", err=True)


def confirm_or_end(question: str, yes: bool, otherwise: str = "nothing is changed") -> None:
    """Ask for confirmation, unless `yes`. Ends the command if the answer is no, or without a terminal.

    `otherwise` is the consequence, for the error without a terminal.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.ClickException(f"{otherwise}: without a terminal, confirm with --yes")
    click.confirm(question, abort=True, err=True)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table with left-aligned columns, two spaces apart. All rows have as many cells."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
