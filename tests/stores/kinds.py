"""The stores there are, and how a test opens one."""

from contextlib import asynccontextmanager

from radius_voice.login.challenge import REPEATED_FOR
from radius_voice.stores.memory import MemoryStore
from radius_voice.stores.redis import RedisStore
from radius_voice.stores.redis_link import Servers
from radius_voice.stores.sqlite import SqliteStore
from tests.stores.redis_server import Shared

KINDS = ["memory", "sqlite", "redis"]
KEY = b"server key of thirty-two octets!"


class RedisByHand(RedisStore):
    """Redis ends keys by its own time; this one does when the clock that a test turns says so."""

    def __init__(self, servers, clock):
        super().__init__(servers, KEY, now=clock)
        self._until = {}

    async def load(self, key):
        row = await super().load(key)
        return row if row and self._now() < row.ends_at + REPEATED_FOR else None

    async def remember(self, key, value, ttl):
        self._until[key] = self._now() + ttl
        await super().remember(key, value, ttl)

    async def recall(self, key):
        return await super().recall(key) if self._now() < self._until.get(key, 0) else None


def _made(kind, folder, now):
    match kind:
        case "memory":
            return MemoryStore(now)
        case "sqlite":
            return SqliteStore(folder / "state.db", now)
        case _:
            return RedisByHand(Servers((Shared.emptied().address,), timeout=5.0), now)


@asynccontextmanager
async def opened(kind, folder, now):
    store = _made(kind, folder, now)
    try:
        yield store
    finally:
        await store.close()
