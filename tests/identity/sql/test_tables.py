"""The tables: their versions, and that statements and schema agree."""

import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from radius_voice.identity.sql import tables
from radius_voice.identity.sql.database import Database
from radius_voice.login.model import User
from radius_voice.login.phone import Phone, parse_phone
from radius_voice.login.sip import MAX_LENGTH
from tests.identity.sql.conftest import ALICE, SECONDS, Loaded, settings_of

FIRST = Path(__file__).with_name("users-1.sql")
NEWEST = max(tables.MIGRATIONS)
NEXT = {**tables.MIGRATIONS, NEWEST + 1: ("ALTER TABLE radius_voice_users ADD COLUMN note TEXT",)}


def columns(connection):
    inspector = sa.inspect(connection)
    return {
        table: {column["name"]: (str(column["type"]), column["nullable"]) for column in inspector.get_columns(table)}
        for table in sorted(inspector.get_table_names())
    }


def test_the_migrations_create_the_tables_that_the_statements_use(empty):
    made = empty.run(columns)
    assert sorted(table.name for table in tables.METADATA.sorted_tables) == list(made)
    for table in tables.METADATA.sorted_tables:
        expected = {column.name: column.nullable for column in table.columns}
        assert expected == {name: nullable for name, (_, nullable) in made[table.name].items()}


@pytest.fixture
async def first_version(tmp_path):
    """A file as the first version of the tables was written."""
    path = tmp_path / "users.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(FIRST.read_text())
    connection.close()
    path.chmod(0o600)
    loaded = Loaded(settings_of(tmp_path))
    yield loaded
    await loaded.close()


def test_a_file_of_the_first_version_is_upgraded_and_keeps_its_users(first_version, monkeypatch):
    monkeypatch.setattr(tables, "MIGRATIONS", NEXT)
    assert NEWEST + 1 == first_version.run(tables.version_of)
    assert "note" in first_version.run(columns)["radius_voice_users"]
    alice, bob = first_version.run(tables.all_users)
    assert (
        User(
            "5b0c1a5c4d5f4f0a9f3d2c1b0a998877",
            "alice",
            (Phone("+14155550123"), Phone("+442079460123")),
            "de",
            frozenset({"staff"}),
        )
        == alice.user
    )
    assert ("Bob", True, None) == (bob.user.name, bob.user.disabled, bob.password)


def test_the_file_of_the_first_version_is_like_a_new_one(first_version, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "users.db").touch(mode=0o600)
    new = Database("identity.people", settings_of(other), tables.prepare)
    assert new.run_blocking(columns, SECONDS) == first_version.run(columns)
    new.close(SECONDS)


def test_a_phone_may_have_the_longest_sip_address(loaded):
    start = "sip:Desk.One@"
    phones = (Phone(start + ("a." * MAX_LENGTH)[: MAX_LENGTH - len(start) - 1] + "b"), Phone("+4915112345678"))
    assert phones[0] == parse_phone(phones[0].text)
    (alice, *_) = loaded.run(tables.all_users)
    loaded.run(tables.set_phones, alice.user.id, phones, 0.0)
    assert phones == loaded.run(tables.all_users)[0].user.phones
    assert phones == loaded.run(tables.by_id, alice.user.id).user.phones


def test_a_phone_keeps_its_extension(loaded):
    phones = Phone("+4915112345678", "42"), Phone("+4915112345678")
    (alice, *_) = loaded.run(tables.all_users)
    loaded.run(tables.set_phones, alice.user.id, phones, 0.0)
    assert phones == loaded.run(tables.all_users)[0].user.phones
    assert phones == loaded.run(tables.by_id, alice.user.id).user.phones


def test_checking_an_older_file_changes_nothing(first_version, monkeypatch):
    monkeypatch.setattr(tables, "MIGRATIONS", NEXT)
    unprepared = Database("identity.people", first_version.settings)
    assert f"the tables have version 1; serve will upgrade them to {NEWEST + 1}" == unprepared.run_blocking(
        tables.check, SECONDS
    )
    assert 1 == unprepared.run_blocking(tables.version_of, SECONDS)
    unprepared.close(SECONDS)


def test_tables_of_a_newer_version_are_refused(loaded):
    loaded.run(lambda connection: connection.execute(sa.update(tables.VERSION).values(version=99)))
    later = Loaded(loaded.settings)
    with pytest.raises(ValueError, match="the tables have version 99, written by a newer radius-voice"):
        later.run(tables.all_users)
    later.database.close(SECONDS)
    later.hasher.close()


def test_several_processes_create_the_tables_once(empty):
    databases = [Database("identity.people", empty.settings, tables.prepare) for _ in range(4)]
    start, failed = threading.Barrier(4), []

    def create(database):
        start.wait(SECONDS)
        try:
            database.run_blocking(tables.all_users, SECONDS)
        except ValueError as problem:
            failed.append(str(problem))

    threads = [threading.Thread(target=create, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for database in databases:
        database.close(SECONDS)
    assert [] == failed
    empty.add(ALICE)
    assert ["alice"] == [stored.user.name for stored in empty.run(tables.all_users)]


def test_a_failed_migration_leaves_the_tables_as_they_were(first_version, monkeypatch):
    broken = {**NEXT, NEWEST + 2: ("CREATE TABLE other (id TEXT)", "this is no statement")}
    monkeypatch.setattr(tables, "MIGRATIONS", broken)
    with pytest.raises(ValueError, match="syntax error"):
        first_version.run(tables.all_users)
    unprepared = Database("identity.people", first_version.settings)
    assert 1 == unprepared.run_blocking(tables.version_of, SECONDS)
    assert "other" not in unprepared.run_blocking(columns, SECONDS)
    unprepared.close(SECONDS)
