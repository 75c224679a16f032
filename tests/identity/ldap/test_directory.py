"""Users, phones, languages and groups of a real slapd."""

import time
from uuid import UUID

import pytest

from radius_voice.events import Reason
from radius_voice.identity.ldap.client import Entry, RequestRefused
from radius_voice.identity.ldap.directory import Reader
from radius_voice.login.model import Authenticated, Denied, Unavailable
from radius_voice.login.phone import Phone
from radius_voice.messages import SHIPPED
from tests.identity.ldap.conftest import found, settings, verified
from tests.support.slapd_server import BASE, GROUPS, USERS


async def get(source, user_id):
    return await source.get(user_id, time.monotonic() + 2.5)


def numbers(user):
    return [phone.address for phone in user.phones]


@pytest.fixture
def source(ldap, slapd):
    return ldap.source(slapd.url)


async def test_a_user_is_found_again_by_the_stable_id_after_a_change_of_name(source, slapd, user_name):
    dn = slapd.add_user(user_name)
    before = await found(source, user_name)
    assert before is not None
    with slapd.administrator() as connection:
        connection.modify_dn(dn, f"uid={user_name}-new")
    after = await get(source, before.id)

    assert after is not None
    assert (before.id, f"{user_name}-new") == (after.id, after.name)
    assert await found(source, user_name) is None
    assert await get(source, str(UUID(int=0))) is None
    assert await get(source, "*") is None


async def test_phones_come_from_several_attributes_in_order_each_once(ldap, slapd, user_name):
    slapd.add_user(
        user_name,
        telephoneNumber=["+44 20 7946 0123", "020 7946 0124"],
        mobile="+1 (415) 555-0123",
        homePhone="+14155550123",
    )
    source = ldap.source(slapd.url, phones=["mobile", "homePhone", "telephoneNumber"], default_region="GB")
    user = await found(source, user_name)

    assert user is not None
    assert ["+14155550123", "+442079460123", "+442079460124"] == numbers(user)


async def test_a_number_may_have_an_extension(ldap, slapd, user_name):
    slapd.add_user(user_name, telephoneNumber=["020 7946 0123 ext. 42", "+44 20 7946 0123, 42", "+442079460123 x7"])
    source = ldap.source(slapd.url, phones=["telephoneNumber"], default_region="GB")
    user = await found(source, user_name)

    assert user is not None
    assert (Phone("+442079460123", "42"), Phone("+442079460123", "7")) == user.phones


async def test_a_number_that_cannot_be_called_is_left_out_and_reported_once_without_the_number(ldap, slapd, user_name):
    slapd.add_user(user_name, mobile=["+1 415 555 01 x22", "020 7946 0124"], telephoneNumber="+14155550199")
    source = ldap.source(slapd.url)
    for _ in range(2):
        user = await found(source, user_name)
        assert user is not None
        assert ["+14155550199"] == numbers(user)

    assert 2 == len(ldap.warnings)
    assert all(f"identity.corp: a phone of {user_name} in mobile is ignored" in each for each in ldap.warnings)
    assert not [each for each in ldap.warnings if "x22" in each or "7946" in each]


@pytest.mark.parametrize(
    ("written", "language"),
    [("de-AT, en;q=0.5", "de-AT"), ("xx, fr;q=0.5", "fr"), ("klingon!", "en"), ("", "en"), ("de", "de")],
)
async def test_the_language(ldap, slapd, user_name, written, language):
    slapd.add_user(user_name, **({"preferredLanguage": written} if written else {}))
    user = await found(ldap.source(slapd.url, language_attribute="preferredLanguage"), user_name)

    assert user is not None
    assert language == user.language


async def test_an_account_that_an_administrator_has_locked_is_disabled(source, slapd, user_name):
    dn = slapd.add_user(user_name)
    slapd.modify(dn, pwdAccountLockedTime=["000001010000Z"])
    user = await found(source, user_name)

    assert user is not None
    assert user.disabled
    assert Denied(Reason.DIRECTORY_LOCKED, user_name) == await verified(source, user_name)


# Groups


async def groups_of(source, name):
    user = await found(source, name)
    assert user is not None
    return set(user.groups)


async def test_groups_and_the_groups_that_they_are_in(ldap, slapd, user_name):
    names = [f"{user_name}-{level}" for level in ("direct, first", "second", "third")]
    member = slapd.add_user(user_name)
    for name in names:
        member = slapd.add_group(name, member)
    nested, direct = ldap.source(slapd.url), ldap.source(slapd.url, nested_groups=False)

    assert set(names) == await groups_of(nested, user_name)
    assert {names[0]} == await groups_of(direct, user_name)


async def test_groups_that_contain_each_other_end(source, slapd, user_name):
    dn = slapd.add_user(user_name)
    first, second = f"cn={user_name}-1,{GROUPS}", f"cn={user_name}-2,{GROUPS}"
    slapd.add_group(f"{user_name}-1", dn, second)
    slapd.add_group(f"{user_name}-2", first)

    assert {f"{user_name}-1", f"{user_name}-2"} == await groups_of(source, user_name)


async def test_a_deeper_nesting_than_the_bound_is_unavailable_and_not_cut(source, slapd, user_name):
    member = slapd.add_user(user_name)
    for level in range(17):
        member = slapd.add_group(f"{user_name}-{level}", member)
    with pytest.raises(Unavailable, match="16 levels"):
        await found(source, user_name)


async def test_only_groups_below_group_base_count(ldap, slapd, user_name):
    dn = slapd.add_user(user_name)
    slapd.add_group(user_name, dn)
    slapd.add_group(f"{user_name}-elsewhere", dn, base=USERS)
    for nested in True, False:
        source = ldap.source(slapd.url, group_base=GROUPS.upper(), nested_groups=nested)
        assert {user_name} == await groups_of(source, user_name)


async def test_a_user_is_the_same_to_a_first_factor_without_a_service_account(ldap, slapd, user_name):
    slapd.add_group(user_name, slapd.add_user(user_name))
    source = ldap.source(slapd.url, bind_dn=None, bind_template=f"uid={{user}},{USERS}")
    result = await verified(source, user_name)

    assert isinstance(result, Authenticated)
    assert result.user is not None
    assert result.user.id == result.user_id


# Active Directory, without a server


class RecordingLease:
    """A lease that records searches and returns scripted entries."""

    def __init__(self, *results):
        self.searches = []
        self._results = list(results)

    def search(self, base, scope, search_filter, attributes, *, limit=0):
        self.searches.append((base, scope, search_filter))
        return self._results.pop(0)


GUID = UUID("00112233-4455-6677-8899-aabbccddeeff")
AD_ENTRY = Entry(
    f"CN=Alice,{BASE}",
    {
        "samaccountname": [b"alice"],
        "objectguid": [GUID.bytes_le],
        "useraccountcontrol": [b"512"],
        "memberof": [b"CN=Staff,DC=example,DC=org"],
    },
)


@pytest.fixture
def reader():
    return Reader(settings("ldaps://dc1.example.org", server_type="active_directory"), lambda _: None, SHIPPED)


def test_a_user_of_active_directory_has_the_guid_as_id_and_groups_by_the_in_chain_rule(reader):
    lease = RecordingLease([Entry("CN=VPN\\2C all,OU=Groups,DC=example,DC=org", {})])
    user = reader.user_of(lease, AD_ENTRY)

    assert (str(GUID), "alice", {"VPN, all"}, False) == (user.id, user.name, set(user.groups), user.disabled)
    ((base, scope, search_filter),) = lease.searches
    assert (BASE, "SUBTREE") == (base, scope)
    assert search_filter.startswith("(member:1.2.840.113556.1.4.1941:=CN\\3dAlice\\2cdc\\3dexample")


def test_a_guid_is_searched_as_octets(reader):
    lease = RecordingLease([AD_ENTRY])
    assert AD_ENTRY is reader.entry_with_id(lease, str(GUID))
    assert (
        "".join(f"\\{octet:02x}" for octet in GUID.bytes_le)
        .replace("\\33", "3")
        .replace("\\44", "D")
        .replace("\\55", "U")
        .replace("\\66", "f")
        .replace("\\77", "w")
        in lease.searches[0][2]
    )
    assert reader.entry_with_id(lease, "not a GUID") is None


@pytest.mark.parametrize(("control", "disabled"), [("512", False), ("514", True), ("66050", True), ("66048", False)])
def test_bit_2_of_user_account_control_disables_a_user(reader, control, disabled):
    entry = Entry(AD_ENTRY.dn, {**AD_ENTRY.attributes, "useraccountcontrol": [control.encode()]})
    assert disabled is reader.user_of(RecordingLease([]), entry).disabled


def test_an_entry_without_an_id_is_refused_and_not_a_user(reader):
    for entry in Entry(AD_ENTRY.dn, {"samaccountname": [b"alice"]}), Entry(AD_ENTRY.dn, {"objectguid": [b"short"]}):
        with pytest.raises(RequestRefused, match="an entry has no objectGUID"):
            reader.user_of(RecordingLease([]), entry)


def test_more_groups_than_the_bound_are_refused_and_not_cut(reader):
    groups = [Entry(f"CN={number},DC=example,DC=org", {}) for number in range(1000)]
    with pytest.raises(RequestRefused, match="more than 1000 groups"):
        reader.user_of(RecordingLease(groups), AD_ENTRY)


def test_values_that_are_not_text_are_left_out(reader):
    entry = Entry(AD_ENTRY.dn, {**AD_ENTRY.attributes, "mobile": [b"\xff\xfe", b"+14155550123"]})
    assert ["+14155550123"] == numbers(reader.user_of(RecordingLease([]), entry))


def test_at_most_20_values_of_an_attribute_are_parsed(reader):
    values = [f"+1415555{number:04}".encode() for number in range(100, 121)]
    entry = Entry(AD_ENTRY.dn, {**AD_ENTRY.attributes, "mobile": values})
    assert [value.decode() for value in values[:20]] == numbers(reader.user_of(RecordingLease([]), entry))


def test_a_phone_may_be_a_sip_address(reader):
    values = [b"SIP:3105@PBX.example.org", b"3105", b"sip:3105@pbx.example.org;user=phone"]
    entry = Entry(AD_ENTRY.dn, {**AD_ENTRY.attributes, "mobile": values})
    assert ["sip:3105@pbx.example.org"] == numbers(reader.user_of(RecordingLease([]), entry))


async def test_what_the_service_asks_of_every_source(ldap):
    source = ldap.source("ldaps://dc1.example.org", "ldap://[::1]:3890")
    source.refresh()
    assert 0 == source.changes
    assert "ldaps://dc1.example.org:636, ldap://[::1]:3890" == source.location
    assert (None, None, (), None) == (
        source.problem,
        source.all_users(),
        source.without_password(),
        source.costliest_verification(),
    )
