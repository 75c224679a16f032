"""`users forget`: ends remembered logins of a user, or deletes everything that the store has about the user."""

from __future__ import annotations

import json
from pathlib import Path

import click

from radius_voice.cli.common import (
    by_option,
    config_option,
    confirm_or_end,
    json_option,
    loaded,
    run_operation,
    source_option,
    state_option,
    user_argument,
    warn_if_not_recorded,
    yes_option,
)
from radius_voice.cli.remove import deleted_text


@click.command()
@config_option
@user_argument
@click.option("--all-data", is_flag=True, help="Delete everything that the store has about the user.")
@click.option(
    "--id",
    "user_id",
    metavar="ID",
    default="",
    help="With --all-data: the id of a user who is no longer in the identity source.",
)
@source_option
@state_option
@by_option
@yes_option
@json_option
def forget(
    path: Path,
    name: str,
    all_data: bool,
    user_id: str,
    source: str | None,
    state: Path | None,
    by: str,
    yes: bool,
    as_json: bool,
) -> None:
    """End the remembered logins of a user, at all clients.

    The next login needs a code. With --all-data, deletes everything that the store has about the user, after a
    confirmation, and leaves the user in the identity source. Asks the running service, which records it in the audit
    log.
    """
    from radius_voice import operations

    if user_id and not (all_data and source):
        raise click.UsageError("--id needs --all-data and --source")
    settings, user = loaded(path, state=state).settings, operations.UserName(name, source)
    if all_data:
        confirm_or_end(f"Delete what the store has about {name}, pinned phones too?", yes, "nothing is deleted")
        done = run_operation(operations.delete_user_data(settings, user, by, user_id))
    else:
        done = run_operation(operations.forget(settings, user, by))
    warn_if_not_recorded(done)
    if as_json:
        click.echo(json.dumps({key: done[key] for key in ("user", "source", "deleted") if key in done}))
    elif all_data:
        click.echo(deleted_text(done))
        click.echo(f"the identity source {done['source']} is not changed")
    else:
        click.echo(f"the remembered logins of {done['user']} have ended (identity source {done['source']})")
