import json
import os
import pty
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from radius_voice.identity.passwords import CHEAPEST, DEFAULT, hash_password, parameters_of, verify
from radius_voice.identity.users_file.text import parse
from radius_voice.login.phone import Phone
from radius_voice.messages import LANGUAGES

ROOT = Path(__file__).parents[2]
HASHED = hash_password("arctangent", CHEAPEST)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "users.yaml"


def run(*arguments, typed="arctangent\n"):
    """Run the program. Without `main`, a command would keep another help option for the tests that follow (click caches it)."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=typed)


def cells(table):
    """The cells of each line of a table."""
    return [re.split(" {2,}", line) for line in table.splitlines()]


def add(path, name, *arguments, typed="arctangent\n"):
    return run("users", "add", "--file", path, name, *arguments, typed=typed)


def test_hash_password_prints_only_the_hash():
    ended = run("hash-password")
    assert 0 == ended.exit_code
    hashed = ended.stdout.removesuffix("\n")
    assert DEFAULT == parameters_of(hashed)
    assert verify(hashed, "arctangent")
    assert ended.stderr == ""


@pytest.mark.parametrize(
    ("typed", "password"),
    [
        ("a b c d \r\n", "a b c d "),
        ("first line\nsecond line\n", "first line"),
        ("no newline", "no newline"),
        ("schuhgröße\n".encode(), "schuhgröße"),
    ],
)
def test_one_line_of_standard_input_is_the_password(typed, password):
    assert verify(run("hash-password", typed=typed).stdout.strip(), password)


@pytest.mark.parametrize(
    ("typed", "fix"),
    [
        ("", "the password is empty"),
        ("\n", "the password is empty"),
        ("1234567\n", "too short; give at least 8 characters"),
        ("ööööööö\n", "too short; give at least 8 characters"),
        ("o\u0308" * 7 + "\n", "too short; give at least 8 characters"),
        ("ö" * 65, "longer than 128 octets"),
        (b"hush\xff", "UTF-8"),
    ],
)
def test_an_invalid_password_is_refused_without_showing_it(typed, fix):
    ended = run("hash-password", typed=typed)
    assert 1 == ended.exit_code
    assert fix in ended.stderr
    assert ended.stdout == ""
    assert "hush" not in ended.stderr


@pytest.mark.parametrize("again", [b"arctangent\n", b"arctangens\narctangent\narctangent\n"])
def test_the_terminal_prompts_twice_without_echo(again):
    ours, theirs = pty.openpty()
    script = "from radius_voice.cli.users import hash_password; hash_password()"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        for line in [b"arctangent\n", *again.splitlines(keepends=True)]:
            seen += until_asked(ours)
            os.write(ours, line)
        assert process.stdout is not None
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


def test_adding_creates_the_file_and_then_appends_to_it(path):
    made = add(path, "alice", "--phone", "+1 415 555 0123", "--phone", "+442079460123", "--group", "staff")
    assert (0, f"{path}: alice added\n") == (made.exit_code, made.stdout)
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    path.write_text(path.read_text() + "# the second floor")
    assert 0 == add(path, "bob", "--phone", "+14155550124", "--language", "de").exit_code
    assert "# the second floor\nbob:" in path.read_text()
    users = parse(path.read_text(), "users.yaml")
    alice, bob = users["alice"], users["bob"]
    assert (Phone("+14155550123"), Phone("+442079460123")) == alice.user.phones
    assert frozenset({"staff"}) == alice.user.groups
    assert ("en", "de") == (alice.user.language, bob.user.language)
    assert alice.password is not None
    assert verify(alice.password, "arctangent")


@pytest.mark.parametrize("text", ["", "\n", " \t\n  "])
def test_adding_to_an_empty_file_writes_the_user(path, text):
    path.write_text(text)
    path.chmod(0o600)
    ended = add(path, "zoe", "--phone", "+4915112345678")
    assert (0, f"{path}: zoe added\n") == (ended.exit_code, ended.stdout)
    assert path.read_text().startswith("zoe:\n")
    assert ["zoe"] == list(parse(path.read_text(), "users.yaml"))


def test_an_unknown_language_makes_no_file_and_the_error_names_the_known_ones(path):
    ended = add(path, "alice", "--phone", "+4915112345678", "--language", "deu")
    assert 2 == ended.exit_code
    assert f"'--language': not a known language; known are {', '.join(LANGUAGES)}; did you mean de?" in ended.stderr
    assert not path.exists()


def test_a_language_may_have_a_region(path):
    ended = add(path, "bob", "--phone", "+4915112345678", "--language", "de-AT")
    assert (0, "") == (ended.exit_code, ended.stderr)
    assert "de-AT" == parse(path.read_text(), "users.yaml")["bob"].user.language


def test_an_invalid_phone_creates_no_file_and_reports_the_fix(path):
    ended = add(path, "alice", "--phone", "4155550123")
    assert 2 == ended.exit_code
    assert "write it as +, country code and number" in ended.stderr
    assert not path.exists()


def test_a_phone_may_have_an_extension(path):
    assert 0 == add(path, "alice", "--phone", "+4915112345678;ext=42").exit_code
    assert (Phone("+4915112345678", "42"),) == parse(path.read_text(), "users.yaml")["alice"].user.phones
    shown = run("users", "list", "--file", path, "--show-phones").stdout
    assert "+4915112345678 ext. 42" in shown
    masked = run("users", "list", "--file", path).stdout
    assert "+49*********78 ext. **" in masked


@pytest.mark.parametrize(
    ("phone", "warning"),
    [
        ("+441632960123", "warning: +44********23 is not called (invalid number), unless policies.NAME.allow_numbers"),
        ("+19005550123", "warning: +19*******23 is not called (premium number), unless policies.NAME.allow_numbers"),
        ("+14155550123", "warning: +14*******23 is reserved for fiction and rings no phone"),
        (
            "sip:3105@pbx.example.org",
            "warning: sip:31**@pbx.example.org is not called, unless policies.NAME.sip_domains",
        ),
    ],
)
def test_a_phone_that_will_not_be_called_is_added_with_a_warning(path, phone, warning):
    ended = add(path, "alice", "--phone", phone)
    assert (0, True) == (ended.exit_code, ended.stderr.startswith(warning))
    assert phone in path.read_text()


def test_a_phone_is_replaced_by_a_sip_address(path):
    add(path, "alice", "--phone", "+4915112345678")
    ended = run(
        "users", "set-phone", "alice", "--file", path, "--yes", "--phone", "SIP:3105@PBX.example.org;transport=tls"
    )
    assert 0 == ended.exit_code, ended.output
    phone = Phone("sip:3105@pbx.example.org;transport=tls")
    assert (phone,) == parse(path.read_text(), "users.yaml")["alice"].user.phones
    assert "sip:31**@pbx.example.org;transport=tls" in run("users", "list", "--file", path).stdout


def test_a_phone_that_can_be_called_is_added_without_a_warning(path):
    assert "" == add(path, "alice", "--phone", "+4915112345678").stderr


def test_an_empty_password_creates_no_file(path):
    assert 1 == add(path, "alice", "--phone", "+14155550123", typed="\n").exit_code
    assert not path.exists()


def test_a_name_that_is_taken_is_refused_and_the_file_stays(path):
    add(path, "alice", "--phone", "+14155550123")
    before = path.read_text()
    ended = add(path, "Alice", "--phone", "+14155550124")
    assert 1 == ended.exit_code
    assert "'alice' exists already" in ended.stderr
    assert "radius-voice users set-phone, or radius-voice users set-password" in ended.stderr
    assert before == path.read_text()


@pytest.mark.parametrize("command", [["list"], ["add", "bob", "--phone", "+14155550124"]])
def test_an_invalid_file_is_reported_with_its_line(path, command):
    path.write_text("alice: 1\n")
    path.chmod(0o600)
    ended = run("users", *command, "--file", path)
    assert 1 == ended.exit_code
    assert f"Error: {path}:1: alice: must be a mapping" in ended.stderr


@pytest.mark.parametrize("command", [["list"], ["add", "bob", "--phone", "+14155550124"]])
def test_a_file_that_cannot_be_opened_is_reported_clearly(path, command):
    ended = run("users", *command, "--file", path / "nowhere.yaml")
    assert 1 == ended.exit_code
    assert f"Error: {path}/nowhere.yaml: No such file or directory" in ended.stderr


@pytest.mark.parametrize(("option", "phone"), [([], "+14*******23"), (["--show-phones"], "+14155550123")])
def test_listing_masks_phones_by_default(path, option, phone):
    path.write_text('alice:\n  phones: ["+14155550123"]\n  groups: [b, a]\nbob:\n  disabled: true\n')
    path.chmod(0o600)
    ended = run("users", "list", "--file", path, *option)
    assert [
        ["name", "phones", "language", "groups"],
        ["alice", phone, "en", "a,b"],
        ["bob", "no phone", "en", "no group", "disabled"],
    ] == cells(ended.stdout)


def test_control_characters_in_a_name_or_group_reach_no_terminal(path):
    path.write_text('"eve\\nroot\\e[2J": {groups: ["a\\tb"]}\n')
    path.chmod(0o600)
    assert ["eve\\nroot\\x1b[2J", "no phone", "en", "a\\tb"] == cells(run("users", "list", "--file", path).stdout)[1]
    assert "groups: a\\tb\n" in run("users", "show", "eve\nroot\x1b[2J", "--file", path).stdout


# One user


TEXT = """\
# the office
alice:   # since 2019
  password: PASSWORD   # changed in spring
  phones: ["+14155550123", "+442079460123"]
  groups: [b, a]
Bob: {disabled: true}
"""


@pytest.fixture
def written(path):
    path.write_text(TEXT.replace("PASSWORD", HASHED))
    path.chmod(0o640)
    return path


def change(command, path, *arguments, **more):
    """Run a command that must succeed. Its output."""
    ended = run("users", command, "--file", path, *arguments, **more)
    note = "what the store has about the user stays; without --file it is deleted too\n"
    assert (0, note if command == "remove" else "") == (ended.exit_code, ended.stderr)
    return ended.stdout.removeprefix(f"{path}: ")


def user(path, name):
    return parse(path.read_text(), "users.yaml")[name]


@pytest.mark.parametrize(
    ("option", "phones"), [([], "+14*******23,+44********23"), (["--show-phones"], "+14155550123,+442079460123")]
)
def test_one_user_is_shown_with_masked_phones_by_default(written, option, phones):
    result = (
        f"name: alice\npassword: argon2id {CHEAPEST}\nphones: {phones}\nlanguage: en\ngroups: a,b\ndisabled: false\n"
    )
    assert result == change("show", written, " ALICE ", *option)


def test_a_user_without_any_settings_is_shown(written):
    result = "name: Bob\npassword: none\nphones: no phone\nlanguage: en\ngroups: no group\ndisabled: true\n"
    assert result == change("show", written, "bob")


def test_phones_are_replaced_and_shown_masked(written):
    result = change("set-phone", written, "Alice", "--yes", "--phone", "+1 415 222 0199", "--phone", "+442079410199")
    assert "alice has these phones: +14*******99,+44********99\n" == result
    assert (Phone("+14152220199"), Phone("+442079410199")) == user(written, "alice").user.phones
    assert "bob has this phone" in change("set-phone", written, "bob", "--yes", "--phone", "+14152220199").lower()


def test_a_password_is_replaced(written):
    assert "alice has a new password\n" == change("set-password", written, "alice", "--yes", typed="cotangent\n")
    assert verify(user(written, "alice").password, "cotangent")
    assert "  # changed in spring" in written.read_text()


def test_a_password_of_an_unknown_user_is_not_asked_for(written):
    ended = run("users", "set-password", "--file", written, "mallory", typed="")
    assert 1 == ended.exit_code
    assert "no user 'mallory'" in ended.stderr


def test_a_user_is_disabled_and_enabled_once(written):
    assert "alice is disabled\n" == change("disable", written, "ALICE")
    assert user(written, "alice").user.disabled
    before = written.stat()
    assert "alice is disabled already\n" == change("disable", written, "alice")
    assert before == written.stat()
    assert "Bob is enabled\n" == change("enable", written, "bob")
    assert not user(written, "bob").user.disabled
    assert "Bob is enabled already\n" == change("enable", written, "bob")


def test_removing_needs_a_confirmation(written):
    ended = run("users", "remove", "--file", written, "bob", typed="y\n")
    assert 1 == ended.exit_code
    assert "Bob is not removed: without a terminal, confirm with --yes" in ended.stderr
    assert "Bob removed\n" == change("remove", written, "bob", "--yes")
    assert ["alice"] == list(parse(written.read_text(), "users.yaml"))


@pytest.mark.parametrize(("answer", "code", "left"), [(b"n\n", 1, True), (b"y\n", 0, False)])
def test_removing_asks_for_confirmation_on_a_terminal(written, answer, code, left):
    ours, theirs = pty.openpty()
    script = "import sys; from radius_voice.cli.users import users; users(sys.argv[1:])"
    command = [sys.executable, "-c", script, "remove", "--file", written, "bob"]
    with subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        while not seen.endswith(b"[y/N]: "):
            seen += os.read(ours, 1024)
        os.write(ours, answer)
        assert code == process.wait(30)
    os.close(ours)
    assert b"Remove Bob from " in seen
    assert left is ("bob" in parse(written.read_text(), "users.yaml"))


def test_a_language_is_replaced(written):
    assert "alice has the language de-AT\n" == change("set-language", written, "ALICE", "de-AT")
    assert "de-AT" == user(written, "alice").user.language
    assert "  password: $argon2id" in written.read_text()
    ended = run("users", "set-language", "--file", written, "alice", "tlh")
    assert (2, True) == (ended.exit_code, "not a known language; known are de" in ended.stderr)


def test_users_are_listed_and_shown_as_json(written):
    alice = {
        "name": "alice",
        "password": f"argon2id {CHEAPEST}",
        "phones": ["+14*******23", "+44********23"],
        "language": "en",
        "groups": ["a", "b"],
        "disabled": False,
    }
    listed = json.loads(run("users", "list", "--file", written, "--json").stdout)
    assert [alice, {**alice, "name": "Bob", "password": None, "phones": [], "groups": [], "disabled": True}] == listed
    shown = json.loads(run("users", "show", "--file", written, "--json", "--show-phones", "alice").stdout)
    assert {**alice, "phones": ["+14155550123", "+442079460123"]} == shown


CHANGES = [
    ["set-language", "de"],
    ["set-phone", "--yes", "--phone", "+14152220199"],
    ["set-password", "--yes"],
    ["disable"],
    ["enable"],
    ["remove", "--yes"],
]


@pytest.mark.parametrize("command", [["show"], *CHANGES])
def test_an_unknown_name_is_an_error_with_the_command_that_lists_all(written, command):
    before = written.read_text()
    ended = run("users", command[0], "--file", written, "mallory", *command[1:])
    assert 1 == ended.exit_code
    assert f"Error: {written}: there is no user 'mallory'; radius-voice users list --file {written}" in ended.stderr
    assert before == written.read_text()


@pytest.mark.parametrize("command", [["list"], ["add", "--phone", "+14152220124"], ["show"], *CHANGES])
def test_a_fifo_is_refused_immediately(path, command):
    os.mkfifo(path, 0o600)
    ended = run("users", command[0], "--file", path, *([] if command == ["list"] else ["alice"]), *command[1:])
    assert (1, f"Error: {path}: a FIFO, not a regular file\n") == (ended.exit_code, ended.stderr)


@pytest.mark.parametrize("command", CHANGES)
def test_owner_and_mode_are_kept_when_root_changes_the_file_of_another_user(written, command):
    if os.getuid() != 0:
        pytest.skip("needs to be root")
    os.chown(written, 12345, 54321)
    name = "bob" if command == ["enable"] else "alice"
    before = written.read_text()
    change(command[0], written, name, *command[1:])
    status = written.stat()
    assert before != written.read_text()
    assert (12345, 54321, 0o640) == (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))


@pytest.mark.parametrize("command", [["add", "carol", "--phone", "+14152220124"], ["set-password", "--yes", "alice"]])
@pytest.mark.parametrize("typed", ["x\n", "1234567\n", "größe\n".encode()])
def test_a_password_of_fewer_than_8_characters_changes_nothing(written, command, typed):
    before = written.read_text()
    ended = run("users", *command, "--file", written, typed=typed)
    assert 1 == ended.exit_code
    assert "the password is too short; give at least 8 characters" in ended.stderr
    assert before == written.read_text()
