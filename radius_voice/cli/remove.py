"""`users remove`: removes a user from an identity source, and the user's data from the store."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from radius_voice.cli.common import (
    by_option,
    confirm_or_end,
    json_option,
    loaded,
    run,
    state_option,
    user_argument,
    warn_if_not_recorded,
    yes_option,
)
from radius_voice.cli.user_sources import config_of_command, report_change, with_editor

if TYPE_CHECKING:
    from radius_voice.config.schema import Settings
    from radius_voice.login.model import User
    from radius_voice.login.ports import UserEditor

READ_ONLY = "to delete what the store has about a user, run: radius-voice users forget --all-data"


@click.command()
@partial(with_editor, hint=READ_ONLY)
@state_option
@by_option
@yes_option
@json_option
@user_argument
def remove(editor: UserEditor, name: str, state: Path | None, by: str, yes: bool, as_json: bool) -> None:
    """Remove a user.

    Without --file also what the store has about the user: open logins, counters, known Calling-Station-Ids, an issued
    code and pinned phones. Asks for confirmation on a terminal; without one, --yes is required. Users of a source that
    is only read, such as LDAP, cannot be removed; users forget --all-data deletes what the store has.
    """
    config = config_of_command()
    if by and config is None:
        raise click.UsageError("--by is not for --file: then nothing is recorded in the audit log")
    user = editor.find(name).user
    confirm_or_end(f"Remove {user.name} from {editor.location}?", yes, f"{user.name} is not removed")
    deleted = None
    if config is None:
        click.echo("what the store has about the user stays; without --file it is deleted too", err=True)
    else:
        source = click.get_current_context().params["source"]
        done = _delete_stored(user, loaded(config, state=state).settings, source, by)
        deleted = done["deleted"]
        click.echo(deleted_text(done), err=as_json)
    editor.remove(name)
    report_change(editor, as_json, f"{user.name} removed", user=user.name, deleted=deleted)


def deleted_text(done: Mapping[str, Any]) -> str:
    """The data that was deleted from the store, as text."""
    if not done["deleted"]:
        return "nothing to delete from the store: there is none"
    return "deleted from the store: " + ", ".join(f"{kind}: {count}" for kind, count in done["deleted"].items())


def _delete_stored(user: User, settings: Settings, source: str | None, by: str) -> Mapping[str, Any]:
    """Delete the user's data from the store; returns the counts. Ends the command if that fails."""
    from radius_voice import operations

    name = operations.UserName(user.name, source or next(iter(settings.identity)))
    try:
        done = run(operations.delete_user_data(settings, name, by))
    except operations.NothingStored:
        return {"deleted": {}}
    except operations.OperationFailed as problem:
        raise click.ClickException(
            f"{user.name} is not removed, because what the store has about the user cannot be deleted: {problem}"
        ) from None
    warn_if_not_recorded(done)
    return done
