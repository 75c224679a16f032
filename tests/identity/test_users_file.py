import asyncio
import os
import shutil
import stat
import threading
from collections import Counter
from contextlib import suppress

import pytest

from radius_voice.events import Reason
from radius_voice.identity.passwords import CHEAPEST, Hasher, Parameters, hash_password, parameters_of, verify
from radius_voice.identity.users_edit import create
from radius_voice.identity.users_file import Problem, UsersFile, UsersFileError
from radius_voice.login.model import Claim, Denied, Passed, User
from radius_voice.login.phone import Phone
from tests.stores.redis_server import until

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


class House:
    """A users file, and everything around one that a test may want to touch."""

    def __init__(self, path):
        self.path = path
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

    def users(self, parameters=CHEAPEST, key=b"k" * 32):
        return UsersFile(self.path, self.hasher, self.complaints.append, parameters, key)


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path / "users.yaml")
    made.write(TEXT)
    yield made
    made.hasher.close()


def look(users):
    """Read the file again, as the service does every two seconds."""
    with suppress(OSError, UsersFileError):
        users.refresh()


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


MIXED = [CHEAPEST, CHEAPEST, CHEAPEST, Parameters(memory=64, time=2, parallelism=1)]


@pytest.fixture
def mixed(house):
    """A file in which three hashes of four are cheap and one is costly, and a user without a hash."""
    entries = [
        f"user{number}:\n  password: {hash_password('x', parameters)}\n" for number, parameters in enumerate(MIXED)
    ]
    house.write("".join(entries) + "carol: {}\n")
    return house


async def costs(users, house, names):
    """The parameters that each name is verified with."""
    house.checked.clear()
    for name in names:
        await login(users, name, "guess")
    assert len(names) == len(house.checked), "one verification for each"
    return [parameters_of(hashed) for hashed in house.checked]


async def test_invented_names_cost_what_the_files_hashes_cost_in_their_proportions(mixed):
    counted = Counter(await costs(mixed.users(), mixed, [f"invented{number}" for number in range(1000)]))

    assert set(MIXED) == set(counted)
    assert 700 < counted[CHEAPEST] < 800


async def test_an_invented_name_always_costs_the_same_however_it_is_spelled(mixed):
    names = [f"invented{number}" for number in range(50)]
    first = await costs(mixed.users(), mixed, names)

    assert first == await costs(mixed.users(), mixed, names), "another process with the same key"
    assert first == await costs(mixed.users(), mixed, [f" {name.upper()} " for name in names])


async def test_without_the_key_nobody_can_tell_what_a_name_that_does_not_exist_would_cost(mixed):
    names = [f"invented{number}" for number in range(100)]
    one, other = await costs(mixed.users(), mixed, names), await costs(mixed.users(key=b"K" * 32), mixed, names)

    assert one != other
    assert await costs(mixed.users(key=None), mixed, names) != await costs(mixed.users(key=None), mixed, names)


async def test_users_without_a_password_cost_what_an_invented_name_would(mixed):
    users = mixed.users()
    before = await costs(users, mixed, names := [f"carol{number}" for number in range(100)])
    mixed.write(mixed.path.read_text() + "".join(f"{name}: {{}}\n" for name in names))
    look(users)

    assert before == await costs(users, mixed, names)


async def test_one_more_user_changes_what_few_invented_names_cost(house):
    cheap, costly = (hash_password("x", parameters) for parameters in (CHEAPEST, MIXED[-1]))
    assert cheap != costly
    entries = [f"user{number}:\n  password: {hash_password('x', MIXED[number % 4])}\n" for number in range(200)]
    house.write("".join(entries))
    users = house.users()
    names = [f"invented{number}" for number in range(400)]
    before = await costs(users, house, names)
    house.write("".join(entries) + f"one-more:\n  password: {cheap}\n")
    look(users)

    changed = [pair for pair in zip(before, await costs(users, house, names), strict=True) if pair[0] != pair[1]]
    assert len(changed) < 8


async def test_a_file_without_hashes_costs_as_much_as_today_s_parameters(house):
    house.write("carol: {}\n")
    users = house.users(parameters=Parameters(64, 1, 1))

    assert [Parameters(64, 1, 1)] * 2 == await costs(users, house, ["mallory", "carol"])


def test_reading_a_file_hashes_nothing_however_costly_its_hashes_are(house, monkeypatch):
    highest = "$argon2id$v=19$m=1048576,t=20,p=1$" + ALICE.split("$", 4)[4]
    house.write(f"alice:\n  password: {highest}\n")
    monkeypatch.setattr("argon2.low_level.hash_secret", None)
    monkeypatch.setattr("argon2.low_level.verify_secret", None)

    assert (Parameters(1048576, 20, 1), (2,)) == house.users().costliest()


def test_the_costliest_hashes_are_named_by_their_lines(mixed):
    assert (MIXED[-1], (8,)) == mixed.users().costliest()
    mixed.write("carol: {}\n")
    assert (CHEAPEST, ()) == mixed.users().costliest()


# The directory


async def test_people_are_found_by_any_spelling_and_have_the_file_s(house):
    users = house.users()
    assert User("alice", "alice", (Phone("+14155550123"),)) == await users.find(" Alice", 0)
    assert User("bob", "bob", disabled=True) == await users.find("bob", 0)
    assert await users.find("mallory", 0) is None
    assert ["alice", "bob", "carol"] == [user.id for user in users.everyone()]


# Reading again


async def test_a_changed_file_is_read_at_the_next_look(house):
    users = house.users()
    house.write("dave: {}\n")
    assert await users.find("dave", 0) is None
    look(users)
    assert User("dave", "dave") == await users.find("dave", 0)
    assert await users.find("alice", 0) is None


@pytest.mark.parametrize("what", ["size", "inode", "mtime", "mode", "link"])
def test_every_kind_of_change_is_noticed(house, what, tmp_path):
    other = tmp_path / "other.yaml"
    shutil.copy2(house.path, other)
    users = house.users()
    if what == "size":
        with house.path.open("a") as file:
            file.write("# more\n")
    elif what == "inode":
        other.replace(house.path)
    elif what == "mtime":
        os.utime(house.path, ns=(0, 0))
    elif what == "mode":
        house.path.chmod(0o644)
    else:
        house.path.unlink()
        house.path.symlink_to(other)
        other.chmod(0o644)
    before = users._signature
    look(users)

    assert before != users._signature


async def test_a_link_to_another_file_is_followed(house, tmp_path):
    (tmp_path / "new.yaml").write_text("dave: {}\n")
    (tmp_path / "new.yaml").chmod(0o600)
    house.path.rename(tmp_path / "old.yaml")
    house.path.symlink_to("old.yaml")
    users = house.users()
    (tmp_path / "link").symlink_to("new.yaml")
    (tmp_path / "link").rename(house.path)
    look(users)

    assert await users.find("dave", 0)


async def test_a_bad_new_file_is_a_problem_and_the_old_content_stays(house):
    users = house.users()
    assert users.problem is None
    house.write("dave: {color: red}\nerin: {color: red}\n")
    for _ in range(3):
        look(users)
        assert Passed() == await login(users, "alice", "arctangent")
        assert "invalid, the log has the details" == users.problem.summary
        assert [f"{house.path}:{line}" for line in (1, 2)] == [
            line[: len(f"{house.path}:1")] for line in users.problem.detail.splitlines()
        ]


async def test_a_bad_file_is_not_read_again_until_it_changes(house, monkeypatch):
    users = house.users()
    parsed = []
    parse = users._parsed
    monkeypatch.setattr(users, "_parsed", lambda text: parsed.append(1) or parse(text))
    for text in ("dave: 1\n", "dave: 12\n"):
        house.write(text)
        for _ in range(3):
            look(users)
    assert [1, 1] == parsed


async def test_a_corrected_file_is_read_and_no_problem_any_more(house):
    users = house.users()
    problems = []
    for text in ("dave: 1\n", "dave: {}\n", "dave: 1  \n"):
        house.write(text)
        look(users)
        problems.append(users.problem is not None)
    assert [True, False, True] == problems
    assert User("dave", "dave") == await users.find("dave", 0)


async def test_refreshing_reads_a_changed_file_at_once_and_an_unchanged_one_never(house, monkeypatch):
    users = house.users()
    house.write(TEXT.replace("carol", "dave"))
    users.refresh()
    assert "dave" == (await users.find("dave", 0)).id
    monkeypatch.setattr(users, "_parsed", None)
    users.refresh()


async def test_refreshing_refuses_a_bad_file_also_one_that_was_refused_before(house):
    users = house.users()
    house.write("alice: 1\n")
    for _ in range(2):
        with pytest.raises(UsersFileError, match=r"users\.yaml:1: alice: must be a mapping"):
            users.refresh()
    assert "carol" == (await users.find("carol", 0)).id


async def test_a_file_that_goes_and_comes_back_is_read_again(house):
    users = house.users()
    house.path.unlink()
    for _ in range(2):
        look(users)
        assert await users.find("alice", 0)
        assert Problem("No such file or directory", f"{house.path}: No such file or directory") == users.problem
    house.write("dave: {}\n")
    look(users)
    assert await users.find("dave", 0)


async def test_a_file_that_goes_and_comes_back_as_it_was_is_no_problem_any_more(house):
    users = house.users()
    house.path.rename(house.path.with_suffix(".away"))
    look(users)
    assert users.problem is not None
    house.path.with_suffix(".away").rename(house.path)
    look(users)
    assert users.problem is None


async def test_following_the_fix_of_an_error_is_noticed(house):
    users = house.users()
    house.write("dave: {}\n", mode=0o644)
    look(users)
    assert await users.find("dave", 0) is None
    house.path.chmod(0o640)
    look(users)
    assert await users.find("dave", 0)


async def test_logins_go_on_with_the_old_content_while_the_new_is_read(house, monkeypatch):
    users = house.users()
    house.write("dave: {}\n")
    reading, go_on = threading.Event(), threading.Event()
    parsed = users._parsed

    def slow(text):
        reading.set()
        go_on.wait(30)
        return parsed(text)

    monkeypatch.setattr(users, "_parsed", slow)
    looking = asyncio.create_task(asyncio.to_thread(look, users))
    await asyncio.to_thread(reading.wait, 30)
    assert await users.find("alice", 0)
    go_on.set()
    await looking
    assert await users.find("dave", 0)


# What is no regular file, or does not answer


def test_a_fifo_in_place_of_the_file_is_refused_at_once(house):
    users = house.users()
    house.path.unlink()
    os.mkfifo(house.path, 0o600)
    with pytest.raises(OSError, match="a FIFO, not a regular file"):
        users.refresh()
    assert Problem("a FIFO, not a regular file", f"{house.path}: a FIFO, not a regular file") == users.problem
    with pytest.raises(OSError, match="a FIFO, not a regular file"):
        house.users()


@pytest.mark.parametrize(("target", "kind"), [("/dev/zero", "a device"), (".", "a directory")])
def test_nothing_but_a_regular_file_is_read(house, target, kind):
    house.path.unlink()
    house.path.symlink_to(target)
    with pytest.raises(OSError, match=f"{kind}, not a regular file"):
        house.users()


async def test_a_file_that_does_not_answer_is_a_problem_and_leaves_one_thread_behind(house, monkeypatch):
    users = house.users()
    answer, hanging = threading.Event(), []

    def hang(path, *arguments, **options):
        hanging.append(path)
        answer.wait(30)
        return os.lstat(path)

    monkeypatch.setattr("radius_voice.bounded.FILE_SECONDS", 0.05)
    monkeypatch.setattr(type(house.path), "stat", hang)
    for _ in range(5):
        look(users)
        assert Passed() == await login(users, "alice", "arctangent")
    assert "no answer within 0.05 s; is its network mount reachable?" == users.problem.summary
    assert [house.path] == hanging
    answer.set()
    monkeypatch.undo()
    until(lambda: look(users) or users.problem is None, "the file answers again")


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
    look(users)
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
