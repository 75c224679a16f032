"""Operations that share a transaction: they see each other, and all of them are in the file or none."""

import asyncio
import signal
import sqlite3
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radius_voice.login.challenge import CallChanged, First, step
from radius_voice.login.model import Act, CallStatus, Limited, Record, Spend, Swap, Unavailable
from radius_voice.stores import sqlite, sqlite_batch
from radius_voice.stores.memory import MemoryStore
from radius_voice.stores.sqlite import SqliteStore
from tests.login.fakes import Clock
from tests.login.rows import CAP, KEY, LIFETIME, LOGIN, answered, blank
from tests.stores.test_contract import LIMIT, TIGHT


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def store(tmp_path, clock):
    store = SqliteStore(tmp_path / "state.db", clock)
    yield store
    await store.close()


@pytest.fixture
def commits(store):
    """The transactions that were committed since."""
    statements = []
    store._base.set_trace_callback(statements.append)
    return lambda: sum(statement == "COMMIT" for statement in statements)


async def test_operations_of_one_turn_share_a_transaction_and_single_ones_do_not_wait(store, clock, commits):
    await store.spend([Spend(LIMIT, "x")])
    assert 1 == commits()
    await asyncio.gather(*(store.spend([Spend(LIMIT, f"user {n}")]) for n in range(50)))
    assert commits() <= 3
    assert Limited is type((await asyncio.gather(*(store.spend([Spend(LIMIT, "y")]) for _ in range(3))))[2])
    before = commits()
    for number in range(4):
        await store.spend([Spend(LIMIT, f"again {number}")])
    assert before + 4 == commits()


async def test_the_write_ahead_log_stays_small_while_writes_never_pause(store, tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "MAX_LOG", 0)
    log, kept, sweeping = tmp_path / "state.db-wal", [], True

    async def write(writer):
        while sweeping:
            number = len(kept)
            kept.append(None)
            await store.remember(b"%d %d" % (writer, number), bytes(8_000), 1e9)
            kept[number] = b"%d %d" % (writer, number)
            await asyncio.sleep(0)

    writers = [asyncio.create_task(write(writer)) for writer in range(4)]
    for _ in range(20):
        await store.sweep()
    size = log.stat().st_size
    sweeping = False
    await asyncio.gather(*writers)
    assert len(kept) > 40, "the writers went on"
    assert size < 20 * 8_000, "the log holds what waited for the last sweep"
    assert None not in [await store.recall(key) for key in kept], "and no write was lost"


async def test_operations_of_one_transaction_see_each_other(store, clock):
    one, other = blank(clock.now), blank(clock.now, key=b"o" * 16, login="login2")
    record = Record(b"r" * 16, b"value")
    results = await asyncio.gather(
        store.spend([]),
        store.swap(None, one, [Spend(TIGHT, "all")]),
        store.swap(None, one),
        store.swap(None, other),
        store.spend([Spend(TIGHT, "all")]),
        store.spend([], record),
        store.spend([], Record(b"r" * 16, b"another")),
        store.remember(b"k", b"v", 60),
    )
    assert [None, Swap.DONE, Swap.STALE, Swap.BUSY] == results[:4]
    assert Limited is type(results[4])
    assert (None, b"value") == (results[5], results[6].value)
    assert b"v" == await store.recall(b"k")


async def test_a_commit_that_fails_fails_every_operation_and_leaves_nothing(store, clock):
    (pages,) = store._base.execute("PRAGMA page_count").fetchone()
    await asyncio.gather(*(store.spend([Spend(LIMIT, f"warm {n}")]) for n in range(3)))
    store._base.execute(f"PRAGMA max_page_count={pages}")
    rows = [blank(clock.now, key=n.to_bytes(16), person=str(n), login=f"login{n}") for n in range(200)]
    results = await asyncio.gather(*(store.swap(None, row) for row in rows), return_exceptions=True)
    assert {Unavailable} == {type(result) for result in results[1:]}
    assert Swap.DONE is results[0] or isinstance(results[0], Unavailable)
    store._base.execute("PRAGMA max_page_count=100000")
    assert [None] * 199 == [await store.load(row.key) for row in rows[1:]]
    assert {Swap.DONE} == set(await asyncio.gather(*(store.swap(None, row) for row in rows[1:])))


async def test_an_operation_that_breaks_leaves_no_other_waiting(store, clock):
    def broken(batch):
        raise KeyError("a fault of our own")

    results = await asyncio.gather(
        store.spend([Spend(LIMIT, "warm")]),
        store._run(broken),
        store.swap(None, blank(clock.now)),
        return_exceptions=True,
    )
    assert [type(None), KeyError, KeyError] == [type(result) for result in results]
    assert await store.load(KEY) is None
    assert Swap.DONE is await store.swap(None, blank(clock.now))


async def test_an_operation_that_is_given_up_while_it_waits_is_done_all_the_same(store, clock):
    await store.spend([Spend(LIMIT, "warm")])
    first = asyncio.create_task(store.spend([Spend(LIMIT, "x")]))
    given_up = asyncio.create_task(store.swap(None, blank(clock.now)))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(first, given_up, return_exceptions=True)
    await store.spend([Spend(LIMIT, "y")])
    assert await store.load(KEY) is not None


async def test_what_another_process_wrote_is_seen_at_once(tmp_path, store, clock):
    other = SqliteStore(tmp_path / "state.db", clock)
    first = blank(clock.now)
    await store.swap(None, first, [Spend(TIGHT, "all")])
    loaded = await other.load(KEY)
    await other.swap(loaded, loaded._replace(tries=1, version=2), [Spend(TIGHT, "all", Act.CLEAR)])
    assert 1 == (await store.load(KEY)).tries
    assert Swap.STALE is await store.swap(first, first._replace(version=2))
    assert await store.spend([Spend(TIGHT, "all")]) is None
    await other.close()


async def test_a_row_that_was_swept_away_is_not_in_the_cache(store, clock):
    first = blank(clock.now)
    await store.swap(None, first)
    clock.now += CAP + 60
    await store.sweep()
    assert await store.load(KEY) is None
    assert Swap.STALE is await store.swap(first, first._replace(version=2))
    assert Swap.DONE is await store.swap(None, blank(clock.now))


async def test_the_cache_is_bounded_and_correct_when_it_is_emptied(store, clock, monkeypatch):
    monkeypatch.setattr(sqlite_batch, "MAX_CACHED_ROWS", 3)
    monkeypatch.setattr(sqlite_batch, "MAX_CACHED_LIMITS", 3)
    rows = [blank(clock.now, key=n.to_bytes(16), person=str(n), login=f"login{n}") for n in range(10)]
    for row in rows:
        await store.swap(None, row, [Spend(LIMIT, row.person)])
    assert len(store._cache.rows) <= 3
    assert len(store._cache.limits) <= 3
    for row in rows:
        over = step(await store.load(row.key), CallChanged(row.id, 1, CallStatus.COMPLETED, LIFETIME), clock.now).row
        assert Swap.DONE is await store.swap(await store.load(row.key), over, [Spend(LIMIT, row.person)])
    assert all([isinstance(await store.spend([Spend(LIMIT, row.person)]), Limited) for row in rows])


KILLED = """
import asyncio, os, signal, sys, time
from pathlib import Path
from radius_voice.login.model import Spend
from radius_voice.stores.sqlite import SqliteStore
from radius_voice.stores.sqlite_batch import Batch
from tests.login.rows import blank
from tests.stores.test_contract import LIMIT

write = Batch.write

def killed(batch):
    write(batch)
    sys.stdout.write("written")
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    store = SqliteStore(Path(sys.argv[1]), time.time)
    await store.spend([Spend(LIMIT, "before")])
    Batch.write = killed
    rows = [blank(time.time(), key=n.to_bytes(16), person=str(n)) for n in range(5)]
    await asyncio.gather(*(store.swap(None, row, [Spend(LIMIT, row.person)]) for row in rows))
    sys.stdout.write("answered")

asyncio.run(main())
"""


def test_a_process_killed_between_its_first_write_and_the_commit_has_written_nothing(tmp_path):
    path = tmp_path / "state.db"
    ended = subprocess.run([sys.executable, "-c", KILLED, path], capture_output=True, timeout=30)
    assert (-signal.SIGKILL, b"written") == (ended.returncode, ended.stdout), ended.stderr
    base = sqlite3.connect(path)
    assert [("before:calls.person",)] == base.execute("SELECT name FROM limits").fetchall()
    assert [(0,)] == base.execute("SELECT count(*) FROM rows").fetchall()
    base.close()


PERSONS = st.sampled_from(["alice", "bob"])
CLIENTS = st.sampled_from([b"a" * 16, b"b" * 16])
OPERATIONS = st.one_of(
    st.tuples(st.just("open"), PERSONS, CLIENTS, st.booleans()),
    st.tuples(st.just("answer"), PERSONS, CLIENTS, st.booleans()),
    st.tuples(st.just("over"), PERSONS, CLIENTS, st.booleans()),
    st.tuples(st.just("spend"), PERSONS, st.sampled_from(list(Act)), st.booleans()),
    st.tuples(st.just("record"), PERSONS, st.sampled_from([b"one", b"two", b""]), st.booleans()),
)


def operation(kind, person, which, flag, rows, now):
    """An operation of a store, from what a caller knew before its turn."""
    key = which + person.encode() if isinstance(which, bytes) else b""
    row = rows.get(key)
    spends = [Spend(TIGHT, person)] if flag else []
    record = Record(b"packet", b"seen", verified=flag) if flag else None
    match kind:
        case "spend":
            return lambda store: store.spend([Spend(LIMIT, person, which), *spends])
        case "record":
            return lambda store: store.spend([], Record(person.encode(), which, replaces=b"one", verified=flag))
        case "open":
            new = step(row, First(blank(now, key=key, person=person, source=kind, login=LOGIN)), now).row
        case "answer":
            new = step(row, answered(typed=b"wrong"), now).row if row else None
        case _:
            new = step(row, CallChanged(LOGIN, 1, CallStatus.COMPLETED, LIFETIME), now).row if row else None
    if new is None:
        return lambda store: store.spend(spends)
    return lambda store: store.swap(row, new, spends, record)


@given(st.lists(st.tuples(st.floats(0, 70, allow_nan=False), st.lists(OPERATIONS, max_size=6)), max_size=8))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_operations_at_once_have_the_results_of_the_same_ones_in_turn(tmp_path_factory, turns):
    clock = Clock()
    memory = MemoryStore(clock)
    sqlite = SqliteStore(tmp_path_factory.mktemp("batch") / "state.db", clock)
    keys = [client + person for client in (b"a" * 16, b"b" * 16) for person in (b"alice", b"bob")]
    for pause, batch in turns:
        clock.now += pause
        rows = {key: await memory.load(key) for key in keys}
        work = [operation(*each, rows, clock.now) for each in batch]
        expected = [await each(memory) for each in work]
        assert list(map(str, expected)) == list(map(str, await asyncio.gather(*(each(sqlite) for each in work))))
        assert [await memory.load(key) for key in keys] == [await sqlite.load(key) for key in keys]
        await memory.sweep()
        await sqlite.sweep()
    await sqlite.close()
