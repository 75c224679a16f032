"""What open rows cost: CPU per login and memory, by store, at 0, 1,000, 10,000 and 100,000 logins that wait.

The dialog runs in this process, without sockets, with all limits on; only its store differs.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import curves
import harness
import page
from harness import BenchError, Spread

from radius_voice.delivery.fixed.provider import Fixed
from radius_voice.events import Reason
from radius_voice.login.codes.keys import Keys
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.flow import LoginFlow
from radius_voice.login.limits.configured import Limits
from radius_voice.login.model import AuthRequest, Limit, Method, PapPassword, User
from radius_voice.login.phone import Phone
from radius_voice.login.policies.policy import Policy, UserRules
from radius_voice.login.ports import Store
from radius_voice.stores.memory import MemoryStore
from radius_voice.stores.sqlite import SqliteStore
from radius_voice.trace import Trace

CODE = "123456"
SIZES = (0, 1_000, 10_000, 100_000)
STORES = ("memory", "sqlite", "redis")
LOGINS, ROUNDS, AT_ONCE, SWEPT_EVERY = 300, 5, 20, 1_000
LIMIT = Limit("bench", 10_000_000, 86400.0, Reason.CALL_LIMIT)


class FixedDirectory:
    """A directory with any name, each with its own phone."""

    async def find(self, name: str, deadline: float) -> User | None:  # noqa: ARG002, D102
        return User(name, name, (Phone(f"+1202{5_000_000 + int(name)}"),))

    async def get(self, user_id: str, deadline: float) -> User | None:  # noqa: D102
        return await self.find(user_id, deadline)

    async def close(self) -> None:
        """Nothing to close."""


def flow_on(store: Store) -> LoginFlow:
    """A login flow that places no call and applies every limit."""
    scopes = dict.fromkeys(("user", "phone", "calling_station", "client", "country", "total"), LIMIT)
    policy = Policy(
        name="default",
        first_factor_name="none",
        directory_name="people",
        first_factor=None,
        directory=FixedDirectory(),
        rules=UserRules(6, code_lifetime=120.0, attempts=3, redials=2, ring_timeout=30, session_timeout=360.0),
    )
    return LoginFlow(
        Dependencies(
            keys=Keys(b"k" * 32),
            store=store,
            limits=Limits({}, scopes, scopes, scopes),
            policies={"default": policy},
            providers={Method.VOICE: {"fixed": Fixed("fixed")}},
            call_controls={},
            friendly_name="Bench",
            observer=lambda _: None,
            now=time.time,
            clock=time.monotonic,
            new_code=lambda _digits: CODE,
        )
    )


def attempt(number: int, state: bytes | None = None) -> AuthRequest:
    now = time.monotonic()
    return AuthRequest(
        client="bench",
        policy="default",
        user_name=str(number),
        credentials=PapPassword(CODE if state else "password"),
        calling_station_id="203.0.113.9",
        authenticator=os.urandom(16),
        arrived=now,
        deadline=now + 60,
        state=state,
    )


async def begin(flow: LoginFlow, number: int) -> bytes:
    decision = await flow.begin(attempt(number), Trace(time.monotonic(), time.monotonic))
    if decision.reason is not Reason.CALL_PLACED:
        raise SystemExit(f"a login was {decision.reason}")
    return decision.state


async def cost(flow: LoginFlow, first: int) -> float:
    """Microseconds of CPU per whole login."""
    before = time.process_time()
    for number in range(first, first + LOGINS):
        state = await begin(flow, number)
        decision = await flow.respond(attempt(number, state), Trace(time.monotonic(), time.monotonic))
        if decision.reason is not Reason.CODE_CORRECT:
            raise SystemExit(f"an answer was {decision.reason}")
    return (time.process_time() - before) / LOGINS * 1e6


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def opened(kind: str, folder: Path) -> AsyncIterator[tuple[Store, Callable[[], Awaitable[int]]]]:
    """A store, and what says how many octets hold it: this process's memory, or Redis's own."""
    if kind != "redis":
        store: Store = MemoryStore(time.time) if kind == "memory" else SqliteStore(folder / "state.db", time.time)

        async def ours() -> int:
            return resident()

        yield store, ours
        await store.close()
        return
    from redis.asyncio import Redis  # noqa: PLC0415 - an extra of the package

    from radius_voice.stores.redis import RedisStore  # noqa: PLC0415
    from radius_voice.stores.redis_link import Servers  # noqa: PLC0415

    with harness.redis(folder) as (_, port):
        store = RedisStore(Servers(addresses=(("127.0.0.1", port),), timeout=10.0), b"k" * 32)
        async with Redis(port=port) as asked:

            async def theirs() -> int:
                return int((await asked.info("memory"))["used_memory"])

            yield store, theirs
        await store.close()


async def measured(kind: str, sizes: Sequence[int]) -> list[tuple[int, Spread, float]]:
    """For each size: open rows, microseconds a login, megabytes more than with none."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="radius-voice-bench-") as folder:
        async with opened(kind, Path(folder)) as (store, held):
            flow, there = flow_on(store), 0
            await cost(flow, 4_000_000)
            base = await held()
            for size in sizes:
                while there < size:
                    await asyncio.gather(*(begin(flow, number) for number in range(there, min(size, there + AT_ONCE))))
                    there = min(size, there + AT_ONCE)
                    if there % SWEPT_EVERY == 0:  # as the service does every two seconds
                        await store.sweep()
                rounds = [await cost(flow, 1_000_000 + size + number * LOGINS) for number in range(ROUNDS)]
                rows.append((size, Spread.of(rounds), (await held() - base) / 2**20))
    return rows


def main() -> int:
    parser = page.parser(__doc__)
    parser.add_argument("--most", type=int, default=SIZES[-1], help="do not go beyond so many open rows")
    parser.add_argument("--stores", nargs="+", choices=STORES, default=STORES)
    args = parser.parse_args()
    sizes = [size for size in SIZES if size <= args.most]
    try:
        found = {kind: asyncio.run(measured(kind, sizes)) for kind in args.stores}
        head = [head for kind in found for head in (f"{kind}: CPU, us", f"{kind}: MiB more")]
        rows: list[list[object]] = [["open logins", *head]]
        for at, size in enumerate(sizes):
            cells = [cell for row in found.values() for cell in (row[at][1], f"{row[at][2]:,.0f}")]
            rows.append([f"{size:,}", *cells])
        method = (
            f"`python bench/open_rows.py`: medians (least and most) of {ROUNDS} rounds of {LOGINS} logins; memory is "
            "this process's, for redis its server's own."
        )
        lines = {kind: [(size, cpu.median) for size, cpu, _ in row] for kind, row in found.items()}
        picture = curves.drawn(lines, "open logins", "CPU, us a login")
        page.show("open_rows", method, rows, page=args.page, picture=picture)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
