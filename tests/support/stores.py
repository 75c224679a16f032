"""All store types, and how a test opens one."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from radius_voice.login.codes.issued_states import REPEAT_SECONDS
from radius_voice.login.model import Session
from radius_voice.stores.memory import MemoryStore
from radius_voice.stores.redis import RedisStore
from radius_voice.stores.redis_link import Servers
from radius_voice.stores.sqlite import SqliteStore
from tests.support.redis_server import SharedRedis

STORE_TYPES = ["memory", "sqlite", "redis"]
SERVER_KEY = b"server key of thirty-two octets!"


class ClockedRedisStore(RedisStore):
    """Expires keys by the clock of a test. Redis itself expires them by real time."""

    def __init__(self, servers: Servers, clock: Callable[[], float]) -> None:
        super().__init__(servers, SERVER_KEY, now=clock)
        self._test_clock = clock
        self._until: dict[bytes, float] = {}

    async def load(self, key: bytes) -> Session | None:
        row = await super().load(key)
        return row if row and self._test_clock() < row.ends_at + REPEAT_SECONDS else None

    async def put(self, key: bytes, value: bytes, ttl: float) -> None:
        self._until[key] = self._test_clock() + ttl
        await super().put(key, value, ttl)

    async def get(self, key: bytes) -> bytes | None:
        return await super().get(key) if self._test_clock() < self._until.get(key, 0) else None


def _create(kind: str, directory: Path, now: Callable[[], float]) -> MemoryStore | SqliteStore | RedisStore:
    match kind:
        case "memory":
            return MemoryStore(now)
        case "sqlite":
            return SqliteStore(directory / "state.db", now)
        case _:
            return ClockedRedisStore(Servers((SharedRedis.emptied().address,), timeout=5.0), now)


@asynccontextmanager
async def open_store(
    kind: str, directory: Path, now: Callable[[], float]
) -> AsyncIterator[MemoryStore | SqliteStore | RedisStore]:
    """A store of the given type, closed at the end of the context."""
    store = _create(kind, directory, now)
    try:
        yield store
    finally:
        await store.close()
