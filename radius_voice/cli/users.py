"""`users` and `hash-password`: the people of a users file from the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from radius_voice.cli.limits import unlock
from radius_voice.login.model import User
from radius_voice.login.phone import Phone, caution, parse_phone

if TYPE_CHECKING:
    from radius_voice.identity.users_file import UsersFile

LONGEST_PASSWORD = 128  # octets: RFC 2865 section 5.2
FILE = click.option(
    "--file",
    "path",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The users file.",
)


def _phones(_context: click.Context, _option: click.Parameter, texts: tuple[str, ...]) -> tuple[Phone, ...]:
    try:
        phones = tuple(parse_phone(text) for text in texts)
    except ValueError as problem:
        raise click.BadParameter(str(problem)) from None
    for warning in filter(None, map(caution, phones)):
        click.echo(f"warning: {warning}", err=True)
    return phones


@click.group()
def users() -> None:
    """The people in a users file."""


@users.command()
@FILE
@click.argument("name")
@click.option("--phone", "phones", multiple=True, required=True, callback=_phones, help="In order of preference.")
@click.option("--language", default="en", show_default=True, help="What the call is spoken in.")
@click.option("--group", "groups", multiple=True, help="For the policies' rules; may be given again.")
def add(path: Path, name: str, phones: tuple[Phone, ...], language: str, groups: tuple[str, ...]) -> None:
    """Add NAME to a users file, and make the file when there is none.

    Asks for the password twice on a terminal, else reads one line from standard input.
    """
    from radius_voice.identity.passwords import hash_password as hashed
    from radius_voice.identity.users_file import create

    try:
        if path.exists():
            _opened(path)
            password = hashed(asked_password())
        else:
            password = hashed(asked_password())
            create(path)
        _opened(path).save(User(name, name, phones, language, frozenset(groups)), password)
    except OSError as problem:
        raise click.ClickException(f"{path}: {problem.strerror}") from None
    except ValueError as problem:
        raise click.ClickException(str(problem)) from None
    click.echo(f"{path}: {name} added")


@users.command("list")
@FILE
@click.option("--show-phones", is_flag=True, help="Write phone numbers in full.")
def list_(path: Path, show_phones: bool) -> None:
    """List everybody in a users file, phone numbers masked: name, phones, language, groups."""
    try:
        everyone = _opened(path).everyone()
    except OSError as problem:
        raise click.ClickException(f"{path}: {problem.strerror}") from None
    except ValueError as problem:
        raise click.ClickException(str(problem)) from None
    for user in everyone:
        phones = ",".join(phone.e164 if show_phones else phone.masked for phone in user.phones) or "no phone"
        columns = [user.name, phones, user.language, ",".join(sorted(user.groups)) or "no group"]
        click.echo("\t".join([*columns, "disabled"] if user.disabled else columns))


@click.command("hash-password")
def hash_password() -> None:
    """Hash a password for the users file.

    Asks twice on a terminal, else reads one line from standard input, and prints the hash alone.
    """
    from radius_voice.identity.passwords import hash_password as hashed

    click.echo(hashed(asked_password()))


def asked_password() -> str:
    """Ask twice on a terminal, else read one line from standard input; raises click.ClickException with the mend."""
    if sys.stdin.isatty():
        text: str = click.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True)
    else:
        line = sys.stdin.buffer.readline()
        try:
            text = line.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise click.ClickException("the password is not UTF-8; send it in that encoding") from None
    if not text:
        raise click.ClickException("an empty password; give one, on the terminal or as one line of standard input")
    if len(text.encode("utf-8", "surrogatepass")) > LONGEST_PASSWORD:
        raise click.ClickException(f"longer than {LONGEST_PASSWORD} octets, which RADIUS cannot carry; give another")
    return text


def _opened(path: Path) -> UsersFile:
    from radius_voice.identity.passwords import Hasher
    from radius_voice.identity.users_file import UsersFile

    return UsersFile(path, Hasher())


users.add_command(unlock)
