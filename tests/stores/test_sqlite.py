import fcntl
import os
import sqlite3
import threading
from contextlib import nullcontext
from hashlib import sha1
from pathlib import Path

import msgspec
import pytest

from radius_voice.events import Reason
from radius_voice.login.codes.issued_codes import STORED_UNDER
from radius_voice.login.durable import DurableWrite
from radius_voice.login.model import Limit, LimitOperation, SwapResult, Unavailable
from radius_voice.login.session.state_machine import step
from radius_voice.service.housekeeping import SWEEP_INTERVAL_SECONDS
from radius_voice.stores import sqlite_file
from radius_voice.stores.encoding import UnreadableSession, decode, encode
from radius_voice.stores.sqlite import SqliteStore
from radius_voice.stores.sqlite_file import CannotOpen
from tests.login.harness import Clock
from tests.login.sessions import KEY, challenge_response, session_row
from tests.stores.test_contract import TIGHT

TIMEOUT = 10.0


FIRST_RELEASE = Path(__file__).with_name("state-0.1.0.sql")
"""A file of version 3 with an open session, a limit and the record of a request, as SQL."""


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.db"


async def test_the_file_is_accessible_only_to_its_owner(path, clock):
    await SqliteStore(path, clock).close()
    assert 0o600 == path.stat().st_mode & 0o777


async def test_a_lock_held_by_another_user_on_the_directory_does_not_delay_opening(path, clock):
    folder = os.open(path.parent, os.O_RDONLY)  # any user who can list the directory can do this
    fcntl.flock(folder, fcntl.LOCK_EX)
    opened = threading.Thread(target=lambda: SqliteStore(path, clock), daemon=True)
    opened.start()
    opened.join(TIMEOUT)
    os.close(folder)
    assert not opened.is_alive()
    assert 0o600 == path.with_name("state.db.lock").stat().st_mode & 0o777


@pytest.mark.parametrize("closed", [True, False])
async def test_reading_a_store_creates_no_file(path, clock, closed):
    store = SqliteStore(path, clock)
    await store.apply_limits([LimitOperation(TIGHT, "x")])
    if closed:
        await store.close()
    before = listing(path.parent)
    reader = SqliteStore(path, clock, read_only=True)
    assert clock.now < (await reader.arrival_times([LimitOperation(TIGHT, "x")]))[LimitOperation(TIGHT, "x")]
    with pytest.raises(Unavailable, match="readonly"):
        await reader.put(b"k", b"v", 60)
    await reader.close()
    assert before == listing(path.parent)
    await store.close()


def listing(folder):
    return {file.name: (file.stat().st_uid, file.stat().st_size) for file in folder.iterdir()}


async def test_reading_requires_an_intact_store(path, clock):
    with pytest.raises(FileNotFoundError):
        SqliteStore(path, clock, read_only=True)
    store = SqliteStore(path, clock)
    path.with_name("state.db-shm").unlink()
    with pytest.raises(CannotOpen, match=r"its index state\.db-shm is missing; start the service"):
        SqliteStore(path, clock, read_only=True)
    assert not path.with_name("state.db-shm").exists()
    await store.close()


async def test_rows_limits_and_values_outlive_a_killed_process(path, clock):
    killed = SqliteStore(path, clock)
    await killed.compare_and_swap(None, session_row(clock.now), [LimitOperation(TIGHT, "x")])
    await killed.put(b"k", b"v", 60)
    await killed.replace_durable(b"d", None, b"pins")
    after = SqliteStore(path, clock)  # the other one was never closed
    assert session_row(clock.now) == await after.load(KEY)
    assert await after.apply_limits([LimitOperation(TIGHT, "x")]) is not None
    assert b"v" == await after.get(b"k")
    assert b"pins" == await after.durable(b"d")
    await after.close()
    await killed.close()


async def test_open_rows_end_at_reboot_and_limits_stay(path, clock, monkeypatch, tmp_path):
    before = SqliteStore(path, clock)
    await before.compare_and_swap(None, session_row(clock.now), [LimitOperation(TIGHT, "x")])
    await before.put(STORED_UNDER + b"alice", b"a code whose use may be lost", 60.0)
    await before.put(b"other", b"value", 60.0)
    await before.replace_durable(b"d", None, b"pins")
    await before.close()
    (tmp_path / "boot").write_text("another")
    monkeypatch.setattr(sqlite_file, "BOOT_ID", tmp_path / "boot")
    after = SqliteStore(path, clock)
    assert await after.load(KEY) is None
    assert b"pins" == await after.durable(b"d")
    assert await after.apply_limits([LimitOperation(TIGHT, "x")]) is not None
    assert (None, b"value") == (await after.get(STORED_UNDER + b"alice"), await after.get(b"other"))
    await after.close()


async def test_two_processes_share_one_file(path, clock):
    one, two = SqliteStore(path, clock), SqliteStore(path, clock)
    assert SwapResult.DONE is await one.compare_and_swap(None, session_row(clock.now))
    assert SwapResult.BUSY is await two.compare_and_swap(None, session_row(clock.now, key=b"o" * 16))
    assert session_row(clock.now) == await two.load(KEY)
    await one.close()
    await two.close()


async def test_a_file_that_stays_locked_is_unavailable_after_a_timeout(path, clock, monkeypatch):
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.01)
    store = SqliteStore(path, clock)
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        await store.compare_and_swap(None, session_row(clock.now))
    other.rollback()
    assert SwapResult.DONE is await store.compare_and_swap(None, session_row(clock.now))
    other.close()
    await store.close()


async def test_a_full_disk_makes_the_store_unavailable_until_space_is_free(path, clock):
    store = SqliteStore(path, clock)
    (pages,) = store._base.execute("PRAGMA page_count").fetchone()
    store._base.execute(f"PRAGMA max_page_count={pages}")
    unavailable = ""
    for number in range(500):
        try:
            await store.compare_and_swap(None, session_row(clock.now, key=number.to_bytes(16), user_key=str(number)))
        except Unavailable as problem:
            unavailable = str(problem)
    assert "full" in unavailable
    store._base.execute("PRAGMA max_page_count=100000")
    assert SwapResult.DONE is await store.compare_and_swap(None, session_row(clock.now, key=b"z" * 16, user_key="z"))
    await store.close()


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_file_that_was_moved_away_is_not_changed_and_no_other_is_created(path, clock, replaced):
    store, moved = SqliteStore(path, clock), path.with_name("moved.db")
    await store.compare_and_swap(None, session_row(clock.now))
    path.rename(moved)
    if replaced:
        path.write_bytes(b"")
    for change in (
        lambda: store.apply_limits([LimitOperation(TIGHT, "x")]),
        lambda: store.put(b"k", b"v", 1),
        store.sweep,
    ):
        with pytest.raises(Unavailable, match="move the file back, or restart the service"):
            await change()
    with pytest.raises(Unavailable) if not replaced else nullcontext():
        store._checkpoint("PASSIVE")
    assert replaced is path.exists()
    moved.rename(path)
    assert await store.apply_limits([LimitOperation(TIGHT, "x")]) is None
    assert session_row(clock.now) == await store.load(KEY)
    await store.close()


async def test_guesses_at_many_names_fill_no_disk(path, clock):
    """460 guesses between two sweeps, each at another name from another place, as fast as a directory verifies them."""
    store, rows, limit = SqliteStore(path, clock), [], Limit("wrong_passwords.user", 1, 10.0, Reason.LOCKED)
    for sweep in range(40):
        for guess in range(460):
            names = (f"{scope}{sweep * 460 + guess}" for scope in ("user", "pair"))
            await store.apply_limits([LimitOperation(limit, sha1(name.encode()).hexdigest()) for name in names])
        clock.now += SWEEP_INTERVAL_SECONDS
        await store.sweep()
        rows += store._base.execute("SELECT count(*) FROM limits").fetchone()
    assert max(rows[:20]) * 1.5 > max(rows)
    await store.close()


async def test_every_method_of_a_failing_store_is_unavailable(path, clock):
    store = SqliteStore(path, clock)
    await store.close()
    calls = (
        store.load(KEY),
        store.compare_and_swap(None, session_row(clock.now)),
        store.apply_limits([LimitOperation(TIGHT, "x")]),
        store.put(b"k", b"v", 1),
        store.get(b"k"),
        store.open_sessions(),
        store.arrival_times([LimitOperation(TIGHT, "x")]),
        store.sweep(),
    )
    for call in calls:
        with pytest.raises(Unavailable):
            await call


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
async def test_a_file_that_is_not_a_database_is_refused(path, clock, content):
    path.write_bytes(content)
    with pytest.raises(CannotOpen, match=r"state\.db"):
        SqliteStore(path, clock)


async def test_a_newer_schema_is_refused(path, clock):
    store = SqliteStore(path, clock)
    store._base.execute("PRAGMA user_version=99")
    await store.close()
    with pytest.raises(CannotOpen, match="newer"):
        SqliteStore(path, clock)


@pytest.mark.parametrize("version", [1, 2])
async def test_a_file_from_before_the_first_release_is_refused_with_the_command_that_removes_it(path, clock, version):
    base = sqlite3.connect(path, isolation_level=None)
    base.execute(f"PRAGMA user_version={version}")
    base.close()
    with pytest.raises(CannotOpen, match=r"before 0\.1\.0") as refused:
        SqliteStore(path, clock)
    assert str(refused.value).endswith(f"run: rm -f {path} {path}-wal {path}-shm")


async def test_a_file_of_the_first_release_is_upgraded_and_its_session_goes_on(path, clock, monkeypatch):
    base = sqlite3.connect(path, isolation_level=None)
    base.executescript(FIRST_RELEASE.read_text())
    base.close()
    monkeypatch.setattr(sqlite_file, "BOOT_ID", path.with_name("no-boot-id"))
    next_version = sqlite_file.NEWEST_VERSION + 1
    monkeypatch.setattr(
        sqlite_file, "MIGRATIONS", sqlite_file.MIGRATIONS | {next_version: "ALTER TABLE limits ADD COLUMN x"}
    )
    store = SqliteStore(path, clock)
    assert next_version == store._base.execute("PRAGMA user_version").fetchone()[0]
    monkeypatch.undo()
    session = await store.load(KEY)
    assert session is not None
    assert session_row(clock.now) == session
    assert (
        clock.now + 60 == (await store.arrival_times([LimitOperation(TIGHT, "total")]))[LimitOperation(TIGHT, "total")]
    )
    accepted = step(session, challenge_response(), clock.now).session
    assert accepted is not None
    pins = DurableWrite(b"pins", b"of alice")
    assert SwapResult.DONE is await store.compare_and_swap(session, accepted, durable=pins)
    assert pins.value == await store.durable(pins.key)
    await store.close()


def test_a_session_with_a_field_of_a_newer_version_is_read():
    fields = msgspec.msgpack.decode(encode(session_row()))
    assert session_row() == decode(msgspec.msgpack.encode(fields | {"a field of the future": 1}))


async def test_a_failed_migration_keeps_the_old_schema(path, clock, monkeypatch):
    await SqliteStore(path, clock).close()
    next_version = {sqlite_file.NEWEST_VERSION + 1: "CREATE TABLE more (x); CREATE TABLE sessions (x);"}
    monkeypatch.setattr(sqlite_file, "MIGRATIONS", sqlite_file.MIGRATIONS | next_version)
    with pytest.raises(CannotOpen):
        SqliteStore(path, clock)
    monkeypatch.undo()
    await SqliteStore(path, clock).close()


async def test_a_row_of_another_version_is_no_row(path, clock):
    store = SqliteStore(path, clock)
    await store.compare_and_swap(None, session_row(clock.now))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("UPDATE sessions SET body=?", (b"\x93",))
    other.close()
    assert await store.load(KEY) is None
    assert SwapResult.DONE is await store.compare_and_swap(None, session_row(clock.now))
    await store.close()


@pytest.mark.parametrize("octets", [b"", b"{}", b"\xc0", b"\x80", encode(session_row())[:-1], b"\xff"])
def test_octets_that_are_no_row_are_refused_without_quoting_them(octets):
    with pytest.raises(UnreadableSession, match="version"):
        decode(octets)
