"""`users` and `hash-password`: the users of an identity source from the command line."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from radius_voice.cli.common import aligned, json_option
from radius_voice.cli.enroll import enroll
from radius_voice.cli.help_desk import issue_code
from radius_voice.cli.limits import forget, unlock
from radius_voice.cli.pins import confirm, pin
from radius_voice.cli.remove import remove
from radius_voice.cli.user_sources import with_editor
from radius_voice.login.model import StoredUser, User
from radius_voice.login.names import canonical_name
from radius_voice.login.phone import Phone, caution, parse_phone

if TYPE_CHECKING:
    from radius_voice.login.ports import UserEditor

MAX_PASSWORD_OCTETS = 128  # octets: RFC 2865 section 5.2
MIN_PASSWORD_CHARACTERS = 8
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
    from radius_voice.identity.language import checked_language

    try:
        return checked_language(language)
    except ValueError as problem:
        raise click.BadParameter(str(problem)) from None


PHONES = click.option(
    "--phone",
    "phones",
    metavar="NUMBER",
    multiple=True,
    required=True,
    callback=_phones,
    help="With + and country code. May be repeated, in order of preference.",
)


@click.group()
def users() -> None:
    """Manage users."""


@users.command()
@with_editor
@click.argument("name")
@PHONES
@click.option(
    "--language",
    metavar="TAG",
    default="en",
    show_default=True,
    callback=_language,
    help="The language of texts and calls, like de or de-AT.",
)
@click.option(
    "--group", "groups", metavar="NAME", multiple=True, help="A group, for the rules of policies. May be repeated."
)
def add(editor: UserEditor, name: str, phones: tuple[Phone, ...], language: str, groups: tuple[str, ...]) -> None:
    """Add a user.

    Creates the users file or SQLite file if it does not exist. Asks for the password twice on a terminal, otherwise
    reads one line from standard input.
    """
    from radius_voice.identity.passwords import hash_password as hashed

    editor.require_usable()
    editor.add([StoredUser(User("", name, phones, language, frozenset(groups)), hashed(asked_password()))])
    click.echo(f"{editor.location}: {name} added")


@users.command("list")
@with_editor
@SHOW_PHONES
@json_option
def list_(editor: UserEditor, show_phones: bool, as_json: bool) -> None:
    """List the users.

    One a line: name, phones (masked), language, groups, and whether the user is disabled.
    """
    all_users = editor.all_users()
    if as_json:
        click.echo(json.dumps([_as_json(stored, show_phones) for stored in all_users], indent=1))
        return
    rows = [["name", "phones", "language", "groups", ""]]
    for user in (stored.user for stored in all_users):
        state = "disabled" if user.disabled else ""
        rows.append([_one_line(user.name), _phones_text(user.phones, show_phones), user.language, _groups(user), state])
    click.echo("\n".join(aligned(rows)))


@users.command()
@with_editor
@SHOW_PHONES
@json_option
@click.argument("name")
def show(editor: UserEditor, name: str, show_phones: bool, as_json: bool) -> None:
    """Show one user."""
    stored = editor.find(name)
    user = stored.user
    if as_json:
        click.echo(json.dumps(_as_json(stored, show_phones), indent=1))
        return
    click.echo(
        f"name: {_one_line(user.name)}\n"
        f"password: {_hash_parameters(stored) or 'none'}\n"
        f"phones: {_phones_text(user.phones, show_phones)}\n"
        f"language: {user.language}\n"
        f"groups: {_groups(user)}\n"
        f"disabled: {'true' if user.disabled else 'false'}"
    )


@users.command("set-phone")
@with_editor
@click.argument("name")
@PHONES
def set_phone(editor: UserEditor, name: str, phones: tuple[Phone, ...]) -> None:
    """Replace all phones of a user."""
    user = editor.find(name).user
    editor.set_phones(name, phones)
    which = "this phone" if len(phones) == 1 else "these phones"
    click.echo(f"{editor.location}: {user.name} has {which}: {_phones_text(phones)}")


@users.command("set-password")
@with_editor
@click.argument("name")
def set_password(editor: UserEditor, name: str) -> None:
    """Change the password of a user.

    Asks for it twice on a terminal, otherwise reads one line from standard input.
    """
    from radius_voice.identity.passwords import hash_password as hashed

    user = editor.find(name).user
    editor.set_password(name, hashed(asked_password()))
    click.echo(f"{editor.location}: {user.name} has a new password")


@users.command("set-language")
@with_editor
@click.argument("name")
@click.argument("language", callback=_language)
def set_language(editor: UserEditor, name: str, language: str) -> None:
    """Change the language of a user.

    LANGUAGE is the language of texts and calls, like de or de-AT.
    """
    user = editor.find(name).user
    editor.set_language(name, language)
    click.echo(f"{editor.location}: {user.name} has the language {language}")


@users.command()
@with_editor
@click.argument("name")
def disable(editor: UserEditor, name: str) -> None:
    """Reject every login of a user, and keep the entry."""
    _set_disabled(editor, name, True)


@users.command()
@with_editor
@click.argument("name")
def enable(editor: UserEditor, name: str) -> None:
    """Allow a disabled user to log in again."""
    _set_disabled(editor, name, False)


@users.command("import")
@with_editor
@click.argument("table", type=Path)
@click.option("--dry-run", is_flag=True, help="Check the rows, and add no user.")
def import_(editor: UserEditor, table: Path, dry_run: bool) -> None:
    """Add all users of a file of comma-separated values.

    Adds all users or none, and reports each row that cannot be added. The first row of TABLE names the columns: name
    is required; phones, language, groups, password_hash and disabled are optional. Phones and groups are separated by
    semicolons.
    """
    from radius_voice.users_csv import read_users

    editor.require_usable()
    rows = read_users(table, {canonical_name(each.user.name): each.user.name for each in _all_users(editor)})
    for warning in rows.warnings:
        click.echo(f"warning: {warning}", err=True)
    if rows.errors:
        raise click.ClickException("\n".join(["no user is added:", *rows.errors]))
    if not dry_run:
        editor.add(rows.users)
    number = f"{len(rows.users)} {'user' if len(rows.users) == 1 else 'users'}"
    click.echo(f"{editor.location}: {number} {'would be added' if dry_run else 'added'}")


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


def _all_users(editor: UserEditor) -> Sequence[StoredUser]:
    """All users; none if their file does not exist yet."""
    try:
        return editor.all_users()
    except FileNotFoundError:
        return ()


def _set_disabled(editor: UserEditor, name: str, disabled: bool) -> None:
    word = "disabled" if disabled else "enabled"
    user = editor.find(name).user
    if user.disabled is disabled:
        click.echo(f"{editor.location}: {user.name} is {word} already")
        return
    editor.set_disabled(name, disabled)
    click.echo(f"{editor.location}: {user.name} is {word}")


def _as_json(stored: StoredUser, show_phones: bool) -> dict[str, object]:
    """A user in JSON, with the parameters of the password hash but not the hash."""
    user = stored.user
    return {
        "name": user.name,
        "password": _hash_parameters(stored),
        "phones": [phone.text if show_phones else phone.masked for phone in user.phones],
        "language": user.language,
        "groups": sorted(user.groups),
        "disabled": user.disabled,
    }


def _hash_parameters(stored: StoredUser) -> str | None:
    from radius_voice.identity.passwords import parameters_of

    return f"argon2id {parameters_of(stored.password)}" if stored.password else None


def _phones_text(phones: tuple[Phone, ...], in_full: bool = False) -> str:
    return ",".join(phone.text if in_full else phone.masked for phone in phones) or "no phone"


def _groups(user: User) -> str:
    return ",".join(_one_line(group) for group in sorted(user.groups)) or "no group"


def _one_line(text: str) -> str:
    """The text with control characters escaped: quoted strings of a users file may hold escape sequences."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


users.add_command(remove)
users.add_command(unlock)
users.add_command(forget)
users.add_command(issue_code)
users.add_command(confirm)
users.add_command(pin)
users.add_command(enroll)
