"""Logins of users in SQLite and in PostgreSQL."""

import asyncio
import time
from collections import Counter

import pytest
from msgspec.structs import replace

from radius_voice.events import Reason
from radius_voice.identity.passwords import CHEAPEST, Parameters, hash_password, parameters_of
from radius_voice.identity.sql import tables
from radius_voice.login.deliveries.adapter_reports import AccountCheck
from radius_voice.login.model import Authenticated, Denied, PapPassword, StoredUser, User, Verification
from radius_voice.login.phone import Phone
from tests.identity.sql.conftest import ALICE, SECONDS, settings_of
from tests.support.polling import wait_until_async

WRONG = Denied(Reason.WRONG_PASSWORD, "alice")
UNKNOWN = Denied(Reason.UNKNOWN_USER)
AUTHENTICATED = "authenticated"


def soon():
    return time.monotonic() + SECONDS


async def login(source, name, password):
    """The result of a verification; a user who is authenticated must be the one in the database."""
    result = await source.verify(Verification(name, PapPassword(password)), soon())
    if isinstance(result, Authenticated):
        assert result.user == await source.get(result.user_id, soon())
        return AUTHENTICATED
    return result


@pytest.mark.parametrize(
    ("name", "password", "answer"),
    [
        ("alice", "arctangent", AUTHENTICATED),
        (" ALICE ", "arctangent", AUTHENTICATED),
        ("alice", "Arctangent", WRONG),
        ("alice", "", WRONG),
        ("bob", "tangent", Denied(Reason.DISABLED, "Bob", password_correct=True)),
        ("bob", "wrong", Denied(Reason.WRONG_PASSWORD, "Bob")),
        ("carol", "arctangent", Denied(Reason.NO_PASSWORD, "carol")),
        ("mallory", "arctangent", UNKNOWN),
        ("", "", UNKNOWN),
        ("alice' OR '1'='1", "arctangent", UNKNOWN),
        ("ali%", "arctangent", UNKNOWN),
        ("alice\0", "arctangent", UNKNOWN),
        ("alice\ud800", "arctangent", UNKNOWN),
    ],
)
async def test_each_request_gets_its_result_for_one_verification(loaded, name, password, answer):
    assert answer == await login(loaded.source(), name, password)
    assert 1 == len(loaded.checked)


@pytest.mark.parametrize(
    "password", ["größe ÄÖÜß", "🔑🔑🔑 emoji", "100 % sure", "a,b,c;d", "'; DROP TABLE x; --", "é" * 64, "x" * 128]
)
async def test_any_password_can_be_used(empty, password):
    empty.add(StoredUser(User("", "alice"), hash_password(password, CHEAPEST)))
    source = empty.source()
    assert AUTHENTICATED == await login(source, "alice", password)
    assert WRONG == await login(source, "alice", password[:-1])


async def test_an_unknown_name_executes_the_statements_of_a_known_one(loaded, monkeypatch):
    source = loaded.source()
    await login(source, "alice", "x")
    executed: list[object] = []
    monkeypatch.setattr(tables, "by_name", counting(tables.by_name, executed))
    counts = []
    for name in ("alice", "mallory"):
        executed.clear()
        await login(source, name, "x")
        counts.append(len(executed))
    assert [3, 3] == counts


def counting(by_name, executed):
    """`by_name` on a connection that records its statements."""

    class Connection:
        def __init__(self, connection):
            self.connection = connection

        def execute(self, statement, values):
            executed.append(statement)
            return self.connection.execute(statement, values)

    return lambda connection, name: by_name(Connection(connection), name)


MIXED = [CHEAPEST, CHEAPEST, CHEAPEST, Parameters(memory=64, time=2, parallelism=1)]


async def test_unknown_names_cost_the_hashes_in_their_proportions(empty):
    empty.add(*(StoredUser(User("", f"user{number}"), hash_password("x", each)) for number, each in enumerate(MIXED)))
    source = empty.source()
    for number in range(200):
        await login(source, f"invented{number}", "guess")
    counted = Counter(parameters_of(hashed) for hashed in empty.checked)

    assert set(MIXED) == set(counted)
    assert 130 < counted[CHEAPEST] < 170
    assert str(MIXED[-1]) == source.costliest_verification().parameters


async def test_hashes_are_counted_again_after_a_minute(loaded):
    now = 0.0
    source = loaded.source(clock=lambda: time.monotonic() + now)
    source.refresh()
    await wait_until_async(lambda: source.costliest_verification() is not None, "the hashes are counted")
    loaded.run(tables.insert, [StoredUser(User("", "dave"), hash_password("x", MIXED[-1]))], 0.0)
    source.refresh()
    assert str(CHEAPEST) == source.costliest_verification().parameters
    now = 61.0
    source.refresh()
    await wait_until_async(
        lambda: source.costliest_verification().parameters == str(MIXED[-1]), "the hashes are counted again"
    )


async def test_the_cost_is_unknown_before_the_hashes_are_counted(loaded):
    assert loaded.source().costliest_verification() is None


async def test_users_are_found_by_any_spelling_and_by_their_id(loaded):
    source = loaded.source()
    alice = await source.find(" Alice", soon())
    assert replace(ALICE.user, id=alice.id) == alice
    assert 32 == len(alice.id)
    assert alice == await source.get(alice.id, soon())
    assert (await source.find("bob", soon())).disabled
    assert await source.find("mallory", soon()) is None
    assert await source.get("mallory", soon()) is None
    assert (None, ()) == (source.all_users(), source.without_password())


async def test_a_change_takes_effect_at_the_next_login(loaded):
    source = loaded.source()
    alice = await source.find("alice", soon())
    loaded.run(tables.set_phones, alice.id, [Phone("+4915112345678")], 0.0)
    assert (Phone("+4915112345678"),) == (await source.find("alice", soon())).phones
    loaded.run(tables.delete, alice.id)
    assert UNKNOWN == await login(source, "alice", "arctangent")


async def test_an_outdated_hash_is_replaced_after_a_login(loaded):
    source = loaded.source(parameters=MIXED[-1])
    assert AUTHENTICATED == await login(source, "alice", "arctangent")
    await source.close()
    stored = loaded.run(tables.by_name, "alice")
    assert MIXED[-1] == parameters_of(stored.password)
    assert AUTHENTICATED == await login(loaded.source(), "alice", "arctangent")
    assert [] == loaded.warnings


async def test_a_new_password_changes_the_password_id_and_a_rehash_keeps_it(loaded):
    source = loaded.source(parameters=MIXED[-1])
    first = await source.verify(Verification("alice", PapPassword("arctangent")), soon())
    await source.close()
    later = loaded.source()
    assert MIXED[-1] == parameters_of(loaded.run(tables.by_name, "alice").password)
    assert first.password_id == await later.password_id(first.user_id, soon()) != ""
    loaded.run(tables.set_password, first.user_id, hash_password("arctangent", CHEAPEST), 0.0)
    assert first.password_id != await later.password_id(first.user_id, soon()) != ""
    carol = await later.find("carol", soon())
    assert "" == await later.password_id(carol.id, soon()) == await later.password_id("mallory", soon())


async def test_a_hash_that_was_changed_meanwhile_stays(loaded):
    alice = loaded.run(tables.by_name, "alice")
    loaded.run(tables.replace_hash, alice.user.id, "another hash", hash_password("x", CHEAPEST))
    assert alice == loaded.run(tables.by_name, "alice")


async def test_checking_reports_the_users_and_creates_no_tables(empty):
    source = empty.source()
    (check,) = await source.check_connection(soon())
    assert AccountCheck(True, "there are no tables yet; serve or radius-voice users add will create them") == check
    empty.add(ALICE)
    assert (AccountCheck(True, "1 user"),) == await source.check_connection(soon())


async def test_several_logins_at_once_share_the_connections(loaded):
    source = loaded.source()
    results = await asyncio.gather(*(login(source, "alice", "arctangent") for _ in range(40)))
    assert [AUTHENTICATED] * 40 == results


# Files


async def test_a_file_that_other_users_can_open_is_refused(tmp_path, loaded, engine):
    if engine != "sqlite":
        return
    source = loaded.source()
    (tmp_path / "users.db").chmod(0o644)
    with pytest.raises(ValueError, match=r"identity\.people\.url: .*users\.db: is readable or writable by other users"):
        loaded.source()
    with pytest.raises(ValueError, match="run: chmod o-rwx"):
        source.refresh()


def test_a_missing_file_is_an_error_with_the_command_that_creates_it(tmp_path):
    from radius_voice.identity.context import IdentityContext
    from radius_voice.identity.passwords import Hasher
    from radius_voice.identity.sql.source import create

    hasher = Hasher(threads=1)
    with pytest.raises(ValueError, match=r"identity\.people\.url: .*users\.db: does not exist; .* users add"):
        create("people", settings_of(tmp_path), IdentityContext(hasher))
    hasher.close()
    assert [] == list(tmp_path.iterdir())
