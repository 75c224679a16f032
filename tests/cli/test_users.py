import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from radius_voice.cli.users import hash_password, users
from radius_voice.identity.passwords import DEFAULT, parameters_of, verify
from radius_voice.identity.users_text import parse
from radius_voice.login.phone import Phone

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "users.yaml"


def run(command, *arguments, typed="arctangent\n"):
    return CliRunner().invoke(command, [str(argument) for argument in arguments], input=typed)


def add(path, name, *arguments, typed="arctangent\n"):
    return run(users, "add", "--file", path, name, *arguments, typed=typed)


def test_hash_password_prints_the_hash_alone():
    ended = run(hash_password)
    assert 0 == ended.exit_code
    hashed = ended.stdout.removesuffix("\n")
    assert DEFAULT == parameters_of(hashed)
    assert verify(hashed, "arctangent")
    assert ended.stderr == ""


@pytest.mark.parametrize(
    ("typed", "password"),
    [("a b \r\n", "a b "), ("first\nsecond\n", "first"), ("no newline", "no newline"), ("größe\n".encode(), "größe")],
)
def test_one_line_of_standard_input_is_the_password(typed, password):
    assert verify(run(hash_password, typed=typed).stdout.strip(), password)


@pytest.mark.parametrize(
    ("typed", "mend"),
    [
        ("", "an empty password"),
        ("\n", "an empty password"),
        ("ö" * 65, "longer than 128 octets"),
        (b"hush\xff", "UTF-8"),
    ],
)
def test_a_password_that_cannot_be_one_is_refused_without_showing_it(typed, mend):
    ended = run(hash_password, typed=typed)
    assert 1 == ended.exit_code
    assert mend in ended.stderr
    assert ended.stdout == ""
    assert "hush" not in ended.stderr


@pytest.mark.parametrize("again", [b"arctangent\n", b"arctangens\narctangent\narctangent\n"])
def test_a_terminal_is_asked_twice_and_shows_nothing(again):
    ours, theirs = pty.openpty()
    script = "from radius_voice.cli.users import hash_password; hash_password()"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        for line in [b"arctangent\n", *again.splitlines(keepends=True)]:
            seen += until_asked(ours)
            os.write(ours, line)
        hashed = process.stdout.read().decode().strip()
    os.close(ours)
    assert 0 == process.returncode
    assert verify(hashed, "arctangent")
    assert b"arctang" not in seen
    assert b"Once more" in seen


def until_asked(terminal):
    seen = b""
    while not seen.rstrip().endswith((b"Password:", b"Once more:")):
        seen += os.read(terminal, 1024)
    return seen


def test_adding_makes_the_file_and_then_appends_to_it(path):
    made = add(path, "alice", "--phone", "+1 415 555 0123", "--phone", "+442079460123", "--group", "staff")
    assert (0, f"{path}: alice added\n") == (made.exit_code, made.stdout)
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    path.write_text(path.read_text() + "# the second floor")
    assert 0 == add(path, "bob", "--phone", "+14155550124", "--language", "de").exit_code
    assert "# the second floor\nbob:" in path.read_text()
    people = parse(path.read_text(), "users.yaml")
    alice, bob = people["alice"], people["bob"]
    assert (Phone("+14155550123"), Phone("+442079460123")) == alice.user.phones
    assert frozenset({"staff"}) == alice.user.groups
    assert ("en", "de") == (alice.user.language, bob.user.language)
    assert verify(alice.password, "arctangent")


def test_a_bad_phone_makes_no_file_and_tells_the_mend(path):
    ended = add(path, "alice", "--phone", "4155550123")
    assert 2 == ended.exit_code
    assert "write it as +, country code and number" in ended.stderr
    assert not path.exists()


def test_a_phone_with_an_extension_makes_no_file(path):
    ended = add(path, "alice", "--phone", "+14155550123 ext 5")
    assert (2, True) == (ended.exit_code, "an extension cannot be called" in ended.stderr)
    assert not path.exists()


@pytest.mark.parametrize(
    ("phone", "warning"),
    [
        ("+441632960123", "warning: +44********23 is not called (invalid number), unless policies.NAME.allow_numbers"),
        ("+19005550123", "warning: +19*******23 is not called (premium number), unless policies.NAME.allow_numbers"),
        ("+14155550123", "warning: +14*******23 is reserved for fiction and rings nobody"),
    ],
)
def test_a_phone_that_will_not_ring_is_added_with_a_warning(path, phone, warning):
    ended = add(path, "alice", "--phone", phone)
    assert (0, True) == (ended.exit_code, ended.stderr.startswith(warning))
    assert phone in path.read_text()


def test_a_phone_that_rings_is_added_without_a_warning(path):
    assert "" == add(path, "alice", "--phone", "+4915112345678").stderr


def test_an_empty_password_makes_no_file(path):
    assert 1 == add(path, "alice", "--phone", "+14155550123", typed="\n").exit_code
    assert not path.exists()


def test_a_name_that_is_taken_is_refused_and_the_file_stays(path):
    add(path, "alice", "--phone", "+14155550123")
    before = path.read_text()
    ended = add(path, "Alice", "--phone", "+14155550124")
    assert 1 == ended.exit_code
    assert "'alice' is there already" in ended.stderr
    assert before == path.read_text()


@pytest.mark.parametrize("command", [["list"], ["add", "bob", "--phone", "+14155550124"]])
def test_a_broken_file_is_told_with_its_line(path, command):
    path.write_text("alice: 1\n")
    path.chmod(0o600)
    ended = run(users, *command, "--file", path)
    assert 1 == ended.exit_code
    assert f"Error: {path}:1: alice: must be a mapping" in ended.stderr


@pytest.mark.parametrize("command", [["list"], ["add", "bob", "--phone", "+14155550124"]])
def test_a_file_out_of_reach_is_told_plainly(path, command):
    ended = run(users, *command, "--file", path / "nowhere.yaml")
    assert 1 == ended.exit_code
    assert f"Error: {path}/nowhere.yaml: No such file or directory" in ended.stderr


@pytest.mark.parametrize(("option", "phone"), [([], "+14*******23"), (["--show-phones"], "+14155550123")])
def test_listing_masks_phones_unless_told(path, option, phone):
    path.write_text('alice:\n  phones: ["+14155550123"]\n  groups: [b, a]\nbob:\n  disabled: true\n')
    path.chmod(0o600)
    ended = run(users, "list", "--file", path, *option)
    assert f"alice\t{phone}\ten\ta,b\nbob\tno phone\ten\tno group\tdisabled\n" == ended.stdout
