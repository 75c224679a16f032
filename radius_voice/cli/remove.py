"""`users remove`: removes a user from an identity source, and what the store has about the user."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from radius_voice.cli.common import confirm_or_end, loaded, run, state_option, warn_if_not_recorded, yes_option
from radius_voice.cli.user_sources import with_editor

if TYPE_CHECKING:
    from radius_voice.config.schema import Settings
    from radius_voice.login.model import User
    from radius_voice.login.ports import UserEditor


@click.command()
@with_editor
@state_option
@yes_option
@click.argument("name")
def remove(editor: UserEditor, name: str, state: Path | None, yes: bool) -> None:
    """Remove a user.

    With --config also what the store has about the user: open logins, counters, known Calling-Station-Ids, an issued
    code and pinned phones. Asks for confirmation on a terminal; without one, --yes is required.
    """
    user = editor.find(name).user
    confirm_or_end(f"Remove {user.name} from {editor.location}?", yes, f"{user.name} is not removed")
    options = click.get_current_context().params
    if options["config"] is None:
        click.echo("what the store has about the user stays; --config in place of --file deletes that too", err=True)
    else:
        click.echo(_delete_stored(user, loaded(options["config"], state=state).settings, options["source"]))
    editor.remove(name)
    click.echo(f"{editor.location}: {user.name} removed")


def _delete_stored(user: User, settings: Settings, source: str | None) -> str:
    """Delete what the store has about a user; returns what that was. Ends the command if it cannot be deleted."""
    from radius_voice import operations

    name = operations.UserName(user.name, source or next(iter(settings.identity)))
    try:
        done = run(operations.delete_user_data(settings, name))
    except operations.NothingStored:
        return "nothing to delete from the store: there is none"
    except operations.OperationFailed as problem:
        raise click.ClickException(
            f"{user.name} is not removed, because what the store has about the user cannot be deleted: {problem}"
        ) from None
    warn_if_not_recorded(done)
    return "deleted from the store: " + ", ".join(f"{kind}: {count}" for kind, count in done["deleted"].items())
