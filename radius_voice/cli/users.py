"""`users` and `hash-password`: the users of an identity source from the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from radius_voice.cli.common import aligned, json_option, user_argument
from radius_voice.cli.disable import disable, enable
from radius_voice.cli.edit_users import set_language, set_password, set_phone
from radius_voice.cli.enroll import enroll
from radius_voice.cli.forget import forget
from radius_voice.cli.groups import CommandGroup
from radius_voice.cli.help_desk import issue_code
from radius_voice.cli.import_users import import_
from radius_voice.cli.limits import unlock
from radius_voice.cli.password import asked_password
from radius_voice.cli.pins import confirm, pin
from radius_voice.cli.remove import remove
from radius_voice.cli.user_options import phones_option, phones_text, require_known
from radius_voice.cli.user_sources import report_change, with_editor
from radius_voice.login.model import StoredUser, User
from radius_voice.login.phone import Phone

if TYPE_CHECKING:
    from radius_voice.login.ports import UserEditor

SHOW_PHONES = click.option("--show-phones", is_flag=True, help="Show phone numbers in full.")


@click.group(cls=CommandGroup)
def users() -> None:
    """Manage users."""


@users.command()
@with_editor
@click.argument("name")
@phones_option
@click.option(
    "--language",
    metavar="TAG",
    default="en",
    show_default=True,
    help="The language of texts and calls, like de or de-AT.",
)
@click.option(
    "--group", "groups", metavar="NAME", multiple=True, help="A group, for the rules of policies. May be repeated."
)
@json_option
def add(
    editor: UserEditor,
    name: str,
    phones: tuple[Phone, ...],
    language: str,
    groups: tuple[str, ...],
    as_json: bool,
) -> None:
    """Add a user.

    Creates the users file or SQLite file if it does not exist. Asks for the password twice on a terminal, otherwise
    reads one line from standard input.
    """
    from radius_voice.identity.passwords import hash_password as hashed

    require_known(language, editor, "--language")
    editor.require_usable()
    editor.add([StoredUser(User("", name, phones, language, frozenset(groups)), hashed(asked_password()))])
    report_change(editor, as_json, f"{name} added", user=name)


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
        rows.append([_one_line(user.name), phones_text(user.phones, show_phones), user.language, _groups(user), state])
    click.echo("\n".join(aligned(rows)))


@users.command()
@with_editor
@SHOW_PHONES
@json_option
@user_argument
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
        f"phones: {phones_text(user.phones, show_phones)}\n"
        f"language: {user.language}\n"
        f"groups: {_groups(user)}\n"
        f"disabled: {'true' if user.disabled else 'false'}"
    )


@click.command("hash-password")
def hash_password() -> None:
    """Hash a password for a users file.

    Asks for it twice on a terminal, otherwise reads one line from standard input. Prints only the hash.
    """
    from radius_voice.identity.passwords import hash_password as hashed

    click.echo(hashed(asked_password()))


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


def _groups(user: User) -> str:
    return ",".join(_one_line(group) for group in sorted(user.groups)) or "no group"


def _one_line(text: str) -> str:
    """The text with control characters escaped: quoted strings of a users file may hold escape sequences."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


for command in (
    set_phone,
    set_password,
    set_language,
    disable,
    enable,
    import_,
    remove,
    unlock,
    forget,
    issue_code,
    confirm,
    pin,
    enroll,
):
    users.add_command(command)
