"""Listing all users of a directory in pages."""

import re
from pathlib import Path

import pytest

from radius_voice.identity.ldap import lister
from radius_voice.identity.ldap.lister import create_lister
from tests.identity.ldap.conftest import settings
from tests.support.network import LOOPBACK, free_port
from tests.support.slapd_server import BASE, READER, USERS, SlapdServer
from tests.support.tcp_listener import TcpListener, never_respond

NAMES = [f"listed{number}" for number in range(5)]
UNREACHABLE = f"ldap://{LOOPBACK}:{free_port()}"


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A slapd with the users NAMES, and an entry that is no user."""
    server = SlapdServer(tmp_path_factory.mktemp("slapd"))
    for name in NAMES:
        server.add_user(name)
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(lister, "PAGE_SIZE", 2)


def pages(*servers, **values):
    listing = create_lister("corp", settings(*servers, **values))
    try:
        return list(listing.user_ids())
    finally:
        listing.close()


def ids_in(directory, *names):
    with directory.administrator() as connection:
        connection.search(USERS, "(uid=*)", attributes=["uid", "entryUUID"])
        ids = {entry["attributes"]["uid"][0]: entry["attributes"]["entryUUID"][0] for entry in connection.response}
    return {ids[name] for name in names or ids}


def test_every_user_is_listed_once_in_pages(directory):
    listed = pages(directory.url)
    assert [2, 2, 1] == [len(page) for page in listed]
    assert ids_in(directory, *NAMES) == {user_id for page in listed for user_id in page}


def test_the_user_filter_selects_the_users(directory):
    (only,) = pages(directory.url, user_filter="(&(uid={user})(cn=listed3))")
    assert ids_in(directory, "listed3") == set(only)


def test_the_next_server_is_used_if_one_cannot_be_reached(directory):
    assert 3 == len(pages(UNREACHABLE, directory.url))


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"bind_password": "wrong"}, r"identity\.corp: ldap://.*: the directory refuses bind_dn and bind_password"),
        ({"base": f"ou=none,{BASE}"}, r"identity\.corp: the list of users ends after 0 users: .*noSuchObject"),
        ({"user_filter": "(mail={user})"}, r"identity\.corp: no user below .* matches \(mail=\*\) for cn=radius-voice"),
        ({"bind_dn": None, "bind_password": None}, r"identity\.corp: .*noSuchObject"),
        ({"id_attribute": "employeeNumber"}, r"identity\.corp: .* an entry has no employeeNumber; let the service"),
    ],
)
def test_a_problem_is_reported_with_its_fix(directory, values, error):
    with pytest.raises(ValueError, match=error):
        pages(directory.url, **values)


def test_a_size_limit_of_the_directory_is_no_end_of_the_list(tmp_path):
    server = SlapdServer(tmp_path / "slapd", options="sizelimit 3\n")
    try:
        for name in NAMES:
            server.add_user(name)
        with pytest.raises(ValueError, match=r"ends after 2 users: .*sizeLimitExceeded; .* size\.prtotal=unlimited"):
            pages(server.url)
    finally:
        server.stop()


def test_the_documented_limits_allow_to_list_all_users(tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "ldap.md").read_text()
    written = re.search(r"^olcLimits: (.*)$", page, re.MULTILINE)
    assert written
    limits = written[1].replace("cn=radius-voice,ou=services,dc=example,dc=org", READER)
    server = SlapdServer(tmp_path / "slapd", options="sizelimit 3\n", database_options=f"limits {limits}\n")
    try:
        for name in NAMES:
            server.add_user(name)
        assert len(NAMES) == sum(map(len, pages(server.url)))
    finally:
        server.stop()


def test_a_server_that_does_not_answer_ends_the_list_in_time():
    with (
        TcpListener(never_respond) as listener,
        pytest.raises(ValueError, match=r"identity\.corp: .* no answer in time"),
    ):
        pages(f"ldap://{LOOPBACK}:{listener.port}", timeout="0.2s")


def test_pages_without_end_are_refused(directory, monkeypatch):
    monkeypatch.setattr(lister, "MAX_PAGES", 2)
    with pytest.raises(ValueError, match="does not end after 2 pages"):
        pages(directory.url)
