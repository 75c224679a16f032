"""One user's entry is changed where it stands, and everything around it stays."""

import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from radius_voice.identity.passwords import CHEAPEST, hash_password
from radius_voice.identity.users_file.entry import entry_of, with_disabled, with_password, with_phones, without_user
from radius_voice.identity.users_file.text import UsersFileError, parse
from radius_voice.login.names import canonical_name
from radius_voice.login.phone import Phone

ALICE = hash_password("hush-alice", CHEAPEST)
NEW = hash_password("hush-new", CHEAPEST)
FILE = "users.yaml"
PHONES = (Phone("+14155550199"), Phone("+442079460199"))
TEXT = f"""\
# the office
alice:   # since 2019
  password: {ALICE}   # changed in spring
  phones:   # two
  - "+14155550123"   # mobile
  # at home
  - '+442079460123'   # landline
  # alice is on leave

"Bob@example.org":   # {ALICE}
    phones: ["+14155550123",
             "+442079460123"]   # both at work
    disabled: true   # left
carol: {{phones: []}}   # new
dave: {{}}
# the end
"""


def lines_changed(before, after):
    """The lines that only one of the two texts has: those removed, and those added."""
    old, new = before.splitlines(), after.splitlines()
    while old and new and old[0] == new[0]:
        del old[0], new[0]
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
    return old, new


@pytest.mark.parametrize(
    ("name", "removed", "added"),
    [
        ("ALICE", [f"  password: {ALICE}   # changed in spring"], [f"  password: {NEW}   # changed in spring"]),
        (" bob@EXAMPLE.org", [], [f"    password: {NEW}"]),
        ("carol", ["carol: {phones: []}   # new"], [f'carol: {{phones: [], password: "{NEW}"}}   # new']),
        ("dave", ["dave: {}"], [f'dave: {{password: "{NEW}"}}']),
    ],
)
def test_a_new_password_replaces_the_old_one_or_is_added(name, removed, added):
    assert (removed, added) == lines_changed(TEXT, with_password(TEXT, FILE, name, NEW))


def test_a_password_in_quotes_stays_in_quotes():
    text = f"alice:\n  password: '{ALICE}'  # x\n"
    assert f'alice:\n  password: "{NEW}"  # x\n' == with_password(text, FILE, "alice", NEW)


@pytest.mark.parametrize(
    ("name", "removed", "added"),
    [
        (
            "alice",
            ['  - "+14155550123"   # mobile', "  # at home", "  - '+442079460123'   # landline"],
            ['  - "+14155550199"', '  - "+442079460199"   # landline'],
        ),
        (
            "bob@example.org",
            ['    phones: ["+14155550123",', '             "+442079460123"]   # both at work'],
            ['    phones: ["+14155550199", "+442079460199"]   # both at work'],
        ),
        (
            "carol",
            ["carol: {phones: []}   # new"],
            ['carol: {phones: ["+14155550199", "+442079460199"]}   # new'],
        ),
    ],
)
def test_new_phones_replace_the_old_ones_in_their_layout(name, removed, added):
    assert (removed, added) == lines_changed(TEXT, with_phones(TEXT, FILE, name, PHONES))


@pytest.mark.parametrize(
    ("name", "disabled", "removed", "added"),
    [
        ("alice", True, [], ["  disabled: true"]),
        ("bob@example.org", False, ["    disabled: true   # left"], ["    disabled: false   # left"]),
        ("dave", True, ["dave: {}"], ["dave: {disabled: true}"]),
    ],
)
def test_disabling_and_enabling_change_one_line(name, disabled, removed, added):
    changed = with_disabled(TEXT, FILE, name, disabled)
    assert (removed, added) == lines_changed(TEXT, changed)
    assert disabled is parse(changed, FILE)[canonical_name(name)].user.disabled


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [("alice", "alice:", "  - '+44"), ("bob@example.org", '"Bob', "    disabled"), ("dave", "dave", "dave")],
)
def test_removing_keeps_the_comments_around_the_entry(name, first, last):
    removed, added = lines_changed(TEXT, without_user(TEXT, FILE, name))
    assert [] == added
    assert (True, True) == (removed[0].startswith(first), removed[-1].startswith(last))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("alice: {}", "# There are no users.\n"),
        ("# head\nalice: {}\n", "# head\n"),
        ("{alice: {}}\n", "{}\n"),
        ("{alice: {}, bob: {}}", "{bob: {}}"),
        ("{bob: {}, alice: {}}", "{bob: {}}"),
        ("{bob: {}, alice: {}, carol: {}}", "{bob: {}, carol: {}}"),
    ],
)
def test_removing_leaves_a_file_that_can_be_read(text, left):
    assert left == without_user(text, FILE, "alice")


def test_a_json_file_stays_a_json_file():
    text = json.dumps({"alice": {"password": ALICE}, "bob": {}}, indent=2)
    for name in ("alice", "bob"):
        text = with_disabled(text, FILE, name, True)
        text = with_phones(text, FILE, name, PHONES)
        text = with_password(text, FILE, name, NEW if name == "alice" else ALICE)
    phones = ["+14155550199", "+442079460199"]
    alice, bob = ({"password": hashed, "disabled": True, "phones": phones} for hashed in (NEW, ALICE))
    assert {"alice": alice, "bob": bob} == json.loads(text)
    assert {"bob": bob} == json.loads(without_user(text, FILE, "alice"))


CHANGES = [
    lambda text, name: with_password(text, FILE, name, NEW),
    lambda text, name: with_phones(text, FILE, name, PHONES),
    lambda text, name: with_disabled(text, FILE, name, True),
    lambda text, name: with_disabled(text, FILE, name, False),
    lambda text, name: without_user(text, FILE, name),
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["alice", "bob@example.org", "carol", "dave"])
@pytest.mark.parametrize("cut", [0, len("\n# the end\n")])
def test_windows_line_ends_and_a_missing_last_one_are_kept(change, name, cut):
    text = TEXT[: len(TEXT) - cut]
    unix = change(text, name)
    assert unix.replace("\n", "\r\n") == change(text.replace("\n", "\r\n"), name)
    assert text.endswith("\n") is unix.endswith("\n") or cut


@pytest.mark.parametrize("change", CHANGES)
def test_an_unknown_name_is_an_error_with_the_command_that_lists_all(change):
    with pytest.raises(ValueError, match=r"no user 'mallory'; radius-voice users list --file users\.yaml shows all"):
        change(TEXT, "mallory")


def test_a_user_is_found_by_any_spelling_of_the_name():
    users = parse("Zo\u00eb: {}\n", FILE)
    assert users["zo\u00eb"] is entry_of(users, FILE, " ZOE\u0308 ")


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_with_an_error_is_not_changed(change):
    with pytest.raises(UsersFileError, match=r"users\.yaml:1: alice: must be a mapping"):
        change("alice: 1\n", "alice")


@pytest.mark.parametrize("change", [CHANGES[0], CHANGES[2]])
def test_a_layout_that_does_not_allow_the_change_is_refused_with_the_reason(change):
    text = f"alice:\n  password: |-\n    {ALICE}\nbob: {{}}\n"
    with pytest.raises(
        ValueError, match=r"users\.yaml: cannot be changed as it is laid out; edit it in an editor, or write it as in"
    ):
        change(text, "alice")


INDENT = st.integers(1, 4)
COMMENT = st.sampled_from(["", "   # a comment", " # {: , [ \" '"])
BLOCK_PHONES = st.lists(st.sampled_from(['"+14155550123"', "'+442079460123'"]), min_size=1, max_size=2, unique=True)


@st.composite
def entries(draw, name):
    """An entry in one of the usual layouts."""
    indent = " " * draw(INDENT)
    keys = {
        "password": "'" + hash_password(name, CHEAPEST) + "'",
        "language": "de",
        "groups": "[staff, 'a, b']",
        "disabled": draw(st.sampled_from(["true", "false"])),
        "phones": "['+14155550123', \"+442079460123\"]",
    }
    chosen = draw(st.lists(st.sampled_from(sorted(keys)), unique=True))
    if not chosen or draw(st.booleans()):
        return f"{name}: {{{', '.join(f'{key}: {keys[key]}' for key in chosen)}}}{draw(COMMENT)}\n"
    written = f"{name}:{draw(COMMENT)}\n"
    for key in chosen:
        if key == "phones" and draw(st.booleans()):
            items = "".join(f"{indent}- {phone}{draw(COMMENT)}\n" for phone in draw(BLOCK_PHONES))
            written += f"{indent}phones:{draw(COMMENT)}\n{items}"
        else:
            written += f"{indent}{key}: {keys[key]}{draw(COMMENT)}\n"
        written += draw(st.sampled_from(["", "\n", f"{indent}# between\n", "# left\n"]))
    return written


@given(
    entries("anne"), entries("\u00e9mile"), entries("carl"), st.sampled_from(["anne", "\u00e9mile", "carl"]), st.data()
)
def test_any_usual_layout_can_be_changed_and_only_that_user_changes(alice, emile, carol, name, data):
    text = f"# head\n{alice}{emile}{carol}"
    before = parse(text, FILE)
    entry = before[name]
    user = entry.user
    expected = {
        0: replace(entry, password=NEW),
        1: replace(entry, user=structs.replace(user, phones=PHONES)),
        2: replace(entry, user=structs.replace(user, disabled=True)),
        3: replace(entry, user=structs.replace(user, disabled=False)),
    }
    number = data.draw(st.integers(0, 4))
    after = parse(CHANGES[number](text, name), FILE)
    others = {key: value for key, value in before.items() if key != name}
    assert others | ({name: expected[number]} if number in expected else {}) == after


@given(st.text(alphabet="ab:{}[],-'\"# \n\t|>&*!?", max_size=40))
def test_no_text_makes_an_unintended_change(text):
    text += "\nalice: {phones: []}\n"
    with suppress(ValueError):
        before = parse(text, FILE)
        for change in CHANGES:
            with suppress(ValueError):
                after = parse(change(text, "alice"), FILE)
                assert {key: before[key] for key in before if key != "alice"} == {
                    key: after[key] for key in after if key != "alice"
                }
