"""`users confirm` and `users pin`: pin the phones that a directory has now."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from radius_voice.exceptions import message_of

if TYPE_CHECKING:
    from radius_voice.config.schema import Settings

MAX_IDS, MAX_ID_CHARACTERS = 100, 1000
"""The maximum number of ids in one request to the service, and of characters in them."""


@click.command()
@config_option
@source_option
@state_option
@by_option
@yes_option
@json_option
@user_argument
def confirm(path: Path, source: str | None, state: Path | None, by: str, yes: bool, as_json: bool, name: str) -> None:
    """Pin the phones that the directory has for a user now.

    Shows the phones that are pinned and those in the directory, masked, and asks for confirmation on a terminal;
    without one, --yes is required. Asks the running service, which records it in the audit log.
    """
    from radius_voice import operations

    settings, user = loaded(path, state=state).settings, operations.UserName(name, source)
    found = run_operation(operations.perform(settings, "pins", user))
    click.echo(f"{found['user']} (identity source {found['source']})", err=as_json)
    click.echo(f"pinned:       {', '.join(map(_pin_text, found['pins'])) or 'no phone'}", err=as_json)
    click.echo(f"in directory: {', '.join(map(_phone_text, found['phones'])) or 'no phone'}", err=as_json)
    if not found["confirmed"]:
        confirm_or_end(f"Pin the phones in the directory, so that logins of {found['user']} call them?", yes)
        user, phones_id = operations.UserName(name, found["source"]), found["phones_id"]
        done = run_operation(operations.perform(settings, "confirm_phones", user, phones_id=phones_id, by=by))
        warn_if_not_recorded(done)
    if as_json:
        shown = {"user": found["user"], "source": found["source"], "changed": not found["confirmed"]}
        click.echo(json.dumps(shown | {"phones": [phone["phone"] for phone in found["phones"]]}))
    elif found["confirmed"]:
        click.echo("the phones are pinned and verified already")
    else:
        click.echo(f"the phones of {found['user']} are confirmed")


@click.command()
@config_option
@click.option("--all", "everyone", is_flag=True, required=True, help="All users of the directories of policies.")
@source_option
@state_option
@by_option
@yes_option
@json_option
def pin(
    path: Path,
    source: str | None,
    state: Path | None,
    by: str,
    yes: bool,
    everyone: bool,  # noqa: ARG001 - required
    as_json: bool,
) -> None:
    """Pin the phones that the directories have for all users now.

    Replaces the present pins. Asks for confirmation on a terminal; without one, --yes is required. Sources that cannot
    list their users are named, and the exit code is 1.
    """
    settings = loaded(path, state=state).settings
    ids, unlisted = _users_of(settings, source)
    count = sum(map(len, ids.values()))
    confirm_or_end(f"Pin the phones that the directories have now for {count} users?", yes)
    pinned = {name: _pin(settings, name, of_source, by) for name, of_source in ids.items()}
    if as_json:
        counts = {name: done.pinned for name, done in pinned.items()}
        without = {name: done.without_phone for name, done in pinned.items()}
        click.echo(json.dumps({"pinned": counts, "without_phone": without, "not_listed": list(unlisted)}))
    for name, done in {} if as_json else pinned.items():
        click.echo(f"{name}: {_done_text(done)}")
    for name, problem in unlisted.items():
        click.echo(
            f"{name}: cannot list its users; run radius-voice users confirm for each of them ({problem})", err=True
        )
    if unlisted:
        raise click.exceptions.Exit(1)


@dataclass(slots=True)
class _Pinned:
    """How many users were pinned, and how many of them have no phone."""

    pinned: int = 0
    without_phone: int = 0


def _done_text(done: _Pinned) -> str:
    text = f"the phones of {done.pinned} {'user' if done.pinned == 1 else 'users'} are pinned"
    without = f"; {done.without_phone} of them {'has' if done.without_phone == 1 else 'have'} no phone"
    return text + without if done.without_phone else text


def _pin_text(pin: Mapping[str, Any]) -> str:
    at = time.strftime("%Y-%m-%d %H:%M", time.localtime(pin["at"]))
    return f"{pin['phone']} ({'verified' if pin['verified'] else 'at the first login'}, {at})"


def _phone_text(phone: Mapping[str, Any]) -> str:
    """A phone in the directory. A changed phone is marked, because both may look the same when masked."""
    return f"{phone['phone']}{'' if phone['pinned'] else ' (not pinned)'}"


def _users_of(settings: Settings, source: str | None) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The users' ids by directory that policies use, and why the other directories cannot list their users.

    Ends the command, before anything is pinned, if a directory fails.
    """
    from radius_voice.operations import OperationFailed, lister_of

    directories = {policy.directory for policy in settings.policies.values()} if source is None else {source}
    ids: dict[str, list[str]] = {}
    unlisted: dict[str, str] = {}
    for name in sorted(directories):
        if name not in settings.identity:
            raise click.ClickException(f"no identity source has the name {name!r}")
        try:
            lister = lister_of(settings, name)
        except OperationFailed as problem:
            unlisted[name] = str(problem)
            continue
        try:
            ids[name] = [user_id for some in lister.user_ids() for user_id in some]
        except (ValueError, OSError) as problem:
            raise click.ClickException(f"nothing is pinned: {message_of(problem)}") from None
        finally:
            lister.close()
    return ids, unlisted


def _pin(settings: Settings, source: str, ids: Iterable[str], by: str) -> _Pinned:
    """Pin the phones of these users. If that fails, end the command with the number of users pinned so far."""
    from radius_voice import operations

    done = _Pinned()
    for some in _chunks(ids):
        work = operations.perform(settings, "pin_phones", operations.UserName("", source), ids=some, by=by)
        try:
            chunk = run_operation(work)
        except click.ClickException as problem:
            if not done.pinned:
                raise
            text = f"{source}: {_done_text(done)}, and then it failed; run this again: {problem.message}"
            raise click.ClickException(text) from None
        warn_if_not_recorded(chunk)
        done.pinned += chunk["pinned"]
        done.without_phone += chunk["without_phone"]
    return done


def _chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    """The ids in lists that fit into a request."""
    chunk: list[str] = []
    for each in ids:
        if len(chunk) >= MAX_IDS or sum(map(len, chunk)) + len(each) > MAX_ID_CHARACTERS:
            yield chunk
            chunk = []
        chunk.append(each)
    if chunk:
        yield chunk
