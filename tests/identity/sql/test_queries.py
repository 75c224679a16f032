"""Users that queries of the administrator read from tables of another program."""

import sqlite3
import time
from collections import Counter
from contextlib import closing

import psycopg
import pytest

from radius_voice.events import Reason
from radius_voice.identity.context import IdentityContext
from radius_voice.identity.passwords import Hasher, cost_of, verify
from radius_voice.identity.sql.editor import create_editor
from radius_voice.identity.sql.lister import create_lister
from radius_voice.identity.sql.source import create
from radius_voice.login.model import Authenticated, Denied, PapPassword, Unavailable, User, Verification
from radius_voice.login.phone import Phone
from radius_voice.messages import LANGUAGES, SHIPPED
from tests.identity.sql.conftest import SECONDS, empty_settings, settings_of
from tests.identity.test_pbkdf2 import django
from tests.support.polling import wait_until_async
from tests.support.postgresql_server import PASSWORD

SCHEMA = """\
CREATE TABLE account (id INTEGER PRIMARY KEY, login VARCHAR(80), pw VARCHAR(200), mobile VARCHAR(40), lang VARCHAR(8), locked BOOLEAN);
CREATE TABLE membership (account INTEGER, name VARCHAR(40));
"""
ACCOUNTS = [
    (1, "Alice", django("größe 100 %, x"), "+1 415 555 0123", "de", False),
    (2, "bob", django("tangent"), "(020) 7946 0123", None, True),
    (3, "carol", None, "12", "tlh", None),
    (4, "dave", "$2b$12$abcdefghijklmnopqrstuuG9bVPCXSFo6jVnNpZn2Yc8fKzEzv3S6", None, "en", False),
    (5, "twin", django("x"), None, None, False),
    (6, "TWIN", django("x"), None, None, False),
]
GROUPS = [(1, "staff"), (1, "vpn"), (2, "staff")]
IDS = "SELECT id FROM account UNION ALL SELECT id FROM account ORDER BY id"
COLUMNS = "id, login AS name, lang AS language, locked AS disabled"
QUERIES = {
    "user": f"SELECT {COLUMNS} FROM account WHERE lower(login) = :name",
    "user_by_id": f"SELECT {COLUMNS} FROM account WHERE id = :id",
    "password": "SELECT pw FROM account WHERE id = :id",
    "hashes": "SELECT pw FROM account",
    "phones": "SELECT mobile FROM account WHERE id = :id AND mobile NOT LIKE '%x%';",
    "groups": "SELECT name FROM membership WHERE account = :id ORDER BY name",
}


class Existing:
    """Tables of another program, and sources that read them."""

    def __init__(self, engine, directory):
        self.directory, self.engine = directory, engine
        self.settings = empty_settings(engine, directory)
        self.warnings, self.checked, self.sources = [], [], []
        self.hasher = Hasher(threads=1, check=self.check)
        with self.connect() as connection:
            for statement in SCHEMA.split(";\n")[:-1]:
                connection.execute(statement)
            mark = "?" if engine == "sqlite" else "%s"
            for table, rows in (("account", ACCOUNTS), ("membership", GROUPS)):
                marks = ", ".join([mark] * len(rows[0]))
                for row in rows:
                    connection.execute(f"INSERT INTO {table} VALUES ({marks})", row)
            connection.commit()
        connection.close()

    def connect(self):
        if self.engine == "sqlite":
            return sqlite3.connect(self.directory / "users.db")
        return psycopg.connect(self.settings.url.text, password=PASSWORD)

    def check(self, hashed, text):
        self.checked.append(hashed)
        return verify(hashed, text)

    def section(self, **queries):
        """The settings with QUERIES, of which some are replaced, or left out by None."""
        written = {name: text for name, text in {**QUERIES, **queries}.items() if text is not None}
        more = {"url": self.settings.url.text, "password": PASSWORD} if self.engine == "postgresql" else {}
        return settings_of(self.directory, queries=written, default_region="GB", **more)

    def source(self, **queries):
        context = IdentityContext(self.hasher, self.warnings.append, key=b"k" * 32)
        self.sources.append(create("people", self.section(**queries), context))
        return self.sources[-1]


@pytest.fixture
async def existing(engine, tmp_path):
    existing = Existing(engine, tmp_path)
    yield existing
    for source in existing.sources:
        await source.close()
        source._database.close(SECONDS)
    existing.hasher.close()


def soon():
    return time.monotonic() + SECONDS


async def login(source, name, password):
    return await source.verify(Verification(name, PapPassword(password)), soon())


IMPOSSIBLE = "a phone number of impossible length; write it as +, country code and number"
ALICE = User("1", "Alice", (Phone("+14155550123"),), "de", frozenset({"staff", "vpn"}))


async def test_a_user_logs_in_with_the_data_of_the_queries(existing):
    source = existing.source()
    authenticated = await login(source, " ALICE", "größe 100 %, x")
    assert Authenticated("1", ALICE, "pbkdf2_sha256$1000$saltsalt") == authenticated
    assert authenticated.password_id == await source.password_id("1", soon())
    assert ALICE == await source.get("1", soon()) == await source.find("alice", soon())
    unsupported = "a value is left out: not a hash in a supported format, which are argon2id and PBKDF2"
    assert [f"identity.people.queries.password: {unsupported}"] == existing.warnings, "the hash of dave, counted"


@pytest.mark.parametrize(
    ("name", "password", "answer"),
    [
        ("alice", "wrong", Denied(Reason.WRONG_PASSWORD, "Alice")),
        ("alice", "", Denied(Reason.WRONG_PASSWORD, "Alice")),
        ("bob", "tangent", Denied(Reason.DISABLED, "bob", password_correct=True)),
        ("carol", "x", Denied(Reason.NO_PASSWORD, "carol")),
        ("dave", "x", Denied(Reason.NO_PASSWORD, "dave")),
        ("mallory", "x", Denied(Reason.UNKNOWN_USER)),
        ("' OR 1=1 --", "x", Denied(Reason.UNKNOWN_USER)),
        ("a%", "x", Denied(Reason.UNKNOWN_USER)),
        ("alice\0", "x", Denied(Reason.UNKNOWN_USER)),
    ],
)
async def test_each_request_gets_its_result_for_one_verification(existing, name, password, answer):
    assert answer == await login(existing.source(), name, password)
    assert 1 == len(existing.checked)


def test_every_user_is_listed_once(existing):
    lister = create_lister("people", existing.section(ids=IDS))
    assert [[str(number) for number, *_ in ACCOUNTS]] == list(lister.user_ids())
    lister.close()


@pytest.mark.parametrize(
    ("query", "error"),
    [
        (None, r"identity\.people\.queries\.ids: is missing; write a query for the ids of all users"),
        ("SELECT id, login FROM account", r"identity\.people\.queries\.ids: the result has the columns id, login"),
        ("SELECT nothing FROM account", r"identity\.people: .*(nothing|UndefinedColumn)"),
    ],
)
def test_users_that_cannot_be_listed_are_an_error(existing, query, error):
    with (
        pytest.raises(ValueError, match=error),
        closing(create_lister("people", existing.section(ids=query))) as lister,
    ):
        list(lister.user_ids())


async def test_unknown_names_cost_as_much_as_the_hashes(existing):
    source = existing.source()
    for number in range(20):
        await login(source, f"invented{number}", "guess")
    assert Counter({cost_of(django("x")): 20}) == Counter(cost_of(hashed) for hashed in existing.checked)
    assert "pbkdf2-sha256,i=1000" == source.costliest_verification().parameters


async def test_a_query_for_hashes_that_fails_is_a_warning_and_only_the_first_login_fails(existing):
    source = existing.source(hashes="SELECT nothing FROM account")
    with pytest.raises(Unavailable):
        await login(source, "alice", "x")
    assert isinstance(await login(source, "alice", "größe 100 %, x"), Authenticated)
    for _ in range(2):
        source.refresh()
        await wait_until_async(lambda: source._counting is None or source._counting.result.done(), "the query ends")
    source.refresh()
    (warning,) = existing.warnings
    assert warning.startswith("identity.people: the hashes cannot be counted: ")


async def test_a_value_that_cannot_be_used_is_left_out_with_a_warning(existing):
    source = existing.source()
    carol = await source.find("carol", soon())
    assert User("3", "carol") == carol
    assert [
        f"identity.people.queries.phones: a value is left out: {IMPOSSIBLE}",
        f"identity.people.queries.user: a value is left out: not a known language; known are {', '.join(LANGUAGES)}",
    ] == existing.warnings
    await source.find("dave", soon())
    await source.find("carol", soon())
    assert "queries.password: a value is left out: not a hash in a supported format" in existing.warnings[-1]
    assert 3 == len(existing.warnings)
    assert "$2b$" not in str(existing.warnings)


async def test_numbers_without_a_country_are_of_the_default_region(existing):
    assert (Phone("+442079460123"),) == (await existing.source().find("bob", soon())).phones


async def test_a_number_may_have_an_extension(existing):
    source = existing.source(phones="SELECT mobile || ' ext. 42' FROM account WHERE id = :id")
    assert (Phone("+442079460123", "42"),) == (await source.find("bob", soon())).phones


async def test_a_query_that_compares_less_strictly_finds_no_other_user(existing):
    source = existing.source(user=f"SELECT {COLUMNS} FROM account WHERE lower(login) LIKE substr(:name, 1, 3) || '%'")
    assert await source.find("alistair", soon()) is None
    assert ALICE == await source.find("alice", soon())


async def test_several_users_of_a_name_are_an_error(existing):
    with pytest.raises(Unavailable, match=r"queries\.user: the result has several rows"):
        await existing.source().find("twin", soon())


async def test_several_hashes_of_a_user_are_an_error(existing):
    source = existing.source(password="SELECT pw FROM account WHERE id >= :id AND pw LIKE 'pbkdf2%'")
    with pytest.raises(Unavailable, match=r"queries\.password: the result has several rows"):
        await login(source, "alice", "x")


async def test_a_source_without_a_query_for_passwords_is_a_directory_only(existing):
    source = existing.source(password=None, hashes=None)
    assert ALICE == await source.find("alice", soon())
    with pytest.raises(Unavailable, match=r"has no queries\.password, so it cannot be a first_factor"):
        await login(source, "alice", "x")


async def test_phones_and_groups_are_optional(existing):
    alice = await existing.source(phones=None, groups=None).find("alice", soon())
    assert ((), frozenset()) == (alice.phones, alice.groups)


async def test_a_query_cannot_change_anything(existing):
    source = existing.source(password="DELETE FROM account WHERE id = :id RETURNING pw")
    with pytest.raises(Unavailable, match=r"readonly|ReadOnly"):
        await login(source, "alice", "x")
    assert ALICE == await existing.source().find("alice", soon())


async def test_no_tables_are_created(existing):
    await existing.source().find("alice", soon())
    catalogue = "sqlite_master" if existing.engine == "sqlite" else "pg_tables WHERE schemaname = 'public'"
    with existing.connect() as connection:
        assert (2,) == connection.execute(f"SELECT count(*) FROM {catalogue}").fetchone()
    connection.close()


async def test_a_check_executes_every_query(existing):
    (check,) = await existing.source().check_connection(soon())
    assert (True, "all 6 queries can be executed") == (check.ok, check.text)


async def test_a_check_reports_every_wrong_query_with_its_key(existing):
    source = existing.source(
        user="SELECT id, login FROM account WHERE login = :name",
        password="SELECT pasword FROM account WHERE id = :id",
        phones="SELECT mobile, id FROM account WHERE id = :id",
        groups="SELECT name FROM nowhere WHERE account = :id",
    )
    (check,) = await source.check_connection(soon())
    assert not check.ok
    user, password, phones, groups = check.text.splitlines()
    assert "identity.people.queries.user: the result has the columns id, login; it must have id and name" in user
    assert "identity.people.queries.password: " in password
    assert "pasword" in password
    assert "identity.people.queries.phones: the result has the columns mobile, id; it must have one" in phones
    assert "nowhere" in groups


@pytest.mark.parametrize("query", ["SELECT wrong syntax :id here", "SELECT nothing FROM account WHERE id = :id"])
async def test_a_refused_query_does_not_count_as_a_database_without_response(existing, query):
    source = existing.source(phones=query)
    for _ in range(2):
        with pytest.raises(Unavailable) as raised:
            await source.find("alice", soon())
        assert "it is tried again" not in str(raised.value)


async def test_an_error_of_a_login_does_not_show_the_name_as_typed(existing):
    source = existing.source(user=f"SELECT {COLUMNS} FROM account WHERE id = CAST(:name AS INTEGER) / 0 OR nothing")
    with pytest.raises(Unavailable) as raised:
        await login(source, "my secret password", "x")
    assert "my secret password" not in str(raised.value)


async def test_the_commands_do_not_change_these_users(existing):
    with pytest.raises(ValueError, match=r"identity\.people: its queries only read users; change them where they are"):
        create_editor("people", existing.section(), SHIPPED)
