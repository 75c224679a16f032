"""Options and functions of the commands on users: phones and languages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from radius_voice.login.phone import Phone, caution, parse_phone

if TYPE_CHECKING:
    from radius_voice.login.ports import UserEditor


def _phones(_context: click.Context, _option: click.Parameter, texts: tuple[str, ...]) -> tuple[Phone, ...]:
    try:
        phones = tuple(parse_phone(text) for text in texts)
    except ValueError as problem:
        raise click.BadParameter(str(problem)) from None
    for warning in filter(None, map(caution, phones)):
        click.echo(f"warning: {warning}", err=True)
    return phones


def require_known(language: str, editor: UserEditor, parameter: str) -> None:
    """End the command if users cannot have that language. The error names the option or argument `parameter`."""
    from radius_voice.identity.language import checked_language

    try:
        checked_language(language, editor.messages)
    except ValueError as problem:
        raise click.BadParameter(str(problem), param_hint=f"'{parameter}'") from None


phones_option = click.option(
    "--phone",
    "phones",
    metavar="NUMBER",
    multiple=True,
    required=True,
    callback=_phones,
    help="With + and country code. May be repeated, in order of preference.",
)


def phones_text(phones: tuple[Phone, ...], in_full: bool = False) -> str:
    """Phones in one text, masked unless `in_full`."""
    return ",".join(phone.text if in_full else phone.masked for phone in phones) or "no phone"
