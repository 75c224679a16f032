"""Operations that share a transaction: they see each other, and all of them are in the file or none."""

import asyncio
import signal
import sqlite3
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from radius_voice.login.inputs import CallProgress, InitialRequest
from radius_voice.login.model import (
    CallStatus,
    LimitAction,
    Limited,
    LimitOperation,
    SwapResult,
    Unavailable,
)
from radius_voice.login.replay import ReplayRecord
from radius_voice.login.session.state_machine import step
from radius_voice.stores import sqlite, sqlite_batch
from radius_voice.stores.memory import MemoryStore
from radius_voice.stores.sqlite import SqliteStore
from tests.login.harness import Clock
from tests.login.sessions import KEY, LIFETIME, LOGIN, SESSION_TIMEOUT, challenge_response, session_row
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
    statements: list[str] = []
    store._base.set_trace_callback(statements.append)
    return lambda: sum(statement == "COMMIT" for statement in statements)


async def test_operations_of_one_loop_iteration_share_a_transaction_and_single_ones_do_not_wait(store, clock, commits):
    await store.apply_limits([LimitOperation(LIMIT, "x")])
    assert 1 == commits()
    await asyncio.gather(*(store.apply_limits([LimitOperation(LIMIT, f"user {n}")]) for n in range(50)))
    assert commits() <= 3
    assert Limited is type(
        (await asyncio.gather(*(store.apply_limits([LimitOperation(LIMIT, "y")]) for _ in range(3))))[2]
    )
    before = commits()
    for number in range(4):
        await store.apply_limits([LimitOperation(LIMIT, f"again {number}")])
    assert before + 4 == commits()


async def test_the_write_ahead_log_stays_small_under_continuous_writes(store, tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "MAX_LOG", 0)
    log, sweeping = tmp_path / "state.db-wal", True
    kept: list[bytes | None] = []

    async def write(writer):
        while sweeping:
            number = len(kept)
            kept.append(None)
            await store.put(b"%d %d" % (writer, number), bytes(8_000), 1e9)
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
    assert None not in [await store.get(key) for key in kept], "and no write was lost"


async def test_operations_of_one_transaction_see_each_other(store, clock):
    one, other = session_row(clock.now), session_row(clock.now, key=b"o" * 16, login="login2")
    record = ReplayRecord(b"r" * 16, b"value")
    results = await asyncio.gather(
        store.apply_limits([]),
        store.compare_and_swap(None, one, [LimitOperation(TIGHT, "all")]),
        store.compare_and_swap(None, one),
        store.compare_and_swap(None, other),
        store.apply_limits([LimitOperation(TIGHT, "all")]),
        store.apply_limits([], record),
        store.apply_limits([], ReplayRecord(b"r" * 16, b"another")),
        store.put(b"k", b"v", 60),
    )
    assert [None, SwapResult.DONE, SwapResult.STALE, SwapResult.BUSY] == results[:4]
    assert Limited is type(results[4])
    assert (None, b"value") == (results[5], results[6].value)
    assert b"v" == await store.get(b"k")


async def test_a_failed_commit_fails_every_operation_and_writes_nothing(store, clock):
    (pages,) = store._base.execute("PRAGMA page_count").fetchone()
    await asyncio.gather(*(store.apply_limits([LimitOperation(LIMIT, f"warm {n}")]) for n in range(3)))
    store._base.execute(f"PRAGMA max_page_count={pages}")
    rows = [session_row(clock.now, key=n.to_bytes(16), user_key=str(n), login=f"login{n}") for n in range(200)]
    results = await asyncio.gather(*(store.compare_and_swap(None, session) for session in rows), return_exceptions=True)
    assert {Unavailable} == {type(result) for result in results[1:]}
    assert SwapResult.DONE is results[0] or isinstance(results[0], Unavailable)
    store._base.execute("PRAGMA max_page_count=100000")
    assert [None] * 199 == [await store.load(session.key) for session in rows[1:]]
    assert {SwapResult.DONE} == set(
        await asyncio.gather(*(store.compare_and_swap(None, session) for session in rows[1:]))
    )


async def test_an_operation_that_raises_leaves_no_other_waiting(store, clock):
    def broken(batch):
        raise KeyError("a fault of our own")

    results = await asyncio.gather(
        store.apply_limits([LimitOperation(LIMIT, "warm")]),
        store._run(broken),
        store.compare_and_swap(None, session_row(clock.now)),
        return_exceptions=True,
    )
    assert [type(None), KeyError, KeyError] == [type(result) for result in results]
    assert await store.load(KEY) is None
    assert SwapResult.DONE is await store.compare_and_swap(None, session_row(clock.now))


async def test_an_operation_cancelled_in_the_queue_is_still_done(store, clock):
    await store.apply_limits([LimitOperation(LIMIT, "warm")])
    first = asyncio.create_task(store.apply_limits([LimitOperation(LIMIT, "x")]))
    given_up = asyncio.create_task(store.compare_and_swap(None, session_row(clock.now)))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(first, given_up, return_exceptions=True)
    await store.apply_limits([LimitOperation(LIMIT, "y")])
    assert await store.load(KEY) is not None


async def test_a_write_of_another_process_is_visible_immediately(tmp_path, store, clock):
    other = SqliteStore(tmp_path / "state.db", clock)
    first = session_row(clock.now)
    await store.compare_and_swap(None, first, [LimitOperation(TIGHT, "all")])
    loaded = await other.load(KEY)
    assert loaded is not None
    await other.compare_and_swap(
        loaded, replace(loaded, attempts_left=1, version=2), [LimitOperation(TIGHT, "all", LimitAction.RESET)]
    )
    assert 1 == (await store.load(KEY)).attempts_left
    assert SwapResult.STALE is await store.compare_and_swap(first, replace(first, version=2))
    assert await store.apply_limits([LimitOperation(TIGHT, "all")]) is None
    await other.close()


async def test_a_swept_row_is_not_in_the_cache(store, clock):
    first = session_row(clock.now)
    await store.compare_and_swap(None, first)
    clock.now += SESSION_TIMEOUT + 60
    await store.sweep()
    assert await store.load(KEY) is None
    assert SwapResult.STALE is await store.compare_and_swap(first, replace(first, version=2))
    assert SwapResult.DONE is await store.compare_and_swap(None, session_row(clock.now))


async def test_the_cache_is_bounded_and_correct_after_it_is_emptied(store, clock, monkeypatch):
    monkeypatch.setattr(sqlite_batch, "MAX_CACHED_SESSIONS", 3)
    monkeypatch.setattr(sqlite_batch, "MAX_CACHED_LIMITS", 3)
    rows = [session_row(clock.now, key=n.to_bytes(16), user_key=str(n), login=f"login{n}") for n in range(10)]
    for session in rows:
        await store.compare_and_swap(None, session, [LimitOperation(LIMIT, session.user_key)])
    assert len(store._cache.sessions) <= 3
    assert len(store._cache.limits) <= 3
    for session in rows:
        over = step(
            await store.load(session.key), CallProgress(session.id, 1, CallStatus.COMPLETED, LIFETIME), clock.now
        ).session
        assert SwapResult.DONE is await store.compare_and_swap(
            await store.load(session.key), over, [LimitOperation(LIMIT, session.user_key)]
        )
    assert all(
        [isinstance(await store.apply_limits([LimitOperation(LIMIT, session.user_key)]), Limited) for session in rows]
    )


KILLED = """
import asyncio, os, signal, sys, time
from pathlib import Path
from radius_voice.login.model import LimitOperation
from radius_voice.stores.sqlite import SqliteStore
from radius_voice.stores.sqlite_batch import Batch
from tests.login.sessions import session_row
from tests.stores.test_contract import LIMIT

write = Batch.write

def killed(batch):
    write(batch)
    sys.stdout.write("written")
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    store = SqliteStore(Path(sys.argv[1]), time.time)
    await store.apply_limits([LimitOperation(LIMIT, "before")])
    Batch.write = killed
    rows = [session_row(time.time(), key=n.to_bytes(16), user_key=str(n)) for n in range(5)]
    await asyncio.gather(*(store.compare_and_swap(None, row, [LimitOperation(LIMIT, row.user_key)]) for row in rows))
    sys.stdout.write("answered")

asyncio.run(main())
"""


def test_a_process_killed_between_its_first_write_and_the_commit_wrote_nothing(tmp_path):
    path = tmp_path / "state.db"
    ended = subprocess.run([sys.executable, "-c", KILLED, path], capture_output=True, timeout=30)
    assert (-signal.SIGKILL, b"written") == (ended.returncode, ended.stdout), ended.stderr
    base = sqlite3.connect(path)
    assert [("before:calls.user",)] == base.execute("SELECT name FROM limits").fetchall()
    assert [(0,)] == base.execute("SELECT count(*) FROM sessions").fetchall()
    base.close()


USER_KEYS = st.sampled_from(["alice", "bob"])
CLIENTS = st.sampled_from([b"a" * 16, b"b" * 16])
OPERATIONS = st.one_of(
    st.tuples(st.just("open"), USER_KEYS, CLIENTS, st.booleans()),
    st.tuples(st.just("answer"), USER_KEYS, CLIENTS, st.booleans()),
    st.tuples(st.just("over"), USER_KEYS, CLIENTS, st.booleans()),
    st.tuples(st.just("spend"), USER_KEYS, st.sampled_from(list(LimitAction)), st.booleans()),
    st.tuples(st.just("record"), USER_KEYS, st.sampled_from([b"one", b"two", b""]), st.booleans()),
)


def operation(drawn, rows, now):
    """An operation of a store, from what a caller knew before its turn."""
    kind, user_key, which, flag = drawn
    key = which + user_key.encode() if isinstance(which, bytes) else b""
    session = rows.get(key)
    operations = [LimitOperation(TIGHT, user_key)] if flag else []
    record = ReplayRecord(b"packet", b"seen", verified=flag) if flag else None
    match kind:
        case "spend":
            return lambda store: store.apply_limits([LimitOperation(LIMIT, user_key, which), *operations])
        case "record":
            return lambda store: store.apply_limits(
                [], ReplayRecord(user_key.encode(), which, replaces=b"one", verified=flag)
            )
        case "open":
            new = step(
                session,
                InitialRequest(session_row(now, key=key, user_key=user_key, calling_station_id=kind, login=LOGIN)),
                now,
            ).session
        case "answer":
            new = step(session, challenge_response(typed=b"wrong"), now).session if session else None
        case _:
            new = (
                step(session, CallProgress(LOGIN, 1, CallStatus.COMPLETED, LIFETIME), now).session if session else None
            )
    if new is None:
        return lambda store: store.apply_limits(operations)
    return lambda store: store.compare_and_swap(session, new, operations, record)


@given(st.lists(st.tuples(st.floats(0, 70, allow_nan=False), st.lists(OPERATIONS, max_size=6)), max_size=8))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_concurrent_operations_have_the_results_of_sequential_ones(tmp_path_factory, turns):
    clock = Clock()
    memory = MemoryStore(clock)
    sqlite = SqliteStore(tmp_path_factory.mktemp("batch") / "state.db", clock)
    keys = [client + user_key for client in (b"a" * 16, b"b" * 16) for user_key in (b"alice", b"bob")]
    for pause, batch in turns:
        clock.now += pause
        rows = {key: await memory.load(key) for key in keys}
        work = [operation(each, rows, clock.now) for each in batch]
        expected = [await each(memory) for each in work]
        assert list(map(str, expected)) == list(map(str, await asyncio.gather(*(each(sqlite) for each in work))))
        assert [await memory.load(key) for key in keys] == [await sqlite.load(key) for key in keys]
        await memory.sweep()
        await sqlite.sweep()
    await sqlite.close()
