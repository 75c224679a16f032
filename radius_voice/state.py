"""The state directory: its lock and local socket, `server.key`, and the store. Only `serve` creates anything there.

A user who can read the key and the store can work out codes, and one who can write to them can log in without a code.
Files that other users of the machine can open are refused, with a ValueError that names the command to run.
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from radius_voice import control
from radius_voice.config.schema import Settings
from radius_voice.config.secrets import revealed
from radius_voice.config.stores import MemoryStore, RedisStore, SqliteStore
from radius_voice.file_access import ANY_ACCESS, WRITE_ACCESS, exposure
from radius_voice.login.ports import Store

KEY_BYTES = 32
MAX_KEY_BYTES = 64
STORE_SUFFIXES = ("", "-wal", "-shm", ".lock")
"""The files of a SQLite store: the database, its journals, and the lock for opening it."""


def claim(settings: Settings) -> control.ControlSocket:
    """Make the state directory and hold it for this service. Raises ValueError or OSError."""
    directory = settings.server.state
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _refuse(directory_problems("server.state", directory, os.geteuid()))
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
    """The key of all hashes, which must be there already; `uid` is the service's user, None where it is unknown."""
    key = _configured_key(settings)
    if key is not None:
        return key
    path = key_path(settings)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"server.key: {path}: is not a regular file; remove it")
        _refuse(f"server.key: {problem}" for problem in exposure(path, status, ANY_ACCESS, uid))
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


def store_path(settings: Settings, store: SqliteStore) -> Path:
    """The file of a SQLite store."""
    return store.path or settings.server.state / "state.db"


def open_store(settings: Settings) -> Store:
    """The store of a service, created where there is none yet. Raises ValueError or OSError."""
    store = settings.store
    if isinstance(store, MemoryStore):
        from radius_voice.stores import memory  # noqa: PLC0415

        return memory.MemoryStore(time.time)
    if isinstance(store, RedisStore):
        return redis_store(store, server_key(settings))
    from radius_voice.stores import sqlite  # noqa: PLC0415

    _refuse(store_problems(settings, store, os.geteuid()))
    return sqlite.SqliteStore(store_path(settings, store), time.time)


def require_redis() -> None:
    """Raise ValueError when the packages that a store in Redis needs are missing."""
    try:
        import radius_voice.stores.redis  # noqa: PLC0415
        import radius_voice.stores.redis_link  # noqa: F401, PLC0415
    except ModuleNotFoundError:
        raise ValueError(
            "store.type: redis needs packages of its own; run: pip install 'radius-voice[redis]'"
        ) from None


def redis_store(store: RedisStore, key: bytes) -> Store:
    """The store in Redis; connects when it is first used. Raises ValueError when packages are missing."""
    require_redis()
    from radius_voice.stores import redis, redis_link  # noqa: PLC0415

    servers = redis_link.Servers(
        addresses=tuple((each.host, each.port) for each in store.servers),
        mode=store.mode,
        service=store.service or "",
        username=store.username,
        password=revealed(store.password, "store.password") if store.password is not None else None,
        tls=store.tls,
        ca_file=store.ca_file,
        timeout=store.timeout,
    )
    return redis.RedisStore(servers, key, prefix=store.prefix, replicas=store.replicas)


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


def store_problems(settings: Settings, store: SqliteStore, uid: int | None) -> Iterator[str]:
    """Why a SQLite store cannot be trusted: its files, and its directory where that is not the state directory."""
    path = store_path(settings, store)
    if path.parent != settings.server.state:
        yield from directory_problems("store.path", path.parent, uid)
    for file in store_files(path):
        yield from (f"store.path: {problem}" for problem in exposure(file, file.stat(), ANY_ACCESS, uid))


def store_files(path: Path) -> list[Path]:
    """The files of a SQLite store that exist. SQLite keeps the journals beside the file that a link names."""
    path = path.resolve()
    return [file for suffix in STORE_SUFFIXES if (file := path.with_name(path.name + suffix)).exists()]


def _configured_key(settings: Settings) -> bytes | None:
    key = settings.server.key
    return None if key is None else revealed(key, "server.key").encode()[:MAX_KEY_BYTES]


def _refuse(problems: Iterable[str]) -> None:
    """Raise ValueError with all problems, a line each, where there are any."""
    found = list(problems)
    if found:
        raise ValueError("\n".join(found))
