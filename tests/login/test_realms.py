r"""Realms in user names: how `CORP\bob` and `bob@corp.example` are split, and what follows for a login."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from radius_voice.events import Outcome, Reason
from radius_voice.login.first_factor.realms import Realm, RoutedName, route, split
from radius_voice.login.limits.configured import Limits
from radius_voice.login.names import canonical_name
from radius_voice.trace import Trace
from tests.login.harness import ACCEPTED, ALICE, FakeDirectory, LoginHarness, limit, result_of

REALMS = {
    "corp": Realm("staff"),
    "corp.example": Realm("partners", strip=False),
    canonical_name("größe.example"): Realm("staff"),
}
UNKNOWN = (Outcome.REJECT, Reason.UNKNOWN_USER)
LIMITED = (Outcome.REJECT, Reason.WRONG_PASSWORD_LIMIT)
TEXT = st.text(st.characters(codec="utf-8"))


def is_plain(text: str) -> bool:
    return not any(letter in "\\@" for letter in unicodedata.normalize("NFKC", text))


PLAIN = TEXT.filter(is_plain)


@pytest.mark.parametrize(
    ("typed", "routed"),
    [
        ("bob", RoutedName("bob", "default")),
        ("CORP\\bob", RoutedName("bob", "staff")),
        (" corp \\bob", RoutedName("bob", "staff")),
        ("bob@CORP", RoutedName("bob", "staff")),
        ("bob@GRÖSSE.example", RoutedName("bob", "staff")),
        ("bob@Gro\u0308ße.example", RoutedName("bob", "staff")),
        ("Bob@Corp.Example", RoutedName("Bob@Corp.Example", "partners")),
    ],
)
def test_a_listed_realm_leads_to_its_policy(typed, routed):
    assert routed == route(typed, "default", REALMS)


@pytest.mark.parametrize(
    "typed",
    [
        "bob@other.example",
        "OTHER\\bob",
        "bob@",
        "\\bob",
        "@corp",
        " @corp",
        "corp\\",
        "corp\\ ",
        "corp\\bob@other.example",
        "corp\\bob@corp",
        "corp\\corp\\bob",
        "bob@other.example@corp",
        "bob@corp@corp",
        "bob\uff20other.example",
        "other\uff3cbob",
        "bob\ufe6bcorp",
        "corp\ufe68bob",
        "corp\\bob\uff20other.example",
        "@",
        "\\",
    ],
)
def test_any_other_realm_is_unlisted(typed):
    assert RoutedName(typed, "default", unlisted=True) == route(typed, "default", REALMS)


@given(TEXT)
def test_without_realms_every_name_stays_as_typed(typed):
    assert RoutedName(typed, "default") == route(typed, "default", {})


@given(PLAIN.filter(str.strip), PLAIN.filter(str.strip))
def test_both_forms_are_split_into_the_same_user_and_realm(user, realm):
    assert (user, canonical_name(realm)) == split(f"{realm}\\{user}") == split(f"{user}@{realm}")


@given(TEXT)
def test_a_stripped_name_has_no_realm_and_a_name_without_realm_is_not_changed(typed):
    user, realm = split(typed)
    assert (realm is None) == is_plain(typed)
    if realm:
        assert is_plain(user)
        assert user.strip()
        assert user in typed
    else:
        assert user == typed


# In a login


@pytest.fixture
def harness():
    return LoginHarness(limits=Limits(failures={"user": limit("user", 3, Reason.WRONG_PASSWORD_LIMIT)}))


def unlisted(harness, password="right", name="alice", **more):
    return replace(harness.request(password, name=name, **more), unlisted_realm=True)


async def begin(harness, request):
    trace = Trace(0.0, harness.clock)
    return await harness.flow.begin(request, trace), [(step.name, step.detail) for step in trace.steps]


async def test_a_name_with_an_unlisted_realm_is_an_unknown_user_with_any_password(harness):
    for password in ("right", "wrong"):
        decision, steps = await begin(harness, unlisted(harness, password))
        assert (UNKNOWN, "") == (result_of(decision), decision.user)
        assert [("realm", "unlisted"), ("password", "wrong")] == steps
    assert [] == harness.provider.requests


async def test_the_first_factor_verifies_a_name_that_no_user_has_instead(harness):
    await begin(harness, unlisted(harness, name="hunter2@other"))
    await begin(harness, unlisted(harness, name="HUNTER2@other"))
    await begin(harness, unlisted(harness, name="bob@other"))
    one, same, other = harness.directory.verified_names
    assert one == same != other
    assert one.startswith("no-such-user-")
    assert "hunter2" not in one


async def test_wrong_passwords_of_an_unlisted_realm_are_counted_by_the_name_as_typed(harness):
    for _ in range(3):
        await begin(harness, unlisted(harness, name="bob@other"))
    assert LIMITED == result_of((await begin(harness, unlisted(harness, name="bob@other")))[0])
    assert UNKNOWN == result_of((await begin(harness, unlisted(harness, name="bob@another")))[0])


async def test_a_first_factor_that_accepts_every_name_changes_nothing(harness):
    harness.directory.accepts_every_name = True
    for _ in range(3):
        assert UNKNOWN == result_of((await begin(harness, unlisted(harness)))[0])
    assert LIMITED == result_of((await begin(harness, unlisted(harness)))[0])


async def test_an_unlisted_realm_is_an_unknown_user_where_the_gateway_verifies_passwords():
    harness = LoginHarness(policy={"first_factor": None, "first_factor_name": "none"})
    decision, _ = await begin(harness, unlisted(harness))
    assert (UNKNOWN, "") == (result_of(decision), decision.user)


async def test_a_response_with_an_unlisted_realm_has_no_effect(harness):
    challenge = await harness.begin()
    request = unlisted(harness, harness.provider.codes[0], state=challenge.state)
    refused = await harness.flow.respond(request, Trace(0.0, harness.clock))
    assert (Outcome.REJECT, Reason.UNKNOWN_STATE) == result_of(refused)
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], challenge))


async def test_a_user_of_the_same_name_in_another_directory_cannot_use_the_state():
    other = FakeDirectory(replace(ALICE, id="other-id"))
    harness = LoginHarness(other_policies={"partners": {"directory_name": "partners", "directory": other}})
    challenge = await harness.begin()
    request = replace(harness.request(harness.provider.codes[0], state=challenge.state), policy="partners")
    refused = await harness.flow.respond(request, Trace(0.0, harness.clock))
    assert (Outcome.REJECT, Reason.UNKNOWN_STATE) == result_of(refused)
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], challenge))
