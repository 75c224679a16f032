"""`users import`: adds the users of a file of comma-separated values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from radius_voice.cli.common import json_option
from radius_voice.cli.completions import files
from radius_voice.cli.user_sources import report_change, with_editor
from radius_voice.login.names import canonical_name

if TYPE_CHECKING:
    from radius_voice.login.model import StoredUser
    from radius_voice.login.ports import UserEditor


@click.command("import")
@with_editor
@click.argument("table", type=Path, shell_complete=files)
@click.option("--dry-run", is_flag=True, help="Check the rows, and add no user.")
@json_option
def import_(editor: UserEditor, table: Path, dry_run: bool, as_json: bool) -> None:
    """Add all users of a file of comma-separated values.

    Adds all users or none, and reports each row that cannot be added. The first row of TABLE names the columns: name
    is required; phones, language, groups, password_hash and disabled are optional. Phones and groups are separated by
    semicolons.
    """
    from radius_voice.users_csv import read_users

    editor.require_usable()
    taken = {canonical_name(each.user.name): each.user.name for each in _all_users(editor)}
    rows = read_users(table, taken, editor.messages)
    for warning in rows.warnings:
        click.echo(f"warning: {warning}", err=True)
    if rows.errors:
        if as_json:
            report_change(editor, as_json, "", users=0, added=False, errors=rows.errors)
        raise click.ClickException("\n".join(["no user is added:", *rows.errors]))
    if not dry_run:
        editor.add(rows.users)
    number = f"{len(rows.users)} {'user' if len(rows.users) == 1 else 'users'}"
    text = f"{number} {'would be added' if dry_run else 'added'}"
    report_change(editor, as_json, text, users=len(rows.users), added=not dry_run, errors=[])


def _all_users(editor: UserEditor) -> Sequence[StoredUser]:
    """All users; none if their file does not exist yet."""
    try:
        return editor.all_users()
    except FileNotFoundError:
        return ()
