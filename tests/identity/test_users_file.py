import asyncio
import os
import stat
import threading

import pytest

from radius_voice.events import Reason
from radius_voice.identity.passwords import CHEAPEST, Hasher, Parameters, hash_password, parameters_of, verify
from radius_voice.identity.users_file import UsersFile, UsersFileError, create
from radius_voice.login.model import Claim, Denied, Passed, User
from radius_voice.login.phone import Phone

ALICE = hash_password("arctangent", CHEAPEST)
TEXT = f"""\
# the office
alice:
  password: {ALICE}   # changed in spring
  phones: ["+14155550123"]
bob:
  password: {hash_password("tangent", CHEAPEST)}
  disabled: true
carol:
  phones: ["+14155550125"]
"""
WRONG = Denied(Reason.WRONG_PASSWORD, "alice")
UNKNOWN = Denied(Reason.UNKNOWN_USER)


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class House:
    """A users file, and everything around one that a test may want to touch."""

    def __init__(self, path):
        self.path = path
        self.clock = Clock()
        self.complaints = []
        self.checked = []
        self.hasher = Hasher(threads=1, check=self.check)

    def check(self, hashed, text):
        self.checked.append(hashed)
        return verify(hashed, text)

    def write(self, text, mode=0o640):
        """As an editor that writes beside and renames."""
        beside = self.path.with_suffix(".new")
        beside.write_text(text, newline="")
        beside.chmod(mode)
        beside.replace(self.path)

    def users(self, parameters=CHEAPEST):
        return UsersFile(self.path, self.hasher, self.complaints.append, parameters, self.clock)

    def later(self, seconds=1.0):
        self.clock.now += seconds


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path / "users.yaml")
    made.write(TEXT)
    yield made
    made.hasher.close()


async def login(users, name, password):
    return await users.verify(Claim(name, password), asyncio.get_running_loop().time() + 30)


# The first factor


@pytest.mark.parametrize(
    ("name", "password", "answer"),
    [
        ("alice", "arctangent", Passed()),
        (" ALICE ", "arctangent", Passed()),
        ("alice", "Arctangent", WRONG),
        ("alice", "", WRONG),
        ("bob", "tangent", Denied(Reason.DISABLED, "bob", password_right=True)),
        ("bob", "wrong", Denied(Reason.WRONG_PASSWORD, "bob")),
        ("carol", "arctangent", Denied(Reason.WRONG_PASSWORD, "carol")),
        ("carol", "", Denied(Reason.WRONG_PASSWORD, "carol")),
        ("mallory", "arctangent", UNKNOWN),
        ("mallory", "", UNKNOWN),
        ("", "", UNKNOWN),
        ("arctangent", "alice", UNKNOWN),
    ],
)
async def test_each_claim_gets_its_answer_for_one_verification(house, name, password, answer):
    users = house.users()
    assert answer == await login(users, name, password)
    assert 1 == len(house.checked)


async def test_an_empty_password_never_passes_even_when_it_is_the_right_one(house):
    house.write(f"alice:\n  password: {hash_password('', CHEAPEST)}\n")
    assert WRONG == await login(house.users(), "alice", "")


@pytest.mark.parametrize("name", ["mallory", "carol"])
async def test_whoever_has_no_hash_costs_as_much_as_the_costliest(house, name):
    costliest = Parameters(memory=64, time=2, parallelism=1)
    house.write(TEXT + f"dave:\n  password: {hash_password('x', costliest)}\n")
    await login(house.users(), name, "arctangent")
    assert [costliest] == [parameters_of(hashed) for hashed in house.checked]


async def test_a_file_without_hashes_costs_as_much_as_today_s_parameters(house):
    house.write("carol: {}\n")
    await login(house.users(parameters=Parameters(64, 1, 1)), "mallory", "x")
    assert [Parameters(64, 1, 1)] == [parameters_of(hashed) for hashed in house.checked]


# The directory


async def test_people_are_found_by_any_spelling_and_have_the_file_s(house):
    users = house.users()
    assert User("alice", "alice", (Phone("+14155550123"),)) == await users.find(" Alice", 0)
    assert User("bob", "bob", disabled=True) == await users.find("bob", 0)
    assert await users.find("mallory", 0) is None
    assert ["alice", "bob", "carol"] == [user.id for user in users.everyone()]


# Reading again


async def test_a_changed_file_is_read_a_second_later(house):
    users = house.users()
    house.write("dave: {}\n")
    house.later(0.9)
    assert await users.find("dave", 0) is None
    house.later(0.1)
    assert User("dave", "dave") == await users.find("dave", 0)
    assert await users.find("alice", 0) is None


async def test_a_bad_new_file_is_told_once_and_the_old_content_stays(house):
    users = house.users()
    house.write("dave: {color: red}\n")
    for _ in range(3):
        house.later()
        assert Passed() == await login(users, "alice", "arctangent")
    assert 1 == len(house.complaints)
    assert house.complaints[0].startswith(f"{house.path}:1: dave.color: no such setting")
    assert house.complaints[0].endswith("the users read before stay in force")


async def test_a_bad_file_is_not_read_again_until_it_changes(house, monkeypatch):
    users = house.users()
    reads = []
    read = users._read
    monkeypatch.setattr(users, "_read", lambda: reads.append(1) or read())
    for text in ("dave: 1\n", "dave: 12\n"):
        house.write(text)
        for _ in range(3):
            house.later()
            await users.find("dave", 0)
    assert [1, 1] == reads


async def test_a_mended_file_is_read_and_a_new_mistake_told_again(house):
    users = house.users()
    for text in ("dave: 1\n", "dave: {}\n", "dave: 1  \n"):
        house.write(text)
        house.later()
        await users.find("dave", 0)
    assert User("dave", "dave") == await users.find("dave", 0)
    assert 2 == len(house.complaints)


async def test_refreshing_reads_a_changed_file_at_once_and_an_unchanged_one_never(house, monkeypatch):
    users = house.users()
    house.write(TEXT.replace("carol", "dave"))
    users.refresh()
    assert "dave" == (await users.find("dave", 0)).id
    monkeypatch.setattr(users, "_read", None)
    users.refresh()


async def test_refreshing_refuses_a_bad_file_also_one_that_was_told_before(house):
    users = house.users()
    house.write("alice: 1\n")
    house.later()
    assert "carol" == (await users.find("carol", 0)).id
    with pytest.raises(UsersFileError):
        users.refresh()
    assert "carol" == (await users.find("carol", 0)).id


async def test_a_file_that_goes_and_comes_back_is_read_again(house):
    users = house.users()
    house.path.unlink()
    for _ in range(2):
        house.later()
        assert await users.find("alice", 0)
    assert [f"{house.path}: No such file or directory\nthe users read before stay in force"] == house.complaints
    house.write("dave: {}\n")
    house.later()
    assert await users.find("dave", 0)


async def test_following_the_mend_of_a_complaint_is_noticed(house):
    users = house.users()
    house.write("dave: {}\n", mode=0o644)
    house.later()
    assert await users.find("dave", 0) is None
    house.path.chmod(0o640)
    house.later()
    assert await users.find("dave", 0)


async def test_logins_go_on_with_the_old_content_while_the_new_is_read(house, monkeypatch):
    users = house.users()
    house.write("dave: {}\n")
    house.later()
    reading, go_on = threading.Event(), threading.Event()
    read = users._read

    def slow():
        reading.set()
        go_on.wait(30)
        return read()

    monkeypatch.setattr(users, "_read", slow)
    first = asyncio.create_task(users.find("dave", 0))
    await asyncio.to_thread(reading.wait, 30)
    house.later()
    assert await users.find("alice", 0)
    go_on.set()
    assert await first


# What is refused at the start


@pytest.mark.parametrize("mode", [0o644, 0o642, 0o641])
def test_a_file_open_to_everybody_is_refused_with_mode_and_owner(house, mode):
    house.write(TEXT, mode)
    with pytest.raises(UsersFileError, match=rf"mode {mode:04o}, owner \w+\); run: chmod o-rwx"):
        house.users()


def test_an_owner_without_a_name_is_told_by_number(house, monkeypatch):
    def nobody(uid):
        raise KeyError(uid)

    house.write(TEXT, 0o644)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    with pytest.raises(UsersFileError, match=f"owner {os.getuid()}"):
        house.users()


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(house):
    house.path.write_bytes(b"alice: {}\nb\xf6b: {}\n")
    with pytest.raises(UsersFileError, match=r"users\.yaml:2: not UTF-8"):
        house.users()


def test_a_missing_file_is_an_operating_system_error(house):
    house.path.unlink()
    with pytest.raises(FileNotFoundError):
        house.users()


# Rehashing

RAISED = Parameters(memory=16, time=1, parallelism=1)


async def test_an_outdated_hash_is_replaced_after_a_login_and_nothing_else_changes(house):
    house.path.chmod(0o600)
    users = house.users(parameters=RAISED)
    assert Passed() == await login(users, "alice", "arctangent")
    await users.close()
    before, after = TEXT.split(ALICE)
    text = house.path.read_text()
    new = text.removeprefix(before).removesuffix(after)
    assert before + new + after == text
    assert RAISED == parameters_of(new)
    assert verify(new, "arctangent")
    assert 0o600 == stat.S_IMODE(house.path.stat().st_mode)
    assert [house.path] == list(house.path.parent.iterdir())
    house.later()
    assert Passed() == await login(users, "alice", "arctangent")
    assert [ALICE, new] == house.checked
    assert house.complaints == []


@pytest.mark.parametrize(("name", "password"), [("alice", "wrong"), ("bob", "tangent"), ("mallory", "x")])
async def test_nobody_else_is_rehashed(house, name, password):
    users = house.users(parameters=RAISED)
    await login(users, name, password)
    await users.close()
    assert TEXT == house.path.read_text()


async def test_many_logins_of_one_person_rehash_once(house, monkeypatch):
    users = house.users(parameters=RAISED)
    hashed = []
    original = house.hasher.hash

    async def count(*args):
        hashed.append(1)
        return await original(*args)

    monkeypatch.setattr(house.hasher, "hash", count)
    for _ in range(3):
        users._rehash_soon(users._content.people["alice"], "arctangent")
    await users.close()
    assert [1] == hashed
    assert users._rehashing == {}


async def test_the_owner_is_kept(house):
    if os.getuid() != 0:
        pytest.skip("needs to be root")
    os.chown(house.path, 12345, 54321)
    users = house.users(parameters=RAISED)
    await login(users, "alice", "arctangent")
    await users.close()
    status = house.path.stat()
    assert ALICE not in house.path.read_text()
    assert (12345, 54321) == (status.st_uid, status.st_gid)


async def test_a_link_stays_a_link(house, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target = house.path.rename(tmp_path / "elsewhere" / "people.yaml")
    house.path.symlink_to(target)
    users = house.users(parameters=RAISED)
    await login(users, "alice", "arctangent")
    await users.close()
    assert house.path.is_symlink()
    assert ALICE not in target.read_text()


async def test_a_hash_that_cannot_be_written_fails_no_login_and_is_told_once(house, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    users = house.users(parameters=RAISED)
    for _ in range(2):
        assert Passed() == await login(users, "alice", "arctangent")
        await users.close()
    assert [f"{house.path}: No space left on device\nan outdated password hash stays as it is"] == house.complaints
    assert TEXT == house.path.read_text()
    assert [house.path] == list(house.path.parent.iterdir())


async def test_a_change_made_meanwhile_is_not_undone(house):
    users = house.users(parameters=RAISED)
    house.write(TEXT + "dave: {}\n")
    assert Passed() == await login(users, "alice", "arctangent")
    await users.close()
    text = house.path.read_text()
    assert text.endswith("dave: {}\n")
    assert ALICE not in text


async def test_a_password_changed_meanwhile_is_not_undone(house):
    users = house.users(parameters=RAISED)
    changed = TEXT.replace(ALICE, hash_password("new", CHEAPEST))
    house.write(changed)
    assert Passed() == await login(users, "alice", "arctangent")
    await users.close()
    assert changed == house.path.read_text()


# For the command line


def test_two_writers_lose_nobody(house):
    house.write("# head\n")
    writers = [house.users() for _ in range(4)]

    def add(index):
        for number in range(5):
            name = f"user-{index}-{number}"
            writers[index].save(User(name, name, (Phone("+14155550123"),)), hash_password("x", CHEAPEST))

    threads = [threading.Thread(target=add, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {f"user-{index}-{number}" for index in range(4) for number in range(5)}
    assert expected == {user.id for user in house.users().everyone()}


async def test_a_saved_user_can_log_in_at_once(house):
    users = house.users()
    users.save(User("dave", "dave", (Phone("+14155550126"),)), hash_password("sine", CHEAPEST))
    assert Passed() == await login(users, "dave", "sine")
    assert house.path.read_text().startswith(TEXT)


def test_a_created_file_is_its_owner_s_alone_and_never_replaces_one(tmp_path):
    path = tmp_path / "users.yaml"
    create(path)
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert UsersFile(path, Hasher()).everyone() == ()
    with pytest.raises(FileExistsError):
        create(path)
