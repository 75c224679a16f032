"""Users who are accepted without a call, after the right password."""

import asyncio
from ipaddress import ip_address, ip_network

import pytest
from msgspec.structs import replace

from radius_voice.events import Outcome, Reason
from radius_voice.login.codes.issued_states import REPEAT_SECONDS
from radius_voice.login.codes.keys import Keys
from radius_voice.login.limits.configured import Limits
from radius_voice.login.model import Authenticated, User
from radius_voice.login.policies.exemptions import Exemption
from radius_voice.login.policies.policy import ReplyRule, UserRules
from radius_voice.login.replay import Slot
from radius_voice.login.second_factor.accepted import AcceptedRequest
from radius_voice.login.upstream import HiddenAttribute
from tests.login.harness import ALICE, FakeDirectory, LoginHarness, limit, result_of

PACKET = b"p" * 16
EXEMPT = (Outcome.ACCEPT, Reason.EXEMPT)
REPEATED = (Outcome.ACCEPT, Reason.REPEATED)
REPLAYED = (Outcome.REJECT, Reason.REPLAY)
CLASS = (25, b"staff")
OF_UPSTREAM = ((25, b"upstream"), HiddenAttribute(69, b"\x03", b"tunnel password"))


def exemption(number=0, **conditions):
    """An exemption; the attribute 31 of a request is the caller's address."""
    return Exemption(
        ("policies", "default", "exemptions", number),
        f"exemption {number}",
        lambda attributes: next((ip_address(value.decode()) for kind, value in attributes if kind == 31), None),
        **conditions,
    )


ALICE_EXEMPT = exemption(users=frozenset({"alice"}))


def exempting(*exemptions, **policy):
    return LoginHarness(policy={"exemptions": exemptions or (ALICE_EXEMPT,), **policy})


async def test_an_exempt_user_is_accepted_with_the_right_password_only():
    harness = exempting(reply=(ReplyRule(None, (CLASS,)),))
    assert Reason.WRONG_PASSWORD == (await harness.begin("wrong")).reason
    accept = await harness.begin()
    assert (EXEMPT, "alice", (CLASS,)) == (result_of(accept), accept.user, accept.reply)
    assert ("policies.default.exemptions[0]", "exemption 0") == (accept.rule, accept.rule_reason)
    assert [] == harness.provider.requests
    assert 0 == await harness.store.open_sessions()


async def test_a_user_without_a_phone_can_be_exempt_and_a_disabled_one_cannot():
    harness = LoginHarness(directory=FakeDirectory(User("a", "alice")), policy={"exemptions": (ALICE_EXEMPT,)})
    assert EXEMPT == result_of(await harness.begin())
    harness = LoginHarness(
        directory=FakeDirectory(replace(ALICE, disabled=True)), policy={"exemptions": (ALICE_EXEMPT,)}
    )
    assert (Outcome.REJECT, Reason.DISABLED) == result_of(await harness.begin())
    assert Reason.UNKNOWN_USER == (await harness.begin(name="mallory")).reason


@pytest.mark.parametrize(
    ("conditions", "applies"),
    [
        ({"users": {"ALICE".casefold()}}, True),
        ({"users": {"bob"}}, False),
        ({"groups": {"staff", "other"}}, True),
        ({"groups": {"other"}}, False),
        ({"networks": "10.0.0.0/8"}, True),
        ({"networks": "192.0.2.0/24"}, False),
        ({"networks": "2001:db8::/32"}, False),
        ({"users": {"alice"}, "groups": {"staff"}, "networks": "10.0.0.0/8"}, True),
        ({"users": {"bob"}, "groups": {"staff"}, "networks": "10.0.0.0/8"}, False),
        ({"users": {"alice"}, "groups": {"other"}, "networks": "10.0.0.0/8"}, False),
        ({"users": {"alice"}, "groups": {"staff"}, "networks": "10.9.9.9/32"}, False),
    ],
)
def test_every_condition_of_an_exemption_must_be_fulfilled(conditions, applies):
    networks = (ip_network(conditions["networks"]),) if "networks" in conditions else ()
    named = {key: frozenset(conditions[key]) for key in ("users", "groups") if key in conditions}
    user = replace(ALICE, name="Alice", groups=frozenset({"staff"}))
    assert applies is exemption(**named, networks=networks).applies(user, [(31, b"10.1.2.3")])


def test_a_request_without_an_address_is_in_no_network():
    everywhere = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    assert not exemption(networks=everywhere).applies(ALICE, [])


async def test_the_first_exemption_that_applies_decides():
    bob, alice = exemption(0, users=frozenset({"bob"})), exemption(1, users=frozenset({"alice"}))
    accept = await exempting(bob, alice, exemption(2)).begin()
    assert ("policies.default.exemptions[1]", "exemption 1") == (accept.rule, accept.rule_reason)
    assert Reason.CALL_PLACED == (await exempting(bob).begin()).reason


async def test_a_group_has_its_own_exemptions():
    harness = LoginHarness(directory=FakeDirectory(replace(ALICE, groups=frozenset({"operators"}))))
    rules = harness._policy.rules
    values = {name: getattr(rules, name) for name in UserRules.__slots__} | {"exemptions": (ALICE_EXEMPT,)}
    grouped = LoginHarness(directory=harness.directory, policy={"group_rules": {"operators": UserRules(**values)}})
    assert Reason.CALL_PLACED == (await harness.begin()).reason
    assert EXEMPT == result_of(await grouped.begin())


async def test_the_accept_has_the_attributes_of_the_first_factor():
    class Upstream(FakeDirectory):
        async def verify(self, verification, deadline):
            return Authenticated("alice-id", reply=OF_UPSTREAM)

    harness = exempting(first_factor=Upstream(ALICE), first_factor_name="nps", reply=(ReplyRule(None, (CLASS,)),))
    accept, again = await harness.begin(packet=PACKET), await harness.begin(packet=PACKET)
    assert (EXEMPT, (CLASS, *OF_UPSTREAM)) == (result_of(accept), accept.reply)
    assert (REPEATED, (CLASS, *OF_UPSTREAM)) == (result_of(again), again.reply)


async def test_the_record_of_an_accept_shows_neither_user_nor_attributes():
    harness = exempting(reply=(ReplyRule(None, (CLASS,)),))
    await harness.begin(packet=PACKET)
    (record,) = harness.store._records[True].values()
    assert b"alice" not in record
    assert b"staff" not in record
    assert "staff" not in repr(AcceptedRequest(1.0, "alice", (CLASS,)))


async def test_a_recorded_accept_is_bound_to_its_request():
    harness = exempting()
    await harness.begin(packet=PACKET)
    slot = Keys(b"k" * 32).slot("vpn", PACKET, b"alice\0right")
    (record,) = harness.store._records[True].values()  # after the time at which it expires, 8 octets
    assert harness.flow._without_call.repeated(slot, record[8:]) is not None
    assert harness.flow._without_call.repeated(Slot(slot.key, b"x" * 16), record[8:]) is None


@pytest.mark.parametrize("first_factor", [True, False])
async def test_a_lost_accept_is_repeated_for_a_while_and_a_recorded_request_is_never_accepted_again(first_factor):
    harness = exempting(**({} if first_factor else {"first_factor": None}))
    accept = await harness.begin(packet=PACKET)
    harness.clock.now += REPEAT_SECONDS
    again = await harness.begin(packet=PACKET)
    assert (REPEATED, accept.user, accept.reply) == (result_of(again), again.user, again.reply)
    harness.clock.now += 1
    assert REPLAYED == result_of(await harness.begin(packet=PACKET))
    harness.clock.now += 80_000
    assert REPLAYED == result_of(await harness.begin(packet=PACKET))
    assert harness.directory.verifications == first_factor
    assert EXEMPT == result_of(await harness.begin())


async def test_a_clock_that_is_set_back_does_not_extend_the_repetition():
    harness = exempting()
    await harness.begin(packet=PACKET)
    harness.clock.now -= 3600
    assert REPLAYED == result_of(await harness.begin(packet=PACKET))


async def test_five_concurrent_copies_are_accepted_once_and_repeated():
    harness = exempting()
    decisions = await asyncio.gather(*(harness.begin(packet=PACKET) for _ in range(5)))
    assert {Outcome.ACCEPT} == {decision.outcome for decision in decisions}
    assert 1 == sum(decision.reason is Reason.EXEMPT for decision in decisions)
    assert 1 == harness.directory.verifications


async def test_the_record_of_an_accept_is_not_used_for_another_password():
    harness = exempting()
    await harness.begin(packet=PACKET)
    assert Reason.WRONG_PASSWORD == (await harness.begin("wrong", packet=PACKET)).reason


async def test_right_passwords_of_an_exempt_user_are_not_charged():
    limits = Limits(failures={"user": limit("wrong_passwords.user", 2, Reason.WRONG_PASSWORD_LIMIT)})
    harness = LoginHarness(policy={"exemptions": (ALICE_EXEMPT,)}, limits=limits)
    for _ in range(5):
        assert EXEMPT == result_of(await harness.begin())
    await harness.begin("wrong")
    await harness.begin("wrong")
    assert (Outcome.REJECT, Reason.WRONG_PASSWORD_LIMIT) == result_of(await harness.begin())


async def test_a_user_locked_by_wrong_codes_is_not_exempt():
    limits = Limits(codes={"user": limit("wrong_codes.user", 1, Reason.LOCKED)})
    outside, inside = [(31, b"203.0.113.1")], [(31, b"10.0.0.1")]
    harness = LoginHarness(policy={"exemptions": (exemption(networks=(ip_network("10.0.0.0/8"),)),)}, limits=limits)
    challenge = await harness.begin(attributes=outside)
    await harness.answer("000000x", challenge)
    await harness.flow.drain()
    assert (Outcome.REJECT, Reason.LOCKED) == result_of(await harness.begin(packet=PACKET, attributes=inside))
    harness.clock.now += 3600
    assert REPLAYED == result_of(await harness.begin(packet=PACKET, attributes=inside))
    assert EXEMPT == result_of(await harness.begin(attributes=inside))


async def test_an_accept_that_would_be_late_is_not_sent_and_its_retransmission_is_accepted():
    harness = exempting(first_factor=None)
    late = await harness.begin(packet=PACKET, late=3.0)
    assert (Outcome.NO_RESPONSE, Reason.DEADLINE_PASSED) == result_of(late)
    assert EXEMPT == result_of(await harness.begin(packet=PACKET))


async def test_wrong_passwords_from_elsewhere_do_not_keep_out_an_exempt_user():
    limits = Limits(failures={"user": limit("wrong_passwords.user", 2, Reason.WRONG_PASSWORD_LIMIT)})
    harness = LoginHarness(policy={"exemptions": (ALICE_EXEMPT,)}, limits=limits)
    assert EXEMPT == result_of(await harness.begin())
    for _ in range(2):
        await harness.begin("wrong", calling_station_id="198.51.100.66")
    locked = await harness.begin(calling_station_id="203.0.113.5")
    assert (Outcome.REJECT, Reason.WRONG_PASSWORD_LIMIT) == result_of(locked)
    assert EXEMPT == result_of(await harness.begin())
