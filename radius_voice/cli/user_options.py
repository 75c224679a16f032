"""What commands on users share: options for phones and languages, and phones as text."""

from __future__ import annotations

import click

from radius_voice.login.phone import Phone, caution, parse_phone


def _phones(_context: click.Context, _option: click.Parameter, texts: tuple[str, ...]) -> tuple[Phone, ...]:
    try:
        phones = tuple(parse_phone(text) for text in texts)
    except ValueError as problem:
        raise click.BadParameter(str(problem)) from None
    for warning in filter(None, map(caution, phones)):
        click.echo(f"warning: {warning}", err=True)
    return phones


def checked_language_option(_context: click.Context, _option: click.Parameter, language: str) -> str:
    """The language of an option or argument; raises click.BadParameter if it is not known."""
    from radius_voice.identity.language import checked_language

    try:
        return checked_language(language)
    except ValueError as problem:
        raise click.BadParameter(str(problem)) from None


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
