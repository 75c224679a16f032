"""Operations for administrators: show limits, unlock a user. The running service performs them for commands.

A command asks the service that runs with the configuration's state directory, through `control`. Where none runs, the
command works on the same store by itself if that creates no file, and otherwise raises OperationFailed with the reason
and what to do.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radius_voice import __version__, control, state
from radius_voice.build import limits_of
from radius_voice.config.schema import Settings
from radius_voice.config.stores import MemoryStore, RedisStore, SqliteStore
from radius_voice.endpoints import radius_ports_in_use
from radius_voice.events import Operated
from radius_voice.faults import message_of
from radius_voice.identity.passwords import Hasher
from radius_voice.identity.users_file import UsersFile
from radius_voice.login.codes import Keys
from radius_voice.login.first_factor import password_subjects
from radius_voice.login.limits import acting, left_of
from radius_voice.login.model import Act, Spend, Unavailable, User
from radius_voice.login.phone import Phone
from radius_voice.login.ports import Directory, Store
from radius_voice.observe import audit

STATUS = "status"
DIRECTORY_SECONDS = 5.0
STATE_HINT = (
    "if the service has another state directory (systemd's StateDirectory=), add it: --state /var/lib/radius-voice"
)


class OperationFailed(Exception):
    """Nothing was done; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The parts that operations need.

    `identity` are the identity sources by name, in the order of the configuration. `record` writes to the audit log
    and returns the reason where it cannot. `uid` is the user id of the asking process, None where it is unknown.
    """

    settings: Settings
    store: Store
    keys: Callable[[], Keys]
    identity: Mapping[str, Directory]
    record: Callable[[Operated], str]
    uid: int | None


async def limits(settings: Settings, name: str | None) -> Mapping[str, Any]:
    """Limits with what is used of them: in total and by client and country, or those of the user `name`."""
    return await _asked_or_done(settings, "limits", name)


async def try_store(settings: Settings) -> str:
    """How the store is: asks the running service, else opens the store. Raises OperationFailed when it is of no use."""
    if isinstance(settings.store, MemoryStore):
        return "good"
    try:
        control.ask(settings.server.state, "limits")
    except control.NotRunning:
        return await _tried_without_service(settings, settings.store)
    except control.RequestFailed as problem:
        raise OperationFailed(str(problem)) from None
    return "good: the running service reads it"


async def unlock(settings: Settings, name: str) -> Mapping[str, Any]:
    """Clear what is counted for the user `name`, in every identity source that has the name."""
    return await _asked_or_done(settings, "unlock", name)


def status(path: Path, listen: Iterable[socket.socket], admin: tuple[str, int]) -> Mapping[str, Any]:
    """The response to STATUS: the process, its configuration file, and the addresses that it listens on."""
    return {
        "process": os.getpid(),
        "version": __version__,
        "config": os.path.realpath(path),
        "listen": [sock.getsockname()[:2] for sock in listen],
        "admin": admin,
    }


async def answer(request: control.Request, dependencies: Dependencies) -> Mapping[str, Any]:
    """The response of the service to a request for an operation."""
    name = request.arguments.get("name")
    try:
        return await _done(request.command, name if isinstance(name, str) else None, dependencies)
    except (OperationFailed, Unavailable, ValueError, OSError) as problem:
        return {"error": message_of(problem)}


async def _done(command: str, name: str | None, dependencies: Dependencies) -> Mapping[str, Any]:
    if command == "limits":
        return await _limits(dependencies, name)
    if command == "unlock" and name is not None:
        return await _unlock(dependencies, name)
    raise OperationFailed(f"this service does not know the command {command!r}; it may be an older version")


async def _limits(dependencies: Dependencies, name: str | None) -> Mapping[str, Any]:
    if name is None:
        spends = list(_common(dependencies.settings))
    else:
        spends = await _counted_for(dependencies, await _users(dependencies, name))
    full_at, now = await dependencies.store.full_at(spends), time.time()
    return {
        "limits": [
            {
                "limit": spend.limit.name,
                "of": _shown(spend),
                "left": left_of(full_at[spend], spend.limit, now),
                "burst": spend.limit.burst,
                "period": spend.limit.period,
            }
            for spend in spends
        ]
    }


async def _unlock(dependencies: Dependencies, name: str) -> Mapping[str, Any]:
    users = await _users(dependencies, name)
    await dependencies.store.spend(acting(Act.CLEAR, await _counted_for(dependencies, users)))
    user, sources = next(iter(users.values())).name, tuple(users)
    not_recorded = dependencies.record(Operated(time.time(), "unlocked", user, sources, dependencies.uid))
    return {"user": user, "sources": sources, "not_recorded": not_recorded}


async def _users(dependencies: Dependencies, name: str) -> Mapping[str, User]:
    """The users of that name by their identity sources; raises OperationFailed when there is none."""
    deadline = time.monotonic() + DIRECTORY_SECONDS
    found = {source: await directory.find(name, deadline) for source, directory in dependencies.identity.items()}
    users = {source: user for source, user in found.items() if user is not None}
    if not users:
        raise OperationFailed("no identity source has a user of that name; radius-voice users list shows the names")
    return users


async def _counted_for(dependencies: Dependencies, users: Mapping[str, User]) -> list[Spend]:
    """The limits that count for these users by their names, known places, ids and phones, each once."""
    configured, keys = limits_of(dependencies.settings), dependencies.keys()
    spends: list[Spend] = []
    for source, user in users.items():
        subjects = await password_subjects(keys, dependencies.store, source, user.name)
        spends += configured.about({"person": f"{source}:{user.id}"}, subjects)
        for phone in user.phones:
            spends += configured.about({"phone": phone.e164})
    return list(dict.fromkeys(spends))


def _common(settings: Settings) -> Iterator[Spend]:
    """The limits that count for all together, for a client, and for the countries that policies name."""
    configured = limits_of(settings)
    yield from configured.about({"all": "all"})
    for client in settings.clients:
        yield from configured.about({"client": client})
    for country in sorted({each for policy in settings.policies.values() for each in policy.countries or ()}):
        yield from configured.about({"country": country})


def _shown(spend: Spend) -> str:
    """A subject as an operator may see it: phones masked, no hashes of names."""
    if spend.limit.name.endswith(".phone"):
        return Phone(spend.subject).masked
    if spend.limit.name == "wrong_passwords.person":
        return "the name, at a place" if "@" in spend.subject else "the name"
    return spend.subject


# Beside the service


async def _asked_or_done(settings: Settings, command: str, name: str | None) -> Mapping[str, Any]:
    try:
        return control.ask(settings.server.state, command, **({} if name is None else {"name": name}))
    except control.RequestFailed as problem:
        raise OperationFailed(str(problem)) from None
    except control.NotRunning as problem:
        not_running = str(problem)
    try:
        store = _store_without_service(settings, command, not_running)
        async with opened(settings, store, name, _append_to_audit(settings), os.getuid()) as dependencies:
            return await _done(command, name, dependencies)
    except (Unavailable, ValueError, OSError) as problem:
        raise OperationFailed(message_of(problem)) from None


def _store_without_service(settings: Settings, command: str, not_running: str) -> Store:
    """The store for a command while no service runs with this state directory. Creates nothing."""
    if isinstance(settings.store, RedisStore):
        return state.redis_store(settings.store, state.existing_key(settings, None))
    if isinstance(settings.store, MemoryStore):
        raise OperationFailed(f"{not_running}, and a store of type memory ends with its service; {STATE_HINT}")
    in_use = radius_ports_in_use(settings)
    if in_use:
        raise OperationFailed(f"{not_running}, but another process listens on {in_use[0]}; {STATE_HINT}")
    if command != "limits":
        raise OperationFailed(
            f"{not_running}, and only the service changes a store of type sqlite: start it and run this again; "
            f"{STATE_HINT}"
        )
    path = state.store_path(settings, settings.store)
    if not path.exists():
        raise OperationFailed(f"{not_running}, and there is no store at {path}; {STATE_HINT}")
    return _read_only(path)


async def _tried_without_service(settings: Settings, section: SqliteStore | RedisStore) -> str:
    """The store, connected to or read once. No name in it depends on the right `server.key` here."""
    try:
        if isinstance(section, RedisStore):
            store = state.redis_store(section, bytes(state.KEY_BYTES))
        elif (path := state.store_path(settings, section)).exists():
            store = _read_only(path)
        else:
            return f"good: serve will create {path}"
        try:
            await store.recall(b"check")
        finally:
            await store.close()
    except (Unavailable, ValueError, OSError) as problem:
        raise OperationFailed(message_of(problem)) from None
    return "good"


def _read_only(path: Path) -> Store:
    from radius_voice.stores import sqlite  # noqa: PLC0415

    return sqlite.SqliteStore(path, time.time, read_only=True)


@asynccontextmanager
async def opened(
    settings: Settings, store: Store, name: str | None, record: Callable[[Operated], str], uid: int | None
) -> AsyncIterator[Dependencies]:
    """Everything for one operation, with users as their sources have them now; closes the store at the end.

    Raises ValueError, OSError or Unavailable.
    """
    hasher = Hasher()
    try:
        identity: dict[str, Directory] = {}
        if name is not None:
            for source, section in settings.identity.items():
                identity[source] = await asyncio.to_thread(UsersFile, section.path, hasher)
        yield Dependencies(settings, store, lambda: Keys(state.existing_key(settings, None)), identity, record, uid)
    finally:
        hasher.close()
        await store.close()


def _append_to_audit(settings: Settings) -> Callable[[Operated], str]:
    def record(operated: Operated) -> str:
        if settings.audit.path is None:
            return "audit.path is standard output, which only the service writes"
        try:
            audit.append(settings.audit.path, operated)
        except OSError as problem:
            return f"audit.path: {message_of(problem)}"
        return ""

    return record
