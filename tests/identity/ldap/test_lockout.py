"""When a directory locks an account: configured, or read from Active Directory."""

import time
from collections.abc import Sequence

import pytest

from radius_voice.identity.ldap import lockout
from radius_voice.identity.ldap.client import Entry
from radius_voice.identity.ldap.lockout import LockoutRules
from radius_voice.login.accounts import UNKNOWN_ACCOUNT, Account, LockoutRule
from radius_voice.login.first_factor.password_limits import forwarded_to
from radius_voice.login.limits.rate_limits import MAX_USES
from radius_voice.login.model import Authenticated, Denied, PapPassword, Verification
from tests.identity.ldap.conftest import DEADLINE, settings, verified
from tests.support.slapd_server import USERS

CONFIGURED = {"attempts": 3, "window": "30m"}
DOMAIN = "DC=corp,DC=example"
PSO = f"CN=admins,CN=Password Settings Container,CN=System,{DOMAIN}"


async def account_of(source, name):
    return await source.account(Verification(name, PapPassword("")), time.monotonic() + DEADLINE)


async def test_the_account_of_a_name_is_found_before_the_verification(ldap, slapd, user_name):
    slapd.add_user(user_name, mail=f"{user_name}@example.org")
    source = ldap.source(slapd.url, user_filter="(|(uid={user})(mail={user}))", lockout=CONFIGURED)
    assert source.finds_accounts
    result = await verified(source, user_name)
    assert isinstance(result, Authenticated)
    for name in (user_name, user_name.upper(), f"{user_name}@example.org"):
        account = await account_of(source, name)
        assert (result.user_id, LockoutRule(3, 1800.0)) == (account.id, account.lockout)
        again = await source.verify(
            Verification(name, PapPassword("correct horse"), account=account), time.monotonic() + DEADLINE
        )
        assert result == again


async def test_an_unknown_name_has_the_lockout_and_no_account(ldap, slapd):
    source = ldap.source(slapd.url, lockout=CONFIGURED)
    account = await account_of(source, "no-such-user")
    assert ("", LockoutRule(3, 1800.0)) == (account.id, account.lockout)
    claim = Verification("no-such-user", PapPassword("x"), account=account)
    assert isinstance(await source.verify(claim, time.monotonic() + DEADLINE), Denied)
    assert UNKNOWN_ACCOUNT == await account_of(source, " ")


async def test_without_a_service_account_a_template_finds_no_account(ldap, slapd, user_name):
    slapd.add_user(user_name)
    template = {"bind_template": f"uid={{user}},{USERS}", "bind_dn": None}
    source = ldap.source(slapd.url, lockout=CONFIGURED, **template)
    assert not source.finds_accounts
    assert Account(lockout=LockoutRule(3, 1800.0)) == await account_of(source, user_name)


async def test_check_connection_shows_the_lockout(ldap, slapd):
    (check,) = await ldap.source(slapd.url, lockout=CONFIGURED).check_connection(time.monotonic() + DEADLINE)
    assert check.ok
    assert check.text.endswith(
        "accounts are locked after 3 wrong passwords within 30 minutes (configured); at most 2 are sent"
    )
    (check,) = await ldap.source(slapd.url).check_connection(time.monotonic() + DEADLINE)
    assert check.text.endswith("lockout is not configured")


class ActiveDirectory:
    """The entries of a domain, and the DNs that were searched."""

    def __init__(self, **domain: str) -> None:
        self.entries = {
            "": Entry("", {"defaultnamingcontext": [DOMAIN.encode()]}),
            DOMAIN: Entry(DOMAIN, {name.lower(): [value.encode()] for name, value in domain.items()}),
        }
        self.searched: list[str] = []

    def search(self, base: str, scope: str, search_filter: str, attributes: Sequence[str]) -> list[Entry]:
        self.searched.append(base)
        return [self.entries[base]] if base in self.entries else []


@pytest.fixture
def warnings():
    return []


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def rules(warnings, clock):
    return LockoutRules(settings("ldaps://dc1.corp.example", server_type="active_directory"), warnings.append, clock)


FIVE = {"lockoutThreshold": "5", "lockOutObservationWindow": "-18000000000"}


def test_the_rule_of_the_domain_is_read_again_after_ten_minutes(rules, warnings, clock):
    domain = ActiveDirectory(**FIVE)
    user = Entry("CN=alice", {})
    assert [LockoutRule(5, 1800.0)] * 2 == [rules.of(domain, user), rules.of(domain, None)]
    assert ["", DOMAIN] == domain.searched
    assert "after 5 wrong passwords within 30 minutes (read from the domain); at most 4" in rules.describe(
        rules.of(domain, None)
    )
    clock.now += 600
    rules.of(domain, user)
    assert ["", DOMAIN] * 2 == domain.searched
    assert [] == warnings


def test_a_domain_that_locks_no_account(rules, warnings):
    assert rules.of(ActiveDirectory(**FIVE | {"lockoutThreshold": "0"}), None) is None
    assert rules.describe(None).startswith("accounts are never locked")
    assert [] == warnings


def test_a_window_that_never_ends_is_limited(rules):
    never = {"lockOutObservationWindow": "-9223372036854775808"}
    assert LockoutRule(5, lockout.MAX_WINDOW) == rules.of(ActiveDirectory(**FIVE | never), None)


def test_a_threshold_beyond_what_a_limit_can_count_is_lowered(rules):
    domain = ActiveDirectory(**FIVE)
    domain.entries[PSO] = Entry(
        PSO, {"msds-lockoutthreshold": [b"65535"], "msds-lockoutobservationwindow": [b"-6000000000"]}
    )
    rule = rules.of(domain, Entry("CN=admin", {"msds-resultantpso": [PSO.encode()]}))
    (total,) = forwarded_to(rule, "admin", reserved=False)
    assert (998, True) == (total.limit.burst, total.limit.burst < MAX_USES)


def test_a_password_settings_object_of_the_user_counts_instead(rules, warnings):
    domain = ActiveDirectory(**FIVE)
    domain.entries[PSO] = Entry(
        PSO, {"msds-lockoutthreshold": [b"3"], "msds-lockoutobservationwindow": [b"-6000000000"]}
    )
    admin = Entry("CN=admin", {"msds-resultantpso": [PSO.encode()]})
    assert (LockoutRule(3, 600.0), LockoutRule(5, 1800.0)) == (rules.of(domain, admin), rules.of(domain, None))
    assert [] == warnings


def test_a_password_settings_object_that_cannot_be_read_is_reported(rules, warnings):
    admin = Entry("CN=admin", {"msds-resultantpso": [PSO.encode()]})
    assert LockoutRule(5, 1800.0) == rules.of(ActiveDirectory(**FIVE), admin)
    assert [True] == [PSO in text and "lockout: {attempts: N" in text for text in warnings]


@pytest.mark.parametrize(
    ("domain", "rule", "text"),
    [
        (FIVE | {"lockoutThreshold": "1"}, LockoutRule(1, 1800.0), "lockoutThreshold is 1"),
        ({}, None, "lockoutThreshold cannot be read"),
    ],
)
def test_a_rule_that_cannot_be_kept_is_reported(rules, warnings, domain, rule, text):
    assert rule == rules.of(ActiveDirectory(**domain), None)
    assert [True] == [text in warning for warning in warnings]


def test_a_domain_without_a_root_is_reported(rules, warnings):
    domain = ActiveDirectory()
    domain.entries.clear()
    assert rules.of(domain, None) is None
    assert 1 == len(warnings)
