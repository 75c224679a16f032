"""`users set-phone`, `set-password` and `set-language`: change a user of an identity source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from radius_voice.cli.common import confirm_or_end, json_option, user_argument, yes_option
from radius_voice.cli.password import asked_password
from radius_voice.cli.user_options import phones_option, phones_text, require_known
from radius_voice.cli.user_sources import report_change, with_editor

if TYPE_CHECKING:
    from radius_voice.login.phone import Phone
    from radius_voice.login.ports import UserEditor


@click.command("set-phone")
@with_editor
@user_argument
@phones_option
@yes_option
@json_option
def set_phone(editor: UserEditor, name: str, phones: tuple[Phone, ...], yes: bool, as_json: bool) -> None:
    """Replace all phones of a user.

    If the user has other phones, asks for confirmation on a terminal; without one, --yes is required.
    """
    user = editor.find(name).user
    if user.phones not in ((), phones):
        question = f"Replace the phones of {user.name}, {phones_text(user.phones)}, by {phones_text(phones)}?"
        confirm_or_end(question, yes, f"the phones of {user.name} are not replaced")
    editor.set_phones(name, phones)
    which = "this phone" if len(phones) == 1 else "these phones"
    text = f"{user.name} has {which}: {phones_text(phones)}"
    report_change(editor, as_json, text, user=user.name, phones=[phone.masked for phone in phones])


@click.command("set-password")
@with_editor
@user_argument
@yes_option
@json_option
def set_password(editor: UserEditor, name: str, yes: bool, as_json: bool) -> None:
    """Change the password of a user.

    Asks for it twice on a terminal, otherwise reads one line from standard input. If the user has a password, asks for
    confirmation on a terminal; without one, --yes is required.
    """
    from radius_voice.identity.passwords import hash_password as hashed

    stored = editor.find(name)
    if stored.password is not None:
        question = f"Replace the password of {stored.user.name}?"
        confirm_or_end(question, yes, f"the password of {stored.user.name} is not replaced")
    editor.set_password(name, hashed(asked_password()))
    report_change(editor, as_json, f"{stored.user.name} has a new password", user=stored.user.name)


@click.command("set-language")
@with_editor
@user_argument
@click.argument("language")
@json_option
def set_language(editor: UserEditor, name: str, language: str, as_json: bool) -> None:
    """Change the language of a user.

    LANGUAGE is the language of texts and calls, like de or de-AT.
    """
    require_known(language, editor, "LANGUAGE")
    user = editor.find(name).user
    editor.set_language(name, language)
    text = f"{user.name} has the language {language}"
    report_change(editor, as_json, text, user=user.name, language=language)
