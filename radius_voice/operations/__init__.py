"""Operations for administrators: limits, unlocking, issued codes, pins. The running service performs them for commands.

A command sends a request to the service that runs with the configuration's state directory, through `control`. If no
service runs, the command uses the same store directly, if that creates no file. Otherwise it raises OperationFailed
with the reason and the fix.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from radius_voice import control
from radius_voice.config.schema import Settings
from radius_voice.endpoints import radius_ports_in_use
from radius_voice.events import EventRecord
from radius_voice.exceptions import message_of
from radius_voice.identity.context import IdentityContext
from radius_voice.identity.passwords import Hasher
from radius_voice.login.codes.keys import Keys
from radius_voice.login.limits.configured import with_action
from radius_voice.login.model import LimitAction, Unavailable, User
from radius_voice.login.policies.policy import user_key_of
from radius_voice.login.ports import Directory, IdentitySource, Store, UserEditor, UserLister
from radius_voice.login.second_factor import remembered
from radius_voice.observe import audit
from radius_voice.operations import enrolment, help_desk, login_state, pins, user_data
from radius_voice.operations.context import DIRECTORY_SECONDS, OperationContext
from radius_voice.operations.shown_limits import (
    directory_lockouts,
    earlier_budgets,
    first_factors,
    limit_row,
    limits_of_user,
    password_subjects,
    shared_limits,
)
from radius_voice.state.open_store import existing_data_key, no_key, open_store
from radius_voice.wiring.adapters import identity_source, user_editor, user_lister

STATUS, SHARED_STATIONS = "status", "shared_stations"
READING = ("limits", "pins", "login_state", SHARED_STATIONS)
"""Commands that change nothing."""
SERVICE_STATE = "/var/lib/radius-voice"
"""The state directory of the Debian package's service."""
STATE_HINT = f"if the service uses another state directory (systemd's StateDirectory=), add --state {SERVICE_STATE}"


class OperationFailed(Exception):
    """Nothing was changed; the text has the reason and the fix."""


class NothingStored(OperationFailed):
    """No service runs, and there is no store."""


@dataclass(frozen=True, slots=True)
class UserName:
    """The user of an operation. `source` is an identity source; None searches all of them for the name."""

    name: str
    source: str | None = None

    @classmethod
    def of(cls, request: control.Request) -> UserName | None:
        """The user that a request names, or None."""
        name, source = request.arguments.get("name"), request.arguments.get("source")
        return cls(name, source if isinstance(source, str) else None) if isinstance(name, str) else None

    def arguments(self) -> dict[str, str]:
        """The arguments of a request for an operation on this user."""
        return {"name": self.name} if self.source is None else {"name": self.name, "source": self.source}


async def limits(settings: Settings, user: UserName | None) -> Mapping[str, Any]:
    """The limits and their use: in total, by client and by country, or those of a user."""
    return await perform(settings, "limits", user)


async def try_store(settings: Settings) -> str:
    """Check that the store can be used: through the running service, or by opening it. Raises OperationFailed.

    Returns a remark for the command's output, which may be empty.
    """
    if not settings.store.SHARED_BY_WORKERS:
        return ""
    try:
        control.ask(settings.server.state, "limits")
    except control.NotRunning:
        return await _try_store_without_service(settings)
    except control.RequestFailed as problem:
        raise OperationFailed(str(problem)) from None
    return "the running service reads it"


async def unlock(settings: Settings, user: UserName, by: str = "") -> Mapping[str, Any]:
    """Reset the counters of a user. `by` is the operator's name or empty, here and in all operations below."""
    return await perform(settings, "unlock", user, by=by)


async def issue_code(settings: Settings, user: UserName, seconds: float, by: str) -> Mapping[str, Any]:
    """Issue a code for one login without a call, valid for `seconds`."""
    return await perform(settings, "issue_code", user, seconds=str(seconds), by=by)


async def delete_user_data(settings: Settings, user: UserName, by: str = "", user_id: str = "") -> Mapping[str, Any]:
    """Delete all data about a user from the store. Raises NothingStored or OperationFailed.

    `user_id` is the user's id in the identity source; without it, the user must still exist there.
    """
    return await perform(settings, "delete_user_data", user, by=by, id=user_id)


async def forget(settings: Settings, user: UserName, by: str = "") -> Mapping[str, Any]:
    """End the remembered logins of a user, at all clients. Raises NothingStored or OperationFailed."""
    return await perform(settings, "forget", user, by=by)


async def shared_stations(settings: Settings) -> Mapping[str, Any]:
    """The clients with a Calling-Station-Id from which more than 10 users have remembered logins, under `clients`."""
    return await perform(settings, SHARED_STATIONS, None)


def lister_of(settings: Settings, source: str) -> UserLister:
    """The lister of the users of an identity source. Raises OperationFailed if its users cannot be listed."""
    try:
        return user_lister(source, settings.identity[source])
    except (ValueError, OSError) as problem:
        raise OperationFailed(message_of(problem)) from None


def editor_of(settings: Settings, source: str | None) -> UserEditor:
    """The editor of the identity source `source`; None means the only one. Raises OperationFailed."""
    names = list(settings.identity)
    if source is None and len(names) > 1:
        options = " or --source ".join(names)
        raise OperationFailed(f"the configuration has several identity sources; add --source {options}")
    name = names[0] if source is None else source
    if name not in settings.identity:
        raise OperationFailed(_unknown_source(name, names))
    try:
        return user_editor(name, settings.identity[name], settings.delivery.messages)
    except ValueError as problem:
        raise OperationFailed(str(problem)) from None


async def respond(request: control.Request, context: OperationContext) -> Mapping[str, Any]:
    """The response of the service to a request for an operation."""
    try:
        return await _execute(request.command, UserName.of(request), context, request.arguments)
    except (OperationFailed, Unavailable, ValueError, OSError) as problem:
        return {"error": message_of(problem)}


async def _execute(
    command: str, user: UserName | None, context: OperationContext, arguments: Mapping[str, Any]
) -> Mapping[str, Any]:
    if command == "limits":
        return await _limits(context, user)
    if command == SHARED_STATIONS:
        clients = list(context.settings.clients)
        return {"clients": await remembered.shared_clients(context.keys(), context.store, clients)}
    if command == "unlock" and user is not None:
        return await _unlock(context, user, arguments)
    if command == "delete_user_data" and user is not None:
        return await _delete_user_data(context, user, arguments)
    if command in OF_A_USER and user is not None:
        return await OF_A_USER[command](context, *await _find_user(context, user), arguments)
    if command in pins.OF_A_SOURCE and user is not None and user.source in context.identity:
        return await pins.OF_A_SOURCE[command](context, user.source, arguments)
    raise OperationFailed(control.unknown_command(command))


async def _limits(context: OperationContext, user: UserName | None) -> Mapping[str, Any]:
    if user is None:
        operations = list(shared_limits(context.settings))
    else:
        source, found_user = await _find_user(context, user)
        operations = await limits_of_user(context, source, found_user, user.name)
        operations += await directory_lockouts(context, source, found_user)
    tats, now = await context.store.arrival_times(operations), time.time()
    currency = context.settings.delivery.currency
    return {"limits": [limit_row(operation, tats[operation], now, currency) for operation in operations]}


async def _unlock(context: OperationContext, name: UserName, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    source, user = await _find_user(context, name)
    operations = await limits_of_user(context, source, user, name.name)
    await context.store.apply_limits(with_action(LimitAction.RESET, operations))
    await remembered.forget(context.keys(), context.store, user_key_of(source, user.id))
    not_recorded = context.record_change("unlocked", source, user, arguments)
    return {"user": user.name, "source": source, "not_recorded": not_recorded}


async def _forget(
    context: OperationContext, source: str, user: User, arguments: Mapping[str, Any]
) -> Mapping[str, Any]:
    await remembered.forget(context.keys(), context.store, user_key_of(source, user.id))
    not_recorded = context.record_change("forgotten", source, user, arguments)
    return {"user": user.name, "source": source, "not_recorded": not_recorded}


async def _delete_user_data(
    context: OperationContext, name: UserName, arguments: Mapping[str, Any]
) -> Mapping[str, Any]:
    user_id, keys = str(arguments.get("id", "")), context.keys()
    source, user = await (_user_with_id(context, name, user_id) if user_id else _find_user(context, name))
    counters = await limits_of_user(context, source, user, name.name)
    counters += earlier_budgets(context.settings, source, user)
    subjects = await password_subjects(context, source, user, user.name)
    subjects += [keys.name_subject(each, user.name) for each in first_factors(context.settings, source)]
    subjects.append(keys.account_subject(source, user.id))
    return await user_data.delete(context, source, user, counters, subjects, arguments)


async def _user_with_id(context: OperationContext, name: UserName, user_id: str) -> tuple[str, User]:
    """The identity source and its user with that id. If the user was removed there, the phones and groups are empty."""
    directories = directories_of(context.identity)
    if name.source not in directories:
        raise OperationFailed(_unknown_source(name.source, directories))
    user = await directories[name.source].get(user_id, time.monotonic() + DIRECTORY_SECONDS)
    return name.source, user or User(user_id, name.name)


async def _find_user(context: OperationContext, name: UserName) -> tuple[str, User]:
    """The identity source and the user. Raises OperationFailed if no source has the name, or several have it."""
    deadline = time.monotonic() + DIRECTORY_SECONDS
    directories = directories_of(context.identity)
    sources = [source for source in directories if name.source in (None, source)]
    if not sources:
        raise OperationFailed(_unknown_source(name.source, directories))
    found = {source: await directories[source].find(name.name, deadline) for source in sources}
    users = [(source, user) for source, user in found.items() if user is not None]
    if not users:
        raise OperationFailed(f"no identity source has a user of that name; searched: {', '.join(sources)}")
    if len(users) > 1:
        options = " or ".join(f"--source {source}" for source, _ in users)
        raise OperationFailed(f"several identity sources have a user of that name; add {options}")
    return users[0]


def _unknown_source(name: str | None, known: Iterable[str]) -> str:
    return f"no identity source has the name {name!r}; the configuration has {', '.join(known)}"


OF_A_USER: Mapping[str, Callable[..., Awaitable[Mapping[str, Any]]]] = {
    "forget": _forget,
    "issue_code": help_desk.issue_code,
    **pins.OF_A_USER,
    **enrolment.OF_A_USER,
    **login_state.OF_A_USER,
}
"""Commands about one user: functions of the context, the identity source, the user and the arguments."""


# Without the service


async def perform(settings: Settings, command: str, user: UserName | None, **arguments: Any) -> Mapping[str, Any]:
    """Perform a command: in the running service, or directly on its store if none runs. Raises OperationFailed."""
    try:
        return control.ask(settings.server.state, command, **({} if user is None else user.arguments()), **arguments)
    except control.RequestFailed as problem:
        raise OperationFailed(str(problem)) from None
    except control.NotRunning as problem:
        not_running = str(problem)
    try:
        store = _store_without_service(settings, command, not_running)
        async with open_context(settings, store, user, _append_to_audit(settings), os.getuid()) as context:
            return await _execute(command, user, context, arguments)
    except (Unavailable, ValueError, OSError) as problem:
        raise OperationFailed(message_of(problem)) from None


def _store_without_service(settings: Settings, command: str, not_running: str) -> Store:
    """Open the store without the service; creates no file. Raises OperationFailed if the command needs the service."""
    section = settings.store
    if section.SHARED_BY_NODES:
        return open_store(settings, lambda: existing_data_key(settings, None))
    if not section.SHARED_BY_WORKERS:
        lost = f"the data of a store of type {section.type} is lost when its service ends"
        raise OperationFailed(f"{not_running}, and {lost}; {STATE_HINT}")
    in_use = radius_ports_in_use(settings)
    if in_use:
        raise OperationFailed(f"{not_running}, but another process listens on {in_use[0]}; {STATE_HINT}")
    path = section.data_path(settings.server.state)
    if path is not None and not path.exists():
        raise NothingStored(f"{not_running}, and there is no store at {path}; {STATE_HINT}")
    if command not in READING:
        raise OperationFailed(
            f"{not_running}, and only the service changes a store of type {section.type}: start it and run this again; "
            f"{STATE_HINT}"
        )
    return open_store(settings, no_key, read_only=True)


async def _try_store_without_service(settings: Settings) -> str:
    """Connect to the store and read a value, which needs no `server.key`."""
    path = settings.store.data_path(settings.server.state)
    if path is not None and not path.exists():
        return f"serve will create {path}"
    try:
        store = open_store(settings, no_key, read_only=True)
        try:
            await store.get(b"check")
        finally:
            await store.close()
    except (Unavailable, ValueError, OSError) as problem:
        raise OperationFailed(message_of(problem)) from None
    return ""


def directories_of(sources: Mapping[str, IdentitySource]) -> dict[str, Directory]:
    """The directories among identity sources."""
    return {name: source.directory for name, source in sources.items() if source.directory is not None}


@asynccontextmanager
async def open_context(
    settings: Settings, store: Store, user: UserName | None, record: Callable[[EventRecord], str], uid: int | None
) -> AsyncIterator[OperationContext]:
    """The context of one operation, with newly read identity sources. Closes them and the store at the end.

    Raises ValueError, OSError or Unavailable.
    """
    hasher = Hasher()
    sources: dict[str, IdentitySource] = {}
    try:
        for name, section in settings.identity.items() if user is not None else ():
            sources[name] = await asyncio.to_thread(
                identity_source, name, section, IdentityContext(hasher, messages=settings.delivery.messages)
            )
        keys = lambda: Keys(existing_data_key(settings, None))  # noqa: E731
        yield OperationContext(settings, store, keys, sources, record, uid)
    finally:
        for source in sources.values():
            await source.close()
        hasher.close()
        await store.close()


def _append_to_audit(settings: Settings) -> Callable[[EventRecord], str]:
    def record(record: EventRecord) -> str:
        if settings.audit.path is None:
            return "audit.path is standard output, which only the service writes"
        try:
            audit.append(settings.audit.path, record)
        except OSError as problem:
            return f"audit.path: {message_of(problem)}"
        return ""

    return record
