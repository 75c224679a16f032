"""Passwords are verified by binds at a real slapd."""

import socket

import pytest

from radius_voice.events import Reason
from radius_voice.identity.ldap.client import Entry, LdapClient
from radius_voice.login.codes.keys import Keys
from radius_voice.login.model import Authenticated, Denied, Unavailable
from tests.identity.ldap.conftest import found, verified
from tests.support.network import LOOPBACK
from tests.support.slapd_server import BASE, USERS, SlapdServer
from tests.support.tcp_listener import TcpListener

PASSWORDS = [
    "Grüße",
    "pass🔑word",
    "100%s%n",
    "a,b=c+d",
    "x" * 128,
    "ü" * 64,
    "(*)\\",
    " spaces ",
    "-",
    "\u00a0no-break",
]
UNKNOWN = Denied(Reason.UNKNOWN_USER)


@pytest.fixture
def source(ldap, slapd):
    return ldap.source(slapd.url)


async def test_the_right_password_gives_the_user_with_the_stable_id(source, slapd, user_name):
    slapd.add_user(user_name)
    result = await verified(source, user_name)

    assert isinstance(result, Authenticated)
    assert result.user is not None
    assert (result.user_id, user_name) == (result.user.id, result.user.name)
    assert result.user == await found(source, user_name)
    assert 36 == len(result.user.id)


async def test_names_that_slapd_takes_for_one_are_counted_as_one(ldap, slapd, user_name):
    source = ldap.source(slapd.url, bind_dn=None, bind_template=f"uid={{user}},{USERS}")
    slapd.add_user(user_name)
    keys = Keys(b"k" * 32)
    for spelling in (
        user_name.upper(),
        f" {user_name} ",
        f"{chr(ord(user_name[0]) - ord('!') + 0xFF01)}{user_name[1:]}",
    ):
        assert isinstance(await verified(source, spelling), Authenticated)
        assert keys.name_subject("corp", user_name) == keys.name_subject("corp", spelling)


async def test_a_wrong_password_and_an_unknown_name(source, slapd, user_name):
    slapd.add_user(user_name)

    assert Denied(Reason.WRONG_PASSWORD, user_name) == await verified(source, user_name, "wrong")
    assert UNKNOWN == await verified(source, f"{user_name}x")
    assert await found(source, f"{user_name}x") is None


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("values", [{}, {"bind_template": f"uid={{user}},{USERS}"}])
async def test_passwords_are_sent_as_typed(ldap, slapd, user_name, password, values):
    source = ldap.source(slapd.url, **values)
    slapd.add_user(user_name, password.encode())

    assert isinstance(await verified(source, user_name, password), Authenticated)
    assert Denied(Reason.WRONG_PASSWORD, user_name) == await verified(source, user_name, f"!{password[1:]}")


@pytest.mark.parametrize("password", ["", "\0", "correct horse\0x"])
async def test_a_password_that_could_be_an_anonymous_bind_is_not_sent(source, slapd, user_name, password):
    slapd.add_user(user_name)

    assert Denied(Reason.WRONG_PASSWORD) == await verified(source, user_name, password)


@pytest.mark.parametrize("name", ["*", "a*", "user)(uid=*", "a\\2a", "\0", "", "  ", "ü(", "x" * 253, "🔑"])
async def test_a_name_cannot_change_the_filter_or_the_dn(ldap, slapd, user_name, name):
    slapd.add_user(user_name)
    for values in {}, {"bind_template": f"uid={{user}},{USERS}"}:
        assert UNKNOWN == await verified(ldap.source(slapd.url, **values), name)


@pytest.mark.parametrize("suffix", [", Jr.", "+cn=x", "ü", "#1", '"<>;', "\\"])
@pytest.mark.parametrize("values", [{}, {"bind_template": f"uid={{user}},{USERS}"}])
async def test_names_with_special_characters_can_log_in(ldap, slapd, user_name, suffix, values):
    name = user_name + suffix
    escaped = "".join(f"\\{octet:02x}" for octet in name.encode())
    slapd.add(f"uid={escaped},{USERS}", ["inetOrgPerson"], {"cn": "x", "sn": "x", "userPassword": "correct horse"})

    result = await verified(ldap.source(slapd.url, **values), name)
    assert isinstance(result, Authenticated)
    assert result.user is not None
    assert name == result.user.name


async def test_spellings_of_a_name_are_one_user(source, slapd, user_name):
    slapd.add_user(f"{user_name}-Ä")
    ids = set()
    for name in f"{user_name}-Ä", f" {user_name.upper()}-ä", f"{user_name}-A\u0308":
        result = await verified(source, name)
        assert isinstance(result, Authenticated)
        ids.add(result.user_id)

    assert 1 == len(ids)


async def test_a_name_of_two_entries_is_no_user_and_is_reported_once(source, slapd, ldap, user_name):
    slapd.add_user(user_name)
    slapd.add(
        f"cn={user_name},{BASE}", ["inetOrgPerson"], {"sn": "x", "uid": user_name, "userPassword": "correct horse"}
    )

    assert UNKNOWN == await verified(source, user_name)
    assert UNKNOWN == await verified(source, user_name)
    assert 1 == len(ldap.warnings)
    assert "several entries match one user name" in ldap.warnings[0]


async def test_a_dn_template_without_a_service_account_reads_the_user_as_the_user(ldap, slapd, user_name):
    source = ldap.source(slapd.url, bind_dn=None, bind_template=f"uid={{user}},{USERS}")
    slapd.add_user(user_name, mobile="+14155550123")

    result = await verified(source, user_name)
    assert isinstance(result, Authenticated)
    assert result.user is not None
    assert ["+14155550123"] == [phone.address for phone in result.user.phones]
    assert Denied(Reason.WRONG_PASSWORD) == await verified(source, user_name, "wrong")


async def test_no_search_uses_a_connection_that_is_bound_as_a_user_of_an_earlier_login(ldap, slapd, user_name):
    source = ldap.source(slapd.url, bind_dn=None, bind_template=f"uid={{user}},{USERS}")
    slapd.add_user(user_name)
    for _ in range(2):
        assert isinstance(await verified(source, user_name), Authenticated)
        assert await found(source, user_name) is None  # anonymous clients may not read it


async def test_a_refused_service_account_is_unavailable_and_not_a_wrong_password(ldap, slapd, user_name):
    source = ldap.source(slapd.url, bind_password="wrong", bind_dn=BASE)
    with pytest.raises(Unavailable, match="refuses bind_dn and bind_password"):
        await verified(source, user_name)
    with pytest.raises(Unavailable, match=r"identity\.corp"):
        await found(source, user_name)


async def test_a_template_that_does_not_fit_the_directory_is_unavailable_and_not_a_wrong_password(
    ldap, slapd, user_name
):
    dn = slapd.add_user(user_name)
    source = ldap.source(slapd.url, bind_dn=None, bind_template="{user}")
    with pytest.raises(Unavailable, match="user_filter finds no entry of that user"):
        await verified(source, dn)
    with pytest.raises(Unavailable, match=r"refuses binds of users \(result code 34\)"):
        await verified(source, user_name)


async def test_a_disabled_user_with_the_right_password_is_not_charged(ldap, slapd, user_name, monkeypatch):
    slapd.add_user(user_name)

    class WithControl(LdapClient):
        def search(self, *arguments):
            entries = super().search(*arguments)
            return [Entry(each.dn, {**each.attributes, "useraccountcontrol": [b"514"]}) for each in entries]

    monkeypatch.setattr("radius_voice.identity.ldap.pool.LdapClient", WithControl)
    expected = Denied(Reason.DISABLED, user_name, password_correct=True)
    assert expected == await verified(ldap.source(slapd.url), user_name)


@pytest.mark.parametrize("values", [{}, {"bind_template": f"uid={{user}},{USERS}"}])
async def test_referrals_are_not_followed(ldap, slapd, user_name, values):
    connections: list[socket.socket] = []
    with TcpListener(connections.append) as other:
        dn = f"uid={user_name},{USERS}"
        slapd.add(
            dn,
            ["referral", "extensibleObject"],
            {"ref": f"ldap://{LOOPBACK}:{other.port}/{dn}", "uid": user_name},
        )
        assert UNKNOWN == await verified(ldap.source(slapd.url, **values), user_name)
    assert [] == connections


# TLS


@pytest.mark.parametrize("start_tls", [False, True])
async def test_a_verified_certificate(ldap, slapd, certificates, user_name, start_tls):
    slapd.add_user(user_name)
    source = ldap.source(slapd.url if start_tls else slapd.ldaps_url, start_tls=start_tls, ca_file=str(certificates[2]))

    for _ in range(3):
        assert isinstance(await verified(source, user_name), Authenticated)
    assert [] == ldap.warnings


@pytest.mark.parametrize("start_tls", [False, True])
async def test_a_certificate_of_an_unknown_authority_or_another_name_is_refused(
    ldap, slapd, certificates, user_name, start_tls
):
    slapd.add_user(user_name)
    url = slapd.url if start_tls else slapd.ldaps_url
    other_name = url.replace("127.0.0.1", "localhost")
    for server, values in (url, {}), (other_name, {"ca_file": str(certificates[2])}):
        source = ldap.source(server, start_tls=start_tls, **values)
        with pytest.raises(Unavailable, match="certificate is not accepted"):
            await verified(source, user_name)
    unverified = ldap.source(other_name, start_tls=start_tls, verify_certificate=False)
    assert isinstance(await verified(unverified, user_name), Authenticated)


async def test_a_client_certificate_is_shown(ldap, certificates, tmp_path, user_name):
    strict = SlapdServer(tmp_path / "strict", certificates, options="TLSVerifyClient demand\n")
    try:
        strict.add_user(user_name)
        own = {"client_certificate": str(certificates[0]), "client_key": str(certificates[1])}
        with_own = ldap.source(strict.ldaps_url, ca_file=str(certificates[2]), **own)
        without = ldap.source(strict.ldaps_url, ca_file=str(certificates[2]))
        assert isinstance(await verified(with_own, user_name), Authenticated)
        with pytest.raises(Unavailable):
            await verified(without, user_name)
    finally:
        strict.stop()


async def test_a_password_is_not_sent_before_start_tls(ldap, tmp_path, user_name):
    plain = SlapdServer(tmp_path / "plain")
    try:
        plain.add_user(user_name)
        with pytest.raises(Unavailable, match="refuses StartTLS"):
            await verified(ldap.source(plain.url, start_tls=True), user_name)
    finally:
        plain.stop()
