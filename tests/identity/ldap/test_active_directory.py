"""A real domain of Active Directory, by Samba."""

import os
import time

import pytest

from radius_voice.events import Reason
from radius_voice.login.accounts import LockoutRule
from radius_voice.login.model import Authenticated, Denied, PapPassword, Unavailable, Verification
from tests.identity.ldap.conftest import found, verified
from tests.login.harness import LoginHarness
from tests.support.samba_domain import ADMIN_THRESHOLD, BASE, LOCKOUT_THRESHOLD, PASSWORD, SambaDomain

pytestmark = pytest.mark.skipif(
    not os.environ.get("RADIUS_VOICE_LONG"), reason="takes half a minute: RADIUS_VOICE_LONG=1"
)
SECONDS = 10.0
TEXT = "Your password has expired."


@pytest.fixture(scope="module")
def domain(certificates, tmp_path_factory):
    domain = SambaDomain(tmp_path_factory.mktemp("samba"), certificates)
    yield domain
    domain.stop()


@pytest.fixture
def corp(ldap, domain, certificates):
    """A source with other settings than those of the domain's own."""

    def source(**values):
        section = {
            "server_type": "active_directory",
            "ca_file": str(certificates[2]),
            "base": BASE,
            "bind_dn": "administrator@corp.example",
            "bind_password": "Passw0rd!adm",
            "timeout": "5s",
            "expired_password_text": TEXT,
        }
        return ldap.source(domain.url, **{**section, **values})

    return source


async def test_every_name_of_a_user_is_the_same_user(corp):
    source, ids = corp(), set()
    for name in "alice", "ALICE", "alice.jones@corp.example":
        result = await verified(source, name, PASSWORD, SECONDS)
        assert isinstance(result, Authenticated)
        assert result.user is not None
        assert "alice" == result.user.name
        ids.add(result.user_id)
    (user_id,) = ids
    user = await source.get(user_id, time.monotonic() + SECONDS)

    assert user is not None
    assert (["+14155550123"], {"inner", "outer"}) == ([each.address for each in user.phones], set(user.groups))
    assert {"inner"} == set((await found(corp(nested_groups=False), "alice", SECONDS)).groups)


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{user}@corp.example", "alice"),
        ("{user}", "alice.jones@corp.example"),
        ("CORP\\{user}", "alice"),
        ("CN={user},CN=Users,DC=corp,DC=example", "alice"),
    ],
)
@pytest.mark.parametrize("account", [{}, {"bind_dn": None, "bind_password": None}])
async def test_binds_by_template(corp, template, name, account):
    source = corp(bind_template=template, **account)
    assert isinstance(await verified(source, name, PASSWORD, SECONDS), Authenticated)
    wrong = await verified(source, name, "wrong", SECONDS)
    assert isinstance(wrong, Denied)
    assert Reason.WRONG_PASSWORD == wrong.reason


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("disabled", Denied(Reason.DISABLED, "disabled")),
        ("expired", Denied(Reason.ACCOUNT_EXPIRED, "expired")),
        ("hours", Denied(Reason.LOGON_HOURS, "hours")),
        ("must-change", Denied(Reason.PASSWORD_MUST_CHANGE, "must-change", password_correct=True, text=TEXT)),
        ("old-password", Denied(Reason.PASSWORD_EXPIRED, "old-password", password_correct=True, text=TEXT)),
        ("no-such-user", Denied(Reason.UNKNOWN_USER)),
    ],
)
async def test_why_a_user_may_not_log_in(corp, name, expected):
    source = corp()
    assert expected == await verified(source, name, PASSWORD, SECONDS)
    wrong = await verified(source, name, "wrong", SECONDS)
    assert expected.reason is Reason.UNKNOWN_USER or Denied(Reason.WRONG_PASSWORD, name) == wrong


async def test_an_account_that_the_domain_has_locked(corp):
    source = corp()
    for _ in range(LOCKOUT_THRESHOLD):
        assert Denied(Reason.WRONG_PASSWORD, "locked") == await verified(source, "locked", "wrong", SECONDS)
    assert Denied(Reason.DIRECTORY_LOCKED, "locked") == await verified(source, "locked", PASSWORD, SECONDS)


async def test_guesses_under_every_name_and_from_everywhere_do_not_lock_the_account(corp):
    source = corp()
    harness = LoginHarness(directory=source, response_timeout=SECONDS)
    names = "guessed", "GUESSED", "guessed.often@corp.example"
    results = [
        (await harness.begin("wrong", name=name, calling_station_id=station)).reason
        for station in ("192.0.2.9", "198.51.100.66", "")
        for name in names
    ]
    allowed = LOCKOUT_THRESHOLD - 1
    assert [Reason.WRONG_PASSWORD] * allowed + [Reason.LOCKED] * (len(results) - allowed) == results
    assert isinstance(await verified(source, "guessed", PASSWORD, SECONDS), Authenticated)


async def test_the_lockout_is_read_from_the_domain_and_from_password_settings(corp):
    source = corp()
    for name, attempts, window in (("alice", LOCKOUT_THRESHOLD, 1800.0), ("admin", ADMIN_THRESHOLD, 600.0)):
        account = await source.account(Verification(name, PapPassword("")), time.monotonic() + SECONDS)
        assert LockoutRule(attempts, window) == account.lockout
    (check,) = await source.check_connection(time.monotonic() + SECONDS)
    assert check.text.endswith("after 3 wrong passwords within 30 minutes (read from the domain); at most 2 are sent")


async def test_a_disabled_user_is_disabled_in_the_directory_too(corp):
    user = await found(corp(), "disabled", SECONDS)
    assert user is not None
    assert user.disabled


async def test_anonymous_searches_and_binds_in_clear_text_are_unavailable(corp, ldap):
    with pytest.raises(Unavailable, match="refuses the search: operationsError"):
        await found(corp(bind_dn=None, bind_password=None), "alice", SECONDS)
    plain = ldap.source(
        "ldap://127.0.0.1",
        server_type="active_directory",
        base=BASE,
        bind_dn="administrator@corp.example",
        bind_password="Passw0rd!adm",
    )
    with pytest.raises(Unavailable, match="result code 8"):
        await found(plain, "alice", SECONDS)
