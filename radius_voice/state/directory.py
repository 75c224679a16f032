"""The state directory: its lock and local socket, `server.key`, the data key and the store.

Only `serve` creates anything there.

A user who can read the key and the store can compute codes; a user who can write to them can log in without a code.
So files that other users of the machine can open are refused, with a ValueError that names the command to run.
"""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from radius_voice import control
from radius_voice.config.schema import Settings
from radius_voice.config.secrets import secret_text
from radius_voice.files.access import ANY_ACCESS, WRITE_ACCESS, exposure

KEY_BYTES = 32
DATA_KEY_FILE = "data.key"
MAX_DATA_KEY_OCTETS = 4096


class ServerKeys(NamedTuple):
    """The values of `server.key`, which encrypt the data key."""

    present: tuple[bytes, ...]  # from the configuration or the state directory
    former: tuple[bytes, ...] = ()  # from the state directory, if the configuration has replaced it

    @property
    def readable(self) -> tuple[bytes, ...]:
        """All keys that the data key may be encrypted with."""
        return (*self.present, *self.former)


def claim(settings: Settings) -> control.ControlSocket:
    """Create the state directory and lock it for this service. Raises ValueError or OSError.

    If nothing is stored yet, creates an empty `data.key`, which says that no data key was ever used.
    """
    directory = settings.server.state
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    refuse(directory_problems("server.state", directory, os.geteuid()))
    if not may_have_stored(settings):
        os.close(os.open(directory / DATA_KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    return control.claim(directory)


def may_have_stored(settings: Settings) -> bool:
    """Whether the store may contain values. Without a store file: whether a service has used the directory."""
    directory = settings.server.state
    return (settings.store.data_path(directory) or directory / control.LOCK).exists()


def server_keys(settings: Settings) -> ServerKeys:
    """The configured keys, or else the key in the state directory, created if missing. Raises ValueError, OSError."""
    if settings.server.key is None:
        path = key_path(settings)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return existing_keys(settings, os.geteuid())
        with os.fdopen(descriptor, "wb") as file:
            file.write(key := secrets.token_bytes(KEY_BYTES))
        return ServerKeys((key,))
    return existing_keys(settings, os.geteuid())


def existing_keys(settings: Settings, uid: int | None) -> ServerKeys:
    """The keys, which must exist; `uid` is the service's user, None if it is unknown. Raises ValueError, OSError."""
    path, configured = key_path(settings), settings.server.key
    if configured is None:
        return ServerKeys((_key_in(path, uid),))
    present = tuple(secret_text(key, "server.key").encode() for key in configured)
    return ServerKeys(present, (_key_in(path, uid),) if path.exists() else ())


def _key_in(path: Path, uid: int | None) -> bytes:
    key = _private_file("server.key", path, KEY_BYTES, uid)
    if len(key) != KEY_BYTES:
        raise ValueError(
            f"server.key: {path}: has {'no' if not key else 'another number of'} bytes, and must have {KEY_BYTES}; "
            f"restore it from a backup"
        )
    return key


def _private_file(name: str, path: Path, octets: int, uid: int | None) -> bytes:
    """The content of a file that other users cannot open; at most `octets` + 1 octets."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{name}: {path}: is not a regular file; remove it")
        refuse(f"{name}: {problem}" for problem in exposure(path, status, ANY_ACCESS, uid))
        return file.read(octets + 1)


def key_path(settings: Settings) -> Path:
    """The file with `server.key` if the configuration has none."""
    return settings.server.state / "server.key"


def wrapped_data_key(settings: Settings, uid: int | None) -> bytes | None:
    """The encrypted data key in the state directory (see `wrapped_key`).

    Empty until the first start is complete. None if a version without data keys has written the store, or no service
    has used the directory.
    """
    try:
        return _private_file("server.state", settings.server.state / DATA_KEY_FILE, MAX_DATA_KEY_OCTETS, uid)
    except FileNotFoundError:
        return None


def write_wrapped_data_key(settings: Settings, wrapped: bytes) -> None:
    """Replace the data key in the state directory. If it raises OSError, the previous one is kept."""
    directory = settings.server.state
    descriptor, name = tempfile.mkstemp(prefix=f"{DATA_KEY_FILE}.", dir=directory)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(wrapped)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(directory / DATA_KEY_FILE)
    except BaseException:
        Path(name).unlink()
        raise
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def directory_problems(key: str, directory: Path, uid: int | None) -> Iterator[str]:
    """Why a directory is not safe for a key or a store of the service's user `uid`."""
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
    """Why the files of a store are not safe, and its directory if that is not the state directory."""
    state = settings.server.state
    path = settings.store.data_path(state)
    if path is not None and path.parent != state:
        yield from directory_problems("store.path", path.parent, uid)
    for file in settings.store.data_files(state):
        yield from (f"store.path: {problem}" for problem in exposure(file, file.stat(), ANY_ACCESS, uid))


def refuse(problems: Iterable[str]) -> None:
    """Raise ValueError with all problems, one in a line, if there are any."""
    found = list(problems)
    if found:
        raise ValueError("\n".join(found))
