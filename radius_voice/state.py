"""The state directory: its lock and local socket, `server.key`, and the store. Only `serve` creates anything there.

A user who can read the key and the store can compute codes; one who can write to them can log in without a code.
Files that other users of the machine can open are refused, with a ValueError that names the command to run.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from radius_voice import control
from radius_voice.config.schema import Settings
from radius_voice.config.secrets import secret_text
from radius_voice.files.access import ANY_ACCESS, WRITE_ACCESS, exposure

KEY_BYTES = 32


def claim(settings: Settings) -> control.ControlSocket:
    """Create the state directory and lock it for this service. Raises ValueError or OSError."""
    directory = settings.server.state
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    refuse(directory_problems("server.state", directory, os.geteuid()))
    return control.claim(directory)


def server_key(settings: Settings) -> bytes:
    """The key of all hashes: from the configuration, or created once in the state directory."""
    key = _configured_key(settings)
    if key is not None:
        return key
    path = key_path(settings)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return existing_key(settings, os.geteuid())
    with os.fdopen(descriptor, "wb") as file:
        file.write(key := secrets.token_bytes(KEY_BYTES))
    return key


def existing_key(settings: Settings, uid: int | None) -> bytes:
    """The key of all hashes, which must exist; `uid` is the service's user, None if it is unknown."""
    key = _configured_key(settings)
    if key is not None:
        return key
    path = key_path(settings)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"server.key: {path}: is not a regular file; remove it")
        refuse(f"server.key: {problem}" for problem in exposure(path, status, ANY_ACCESS, uid))
        key = file.read(KEY_BYTES + 1)
    if len(key) != KEY_BYTES:
        raise ValueError(
            f"server.key: {path}: has {'no' if not key else 'another number of'} bytes, and must have {KEY_BYTES}; "
            f"restore it from a backup, or remove it: the service creates a new one, and open logins end"
        )
    return key


def key_path(settings: Settings) -> Path:
    """The file of the key, where the configuration gives none."""
    return settings.server.state / "server.key"


def directory_problems(key: str, directory: Path, uid: int | None) -> Iterator[str]:
    """Why a directory cannot hold a key or a store of the service's user `uid`."""
    try:
        status = directory.stat()
    except FileNotFoundError:
        yield f"{key}: {directory}: does not exist; create it, for the user of the service only"
        return
    if not stat.S_ISDIR(status.st_mode):
        yield f"{key}: {directory}: is not a directory; name another one, or remove it"
        return
    yield from (f"{key}: {problem}" for problem in exposure(directory, status, WRITE_ACCESS, uid))


def store_problems(settings: Settings, uid: int | None) -> Iterator[str]:
    """Why the files of a store cannot be trusted, and its directory where that is not the state directory."""
    state = settings.server.state
    path = settings.store.data_path(state)
    if path is not None and path.parent != state:
        yield from directory_problems("store.path", path.parent, uid)
    for file in settings.store.data_files(state):
        yield from (f"store.path: {problem}" for problem in exposure(file, file.stat(), ANY_ACCESS, uid))


def _configured_key(settings: Settings) -> bytes | None:
    key = settings.server.key
    return None if key is None else secret_text(key, "server.key").encode()


def refuse(problems: Iterable[str]) -> None:
    """Raise ValueError with all problems, a line each, where there are any."""
    found = list(problems)
    if found:
        raise ValueError("\n".join(found))
