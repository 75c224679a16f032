"""Users files are read while the service runs, and what is wrong with them is reported once."""

import asyncio
import threading

import pytest

from radius_voice.identity.passwords import CHEAPEST, Hasher, hash_password
from radius_voice.identity.users_file import UsersFile
from radius_voice.users_watch import UsersWatch, warnings_of
from tests.stores.redis_server import until

WITHIN = {"office": 2.5, "hasty": 0.2}
COSTLY = "$argon2id$v=19$m=65536,t=20,p=1$" + hash_password("x", CHEAPEST).split("$", 4)[4]


@pytest.fixture
def users(tmp_path):
    """Makes a users file; its path and the object over it."""
    hasher = Hasher(threads=1)

    def made(name="users.yaml", text="alice: {}\n"):
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o600)
        return path, UsersFile(path, hasher)

    yield made
    hasher.close()


class Reports(list):
    def __call__(self, what, detail):
        self.append((what, detail))


@pytest.fixture
def reports():
    return Reports()


@pytest.fixture
def look(reports):
    watch = UsersWatch(reports, time_verifications=True)

    def look(*generations, within=WITHIN):
        return watch.look(generations, within)

    return look


async def test_a_file_that_becomes_invalid_and_valid_again_is_reported_once_each(users, look, reports):
    path, people = users()
    await look({"people": people})
    assert [] == reports
    for text in ("alice: 1\n", "alice: 1\n", "alice: {}\n", "alice: {}\n"):
        path.write_text(text)
        await look({"people": people})
    error = f"{path}:1: alice: must be a mapping with some of: password, phones, language, groups, disabled"
    assert [
        ("users_file_invalid", f"identity.people: {error}\nthe users read before stay in force"),
        ("users_file_valid", f"identity.people: {path} is in force"),
    ] == reports


async def test_another_error_is_reported_too(users, look, reports):
    path, people = users()
    path.write_text("alice: 1\n")
    await look({"people": people})
    path.unlink()
    await look({"people": people})
    assert ["users_file_invalid"] * 2 == [what for what, _ in reports]
    assert reports[1][1].startswith(f"identity.people: {path}: No such file or directory\n")


async def test_warnings_name_the_file_and_no_user(users, look):
    path, people = users()
    _, staff = users("staff.yaml")
    assert () == warnings_of({"people": people, "staff": staff})
    path.write_text("alice: 1\n")
    await look({"people": people, "staff": staff})
    told = "invalid, the log has the details; the users read before stay in force"
    assert (f"identity.people: {path}: {told}",) == warnings_of({"people": people, "staff": staff})


async def test_users_of_logins_that_began_before_a_reload_are_read_again_too(users, look):
    path, old = users()
    _, new = users("new.yaml")
    path.write_text("bob: {}\n")
    await look({"people": old}, {"people": new})
    assert await old.find("bob", 0)


async def test_a_file_that_hangs_keeps_no_other_from_being_read(users, look, reports, monkeypatch):
    path, people = users()
    other, staff = users("staff.yaml")
    answer, stat = threading.Event(), type(path).stat
    monkeypatch.setattr("radius_voice.bounded.FILE_SECONDS", 0.05)
    monkeypatch.setattr(
        type(path), "stat", lambda self, **more: answer.wait(30) if self == path else stat(self, **more)
    )
    other.write_text("bob: {}\n")
    for _ in range(3):
        await look({"people": people, "staff": staff})
    assert await staff.find("bob", 0)
    detail = f"{path}: no answer within 0.05 s; is its network mount reachable?"
    assert [("users_file_invalid", f"identity.people: {detail}\nthe users read before stay in force")] == reports
    monkeypatch.undo()
    answer.set()
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "bounded"], "the thread ends")
    await look({"people": people, "staff": staff})
    assert "users_file_valid" == reports[-1][0]


async def test_a_look_that_is_cancelled_ends_although_the_file_hangs(users, look, monkeypatch):
    path, people = users()
    answer = threading.Event()
    monkeypatch.setattr(type(path), "stat", lambda *_, **__: answer.wait(30))
    looking = asyncio.ensure_future(look({"people": people}))
    await asyncio.sleep(0)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    answer.set()
    monkeypatch.undo()


async def test_a_hash_that_takes_too_long_is_a_warning_until_it_or_the_clients_change(users, look, reports):
    path, people = users(text=f"alice:\n  password: {COSTLY}\n")
    for _ in range(2):
        await look({"people": people})
    assert ["warning"] == [what for what, _ in reports]
    assert "takes longer than 0.1 s, half of the shortest answer_within (clients.hasty); 1 user has" in reports[0][1]
    path.write_text(f"alice:\n  password: {hash_password('x', CHEAPEST)}\n")
    await look({"people": people})
    assert 1 == len(reports)
    path.write_text(f"alice:\n  password: {COSTLY}\n")
    await look({"people": people})
    assert 2 == len(reports), "another costly hash"


async def test_verifications_are_timed_again_when_clients_wait_for_another_time(users, look, monkeypatch):
    _, people = users()
    timed = []
    monkeypatch.setattr("radius_voice.users_watch.slow_verifications", lambda *given: timed.append(given) or [])
    for within in (WITHIN, WITHIN, {"office": 2.5}):
        await look({"people": people}, within=within)
    assert [({"people": people}, WITHIN), ({"people": people}, {"office": 2.5})] == timed


async def test_only_one_process_of_a_service_times_verifications(users, reports):
    _, people = users(text=f"alice:\n  password: {COSTLY}\n")
    await UsersWatch(reports, time_verifications=False).look([{"people": people}], WITHIN)
    assert [] == reports
