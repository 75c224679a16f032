"""Report mode, pilot groups and grace periods: which decisions are recorded, and which are carried out."""

import pytest
from msgspec.structs import replace

from radius_voice.events import CallStatusRecord, Mode, Outcome, PlacementRecord, Reason
from radius_voice.login.codes.issued_states import REPEAT_SECONDS
from radius_voice.login.limits.configured import Limits
from radius_voice.login.model import CallStatus, User
from radius_voice.login.phone import NumberRules
from radius_voice.login.policies.policy import ReplyRule
from radius_voice.login.policies.roll_out import GracePeriod, ReportMode
from radius_voice.login.second_factor.rules import AskForIssuedCode, outcome_of
from radius_voice.trace import Trace
from tests.login.harness import ACCEPTED, ALICE, Clock, FakeDirectory, LoginHarness, limit, result_of
from tests.login.test_allowed_hours import allowed
from tests.login.test_exemptions import ALICE_EXEMPT

PACKET = b"p" * 16
START = Clock().now
END = START + 1000
REPORT = ReportMode(("policies", "default", "mode"), END)
PILOT = ReportMode(("policies", "default", "mode"), END, frozenset({"pilot"}))
REPORTED = (Outcome.ACCEPT, Reason.REPORT_MODE)
CALLED = (Outcome.CHALLENGE, Reason.CALL_PLACED)
GRACE = GracePeriod(("policies", "default", "grace_until"), END)
NO_PHONE = User("alice-id", "alice")
CLASS = (25, b"staff")


def reporting(user=ALICE, mode=REPORT, **policy):
    return LoginHarness(directory=FakeDirectory(user), policy={"report_mode": mode, **policy})


def would(decision):
    return (decision.would_outcome, decision.would_reason)


async def test_a_user_who_would_be_called_is_accepted_with_the_right_password_only():
    harness = reporting(reply=(ReplyRule(None, (CLASS,)),))
    accept = await harness.begin()
    assert (REPORTED, CALLED, (CLASS,)) == (result_of(accept), would(accept), accept.reply)
    assert [] == harness.provider.requests
    wrong, unknown = await harness.begin("wrong"), await harness.begin(name="mallory")
    assert [Reason.WRONG_PASSWORD, Reason.UNKNOWN_USER] == [wrong.reason, unknown.reason]
    assert {Mode.REPORT} == {decision.mode for decision in (accept, wrong, unknown)}
    assert {(None, None)} == {would(wrong), would(unknown)}


MISSING = (Outcome.REJECT, Reason.UNKNOWN_USER)


@pytest.mark.parametrize("first_factor", [FakeDirectory(ALICE), None], ids=["another source", "the gateway"])
async def test_a_user_who_is_missing_in_a_separate_directory_is_accepted_and_recorded(first_factor):
    separate = {"first_factor": first_factor, "first_factor_name": "passwords"}
    class_of_all, of_group = ReplyRule(None, (CLASS,)), ReplyRule("staff", ((25, b"group"),))
    harness = LoginHarness(
        directory=FakeDirectory(), policy={"report_mode": PILOT, "reply": (class_of_all, of_group), **separate}
    )
    accept = await harness.begin(packet=PACKET)
    assert (REPORTED, MISSING, (CLASS,), "alice") == (result_of(accept), would(accept), accept.reply, accept.user)
    assert (Outcome.ACCEPT, Reason.REPEATED) == result_of(await harness.begin(packet=PACKET))
    harness.clock.now = END
    assert MISSING == result_of(await harness.begin())


async def test_report_mode_accepts_no_unlisted_realm_and_no_wrong_password_of_a_missing_user():
    for first_factor in (FakeDirectory(ALICE), None):
        separate = {"first_factor": first_factor, "first_factor_name": "passwords"}
        harness = LoginHarness(directory=FakeDirectory(), policy={"report_mode": REPORT, **separate})
        if first_factor is not None:
            assert Reason.WRONG_PASSWORD == (await harness.begin("wrong")).reason
        request = replace(harness.request(), unlisted_realm=True)
        assert MISSING == result_of(await harness.flow.begin(request, Trace(0.0, harness.clock)))


async def test_report_mode_does_not_accept_a_user_who_has_just_been_removed():
    harness = reporting()
    harness.directory.accepts_every_name = True
    assert MISSING == result_of(await harness.begin(name="mallory"))


async def test_records_of_calls_have_the_mode_of_the_policy():
    pilot = replace(ALICE, groups=frozenset({"pilot"}))
    for mode, expected in ((PILOT, Mode.REPORT), (None, Mode.ENFORCE)):
        harness = reporting(pilot, mode)
        assert CALLED == result_of(await harness.begin())
        harness.provider.statuses["fake1"] = CallStatus.ANSWERED
        await harness.flow.follower.poll()
        records = [each for each in harness.records if isinstance(each, PlacementRecord | CallStatusRecord)]
        assert [PlacementRecord, CallStatusRecord] == [type(each) for each in records]
        assert {expected} == {each.mode for each in records}


async def test_a_disabled_user_is_rejected():
    assert (Outcome.REJECT, Reason.DISABLED) == result_of(await reporting(replace(ALICE, disabled=True)).begin())


@pytest.mark.parametrize(
    ("user", "policy", "expected", "rule"),
    [
        (NO_PHONE, {}, (Outcome.REJECT, Reason.NO_PHONE), ""),
        (NO_PHONE, {"grace_period": GRACE}, (Outcome.ACCEPT, Reason.GRACE_PERIOD), "policies.default.grace_until"),
        (ALICE, {"numbers": NumberRules(frozenset({"DE"}))}, (Outcome.REJECT, Reason.NUMBER_NOT_ALLOWED), ""),
        (
            ALICE,
            {"exemptions": (ALICE_EXEMPT,)},
            (Outcome.ACCEPT, Reason.EXEMPT),
            "policies.default.exemptions[0]",
        ),
        (
            ALICE,
            {"allowed_hours": allowed("tue 12:00-12:01")},
            (Outcome.REJECT, Reason.OUTSIDE_ALLOWED_HOURS),
            "policies.default.allowed_hours",
        ),
    ],
)
async def test_what_would_have_happened_is_recorded(user, policy, expected, rule):
    accept = await reporting(user, **policy).begin()
    assert (REPORTED, expected, rule) == (result_of(accept), would(accept), accept.rule)
    enforced = await reporting(user, None, **policy).begin()
    assert (expected, Mode.ENFORCE, (None, None)) == (result_of(enforced), enforced.mode, would(enforced))


def test_a_code_of_the_help_desk_would_be_asked_for():
    assert (Outcome.CHALLENGE, Reason.ISSUED_CODE) == outcome_of(AskForIssuedCode(()))


async def test_a_lock_after_wrong_codes_is_only_recorded():
    limits = Limits(codes={"user": limit("wrong_codes.user", 1, Reason.LOCKED)})
    enforced = LoginHarness(limits=limits)
    await enforced.answer("000000x", await enforced.begin())
    await enforced.flow.drain()
    harness = LoginHarness(limits=limits, policy={"report_mode": REPORT, "exemptions": (ALICE_EXEMPT,)})
    harness.restart_with(enforced.store)
    accept = await harness.begin(packet=PACKET)
    assert (REPORTED, (Outcome.REJECT, Reason.LOCKED), "") == (result_of(accept), would(accept), accept.rule)


async def test_after_its_end_the_policy_is_enforced():
    harness = reporting()
    harness.clock.now = END - 0.001
    assert REPORTED == result_of(await harness.begin())
    harness.clock.now = END
    challenge = await harness.begin()
    assert (CALLED, Mode.ENFORCE) == (result_of(challenge), challenge.mode)


async def test_members_of_pilot_groups_are_called_and_rejected():
    pilot = replace(ALICE, groups=frozenset({"pilot", "staff"}))
    harness = reporting(pilot, PILOT)
    challenge = await harness.begin()
    accept = await harness.answer(harness.provider.codes[0], challenge)
    assert [CALLED, ACCEPTED] == [result_of(challenge), result_of(accept)]
    assert [Mode.REPORT, Mode.REPORT] == [challenge.mode, accept.mode]
    assert (Outcome.REJECT, Reason.NO_PHONE) == result_of(await reporting(replace(pilot, phones=()), PILOT).begin())
    assert REPORTED == result_of(await reporting(replace(ALICE, groups=frozenset({"staff"})), PILOT).begin())


async def test_a_lost_accept_is_repeated_and_a_recorded_request_is_rejected():
    harness = reporting()
    await harness.begin(packet=PACKET)
    again = await harness.begin(packet=PACKET)
    assert ((Outcome.ACCEPT, Reason.REPEATED), Mode.REPORT) == (result_of(again), again.mode)
    harness.clock.now += REPEAT_SECONDS + 1
    assert (Outcome.REJECT, Reason.REPLAY) == result_of(await harness.begin(packet=PACKET))
    assert (Outcome.REJECT, Reason.REPLAY) == result_of(await harness.begin(packet=PACKET))


async def test_a_request_that_was_accepted_in_report_mode_does_not_call_after_its_end():
    harness = reporting()
    await harness.begin(packet=PACKET)
    harness.clock.now = END
    assert (Outcome.REJECT, Reason.REPLAY) == result_of(await harness.begin(packet=PACKET))
    assert [] == harness.provider.requests


async def test_a_grace_period_accepts_users_without_a_phone_until_its_end():
    harness = LoginHarness(directory=FakeDirectory(NO_PHONE), policy={"grace_period": GRACE})
    assert Reason.WRONG_PASSWORD == (await harness.begin("wrong")).reason
    accept = await harness.begin()
    assert (Outcome.ACCEPT, Reason.GRACE_PERIOD) == result_of(accept)
    assert ("policies.default.grace_until", Mode.ENFORCE) == (accept.rule, accept.mode)
    harness.clock.now = END
    assert (Outcome.REJECT, Reason.NO_PHONE) == result_of(await harness.begin())


async def test_a_grace_period_is_not_for_users_with_a_phone():
    harness = LoginHarness(policy={"grace_period": GRACE})
    assert CALLED == result_of(await harness.begin())
    harness = LoginHarness(policy={"grace_period": GRACE, "numbers": NumberRules(frozenset({"DE"}))})
    assert (Outcome.REJECT, Reason.NUMBER_NOT_ALLOWED) == result_of(await harness.begin())
