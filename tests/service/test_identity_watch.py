"""Users files are read again while the service runs, and each error is reported once."""

import asyncio
import os
import threading

import pytest

from radius_voice.identity.passwords import CHEAPEST, Hasher, hash_password
from radius_voice.identity.users_file.source import UsersFile
from radius_voice.service.identity_watch import IdentityWatch, warnings_of
from tests.support.polling import wait_until

WITHIN = {"office": 2.5, "hasty": 0.2}
UNHURRIED = {"office": 60.0}
"""No verification takes longer than half of it, however busy the machine is."""
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


class Reports(list[tuple[str, str]]):
    """A list of the arguments of each call."""

    def __call__(self, what, detail):
        self.append((what, detail))


@pytest.fixture
def reports():
    return Reports()


@pytest.fixture
def look(reports):
    watch = IdentityWatch(reports, time_verifications=True)

    def look(*generations, within=UNHURRIED):
        return watch.check(generations, within)

    return look


async def test_a_file_that_becomes_invalid_and_valid_again_is_reported_once_each(users, look, reports):
    path, users_file = users()
    await look({"people": users_file})
    assert [] == reports
    for text in ("alice: 1\n", "alice: 1\n", "alice: {}\n", "alice: {}\n"):
        path.write_text(text)
        await look({"people": users_file})
    error = f"{path}:1: alice: must be a mapping with some of: password, phones, language, groups, disabled"
    assert [
        ("users_file_invalid", f"identity.people: {error}\nthe users loaded before stay in effect"),
        ("users_file_valid", f"identity.people: {path} is in effect"),
    ] == reports


async def test_changed_content_is_reported_when_it_comes_into_effect(users, look, reports):
    path, users_file = users()
    path.write_text("alice: {}\nbob: {}\n")
    await look({"people": users_file})
    assert [("users_file_read", f"identity.people: {path} has changed and is in effect")] == reports
    assert 2 == len(users_file.all_users())
    os.utime(path, (1, 1))
    await look({"people": users_file})
    await look({"people": users_file})
    assert 1 == len(reports), "the same content is no change"
    path.write_text("alice: {}\n")
    users_file.refresh()  # as a reload does
    await look({"people": users_file})
    assert ["users_file_read"] * 2 == [what for what, _ in reports]
    _, other = users("other.yaml")
    await look({"people": other})
    assert 2 == len(reports), "another file is reported as a reload"


async def test_a_different_error_is_reported(users, look, reports):
    path, users_file = users()
    path.write_text("alice: 1\n")
    await look({"people": users_file})
    path.unlink()
    await look({"people": users_file})
    assert ["users_file_invalid"] * 2 == [what for what, _ in reports]
    assert reports[1][1].startswith(f"identity.people: {path}: No such file or directory\n")


async def test_warnings_name_the_file_but_no_user(users, look):
    path, users_file = users()
    _, staff = users("staff.yaml")
    assert () == warnings_of({"people": users_file, "staff": staff})
    path.write_text("alice: 1\n")
    await look({"people": users_file, "staff": staff})
    detail = "invalid, the log has the details; the users loaded before stay in effect"
    assert (f"identity.people: {path}: {detail}",) == warnings_of({"people": users_file, "staff": staff})


async def test_users_of_open_sessions_are_read_again_after_a_reload(users, look):
    path, old = users()
    _, new = users("new.yaml")
    path.write_text("bob: {}\n")
    await look({"people": old}, {"people": new})
    assert await old.find("bob", 0)


async def test_a_file_that_hangs_does_not_delay_reading_the_others(users, look, reports, monkeypatch):
    path, users_file = users()
    other, staff = users("staff.yaml")
    answer, stat = threading.Event(), type(path).stat
    monkeypatch.setattr("radius_voice.bounded.FILE_SECONDS", 0.05)
    monkeypatch.setattr(
        type(path), "stat", lambda self, **more: answer.wait(30) if self == path else stat(self, **more)
    )
    other.write_text("bob: {}\n")
    for _ in range(3):
        await look({"people": users_file, "staff": staff})
    assert await staff.find("bob", 0)
    detail = f"{path}: no answer within 0.05 s; is its network mount reachable?"
    assert [
        ("users_file_invalid", f"identity.people: {detail}\nthe users loaded before stay in effect"),
        ("users_file_read", f"identity.staff: {other} has changed and is in effect"),
    ] == reports
    monkeypatch.undo()
    answer.set()
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name == "bounded"], "the thread ends")
    await look({"people": users_file, "staff": staff})
    assert "users_file_valid" == reports[-1][0]


async def test_a_check_that_is_cancelled_ends_although_the_file_hangs(users, look, monkeypatch):
    path, users_file = users()
    answer = threading.Event()
    monkeypatch.setattr(type(path), "stat", lambda *_, **__: answer.wait(30))
    looking = asyncio.ensure_future(look({"people": users_file}))
    await asyncio.sleep(0)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    answer.set()
    monkeypatch.undo()


async def test_a_slow_hash_is_a_warning_until_it_or_the_clients_change(users, look, reports):
    path, users_file = users(text=f"alice:\n  password: {COSTLY}\n")
    for _ in range(2):
        await look({"people": users_file}, within=WITHIN)
    assert ["warning"] == [what for what, _ in reports]
    assert "takes longer than 0.1 s, half of the shortest response_timeout (clients.hasty); 1 user has" in reports[0][1]
    path.write_text(f"alice:\n  password: {hash_password('x', CHEAPEST)}\n")
    await look({"people": users_file}, within=WITHIN)
    path.write_text(f"alice:\n  password: {COSTLY}\n")
    await look({"people": users_file}, within=WITHIN)
    assert ["warning", "users_file_read", "users_file_read", "warning"] == [what for what, _ in reports]


async def test_verifications_are_timed_again_when_response_timeouts_change(users, look, monkeypatch):
    _, users_file = users()
    timed = []

    def record(*arguments):
        timed.append(arguments)
        return []

    monkeypatch.setattr("radius_voice.service.identity_watch.slow_verifications", record)
    for within in (WITHIN, WITHIN, {"office": 2.5}):
        await look({"people": users_file}, within=within)
    assert [({"people": users_file}, WITHIN), ({"people": users_file}, {"office": 2.5})] == timed


async def test_only_one_process_of_a_service_times_verifications(users, reports):
    _, users_file = users(text=f"alice:\n  password: {COSTLY}\n")
    await IdentityWatch(reports, time_verifications=False).check([{"people": users_file}], WITHIN)
    assert [] == reports
