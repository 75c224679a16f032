"""Tables of users, and what each wrong row is refused for."""

import pytest

from radius_voice.identity.passwords import CHEAPEST, hash_password
from radius_voice.login.model import StoredUser, User
from radius_voice.login.phone import Phone
from radius_voice.messages import LANGUAGES, SHIPPED
from radius_voice.users_csv import read_users

HASHED = hash_password("arctangent", CHEAPEST)
TABLE = f"""\
name,phones,groups,language,disabled,password_hash
alice,+1 415 555 0123;+442079460123,staff; vpn,de,,"{HASHED}"

"O'Brien, Bob",,,,true,
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "users.csv"


def read(path, text, taken=None):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_users(path, taken or {}, SHIPPED)


@pytest.mark.parametrize(
    "text", [TABLE, TABLE.replace("\n", "\r\n"), "\ufeff" + TABLE, TABLE.replace("name,", "name ,", 1)]
)
def test_every_column_is_read(path, text):
    rows = read(path, text)
    assert [] == rows.errors
    phones = (Phone("+14155550123"), Phone("+442079460123"))
    assert [
        StoredUser(User("", "alice", phones, "de", frozenset({"staff", "vpn"})), HASHED),
        StoredUser(User("", "O'Brien, Bob", disabled=True)),
    ] == rows.users


def test_only_the_name_is_required(path):
    assert [StoredUser(User("", "alice")), StoredUser(User("", "bob"))] == read(path, "name\nalice\nbob\n").users


def test_every_wrong_row_is_named_with_its_reasons(path):
    rows = read(
        path,
        "name,phones,language,disabled,password_hash\n"
        "alice,123,de,,\n"
        "Álice,,,,\n"
        "ALICE,,,,\n"
        " ,+4915112345678,,,\n"
        "dave,+4915112345678 ext,tlh,maybe,secret\n"
        "erin,,\n"
        "frank,+4915112345678;x,,,\n"
        '"gr\nete",,,,\n'
        "heidi,,,,,\n"
        "ivan,+4915112345678,,,\n",
        {"ivan": "Ivan"},
    )
    assert [line.removeprefix(f"{path}:") for line in rows.errors] == [
        "2: phones: not a phone number; write it as +, country code and number, like +14155550123",
        "4: name: 'alice' exists already",
        "5: name: no name, or one with invisible characters; give a name",
        "6: phones: not a phone number; write it as +, country code and number, like +14155550123",
        f"6: language: not a known language; known are {', '.join(LANGUAGES)}",
        "6: disabled: must be true or false",
        "6: password_hash: not an argon2id hash; make one with: radius-voice hash-password",
        "7: has 3 values, and the first row has 5; put a value with a comma in quotes",
        "8: phones: not a phone number; write it as +, country code and number, like +14155550123",
        "9: name: no name, or one with invisible characters; give a name",
        "11: has 6 values, and the first row has 5; put a value with a comma in quotes",
        "12: name: 'Ivan' exists already",
    ]
    assert ["Álice"] == [stored.user.name for stored in rows.users]
    assert "secret" not in str(rows.errors)


def test_phones_with_extensions_are_separated_by_semicolons_too(path):
    rows = read(path, "name,phones\nalice,+4915112345678;ext=42;+4915112345679 ext. 7;+4915112345670\n")
    (alice,) = rows.users
    expected = Phone("+4915112345678", "42"), Phone("+4915112345679", "7"), Phone("+4915112345670")
    assert expected == alice.user.phones


def test_sip_addresses_are_separated_by_semicolons_too(path):
    rows = read(path, "name,phones\nalice,sip:3105@PBX.example.org;transport=TLS;sip:3106@pbx.example.org\n")
    (alice,) = rows.users
    expected = Phone("sip:3105@pbx.example.org;transport=tls"), Phone("sip:3106@pbx.example.org")
    assert expected == alice.user.phones
    assert "is not called, unless policies.NAME.sip_domains has pbx.example.org" in rows.warnings[0]


def test_a_phone_that_will_not_ring_is_a_warning(path):
    rows = read(path, "name,phones\nalice,+14155550123\n")
    assert [f"{path}:2: phones: +14*******23 is reserved for fiction and rings no phone"] == rows.warnings
    assert [] == rows.errors


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "1: there is no column name"),
        ("phones\n+14155550123\n", "1: there is no column name"),
        (
            "name,phone\n",
            "1: an unknown column 'phone'; did you mean phones?; the first row names the columns, of name",
        ),
        ("alice,+14155550123\n", "1: an unknown column 'alice'"),
        ("name,name\n", "1: the column name is listed twice; remove one"),
        ('name\n"alice\n', "not comma-separated values"),
        (b"name\n\xff\n", "2: not UTF-8"),
    ],
)
def test_a_file_that_is_no_table_is_refused(path, text, error):
    with pytest.raises(ValueError, match=r"users\.csv:") as raised:
        read(path, text)
    assert error in str(raised.value)


def test_a_file_that_does_not_exist_is_named(path):
    with pytest.raises(ValueError, match=r"users\.csv: No such file or directory"):
        read_users(path, {}, SHIPPED)
