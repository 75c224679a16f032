import string
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from radius_voice.identity.passwords import CHEAPEST, hash_password
from radius_voice.identity.users_file.text import UsersFileError, parse, with_hash, with_users
from radius_voice.login.model import StoredUser, User
from radius_voice.login.names import canonical_name
from radius_voice.login.phone import Phone
from radius_voice.messages import LANGUAGES, SHIPPED

ALICE = hash_password("hush-alice", CHEAPEST)
BOB = hash_password("hush-bob", CHEAPEST)
UNKNOWN_LANGUAGE = f"not a known language; known are {', '.join(LANGUAGES)}"
TEXT = f"""\
# the office
alice:
  password: {ALICE}   # changed in spring
  phones: ["+14155550123", '+44 20 7946 0123']
  language: de
  groups: [staff, no]

Bob@example.org:   # {BOB}
  password: "{BOB}"
  disabled: true
carol: {{phones: []}}
"""


def errors_of(text):
    with pytest.raises(UsersFileError) as refused:
        parse(text, "users.yaml", SHIPPED)
    return str(refused.value).splitlines()


def test_every_field_of_a_users_file_is_read():
    entries = parse(TEXT, "users.yaml")
    alice = User(
        id="alice",
        name="alice",
        phones=(Phone("+14155550123"), Phone("+442079460123")),
        language="de",
        groups=frozenset({"staff", "no"}),
    )
    bob = User(id="Bob@example.org", name="Bob@example.org", disabled=True)
    assert ["alice", "bob@example.org", "carol"] == list(entries)
    assert [alice, bob, User("carol", "carol")] == [entry.user for entry in entries.values()]
    assert [ALICE, BOB, None] == [entry.password for entry in entries.values()]


def test_a_comment_can_be_an_empty_users_file_and_an_empty_file_is_an_error():
    assert parse("# no users yet\n", "users.yaml") == {}
    assert parse("{}", "users.yaml") == {}
    assert errors_of(" \n") == ["users.yaml:1: the file is empty; add a user with: radius-voice users add"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("- alice\n", "users.yaml:1: must map names to users"),
        ("alice\n", "users.yaml:1: must map names to users"),
        ("a: {}\na: {}\n", "users.yaml:2: 'a' is listed twice, first in line 1"),
        ("12345: {}\n", "users.yaml:1: a key that is not text; put it in quotes"),
        ("alice:\n", "users.yaml:1: alice: must be a mapping with some of: password, phones"),
        ("'  ': {}\n", "users.yaml:1:   : a name that has only spaces"),
        ("alice: {}\nbob: {}\nALICE: {}\n", "users.yaml:3: ALICE: the same name as 'alice'"),
        ("straße: {}\nSTRASSE: {}\n", "users.yaml:2: STRASSE: the same name as 'straße'"),
        ("alice:\n  phone: x\n", "users.yaml:2: alice.phone: unknown key; did you mean phones?"),
        ("alice:\n  phones: +14155550123\n", "users.yaml:2: alice.phones: must be a list"),
        ("alice:\n  phones: [+14155550123]\n", "users.yaml:2: alice.phones[0]: YAML reads this as a number; put it in"),
        ("alice:\n  phones: [1.5]\n", "users.yaml:2: alice.phones[0]: YAML reads this as a number"),
        ("alice:\n  phones:\n  - '+14155550123'\n  - true\n", "users.yaml:4: alice.phones[1]: not a phone number; put"),
        ("alice:\n  phones: ['4155550123']\n", "users.yaml:2: alice.phones[0]: not a phone number; write it as +"),
        ("alice:\n  password: hush\n", "users.yaml:2: alice.password: not an argon2id hash; make one with"),
        ("alice:\n  password: 123\n", "users.yaml:2: alice.password: not an argon2id hash"),
        ("alice:\n  password:\n", "users.yaml:2: alice.password: not an argon2id hash"),
        ("alice:\n  groups: [1]\n", "users.yaml:2: alice.groups[0]: a group is a name; put it in quotes"),
        ("alice:\n  groups: ['']\n", "users.yaml:2: alice.groups[0]: a group is a name"),
        ("alice:\n  groups: staff\n", "users.yaml:2: alice.groups: must be a list, like [staff]"),
        ("alice:\n  mail: x\n", "users.yaml:2: alice.mail: unknown key; known are: password, phones"),
        ("alice:\n  language: 1\n", "users.yaml:2: alice.language: must be a language, like en"),
        (
            "alice:\n  phones: []\n  language: tlh\n",
            f"users.yaml:3: alice.language: {UNKNOWN_LANGUAGE}",
        ),
        (
            "alice:\n  language: deu\n",
            f"users.yaml:2: alice.language: {UNKNOWN_LANGUAGE}; did you mean de?",
        ),
        ("alice:\n  language: ''\n", "users.yaml:2: alice.language: not a known language"),
        ('alice:\n  language: "de\\e[2J"\n', "users.yaml:2: alice.language: not a known language"),
        ("alice:\n  disabled: yes\n", "users.yaml:2: alice.disabled: must be true or false"),
        (
            f"alice:\n  password: {ALICE}\nbob:\n  password: {ALICE}\n",
            "users.yaml:4: bob.password: the same hash as 'alice'",
        ),
        (
            "alice:\n  password: $argon2id$v=19$m=99999999,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43,
            "users.yaml:2: alice.password: exceeds the maximum cost parameters",
        ),
    ],
)
def test_an_error_is_reported_with_file_line_and_fix(text, error):
    errors = errors_of(text)
    assert 1 == len(errors)
    assert errors[0].startswith(error)
    assert "hush" not in errors[0]
    assert "0123" not in errors[0].replace("+14155550123", "")


HASH = "$argon2id$v=19$m=64,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"
NO_SETTING = "2: alice: an unknown key"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"\nalice: {{password: {HASH}}}\n", NO_SETTING),
        (f"\nalice: {{password: x, {HASH}: x}}\n", NO_SETTING),
        (f"alice:\n  {HASH}: 1\n", NO_SETTING),
        ("alice:\n  password hunter2hunter2: x\n", "2: alice.password: no colon after it; write it as password: VALUE"),
        ("alice:\n  phones +14155550199: x\n", "2: alice.phones: no colon after it"),
        ("alice:\n  passwordhunter2hunter2: x\n", NO_SETTING),
        ("alice:\n  password-hunterhunter: x\n", NO_SETTING),
        ("\nalice: {password: abc,hunter}\n", NO_SETTING),
        ("alice:\n  '+14155550199': x\n", NO_SETTING),
        ("alice:\n  'p14155550199': x\n", NO_SETTING),
        ("alice:\n  '+14155550199': x\n  '+14155550199': y\n", "3: a key is listed twice, first in line 2"),
        ("alice:\n  password hunter2: x\n  password hunter2: y\n", "3: a key is listed twice, first in line 2"),
    ],
)
def test_a_key_that_may_be_part_of_a_secret_or_phone_is_not_shown(text, expected):
    errors = "\n".join(errors_of(text))
    assert f"users.yaml:{expected}" in errors
    for part in ("hunter", "5550199", "argon2id$", "t=2", "p=1", "c2Fsd", "aGFza"):
        assert part not in errors


def test_all_errors_are_reported_at_once():
    errors = errors_of("alice:\n  phones: [x, 1]\n  color: red\n  disabled: no\nALICE: 1\n")
    assert [2, 2, 3, 4, 5, 5] == [int(error.split(":")[1]) for error in errors]


@pytest.mark.parametrize(
    ("one", "other"),
    [("alice", " ALICE "), ("straße", "STRASSE"), ("zoe\u0308", "ZO\u00cb"), ("\u1e9e", "ss")],
)
def test_names_are_equal_by_case_composition_and_outer_spaces(one, other):
    assert canonical_name(one) == canonical_name(other)


# Changed


def test_a_new_user_is_appended_and_the_rest_stays():
    dave = User("dave", "dave", (Phone("+14155550124"),), "en", frozenset({"b", "a", "no", "two words"}))
    changed = with_users(TEXT.rstrip("\n"), "users.yaml", [StoredUser(dave, hashed := hash_password("x", CHEAPEST))])
    assert changed.startswith(TEXT)
    assert dave == parse(changed, "users.yaml")["dave"].user
    assert hashed == parse(changed, "users.yaml")["dave"].password


NAME = st.text(min_size=1, max_size=20).filter(canonical_name) | st.text(string.punctuation + "aé ", min_size=1).filter(
    canonical_name
)


@given(NAME, st.lists(NAME, max_size=3), st.booleans())
@example("no", ["no"], False)
def test_any_name_and_group_is_read_back_or_refused(name, groups, disabled):
    user = User(name, name, (Phone("+14155550124"),), "de-AT", frozenset(groups), disabled)
    changed = None
    with suppress(ValueError):
        changed = with_users("# head\n", "users.yaml", [StoredUser(user, ALICE)])
    assert changed is None or user == parse(changed, "users.yaml")[canonical_name(name)].user
    assert changed or not "".join([name, *groups]).isprintable()


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(ValueError, match="'alice' exists already"):
        with_users(TEXT, "users.yaml", [StoredUser(User("Alice", "Alice"), ALICE)])


def test_a_name_of_spaces_is_refused():
    with pytest.raises(ValueError, match="give a name"):
        with_users(TEXT, "users.yaml", [StoredUser(User(" ", " "), ALICE)])


def test_without_a_configuration_a_language_may_be_any_tag():
    text = "alice:\n  phones: []\n  language: tlh\n"
    assert "tlh" == parse(text, "users.yaml")["alice"].user.language
    with pytest.raises(UsersFileError, match="must be a language, like en"):
        parse(text.replace("tlh", "not a tag"), "users.yaml")


@pytest.mark.parametrize("text", ["alice: {phones: []}\n...\n", "  alice: {}\n"])
def test_a_layout_that_cannot_be_appended_to_is_refused(text):
    with pytest.raises(ValueError, match="cannot be changed as it is laid out"):
        with_users(text, "users.yaml", [StoredUser(User("bob", "bob"), BOB)])


@pytest.mark.parametrize(
    ("text", "kept"), [("{}", ""), ("{}  # none yet\n", ""), ("# staff\n{ }\n# end\n", "# staff\n\n# end\n")]
)
def test_a_user_is_added_to_a_file_without_users(text, kept):
    added = with_users(text, "users.yaml", [StoredUser(User("bob", "bob"), BOB)])
    assert added.startswith(f"{kept}bob:\n")
    assert ["bob"] == list(parse(added, "users.yaml"))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(("who", "old"), [("alice", ALICE), ("bob@example.org", BOB)], ids=["alice", "bob"])
def test_a_new_hash_replaces_the_old_one_in_place(who, old, newline):
    text = TEXT.replace("\n", newline)
    new = hash_password("x", CHEAPEST)
    before, after = text.rsplit(old, 1)
    assert before + new + after == with_hash(text, "users.yaml", parse(text, "users.yaml")[who], new)


@pytest.mark.parametrize("meanwhile", ["bob: {}\n", "alice: {}\n", f'alice: {{password: "{BOB}"}}\n'])
def test_a_hash_changed_by_another_writer_is_kept(meanwhile):
    assert with_hash(meanwhile, "users.yaml", parse(TEXT, "users.yaml")["alice"], ALICE) is None


def test_a_hash_written_over_two_lines_is_refused():
    text = f'alice:\n  password: "{ALICE[:40]}\\\n    {ALICE[40:]}"\n'
    entry = parse(text, "users.yaml")["alice"]
    assert ALICE == entry.password
    with pytest.raises(ValueError, match="cannot be changed as it is laid out"):
        with_hash(text, "users.yaml", entry, BOB)


def test_the_repr_of_a_user_entry_has_no_hash():
    assert ALICE not in repr(parse(TEXT, "users.yaml"))
