"""What open rows cost: CPU per login and memory, by store, at 0, 1,000, 10,000 and 100,000 logins that wait.

The dialog runs in this process, without sockets, with all limits on; only its store differs. Writes the curves
to docs/open-rows.svg with --draw.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import curves

from radius_voice.delivery.fixed import Fixed
from radius_voice.events import Reason, Trace
from radius_voice.login.codes import Keys
from radius_voice.login.dialog import Dialog, Parts
from radius_voice.login.limits import Limits
from radius_voice.login.model import Attempt, Limit, User
from radius_voice.login.phone import Phone
from radius_voice.login.policy import Policy
from radius_voice.login.ports import Store
from radius_voice.stores.memory import MemoryStore
from radius_voice.stores.sqlite import SqliteStore

CODE = "123456"
SIZES = (0, 1_000, 10_000, 100_000)
LOGINS, ROUNDS = 300, 5
LIMIT = Limit("bench", 10_000_000, 86400.0, Reason.CALL_LIMIT)
ROOT = Path(__file__).parents[1]


class People:
    """A directory that knows everybody, each with a phone of their own."""

    async def find(self, name: str, deadline: float) -> User | None:  # noqa: ARG002, D102
        return User(name, name, (Phone(f"+1202{5_000_000 + int(name)}"),))


def dialog_on(store: Store) -> Dialog:
    """A dialog that calls nobody and limits everything."""
    scopes = dict.fromkeys(("person", "phone", "source", "client", "country", "all"), LIMIT)
    policy = Policy("default", None, People(), 6, 120.0, 3, 2, 30, 360.0)
    return Dialog(
        Parts(
            keys=Keys(b"k" * 32),
            store=store,
            limits=Limits({}, scopes, scopes, scopes),
            policies={"default": policy},
            voice={"fixed": Fixed(name="fixed", code=CODE)},
            live={},
            friendly_name="Bench",
            observer=lambda _: None,
            now=time.time,
            clock=time.monotonic,
            new_code=lambda _digits: CODE,
        )
    )


def attempt(number: int, state: bytes | None = None) -> Attempt:
    now = time.monotonic()
    return Attempt(
        client="bench",
        policy="default",
        name=str(number),
        password=CODE if state else "password",
        source="203.0.113.9",
        packet=os.urandom(16),
        arrived=now,
        answer_by=now + 60,
        state=state,
    )


async def begin(dialog: Dialog, number: int) -> bytes:
    decision = await dialog.begin(attempt(number), Trace(time.monotonic(), time.monotonic))
    if decision.reason is not Reason.CALLED:
        raise SystemExit(f"a login was {decision.reason}")
    return decision.state


async def cost(dialog: Dialog, first: int) -> float:
    """Microseconds of CPU per whole login."""
    before = time.process_time()
    for number in range(first, first + LOGINS):
        state = await begin(dialog, number)
        decision = await dialog.answer(attempt(number, state), Trace(time.monotonic(), time.monotonic))
        if decision.reason is not Reason.CODE_RIGHT:
            raise SystemExit(f"an answer was {decision.reason}")
    return (time.process_time() - before) / LOGINS * 1e6


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def opened(kind: str, folder: Path) -> AsyncIterator[Store]:
    store: Store = MemoryStore(time.time) if kind == "memory" else SqliteStore(folder / "state.db", time.time)
    try:
        yield store
    finally:
        await store.close()


async def measured(kind: str, sizes: tuple[int, ...]) -> list[tuple[int, float, float]]:
    """For each size: open rows, microseconds a login (median of rounds), megabytes more than with none."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="radius-voice-bench-") as folder:
        async with opened(kind, Path(folder)) as store:
            dialog, there = dialog_on(store), 0
            await cost(dialog, 5_000_000)
            base = resident()
            for size in sizes:
                while there < size:
                    await begin(dialog, there)
                    there += 1
                await store.sweep()
                rounds = [await cost(dialog, 1_000_000 + size + number * LOGINS) for number in range(ROUNDS)]
                rows.append((size, statistics.median(rounds), (resident() - base) / 2**20))
                print(f"{kind:<8} {size:>8} {rows[-1][1]:>10.0f} us {rows[-1][2]:>8.1f} MiB", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=SIZES[-1], help="do not go beyond so many open rows")
    parser.add_argument("--draw", action="store_true", help="write docs/open-rows.svg")
    args = parser.parse_args()
    sizes = tuple(size for size in SIZES if size <= args.most)
    print("store    open rows   CPU a login     memory")
    found = {kind: asyncio.run(measured(kind, sizes)) for kind in ("memory", "sqlite")}
    if args.draw:
        lines = {kind: [(size, cpu) for size, cpu, _ in rows] for kind, rows in found.items()}
        picture = curves.drawn(lines, "open rows", "CPU per login, microseconds")
        (ROOT / "docs" / "open-rows.svg").write_text(picture)


if __name__ == "__main__":
    main()
