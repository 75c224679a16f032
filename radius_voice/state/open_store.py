"""Opens the store, and gets the data key with which everything in it is hashed and encrypted.

The data key is in the state directory, encrypted (`wrapped_key`). Nodes that share a store agree on a data key by a
value in the store. Each node has a copy, so that it can start while the store does not respond.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import blake2b
from typing import TypeVar

from radius_voice.config.schema import Settings
from radius_voice.login.model import Unavailable
from radius_voice.login.ports import Store
from radius_voice.state import directory as state
from radius_voice.state.directory import ServerKeys
from radius_voice.state.wrapped_key import NAME, is_wrapped_for, unwrap, wrap
from radius_voice.stores.context import StoreContext
from radius_voice.wiring.adapters import ADAPTERS, Adapters, store_of

PUBLIC_KEY = b"the data key of radius-voice"
"""The key with which a shared store stores the data key, which is already encrypted with `server.key`."""

ID = b"data key id"
ID_OCTETS = 16

T = TypeVar("T")


def no_key() -> bytes:
    """A key for operations that need none, such as checking whether a store responds."""
    return PUBLIC_KEY


def open_store(
    settings: Settings, data_key: Callable[[], bytes], *, read_only: bool = False, adapters: Adapters = ADAPTERS
) -> Store:
    """The configured store; see `StoreContext`. Raises ValueError or OSError."""
    if not read_only:
        state.refuse(state.store_problems(settings, os.geteuid()))
    return store_of(settings.store, StoreContext(settings.server.state, data_key, time.time, read_only), adapters)


def established_data_key(settings: Settings) -> bytes:
    """The data key, for the service: created if missing, and encrypted again if `server.key` has changed.

    Raises ValueError, OSError or Unavailable.
    """
    keys, kept = state.server_keys(settings), state.wrapped_data_key(settings, os.geteuid())
    wrapped = kept or wrap(_first_data_key(keys, kept), keys.present)
    if settings.store.SHARED_BY_NODES:
        try:
            wrapped = _with_shared_store(settings, lambda store: _agreed(store, keys, wrapped))
        except Unavailable:
            if not kept:
                raise
    data_key = _unwrapped(wrapped, keys)
    if not is_wrapped_for(wrapped, keys.present):
        wrapped = wrap(data_key, keys.present)
    if wrapped != kept:
        state.write_wrapped_data_key(settings, wrapped)
    return data_key


def existing_data_key(settings: Settings, uid: int | None) -> bytes:
    """The data key, for a command. Creates no file. `uid` is the service's user, None if it is unknown.

    If nodes share a store, a command may be the first to change it. Then it creates the data key in the store, and the
    nodes get it from there. Raises ValueError, OSError or Unavailable.
    """
    keys, kept = state.existing_keys(settings, uid), state.wrapped_data_key(settings, uid)
    if not kept and settings.store.SHARED_BY_NODES:
        unused = None if state.may_have_stored(settings) else b""
        ours = wrap(_first_data_key(keys, unused), keys.present)
        kept = _with_shared_store(settings, lambda store: _stored_or(store, ours))
    return _unwrapped(kept, keys) if kept else keys.readable[-1]


async def shared_data_key(settings: Settings) -> bytes | None:
    """The encrypted data key in the store that nodes share; None if the store has none yet.

    It is not under the keys of a store that was opened with the data key. Raises ValueError, OSError or Unavailable.
    """
    store = open_store(settings, no_key)
    try:
        return await store.durable(NAME)
    finally:
        await store.close()


async def require_store_of(settings: Settings, store: Store, data_key: bytes) -> None:
    """Raise ValueError if the store was written with another data key. A new store gets the id of this data key.

    With another data key, everything in the store would seem not to exist, locks included. Does nothing for a store
    that nodes share: they agree on the data key.
    """
    path = settings.store.data_path(settings.server.state)
    if path is None:
        return
    expected = blake2b(ID, key=data_key, digest_size=ID_OCTETS).digest()
    with suppress(Unavailable):  # a full disk must not keep the service from starting
        stored = await store.durable(ID)
        if stored is None:
            await store.replace_durable(ID, None, expected)
        elif stored != expected:
            raise ValueError(
                f"store.path: {path}: was written with another data key; restore data.key and server.key of the same "
                f"backup, or remove this file: open logins, locks and pinned phones are lost"
            )


def require_readable_data_key(settings: Settings, uid: int | None) -> None:
    """Raise ValueError or OSError if `server.key` cannot be used, or cannot decrypt the existing data key."""
    keys, wrapped = state.existing_keys(settings, uid), state.wrapped_data_key(settings, uid)
    if wrapped:
        _unwrapped(wrapped, keys)


def _first_data_key(keys: ServerKeys, kept: bytes | None) -> bytes:
    """A random data key; or `server.key`, if a version without data keys has written the store with it."""
    return keys.readable[-1] if kept is None else secrets.token_bytes(state.KEY_BYTES)


async def _stored_or(store: Store, ours: bytes) -> bytes:
    """The encrypted data key in a shared store. If there is none, stores `ours`."""
    while True:
        stored = await store.durable(NAME)
        if stored or await store.replace_durable(NAME, stored, ours):
            return stored or ours


async def _agreed(store: Store, keys: ServerKeys, ours: bytes) -> bytes:
    """The encrypted data key of all nodes: the stored one, or `ours`. Encrypts it again if `server.key` has changed."""
    while True:
        stored = await store.durable(NAME)
        wrapped = stored or ours
        if not is_wrapped_for(wrapped, keys.present):
            wrapped = wrap(_unwrapped(wrapped, keys), keys.present)
        if wrapped == stored or await store.replace_durable(NAME, stored, wrapped):
            return wrapped


def _unwrapped(wrapped: bytes, keys: ServerKeys) -> bytes:
    data_key = unwrap(wrapped, keys.readable)
    if data_key is None:
        raise ValueError(
            "server.key: the data key was encrypted with another server.key; add the previous key as the second entry "
            "of the list"
        )
    return data_key


def _with_shared_store(settings: Settings, operation: Callable[[Store], Awaitable[T]]) -> T:
    """Run an operation on the shared store and return its result. Works also inside of a running event loop."""

    async def opened() -> T:
        store = open_store(settings, no_key)
        try:
            return await operation(store)
        finally:
            await store.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, opened()).result()
