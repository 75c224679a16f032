import asyncio
import errno
import os
import shutil
import stat
import threading
from collections import Counter
from contextlib import suppress

import pytest

from radius_voice.events import Reason
from radius_voice.identity.passwords import CHEAPEST, Hasher, Parameters, hash_password, parameters_of, salt_of, verify
from radius_voice.identity.users_file.copies import LastUsable
from radius_voice.identity.users_file.edit import create
from radius_voice.identity.users_file.source import UsersFile
from radius_voice.identity.users_file.text import UsersFileError
from radius_voice.login.deliveries.adapter_reports import SourceProblem
from radius_voice.login.model import Authenticated, Denied, PapPassword, User, Verification
from radius_voice.login.phone import Phone
from tests.support.polling import wait_until

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


class LoadedFile:
    """A users file with its hasher, its warnings, and the hashes that it verified."""

    def __init__(self, path):
        self.path = path
        self.warnings = []
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
        return UsersFile(self.path, self.hasher, self.warnings.append, parameters, key)


@pytest.fixture
def loaded(tmp_path):
    made = LoadedFile(tmp_path / "users.yaml")
    made.write(TEXT)
    yield made
    made.hasher.close()


def problem_of(users: UsersFile) -> SourceProblem | None:
    """The current problem of the file, which each check may change."""
    return users.problem


def look(users):
    """Read the file again, as the service does every two seconds."""
    with suppress(OSError, UsersFileError):
        users.refresh()


AUTHENTICATED = "authenticated"


async def login(users, name, password):
    """The result of a verification; a user who is authenticated must be the one in the file."""
    result = await users.verify(Verification(name, PapPassword(password)), asyncio.get_running_loop().time() + 30)
    if isinstance(result, Authenticated):
        assert result.user == await users.get(result.user_id, 0.0)
        assert result.password_id == await users.password_id(result.user_id, 0.0)
        assert result.password_id not in repr(result)
        return AUTHENTICATED
    return result


# The first factor


@pytest.mark.parametrize(
    ("name", "password", "answer"),
    [
        ("alice", "arctangent", AUTHENTICATED),
        (" ALICE ", "arctangent", AUTHENTICATED),
        ("alice", "Arctangent", WRONG),
        ("alice", "", WRONG),
        ("bob", "tangent", Denied(Reason.DISABLED, "bob", password_correct=True)),
        ("bob", "wrong", Denied(Reason.WRONG_PASSWORD, "bob")),
        ("carol", "arctangent", Denied(Reason.NO_PASSWORD, "carol")),
        ("carol", "", Denied(Reason.NO_PASSWORD, "carol")),
        ("mallory", "arctangent", UNKNOWN),
        ("mallory", "", UNKNOWN),
        ("", "", UNKNOWN),
        ("arctangent", "alice", UNKNOWN),
    ],
)
async def test_each_request_gets_its_result_for_one_verification(loaded, name, password, answer):
    users = loaded.users()
    assert answer == await login(users, name, password)
    assert 1 == len(loaded.checked)


async def test_an_empty_password_is_never_accepted_even_if_it_is_the_stored_one(loaded):
    loaded.write(f"alice:\n  password: {hash_password('', CHEAPEST)}\n")
    assert WRONG == await login(loaded.users(), "alice", "")


MIXED = [CHEAPEST, CHEAPEST, CHEAPEST, Parameters(memory=64, time=2, parallelism=1)]


@pytest.fixture
def mixed(loaded):
    """A file in which three hashes of four are cheap and one is costly, and a user without a hash."""
    entries = [
        f"user{number}:\n  password: {hash_password('x', parameters)}\n" for number, parameters in enumerate(MIXED)
    ]
    loaded.write("".join(entries) + "carol: {}\n")
    return loaded


async def costs(users, loaded, names):
    """The parameters that each name is verified with."""
    loaded.checked.clear()
    for name in names:
        await login(users, name, "guess")
    assert len(names) == len(loaded.checked), "one verification for each"
    return [parameters_of(hashed) for hashed in loaded.checked]


async def test_unknown_names_cost_the_files_hashes_in_their_proportions(mixed):
    counted = Counter(await costs(mixed.users(), mixed, [f"invented{number}" for number in range(1000)]))

    assert set(MIXED) == set(counted)
    assert 700 < counted[CHEAPEST] < 800


async def test_an_unknown_name_always_costs_the_same_in_any_spelling(mixed):
    names = [f"invented{number}" for number in range(50)]
    first = await costs(mixed.users(), mixed, names)

    assert first == await costs(mixed.users(), mixed, names), "another process with the same key"
    assert first == await costs(mixed.users(), mixed, [f" {name.upper()} " for name in names])


async def test_the_cost_of_an_unknown_name_is_unpredictable_without_the_key(mixed):
    names = [f"invented{number}" for number in range(100)]
    one, other = await costs(mixed.users(), mixed, names), await costs(mixed.users(key=b"K" * 32), mixed, names)

    assert one != other
    assert await costs(mixed.users(key=None), mixed, names) != await costs(mixed.users(key=None), mixed, names)


async def test_users_without_a_password_cost_the_same_as_unknown_names(mixed):
    users = mixed.users()
    before = await costs(users, mixed, names := [f"carol{number}" for number in range(100)])
    mixed.write(mixed.path.read_text() + "".join(f"{name}: {{}}\n" for name in names))
    look(users)

    assert before == await costs(users, mixed, names)


async def test_one_more_user_changes_the_cost_of_few_unknown_names(loaded):
    cheap, costly = (hash_password("x", parameters) for parameters in (CHEAPEST, MIXED[-1]))
    assert cheap != costly
    entries = [f"user{number}:\n  password: {hash_password('x', MIXED[number % 4])}\n" for number in range(200)]
    loaded.write("".join(entries))
    users = loaded.users()
    names = [f"invented{number}" for number in range(400)]
    before = await costs(users, loaded, names)
    loaded.write("".join(entries) + f"one-more:\n  password: {cheap}\n")
    look(users)

    changed = [pair for pair in zip(before, await costs(users, loaded, names), strict=True) if pair[0] != pair[1]]
    assert len(changed) < 8


async def test_a_file_without_hashes_costs_as_much_as_today_s_parameters(loaded):
    loaded.write("carol: {}\n")
    users = loaded.users(parameters=Parameters(64, 1, 1))

    assert [Parameters(64, 1, 1)] * 2 == await costs(users, loaded, ["mallory", "carol"])


def test_reading_a_file_hashes_nothing(loaded, monkeypatch):
    highest = "$argon2id$v=19$m=1048576,t=20,p=1$" + ALICE.split("$", 4)[4]
    loaded.write(f"alice:\n  password: {highest}\n")
    monkeypatch.setattr("argon2.low_level.hash_secret", None)
    monkeypatch.setattr("argon2.low_level.verify_secret", None)

    assert (Parameters(1048576, 20, 1), (2,)) == loaded.users().costliest()


def test_the_most_expensive_hashes_are_reported_by_their_lines(mixed):
    assert (MIXED[-1], (8,)) == mixed.users().costliest()
    mixed.write("carol: {}\n")
    assert (CHEAPEST, ()) == mixed.users().costliest()


# The directory


async def test_users_are_found_by_any_spelling_and_have_the_files_data(loaded):
    users = loaded.users()
    assert User("alice", "alice", (Phone("+14155550123"),)) == await users.find(" Alice", 0)
    assert User("bob", "bob", disabled=True) == await users.find("bob", 0)
    assert await users.find("mallory", 0) is None
    assert ["alice", "bob", "carol"] == [user.id for user in users.all_users()]


# Reading again


async def test_a_changed_file_is_read_at_the_next_check(loaded):
    users = loaded.users()
    loaded.write("dave: {}\n")
    assert await users.find("dave", 0) is None
    look(users)
    assert User("dave", "dave") == await users.find("dave", 0)
    assert await users.find("alice", 0) is None


@pytest.mark.parametrize("what", ["size", "inode", "mtime", "mode", "link"])
def test_every_kind_of_change_is_noticed(loaded, what, tmp_path):
    other = tmp_path / "other.yaml"
    shutil.copy2(loaded.path, other)
    users = loaded.users()
    if what == "size":
        with loaded.path.open("a") as file:
            file.write("# more\n")
    elif what == "inode":
        other.replace(loaded.path)
    elif what == "mtime":
        os.utime(loaded.path, ns=(0, 0))
    elif what == "mode":
        loaded.path.chmod(0o644)
    else:
        loaded.path.unlink()
        loaded.path.symlink_to(other)
        other.chmod(0o644)
    before = users._signature
    look(users)

    assert before != users._signature


async def test_a_link_to_another_file_is_followed(loaded, tmp_path):
    (tmp_path / "new.yaml").write_text("dave: {}\n")
    (tmp_path / "new.yaml").chmod(0o600)
    loaded.path.rename(tmp_path / "old.yaml")
    loaded.path.symlink_to("old.yaml")
    users = loaded.users()
    (tmp_path / "link").symlink_to("new.yaml")
    (tmp_path / "link").rename(loaded.path)
    look(users)

    assert await users.find("dave", 0)


async def test_an_invalid_new_file_is_reported_and_the_old_content_stays(loaded):
    users = loaded.users()
    assert not problem_of(users)
    loaded.write("dave: {color: red}\nerin: {color: red}\n")
    for _ in range(3):
        look(users)
        assert AUTHENTICATED == await login(users, "alice", "arctangent")
        problem = problem_of(users)
        assert problem is not None
        assert "invalid, the log has the details" == problem.summary
        assert [f"{loaded.path}:{line}" for line in (1, 2)] == [
            line[: len(f"{loaded.path}:1")] for line in problem.detail.splitlines()
        ]


async def test_an_invalid_file_is_not_read_again_until_it_changes(loaded, monkeypatch):
    users = loaded.users()
    parsed = []
    parse = users._parsed

    def count_and_parse(text):
        parsed.append(text)
        return parse(text)

    monkeypatch.setattr(users, "_parsed", count_and_parse)
    for text in ("dave: 1\n", "dave: 12\n"):
        loaded.write(text)
        for _ in range(3):
            look(users)
    assert ["dave: 1\n", "dave: 12\n"] == parsed


async def test_a_corrected_file_is_read_and_its_problem_is_cleared(loaded):
    users = loaded.users()
    problems = []
    for text in ("dave: 1\n", "dave: {}\n", "dave: 1  \n"):
        loaded.write(text)
        look(users)
        problems.append(users.problem is not None)
    assert [True, False, True] == problems
    assert User("dave", "dave") == await users.find("dave", 0)


async def test_refreshing_reads_a_changed_file_immediately_and_an_unchanged_one_never(loaded, monkeypatch):
    users = loaded.users()
    loaded.write(TEXT.replace("carol", "dave"))
    users.refresh()
    assert "dave" == (await users.find("dave", 0)).id
    monkeypatch.setattr(users, "_parsed", None)
    users.refresh()


async def test_refreshing_refuses_an_invalid_file_even_if_refused_before(loaded):
    users = loaded.users()
    loaded.write("alice: 1\n")
    for _ in range(2):
        with pytest.raises(UsersFileError, match=r"users\.yaml:1: alice: must be a mapping"):
            users.refresh()
    assert "carol" == (await users.find("carol", 0)).id


async def test_a_file_that_is_removed_and_returns_is_read_again(loaded):
    users = loaded.users()
    loaded.path.unlink()
    for _ in range(2):
        look(users)
        assert await users.find("alice", 0)
        assert SourceProblem("No such file or directory", f"{loaded.path}: No such file or directory") == users.problem
    loaded.write("dave: {}\n")
    look(users)
    assert await users.find("dave", 0)


async def test_a_file_that_returns_unchanged_is_no_problem(loaded):
    users = loaded.users()
    loaded.path.rename(loaded.path.with_suffix(".away"))
    look(users)
    assert users.problem is not None
    loaded.path.with_suffix(".away").rename(loaded.path)
    look(users)
    assert users.problem is None


async def test_a_corrected_link_target_is_noticed(loaded):
    users = loaded.users()
    loaded.write("dave: {}\n", mode=0o644)
    look(users)
    assert await users.find("dave", 0) is None
    loaded.path.chmod(0o640)
    look(users)
    assert await users.find("dave", 0)


async def test_logins_use_the_old_content_while_the_new_is_read(loaded, monkeypatch):
    users = loaded.users()
    loaded.write("dave: {}\n")
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


# Files that are not regular, and files that hang


def test_a_fifo_in_place_of_the_file_is_refused_immediately(loaded):
    users = loaded.users()
    loaded.path.unlink()
    os.mkfifo(loaded.path, 0o600)
    with pytest.raises(OSError, match="a FIFO, not a regular file"):
        users.refresh()
    assert SourceProblem("a FIFO, not a regular file", f"{loaded.path}: a FIFO, not a regular file") == users.problem
    with pytest.raises(OSError, match="a FIFO, not a regular file"):
        loaded.users()


@pytest.mark.parametrize(("target", "kind"), [("/dev/zero", "a device"), (".", "a directory")])
def test_only_a_regular_file_is_read(loaded, target, kind):
    loaded.path.unlink()
    loaded.path.symlink_to(target)
    with pytest.raises(OSError, match=f"{kind}, not a regular file"):
        loaded.users()


async def test_a_file_that_hangs_is_a_problem_and_leaves_one_thread_behind(loaded, monkeypatch):
    users = loaded.users()
    answer, hanging = threading.Event(), []

    def hang(path, *arguments, **options):
        hanging.append(path)
        answer.wait(30)
        return os.lstat(path)

    monkeypatch.setattr("radius_voice.bounded.FILE_SECONDS", 0.05)
    monkeypatch.setattr(type(loaded.path), "stat", hang)
    for _ in range(5):
        look(users)
        assert AUTHENTICATED == await login(users, "alice", "arctangent")
    assert "no answer within 0.05 s; is its network mount reachable?" == users.problem.summary
    assert [loaded.path] == hanging
    answer.set()
    monkeypatch.undo()
    wait_until(lambda: look(users) or users.problem is None, "the file answers again")


# Errors at the start


@pytest.mark.parametrize("mode", [0o644, 0o642, 0o641])
def test_a_file_accessible_to_all_users_is_refused_with_mode_and_owner(loaded, mode):
    loaded.write(TEXT, mode)
    with pytest.raises(UsersFileError, match=rf"mode {mode:04o}, owner \w+\); run: chmod o-rwx"):
        loaded.users()


def test_an_owner_without_a_name_is_reported_by_number(loaded, monkeypatch):
    def no_user_rehashes(uid):
        raise KeyError(uid)

    loaded.write(TEXT, 0o644)
    monkeypatch.setattr("pwd.getpwuid", no_user_rehashes)
    with pytest.raises(UsersFileError, match=f"owner {os.getuid()}"):
        loaded.users()


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(loaded):
    loaded.path.write_bytes(b"alice: {}\nb\xf6b: {}\n")
    with pytest.raises(UsersFileError, match=r"users\.yaml:2: not UTF-8"):
        loaded.users()


def test_a_missing_file_is_an_operating_system_error(loaded):
    loaded.path.unlink()
    with pytest.raises(FileNotFoundError):
        loaded.users()


# Rehashing

RAISED = Parameters(memory=16, time=1, parallelism=1)


async def test_an_outdated_hash_is_replaced_after_a_login_and_nothing_else_changes(loaded):
    loaded.path.chmod(0o600)
    users = loaded.users(parameters=RAISED)
    assert AUTHENTICATED == await login(users, "alice", "arctangent")
    await users.close()
    before, after = TEXT.split(ALICE)
    text = loaded.path.read_text()
    new = text.removeprefix(before).removesuffix(after)
    assert before + new + after == text
    assert RAISED == parameters_of(new)
    assert verify(new, "arctangent")
    assert salt_of(ALICE) == salt_of(new), "so that logins that are open stay open"
    assert 0o600 == stat.S_IMODE(loaded.path.stat().st_mode)
    assert [loaded.path] == list(loaded.path.parent.iterdir())
    look(users)
    assert AUTHENTICATED == await login(users, "alice", "arctangent")
    assert [ALICE, new] == loaded.checked
    assert loaded.warnings == []


@pytest.mark.parametrize(("name", "password"), [("alice", "wrong"), ("bob", "tangent"), ("mallory", "x")])
async def test_no_other_user_is_rehashed(loaded, name, password):
    users = loaded.users(parameters=RAISED)
    await login(users, name, password)
    await users.close()
    assert TEXT == loaded.path.read_text()


async def test_many_logins_of_one_user_rehash_once(loaded, monkeypatch):
    users = loaded.users(parameters=RAISED)
    hashed = []
    original = loaded.hasher.hash

    async def count(*args):
        hashed.append(1)
        return await original(*args)

    monkeypatch.setattr(loaded.hasher, "hash", count)
    for _ in range(3):
        users._rehash_soon(users._content.users["alice"], ALICE, "arctangent")
    await users.close()
    assert [1] == hashed
    assert users._rehashing == {}


async def test_the_owner_is_kept(loaded):
    if os.getuid() != 0:
        pytest.skip("needs to be root")
    os.chown(loaded.path, 12345, 54321)
    users = loaded.users(parameters=RAISED)
    await login(users, "alice", "arctangent")
    await users.close()
    status = loaded.path.stat()
    assert ALICE not in loaded.path.read_text()
    assert (12345, 54321) == (status.st_uid, status.st_gid)


async def test_a_link_stays_a_link(loaded, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target = loaded.path.rename(tmp_path / "elsewhere" / "people.yaml")
    loaded.path.symlink_to(target)
    users = loaded.users(parameters=RAISED)
    await login(users, "alice", "arctangent")
    await users.close()
    assert loaded.path.is_symlink()
    assert ALICE not in target.read_text()


async def test_a_hash_that_cannot_be_written_fails_no_login_and_is_reported_once(loaded, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    users = loaded.users(parameters=RAISED)
    for _ in range(2):
        assert AUTHENTICATED == await login(users, "alice", "arctangent")
        await users.close()
    assert [f"{loaded.path}: No space left on device\nan outdated password hash stays as it is"] == loaded.warnings
    assert TEXT == loaded.path.read_text()
    assert [loaded.path] == list(loaded.path.parent.iterdir())


async def test_a_concurrent_change_is_not_undone(loaded):
    users = loaded.users(parameters=RAISED)
    loaded.write(TEXT + "dave: {}\n")
    assert AUTHENTICATED == await login(users, "alice", "arctangent")
    await users.close()
    text = loaded.path.read_text()
    assert text.endswith("dave: {}\n")
    assert ALICE not in text


async def test_a_concurrent_password_change_is_not_undone(loaded):
    users = loaded.users(parameters=RAISED)
    changed = TEXT.replace(ALICE, hash_password("new", CHEAPEST))
    loaded.write(changed)
    assert AUTHENTICATED == await login(users, "alice", "arctangent")
    await users.close()
    assert changed == loaded.path.read_text()


async def test_a_new_password_has_another_id_and_a_rehashed_one_the_same(loaded):
    users = loaded.users(parameters=RAISED)
    before = await users.password_id("alice", 0.0)
    await login(users, "alice", "arctangent")
    await users.close()
    look(users)
    assert ALICE not in loaded.path.read_text()
    assert before == await users.password_id("alice", 0.0)
    loaded.write(TEXT.replace(ALICE, hash_password("arctangent", CHEAPEST)))
    look(users)
    assert await users.password_id("alice", 0.0) not in (before, "")
    assert "" == await users.password_id("carol", 0.0) == await users.password_id("mallory", 0.0)


# The copy for a process that replaces another one


def replacement(loaded, *, from_copy=True):
    return UsersFile(loaded.path, loaded.hasher, copy=LastUsable(loaded.path.parent, loaded.path), from_copy=from_copy)


def test_a_replacement_starts_with_the_last_usable_users_although_the_file_is_invalid(loaded):
    first = replacement(loaded)
    loaded.write("dave: {}\n")
    look(first)
    loaded.write("erin: 1\n")
    look(first)
    second = replacement(loaded)
    assert ["dave"] == [user.name for user in second.all_users()]
    assert problem_of(second) == problem_of(first) is not None
    with pytest.raises(UsersFileError):
        replacement(loaded, from_copy=False)
    loaded.path.unlink()
    assert ["dave"] == [user.name for user in replacement(loaded).all_users()]
    loaded.write("erin: {}\n")
    look(second)
    assert (["erin"], None) == ([user.name for user in second.all_users()], problem_of(second))


def test_an_outdated_copy_is_not_kept(loaded, monkeypatch):
    def full(descriptor, mode="r"):
        os.close(descriptor)
        raise OSError(errno.ENOSPC, "No space left on device")

    users = replacement(loaded)
    monkeypatch.setattr(os, "fdopen", full)
    LastUsable(loaded.path.parent, loaded.path).write(b"other: {}\n")
    monkeypatch.undo()
    assert problem_of(users) is None
    assert [loaded.path] == list(loaded.path.parent.iterdir())
    loaded.write("erin: 1\n")
    with pytest.raises(UsersFileError):
        replacement(loaded)


# For the command line


def test_two_concurrent_writers_lose_no_user(loaded):
    loaded.write("# head\n")
    writers = [loaded.users() for _ in range(4)]

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
    assert expected == {user.id for user in loaded.users().all_users()}


async def test_a_saved_user_can_log_in_at_once(loaded):
    users = loaded.users()
    users.save(User("dave", "dave", (Phone("+14155550126"),)), hash_password("sine", CHEAPEST))
    assert AUTHENTICATED == await login(users, "dave", "sine")
    assert loaded.path.read_text().startswith(TEXT)


def test_a_created_file_is_accessible_only_to_its_owner_and_never_replaces_one(tmp_path):
    path = tmp_path / "users.yaml"
    create(path)
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert UsersFile(path, Hasher()).all_users() == ()
    with pytest.raises(FileExistsError):
        create(path)
