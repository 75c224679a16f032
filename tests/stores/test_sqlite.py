import fcntl
import os
import sqlite3
import threading

import pytest

from radius_voice.login.model import Spend, Swap, Unavailable
from radius_voice.stores import sqlite
from radius_voice.stores.rows import UnreadableRow, pack, unpack
from radius_voice.stores.sqlite import CannotOpen, SqliteStore
from tests.login.fakes import Clock
from tests.login.rows import KEY, blank
from tests.stores.test_contract import TIGHT

PATIENCE = 10.0


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.db"


async def test_the_file_is_for_its_owner_alone(path, clock):
    await SqliteStore(path, clock).close()
    assert 0o600 == path.stat().st_mode & 0o777


async def test_a_lock_that_another_user_holds_on_the_folder_does_not_hold_up_opening(path, clock):
    folder = os.open(path.parent, os.O_RDONLY)  # whoever can list the folder can do this
    fcntl.flock(folder, fcntl.LOCK_EX)
    opened = threading.Thread(target=lambda: SqliteStore(path, clock), daemon=True)
    opened.start()
    opened.join(PATIENCE)
    os.close(folder)
    assert not opened.is_alive()
    assert 0o600 == path.with_name("state.db.lock").stat().st_mode & 0o777


@pytest.mark.parametrize("closed", [True, False])
async def test_reading_a_store_creates_no_file(path, clock, closed):
    store = SqliteStore(path, clock)
    await store.spend([Spend(TIGHT, "x")])
    if closed:
        await store.close()
    before = listing(path.parent)
    reader = SqliteStore(path, clock, read_only=True)
    assert clock.now < (await reader.full_at([Spend(TIGHT, "x")]))[Spend(TIGHT, "x")]
    with pytest.raises(Unavailable, match="readonly"):
        await reader.remember(b"k", b"v", 60)
    await reader.close()
    assert before == listing(path.parent)
    await store.close()


def listing(folder):
    return {file.name: (file.stat().st_uid, file.stat().st_size) for file in folder.iterdir()}


async def test_reading_needs_a_store_that_is_whole(path, clock):
    with pytest.raises(FileNotFoundError):
        SqliteStore(path, clock, read_only=True)
    store = SqliteStore(path, clock)
    path.with_name("state.db-shm").unlink()
    with pytest.raises(CannotOpen, match=r"its index state\.db-shm is missing; start the service"):
        SqliteStore(path, clock, read_only=True)
    assert not path.with_name("state.db-shm").exists()
    await store.close()


async def test_rows_limits_and_memories_outlive_a_process_that_was_killed(path, clock):
    killed = SqliteStore(path, clock)
    await killed.swap(None, blank(clock.now), [Spend(TIGHT, "x")])
    await killed.remember(b"k", b"v", 60)
    after = SqliteStore(path, clock)  # the other one was never closed
    assert blank(clock.now) == await after.load(KEY)
    assert await after.spend([Spend(TIGHT, "x")]) is not None
    assert b"v" == await after.recall(b"k")
    await after.close()
    await killed.close()


async def test_open_rows_end_with_the_boot_and_limits_stay(path, clock, monkeypatch, tmp_path):
    before = SqliteStore(path, clock)
    await before.swap(None, blank(clock.now), [Spend(TIGHT, "x")])
    await before.close()
    (tmp_path / "boot").write_text("another")
    monkeypatch.setattr(sqlite, "BOOT_ID", tmp_path / "boot")
    after = SqliteStore(path, clock)
    assert await after.load(KEY) is None
    assert await after.spend([Spend(TIGHT, "x")]) is not None
    await after.close()


async def test_two_processes_share_one_file(path, clock):
    one, two = SqliteStore(path, clock), SqliteStore(path, clock)
    assert Swap.DONE is await one.swap(None, blank(clock.now))
    assert Swap.BUSY is await two.swap(None, blank(clock.now, key=b"o" * 16))
    assert blank(clock.now) == await two.load(KEY)
    await one.close()
    await two.close()


async def test_a_file_that_stays_locked_is_unavailable_after_a_bounded_time(path, clock, monkeypatch):
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.01)
    store = SqliteStore(path, clock)
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        await store.swap(None, blank(clock.now))
    other.rollback()
    assert Swap.DONE is await store.swap(None, blank(clock.now))
    other.close()
    await store.close()


async def test_a_full_disk_is_unavailable_and_heals(path, clock):
    store = SqliteStore(path, clock)
    (pages,) = store._base.execute("PRAGMA page_count").fetchone()
    store._base.execute(f"PRAGMA max_page_count={pages}")
    unavailable = ""
    for number in range(500):
        try:
            await store.swap(None, blank(clock.now, key=number.to_bytes(16), person=str(number)))
        except Unavailable as problem:
            unavailable = str(problem)
    assert "full" in unavailable
    store._base.execute("PRAGMA max_page_count=100000")
    assert Swap.DONE is await store.swap(None, blank(clock.now, key=b"z" * 16, person="z"))
    await store.close()


async def test_every_method_of_a_broken_store_is_unavailable(path, clock):
    store = SqliteStore(path, clock)
    await store.close()
    calls = (
        store.load(KEY),
        store.swap(None, blank(clock.now)),
        store.spend([Spend(TIGHT, "x")]),
        store.remember(b"k", b"v", 1),
        store.recall(b"k"),
        store.open_logins(),
        store.full_at([Spend(TIGHT, "x")]),
        store.sweep(),
    )
    for call in calls:
        with pytest.raises(Unavailable):
            await call


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
async def test_a_file_that_is_no_store_is_refused(path, clock, content):
    path.write_bytes(content)
    with pytest.raises(CannotOpen, match=r"state\.db"):
        SqliteStore(path, clock)


async def test_a_newer_schema_is_refused(path, clock):
    store = SqliteStore(path, clock)
    store._base.execute("PRAGMA user_version=99")
    await store.close()
    with pytest.raises(CannotOpen, match="newer"):
        SqliteStore(path, clock)


async def test_a_failed_migration_leaves_the_old_schema(path, clock, monkeypatch):
    await SqliteStore(path, clock).close()
    monkeypatch.setattr(sqlite, "MIGRATIONS", (*sqlite.MIGRATIONS, "CREATE TABLE more (x); CREATE TABLE rows (x);"))
    with pytest.raises(CannotOpen):
        SqliteStore(path, clock)
    monkeypatch.undo()
    await SqliteStore(path, clock).close()


async def test_a_row_of_another_version_is_no_row(path, clock):
    store = SqliteStore(path, clock)
    await store.swap(None, blank(clock.now))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("UPDATE rows SET body=?", (b"[99]",))
    other.close()
    assert await store.load(KEY) is None
    assert Swap.DONE is await store.swap(None, blank(clock.now))
    await store.close()


@pytest.mark.parametrize("octets", [b"", b"{}", b"[1]", b"null", pack(blank()).replace(b"[2,", b"[1,", 1), b"\xff"])
def test_octets_that_are_no_row_are_refused_without_quoting_them(octets):
    with pytest.raises(UnreadableRow, match="version"):
        unpack(octets)
