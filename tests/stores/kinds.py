"""The stores there are, and how a test opens one."""

from contextlib import asynccontextmanager

from radius_voice.stores.memory import MemoryStore
from radius_voice.stores.sqlite import SqliteStore

KINDS = ["memory", "sqlite"]


@asynccontextmanager
async def opened(kind, folder, now):
    store = MemoryStore(now) if kind == "memory" else SqliteStore(folder / "state.db", now)
    try:
        yield store
    finally:
        await store.close()
