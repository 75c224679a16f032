"""`users` and `hash-password`: the users of a users file from the command line."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from radius_voice.cli.limits import unlock
from radius_voice.login.model import User
from radius_voice.login.phone import Phone, caution, parse_phone

if TYPE_CHECKING:
    from radius_voice.identity.users_file.text import UserEntry

MAX_PASSWORD_OCTETS = 128  # octets: RFC 2865 section 5.2
MIN_PASSWORD_CHARACTERS = 8
# Not click.Path, which reads the file's status and blocks on a mount that does not respond.
FILE = click.option("--file", "path", required=True, type=Path, metavar="FILE", help="The users file.")
SHOW_PHONES = click.option("--show-phones", is_flag=True, help="Show phone numbers in full.")


def _phones(_context: click.Context, _option: click.Parameter, texts: tuple[str, ...]) -> tuple[Phone, ...]:
    try:
        phones = tuple(parse_phone(text) for text in texts)
    except ValueError as problem:
        raise click.BadParameter(str(problem)) from None
    for warning in filter(None, map(caution, phones)):
        click.echo(f"warning: {warning}", err=True)
    return phones


def _language(_context: click.Context, _option: click.Parameter, language: str) -> str:
    from radius_voice.identity.users_file.text import checked_language

    try:
        return checked_language(language)
    except ValueError as problem:
        raise click.BadParameter(str(problem)) from None


PHONES = click.option(
    "--phone",
    "phones",
    multiple=True,
    required=True,
    callback=_phones,
    help="With + and country code. May be repeated, in order of preference.",
)


@click.group()
def users() -> None:
    """Manage users."""


@users.command()
@FILE
@click.argument("name")
@PHONES
@click.option(
    "--language", default="en", show_default=True, callback=_language, help="The language of texts and calls."
)
@click.option("--group", "groups", multiple=True, help="A group, for the rules of policies. May be repeated.")
def add(path: Path, name: str, phones: tuple[Phone, ...], language: str, groups: tuple[str, ...]) -> None:
    """Add a user to a users file.

    Creates the file if it does not exist. Asks for the password twice on a terminal, otherwise reads one line from
    standard input.
    """
    from radius_voice.identity.passwords import hash_password as hashed
    from radius_voice.identity.users_file.edit import create, edit
    from radius_voice.identity.users_file.text import with_user

    with _file_errors(path):
        try:
            _read(path, may_be_empty=True)
            password = hashed(asked_password())
        except FileNotFoundError:
            password = hashed(asked_password())
            create(path)
        user = User(name, name, phones, language, frozenset(groups))
        edit(path, lambda text: with_user(text, str(path), user, password))
    click.echo(f"{path}: {name} added")


@users.command("list")
@FILE
@SHOW_PHONES
def list_(path: Path, show_phones: bool) -> None:
    """List the users of a users file.

    One a line: name, phones (masked), language, groups.
    """
    with _file_errors(path):
        all_users = _read(path).values()
    for user in (entry.user for entry in all_users):
        columns = [_one_line(user.name), _phones_text(user.phones, show_phones), user.language, _groups(user)]
        click.echo("\t".join([*columns, "disabled"] if user.disabled else columns))


@users.command()
@FILE
@SHOW_PHONES
@click.argument("name")
def show(path: Path, name: str, show_phones: bool) -> None:
    """Show one user of a users file."""
    from radius_voice.identity.passwords import parameters_of

    entry = _entry(path, name)
    user = entry.user
    click.echo(
        f"name: {_one_line(user.name)}\n"
        f"password: {f'argon2id {parameters_of(entry.password)}' if entry.password else 'none'}\n"
        f"phones: {_phones_text(user.phones, show_phones)}\n"
        f"language: {user.language}\n"
        f"groups: {_groups(user)}\n"
        f"disabled: {'true' if user.disabled else 'false'}"
    )


@users.command("set-phone")
@FILE
@click.argument("name")
@PHONES
def set_phone(path: Path, name: str, phones: tuple[Phone, ...]) -> None:
    """Replace all phones of a user."""
    from radius_voice.identity.users_file.entry import with_phones

    user = _entry(path, name).user
    _change(path, partial(with_phones, name=name, phones=phones))
    click.echo(
        f"{path}: {user.name} has {'this phone' if len(phones) == 1 else 'these phones'}: {_phones_text(phones)}"
    )


@users.command("set-password")
@FILE
@click.argument("name")
def set_password(path: Path, name: str) -> None:
    """Change the password of a user.

    Asks for it twice on a terminal, otherwise reads one line from standard input.
    """
    from radius_voice.identity.passwords import hash_password as hashed
    from radius_voice.identity.users_file.entry import with_password

    user = _entry(path, name).user
    _change(path, partial(with_password, name=name, password=hashed(asked_password())))
    click.echo(f"{path}: {user.name} has a new password")


@users.command()
@FILE
@click.argument("name")
def disable(path: Path, name: str) -> None:
    """Reject every login of a user, and keep the entry."""
    _set_disabled(path, name, True)


@users.command()
@FILE
@click.argument("name")
def enable(path: Path, name: str) -> None:
    """Allow a disabled user to log in again."""
    _set_disabled(path, name, False)


@users.command()
@FILE
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.argument("name")
def remove(path: Path, name: str, yes: bool) -> None:
    """Remove a user from a users file.

    Asks for confirmation on a terminal; without one, --yes is required.
    """
    from radius_voice.identity.users_file.entry import without_user

    user = _entry(path, name).user
    if not yes:
        if not sys.stdin.isatty():
            raise click.ClickException(f"{user.name} is not removed: without a terminal, confirm with --yes")
        click.confirm(f"Remove {user.name} from {path}?", abort=True, err=True)
    _change(path, partial(without_user, name=name))
    click.echo(f"{path}: {user.name} removed")


@click.command("hash-password")
def hash_password() -> None:
    """Hash a password for a users file.

    Asks for it twice on a terminal, otherwise reads one line from standard input. Prints only the hash.
    """
    from radius_voice.identity.passwords import hash_password as hashed

    click.echo(hashed(asked_password()))


def asked_password() -> str:
    """Ask twice on a terminal, else read one line from standard input; raises click.ClickException with the fix."""
    if sys.stdin.isatty():
        text: str = click.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True)
    else:
        line = sys.stdin.buffer.readline()
        try:
            text = line.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise click.ClickException("the password is not UTF-8; send it in this encoding") from None
    if not text:
        raise click.ClickException("the password is empty; give one, on the terminal or as one line of standard input")
    if len(unicodedata.normalize("NFC", text)) < MIN_PASSWORD_CHARACTERS:
        raise click.ClickException(f"the password is too short; give at least {MIN_PASSWORD_CHARACTERS} characters")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_PASSWORD_OCTETS:
        raise click.ClickException(
            f"the password is longer than {MAX_PASSWORD_OCTETS} octets, the maximum in RADIUS; give a shorter one"
        )
    return text


def _set_disabled(path: Path, name: str, disabled: bool) -> None:
    from radius_voice.identity.users_file.entry import with_disabled

    word = "disabled" if disabled else "enabled"
    user = _entry(path, name).user
    if user.disabled is disabled:
        click.echo(f"{path}: {user.name} is {word} already")
        return
    _change(path, partial(with_disabled, name=name, disabled=disabled))
    click.echo(f"{path}: {user.name} is {word}")


def _change(path: Path, change: Callable[[str, str], str]) -> None:
    """Apply a function of `users_file.entry` to the file's text."""
    from radius_voice.identity.users_file.edit import edit

    with _file_errors(path):
        edit(path, lambda text: change(text, str(path)))


def _entry(path: Path, name: str) -> UserEntry:
    from radius_voice.identity.users_file.entry import entry_of

    with _file_errors(path):
        return entry_of(_read(path), str(path), name)


def _read(path: Path, *, may_be_empty: bool = False) -> dict[str, UserEntry]:
    """Every user of the file by canonical name. Raises OSError or ValueError."""
    from radius_voice.files.reading import read_file
    from radius_voice.identity.users_file.edit import decode_users_file
    from radius_voice.identity.users_file.text import parse

    text = decode_users_file(*read_file(path), path)
    return {} if may_be_empty and not text.strip() else parse(text, str(path))


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    """End the command with a message for an error of the users file."""
    try:
        yield
    except OSError as problem:
        raise click.ClickException(f"{path}: {problem.strerror}") from None
    except ValueError as problem:
        raise click.ClickException(str(problem)) from None


def _phones_text(phones: tuple[Phone, ...], in_full: bool = False) -> str:
    return ",".join(phone.e164 if in_full else phone.masked for phone in phones) or "no phone"


def _groups(user: User) -> str:
    return ",".join(_one_line(group) for group in sorted(user.groups)) or "no group"


def _one_line(text: str) -> str:
    """The text with control characters escaped: quoted strings of a users file may hold escape sequences."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


users.add_command(unlock)
