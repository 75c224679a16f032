"""`users disable` and `users enable`. Either ends the remembered logins of the user."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from radius_voice.cli.common import json_option, loaded, run, state_option, user_argument
from radius_voice.cli.user_sources import config_of_command, report_change, with_editor

if TYPE_CHECKING:
    from radius_voice.login.ports import UserEditor


@click.command()
@with_editor
@state_option
@json_option
@user_argument
def disable(editor: UserEditor, name: str, state: Path | None, as_json: bool) -> None:
    """Reject every login of a user, and keep the entry.

    Without --file, the running service ends the user's remembered logins. If it cannot, the command warns.
    """
    if not _is_already(editor, name, as_json, disabled=True):
        user = editor.find(name).user
        editor.set_disabled(name, True)
        problem = _end_remembered_logins(user.name, state)
        if problem:
            click.echo(f"warning: the remembered logins of {user.name} have not ended: {problem}", err=True)
        _report(editor, user.name, as_json, disabled=True, changed=True)


@click.command()
@with_editor
@state_option
@json_option
@user_argument
def enable(editor: UserEditor, name: str, state: Path | None, as_json: bool) -> None:
    """Allow a disabled user to log in again.

    Without --file, the running service ends the user's remembered logins before. If it cannot, nothing is changed.
    """
    if not _is_already(editor, name, as_json, disabled=False):
        user = editor.find(name).user
        problem = _end_remembered_logins(user.name, state)
        if problem:
            raise click.ClickException(
                f"{user.name} is not enabled, because the user's remembered logins cannot be ended: {problem}"
            )
        editor.set_disabled(name, False)
        _report(editor, user.name, as_json, disabled=False, changed=True)


def _is_already(editor: UserEditor, name: str, as_json: bool, *, disabled: bool) -> bool:
    """Whether the user is already in the wanted state. If so, report it."""
    user = editor.find(name).user
    if user.disabled is disabled:
        _report(editor, user.name, as_json, disabled=disabled, changed=False)
    return user.disabled is disabled


def _report(editor: UserEditor, name: str, as_json: bool, *, disabled: bool, changed: bool) -> None:
    text = f"{name} is {'disabled' if disabled else 'enabled'}{'' if changed else ' already'}"
    report_change(editor, as_json, text, user=name, disabled=disabled, changed=changed)


def _end_remembered_logins(name: str, state: Path | None) -> str:
    """End the user's remembered logins, if a policy remembers logins; returns an empty string, or why that failed.

    With --file it does nothing: the service that reads the file ends them itself.
    """
    from radius_voice import operations
    from radius_voice.wiring.policies import remembers_logins

    config = config_of_command()
    if config is None:
        return ""
    settings = loaded(config, state=state).settings
    source = click.get_current_context().params["source"] or next(iter(settings.identity))
    if not remembers_logins(settings, source):
        return ""
    try:
        run(operations.forget(settings, operations.UserName(name, source)))
    except operations.NothingStored:
        return ""
    except operations.OperationFailed as problem:
        return str(problem)
    return ""
