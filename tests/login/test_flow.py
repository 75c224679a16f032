import asyncio
import dataclasses
from unittest.mock import AsyncMock

import pytest
from msgspec.structs import replace

from radius_voice.events import CallStatusRecord, Outcome, PlacementRecord, Reason, ServiceRecord
from radius_voice.login.calls.calls import PendingDelivery
from radius_voice.login.codes.keys import session_key_in
from radius_voice.login.deliveries.requests import Indeterminate, NotPlaced, NumberRejected, Placed
from radius_voice.login.flow import LoginFlow
from radius_voice.login.limits.configured import Limits
from radius_voice.login.limits.rate_limits import remaining
from radius_voice.login.model import CallRef, CallStatus, SwapResult, Unavailable, User
from radius_voice.login.phone import NumberRules, Phone
from radius_voice.login.policies.policy import ReplyRule
from radius_voice.trace import Trace
from tests.login.harness import ACCEPTED, ALICE, NOT_PLACED, FakeDirectory, FakeProvider, LoginHarness, limit, result_of
from tests.login.sessions import session_row


@pytest.fixture
def harness():
    return LoginHarness()


async def test_a_right_password_and_the_spoken_code_are_accepted(harness):
    challenge = await harness.begin()
    assert (Outcome.CHALLENGE, Reason.CALL_PLACED) == result_of(challenge)
    assert "ending in 23" in challenge.text
    accept = await harness.answer(harness.provider.codes[0], challenge)
    assert ACCEPTED == result_of(accept)
    await harness.flow.drain()
    assert ["fake1"] == harness.provider.hung_up


async def test_spaces_and_dashes_in_a_typed_code_are_ignored(harness):
    challenge = await harness.begin()
    assert ACCEPTED == result_of(await harness.answer(" ".join(harness.provider.codes[0]) + " - ", challenge))


async def test_a_wrong_password_places_no_call_and_names_only_known_users(harness):
    wrong = await harness.begin("wrong")
    assert (Outcome.REJECT, Reason.WRONG_PASSWORD, "alice") == (*result_of(wrong), wrong.user)
    unknown = await harness.begin("right", name="hunter2")
    assert (Outcome.REJECT, Reason.UNKNOWN_USER, "") == (*result_of(unknown), unknown.user)
    assert wrong.text == unknown.text
    assert [] == harness.provider.requests


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        (User("a", "alice"), Reason.NO_PHONE),
        (replace(ALICE, disabled=True), Reason.DISABLED),
        (replace(ALICE, phones=(Phone("+19005550123"),)), Reason.NUMBER_NOT_ALLOWED),
        (replace(ALICE, phones=(Phone("+88216123456"),)), Reason.NUMBER_NOT_ALLOWED),
    ],
)
async def test_users_who_cannot_be_called_are_refused(user, reason):
    harness = LoginHarness(directory=FakeDirectory(user))
    assert (Outcome.REJECT, reason) == result_of(await harness.begin())


async def test_a_country_that_is_not_allowed_is_never_called():
    harness = LoginHarness(policy={"numbers": NumberRules(frozenset({"DE"}))})
    assert Reason.NUMBER_NOT_ALLOWED == (await harness.begin()).reason


async def test_without_a_first_factor_only_the_directory_decides():
    harness = LoginHarness(policy={"first_factor": None})
    assert Reason.CALL_PLACED == (await harness.begin("anything")).reason
    assert Reason.UNKNOWN_USER == (await harness.begin("anything", name="unknown")).reason
    assert 0 == harness.directory.verifications


async def test_five_concurrent_copies_place_one_call_and_are_accepted_once(harness):
    challenges = await asyncio.gather(*(harness.begin() for _ in range(5)))
    assert 1 == len(harness.provider.requests)
    assert 5 == len({challenge.state for challenge in challenges})
    assert {Reason.CALL_PLACED, Reason.JOINED} == {challenge.reason for challenge in challenges}
    answers = [await harness.answer(harness.provider.codes[0], challenge) for challenge in challenges]
    assert 1 == sum(answer.outcome is Outcome.ACCEPT for answer in answers)


async def test_two_concurrent_right_codes_are_accepted_once(harness):
    one, two = await harness.begin(), await harness.begin()
    code = harness.provider.codes[0]
    answers = await asyncio.gather(harness.answer(code, one), harness.answer(code, two))
    assert [Outcome.ACCEPT, Outcome.REJECT] == sorted(answer.outcome for answer in answers)


async def test_a_user_has_one_live_call_at_all_clients(harness):
    challenge = await harness.begin()
    assert (Outcome.REJECT, Reason.BUSY) == result_of(await harness.begin(client="other"))
    await harness.answer(harness.provider.codes[0], challenge)
    await harness.flow.drain()
    assert Reason.CALL_PLACED == (await harness.begin(client="other")).reason


async def test_a_challenge_response_at_another_client_entry_is_refused(harness):
    challenge = await harness.begin()
    foreign = await harness.answer(harness.provider.codes[0], challenge, client="other")
    assert (Outcome.REJECT, Reason.UNKNOWN_STATE) == result_of(foreign)


@pytest.mark.parametrize("state", [b"", b"short", b"x" * 32, b"x" * 33])
async def test_a_foreign_state_is_refused(harness, state):
    assert (Outcome.REJECT, Reason.UNKNOWN_STATE) == result_of(await harness.answer("123456", state))


async def test_wrong_codes_lock_and_a_right_password_does_not_unlock():
    harness = LoginHarness(limits=Limits(codes={"user": limit("codes", 2, Reason.LOCKED)}))
    challenge = await harness.begin()
    wrong = await harness.answer("x", challenge)
    assert (Outcome.CHALLENGE, Reason.WRONG_CODE) == result_of(wrong)
    assert "2 attempts" in wrong.text
    wrong = await harness.answer("x", wrong)
    assert "1 attempt" in wrong.text
    locked = await harness.answer(harness.provider.codes[0], wrong)
    assert (Outcome.REJECT, Reason.LOCKED) == result_of(locked)
    await harness.flow.drain()
    assert (Outcome.REJECT, Reason.LOCKED) == result_of(await harness.begin())
    assert 1 == len(harness.provider.requests)


async def test_a_right_code_clears_the_count_of_wrong_codes():
    harness = LoginHarness(limits=Limits(codes={"user": limit("codes", 2, Reason.LOCKED)}))
    for _ in range(3):
        challenge = await harness.answer("x", await harness.begin())
        assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[-1], challenge))
        await harness.flow.drain()


async def test_failures_are_limited_before_the_password_is_verified():
    limits = Limits(failures={"user": limit("f", 2, Reason.WRONG_PASSWORD_LIMIT)})
    harness = LoginHarness(limits=limits)
    for _ in range(2):
        await harness.begin("wrong")
    assert (Outcome.REJECT, Reason.WRONG_PASSWORD_LIMIT) == result_of(await harness.begin())
    assert 2 == harness.directory.verifications


async def test_a_right_password_with_an_unavailable_directory_counts_as_no_failure():
    limits = Limits(
        failures={
            "user": limit("f", 1, Reason.WRONG_PASSWORD_LIMIT),
            "calling_station": limit("s", 1, Reason.WRONG_PASSWORD_LIMIT),
        }
    )
    harness = LoginHarness(limits=limits)
    await harness.begin()
    harness.directory.unavailable = True
    down = await harness.begin()
    assert (Outcome.NO_RESPONSE, Reason.IDENTITY_UNAVAILABLE) == result_of(down)
    harness.directory.unavailable = False
    assert Reason.JOINED == (await harness.begin()).reason


async def test_a_right_password_with_another_directory_that_is_unavailable_counts_as_no_failure():
    limits = Limits(failures={"user": limit("f", 1, Reason.WRONG_PASSWORD_LIMIT)})
    directory = FakeDirectory(ALICE)
    harness = LoginHarness(limits=limits, policy={"directory": directory, "directory_name": "other"})
    directory.unavailable = True
    for _ in range(3):
        assert (Outcome.NO_RESPONSE, Reason.IDENTITY_UNAVAILABLE) == result_of(await harness.begin())
    directory.unavailable = False
    assert Reason.CALL_PLACED is (await harness.begin()).reason


async def test_calls_are_limited_in_one_operation_with_the_row():
    limits = Limits(
        calls={"user": limit("p", 1, Reason.CALL_LIMIT), "total": limit("a", 5, Reason.CALL_LIMIT)},
        daily={"country": limit("c", 5, Reason.CALL_LIMIT)},
    )
    harness = LoginHarness(limits=limits)
    challenge = await harness.begin()
    await harness.answer(harness.provider.codes[0], challenge)
    await harness.flow.drain()
    assert (Outcome.REJECT, Reason.CALL_LIMIT) == result_of(await harness.begin())
    harness.clock.now += 601
    assert Reason.CALL_PLACED == (await harness.begin()).reason


@pytest.mark.parametrize("scope", ["user", "phone", "country", "total", "client", "calling_station"])
async def test_a_reject_beyond_a_limit_names_its_rule(scope):
    harness = LoginHarness(limits=Limits(calls={scope: limit(f"calls.{scope}", 1, Reason.CALL_LIMIT)}))
    challenge = await harness.begin()
    await harness.answer(harness.provider.codes[0], challenge)
    await harness.flow.drain()
    decided = await harness.begin()
    assert ((Outcome.REJECT, Reason.CALL_LIMIT), f"limits.calls.{scope}") == (result_of(decided), decided.rule)


async def test_rejects_beyond_the_limits_of_passwords_and_codes_name_their_rule():
    limits = Limits(
        failures={"user": limit("wrong_passwords.user", 1, Reason.WRONG_PASSWORD_LIMIT)},
        codes={"user": limit("wrong_codes.user", 1, Reason.LOCKED)},
    )
    harness = LoginHarness(limits=limits)
    again = await harness.answer("000000", await harness.begin())
    locked = await harness.answer("000000", again)
    await harness.begin("wrong")
    limited = await harness.begin("wrong")
    assert (Reason.LOCKED, "limits.wrong_codes.user") == (locked.reason, locked.rule)
    assert (Reason.WRONG_PASSWORD_LIMIT, "limits.wrong_passwords.user") == (limited.reason, limited.rule)


async def test_a_country_may_have_its_own_limit_or_none():
    alice = replace(ALICE, phones=(Phone("+37129123456"),))
    bob = User("bob-id", "bob", (Phone("+4930123456"),))
    carol, dave = User("carol-id", "carol", ALICE.phones), User("dave-id", "dave", ALICE.phones)
    of_latvia = limit("calls_per_day.countries.LV", 1, Reason.CALL_LIMIT)
    limits = Limits(
        daily={"country": limit("calls_per_day.country", 1, Reason.CALL_LIMIT)},
        daily_by_country={"LV": of_latvia, "DE": None},
    )
    harness = LoginHarness(directory=FakeDirectory(alice, bob, carol, dave), limits=limits)
    for name in ("alice", "bob", "bob", "carol"):
        challenge = await harness.begin(name=name)
        assert Reason.CALL_PLACED is challenge.reason
        await harness.answer(harness.provider.codes[-1], challenge, name=name)
        await harness.flow.drain()
    assert ["limits.calls_per_day.countries.LV", "limits.calls_per_day.country"] == [
        (await harness.begin(name=name)).rule for name in ("alice", "dave")
    ]


async def test_a_replayed_packet_places_no_call(harness):
    packet = b"p" * 16
    challenge = await harness.begin(packet=packet)
    await harness.answer(harness.provider.codes[0], challenge)
    await harness.flow.drain()
    assert (Outcome.REJECT, Reason.REPLAY) == result_of(await harness.begin(packet=packet))


async def test_logging_in_again_after_a_missed_call_places_a_new_call(harness):
    await harness.begin()
    harness.provider.statuses["fake1"] = CallStatus.NO_ANSWER
    await harness.flow.follower.poll()
    again = await harness.begin()
    assert (Outcome.CHALLENGE, Reason.REDIAL) == result_of(again)
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[1], again))


async def test_phone_instead_of_a_code_hangs_up_and_calls_again(harness):
    again = await harness.answer("phone", await harness.begin())
    assert (Outcome.CHALLENGE, Reason.REDIAL) == result_of(again)
    assert ["fake1"] == harness.provider.hung_up
    other = await harness.answer(" PHONE2 ", again)
    assert ["+12025550123", "+12025550123", "+12025550124"] == [
        order.phone.address for order in harness.provider.requests
    ]
    assert "24" in other.text
    assert Reason.REDIAL_UNAVAILABLE == (await harness.answer("phone3", other)).reason


async def test_a_redial_beyond_the_call_limits_keeps_the_challenge():
    harness = LoginHarness(limits=Limits(calls={"user": limit("calls.user", 1, Reason.CALL_LIMIT)}))
    again = await harness.answer("phone", await harness.begin())
    assert (Outcome.CHALLENGE, Reason.REDIAL_UNAVAILABLE) == result_of(again)
    assert "limits.calls.user" == again.rule
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], again))


async def test_a_call_that_cannot_be_hung_up_is_not_followed_by_another(harness):
    challenge = await harness.begin()
    harness.provider.unavailable = True
    again = await harness.answer("phone", challenge)
    assert (Outcome.CHALLENGE, Reason.DELIVERY_INDETERMINATE) == result_of(again)
    assert 1 == len(harness.provider.requests)
    assert any(isinstance(record, ServiceRecord) for record in harness.records)


async def test_a_rejected_number_leads_to_the_next_phone_which_is_charged():
    limits = Limits(calls={"phone": limit("p", 1, Reason.CALL_LIMIT)})
    harness = LoginHarness(providers=(FakeProvider(NumberRejected("21211")),), limits=limits)
    assert Reason.CALL_PLACED == (await harness.begin()).reason
    assert ["+12025550123", "+12025550124"] == [order.phone.address for order in harness.provider.requests]
    assert (await harness.store.apply_limits(limits.for_phone(Phone("+12025550124")))) is not None


@pytest.mark.parametrize("scope", ["phone", "country"])
async def test_a_phone_that_no_provider_was_asked_for_leaves_its_limits_to_the_next_one(scope):
    alice = replace(ALICE, phones=(Phone("+12025550123", "42"), Phone("+493012345678")))
    limits = Limits(calls={scope: limit(scope, 2, Reason.CALL_LIMIT)})
    harness = LoginHarness(FakeDirectory(alice), (FakeProvider(*[UNABLE, PLACED] * 2, UNABLE),), limits=limits)
    for _ in range(2):
        challenge = await harness.begin()
        assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[-1], challenge))
    assert (Outcome.REJECT, Reason.NUMBER_REJECTED) == result_of(await harness.begin())
    assert 5 == len(harness.provider.requests), "the second phone was called twice"
    uses = {phone: limits.for_phone(phone)[-1] for phone in alice.phones}
    stored = await harness.store.arrival_times(list(uses.values()))
    left = [remaining(stored[use], use.limit, harness.clock()) for use in uses.values()]
    assert [2, 0] == left


async def test_a_phone_that_is_not_called_after_another_one_keeps_its_limits():
    limits = Limits(calls={"phone": limit("phone", 1, Reason.CALL_LIMIT)})
    harness = LoginHarness(providers=(FakeProvider(*[UNABLE, NOT_PLACED] * 2),), limits=limits)
    for _ in range(2):
        assert (Outcome.REJECT, Reason.DELIVERY_FAILED) == result_of(await harness.begin())
    assert 4 == len(harness.provider.requests)


async def test_the_next_phone_is_not_called_beyond_its_limit():
    limits = Limits(calls={"phone": limit("p", 1, Reason.CALL_LIMIT)})
    harness = LoginHarness(providers=(FakeProvider(NumberRejected("21211")),), limits=limits)
    await harness.store.apply_limits(limits.for_phone(Phone("+12025550124")))
    assert (Outcome.REJECT, Reason.NUMBER_REJECTED) == result_of(await harness.begin())
    assert 1 == len(harness.provider.requests)


async def test_a_session_with_only_rejected_numbers_is_rejected():
    harness = LoginHarness(providers=(FakeProvider(NumberRejected("1"), NumberRejected("2", alarm=True)),))
    assert (Outcome.REJECT, Reason.NUMBER_REJECTED) == result_of(await harness.begin())
    called = [record for record in harness.records if isinstance(record, PlacementRecord)]
    assert [False, True] == [record.alarm for record in called]


async def test_a_provider_that_did_not_place_the_call_leads_to_the_next_provider():
    first, second = FakeProvider(NOT_PLACED, name="first"), FakeProvider(name="second")
    harness = LoginHarness(providers=(first, second))
    assert Reason.CALL_PLACED == (await harness.begin()).reason
    assert (1, 1) == (len(first.requests), len(second.requests))


async def test_unavailable_providers_reject_and_the_call_is_refunded():
    limits = Limits(calls={"user": limit("p", 1, Reason.CALL_LIMIT)})
    harness = LoginHarness(providers=(FakeProvider(NOT_PLACED),), limits=limits)
    assert (Outcome.REJECT, Reason.DELIVERY_FAILED) == result_of(await harness.begin())
    assert Reason.CALL_PLACED == (await harness.begin()).reason


async def test_a_configured_bypass_accepts_until_its_end_and_only_with_a_right_password():
    harness = LoginHarness(providers=(FakeProvider(NOT_PLACED, NOT_PLACED),), policy={"bypass_until": 1_000_060.0})
    assert Reason.WRONG_PASSWORD == (await harness.begin("wrong")).reason
    assert (Outcome.ACCEPT, Reason.BYPASS) == result_of(await harness.begin())
    harness.clock.now += 61
    assert (Outcome.REJECT, Reason.DELIVERY_FAILED) == result_of(await harness.begin())


async def test_an_indeterminate_call_keeps_the_challenge_and_is_never_placed_again():
    first, second = FakeProvider(Indeterminate("500"), name="first"), FakeProvider(name="second")
    harness = LoginHarness(providers=(first, second))
    challenge = await harness.begin()
    assert (Outcome.CHALLENGE, Reason.DELIVERY_INDETERMINATE) == result_of(challenge)
    assert [] == second.requests
    assert ACCEPTED == result_of(await harness.answer(first.codes[0], challenge))


async def test_a_provider_that_raises_keeps_the_challenge_and_logs_a_warning():
    harness = LoginHarness(providers=(FakeProvider(RuntimeError("secret detail")),))
    assert (Outcome.CHALLENGE, Reason.DELIVERY_INDETERMINATE) == result_of(await harness.begin())
    await harness.flow.drain()
    await asyncio.sleep(0)
    warnings = [record for record in harness.records if isinstance(record, ServiceRecord)]
    assert ["a login's background task failed: RuntimeError"] == [warning.detail for warning in warnings]


async def test_the_challenge_is_sent_before_response_timeout():
    harness = LoginHarness(response_timeout=0.2)
    harness.provider.gate = asyncio.Event()
    challenge = await harness.begin()
    assert (Outcome.CHALLENGE, Reason.DELIVERY_PENDING) == result_of(challenge)
    harness.provider.gate.set()
    await harness.flow.drain()
    assert 1 == len(harness.flow.follower)
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], challenge))


async def test_a_call_placed_after_its_session_ended_is_hung_up():
    harness = LoginHarness(response_timeout=0.2, policy={"attempts": 1})
    harness.provider.gate = asyncio.Event()
    challenge = await harness.begin()
    assert Reason.NO_ATTEMPTS_LEFT == (await harness.answer("x", challenge)).reason
    harness.provider.gate.set()
    await harness.flow.drain()
    assert ["fake1"] == harness.provider.hung_up


async def test_an_indeterminate_call_blocks_new_calls_to_its_user_until_it_must_have_ended():
    harness = LoginHarness(providers=(FakeProvider(Indeterminate("500")),), policy={"attempts": 1})
    assert Reason.NO_ATTEMPTS_LEFT == (await harness.answer("x", await harness.begin())).reason
    assert (Outcome.REJECT, Reason.BUSY) == result_of(await harness.begin())
    harness.clock.now += harness.flow._dependencies.policies["default"].rules.call_seconds
    assert Reason.CALL_PLACED == (await harness.begin()).reason
    assert 2 == len(harness.provider.requests)


async def test_a_call_that_cannot_be_hung_up_keeps_its_user_busy():
    harness = LoginHarness(policy={"attempts": 1})
    challenge = await harness.begin()
    harness.provider.unavailable = True
    await harness.answer("x", challenge)
    await harness.flow.drain()
    assert (Outcome.REJECT, Reason.BUSY) == result_of(await harness.begin())


async def test_a_slow_placement_of_the_previous_session_does_not_change_this_one():
    harness = LoginHarness(response_timeout=0.2, policy={"attempts": 1})
    harness.provider.gate = asyncio.Event()
    await harness.answer("x", await harness.begin())
    harness.clock.now += harness.flow._dependencies.policies["default"].rules.call_seconds
    harness.provider.gate, held = None, harness.provider.gate
    challenge = await harness.begin()
    held.set()
    await harness.flow.drain()
    assert 1 == len(harness.provider.hung_up)
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[-1], challenge))


async def test_users_of_one_gateway_who_log_in_at_once_do_not_affect_each_other():
    users = [User(f"id{n}", f"user{n}", (Phone(f"+120255501{n:02}"),)) for n in range(40)]
    limits = Limits(failures={"client": limit("s", 3, Reason.WRONG_PASSWORD_LIMIT)})
    harness = LoginHarness(directory=FakeDirectory(*users), limits=limits)
    decisions = await asyncio.gather(*(harness.begin(name=user.name) for user in users))
    assert {Reason.CALL_PLACED} == {decision.reason for decision in decisions}
    for _ in range(3):
        await harness.begin("wrong", name="user0")
    assert Reason.WRONG_PASSWORD_LIMIT == (await harness.begin(name="user1")).reason


async def test_the_next_phone_is_not_called_if_it_is_locked():
    limits = Limits(codes={"phone": limit("c", 1, Reason.LOCKED)})
    harness = LoginHarness(providers=(FakeProvider(NumberRejected("21211")),), limits=limits)
    await harness.store.apply_limits(limits.for_code({"phone": "+12025550124"}))
    assert (Outcome.REJECT, Reason.NUMBER_REJECTED) == result_of(await harness.begin())
    assert 1 == len(harness.provider.requests)


BYPASS = {"bypass_until": 2_000_000.0}
REFUSED = NumberRejected("21211")
UNABLE, PLACED = NumberRejected("cannot", sent=False), Placed("r")
PACED, NOT_LISTED = NotPlaced("429"), NotPlaced("HTTP 400, code 21205", alarm=True)


@pytest.mark.parametrize(
    "answers",
    [
        ([PACED], [NOT_PLACED]),
        ([NOT_PLACED], [NOT_LISTED]),
        ([REFUSED, REFUSED], [NOT_PLACED]),
        ([REFUSED, NOT_PLACED], [NOT_PLACED]),
        ([NOT_PLACED, NOT_PLACED], [REFUSED, NOT_PLACED]),
    ],
)
async def test_a_session_with_a_failure_other_than_an_outage_never_uses_the_bypass(answers):
    providers = tuple(FakeProvider(*each, name=name) for name, each in zip("ab", answers, strict=True))
    harness = LoginHarness(providers=providers, policy=BYPASS)
    assert Outcome.REJECT == (await harness.begin()).outcome


@pytest.mark.parametrize(
    ("answers", "counted"),
    [
        ([REFUSED], True),
        ([PACED], True),
        ([NOT_LISTED], True),
        ([NOT_PLACED], False),
        ([NotPlaced("no time left", sent=False)], False),
        ([NOT_PLACED, NotPlaced("no time left", sent=False)], False),
        ([NOT_PLACED, PACED], True),
        ([PACED, NOT_PLACED], True),
    ],
)
async def test_a_call_that_a_provider_received_and_refused_counts_towards_the_limits(answers, counted):
    providers = tuple(FakeProvider(*[answer] * 3, name=str(number)) for number, answer in enumerate(answers))
    alice = replace(ALICE, phones=ALICE.phones[:1])
    limits = Limits(calls={"user": limit("calls.user", 2, Reason.CALL_LIMIT)})
    harness = LoginHarness(directory=FakeDirectory(alice), providers=providers, limits=limits)
    reason = Reason.NUMBER_REJECTED if answers == [REFUSED] else Reason.DELIVERY_FAILED
    assert [reason] * 2 == [(await harness.begin()).reason for _ in range(2)]
    assert (Reason.CALL_LIMIT if counted else reason) is (await harness.begin()).reason
    assert (2 if counted else 3) == len(harness.provider.requests)


async def test_a_rejected_number_counts_although_the_next_phone_had_an_outage():
    limits = Limits(calls={"user": limit("calls.user", 1, Reason.CALL_LIMIT)})
    harness = LoginHarness(providers=(FakeProvider(REFUSED, NOT_PLACED),), limits=limits)
    assert [Reason.DELIVERY_FAILED, Reason.CALL_LIMIT] == [(await harness.begin()).reason for _ in range(2)]


async def test_an_outage_of_every_provider_uses_the_bypass():
    harness = LoginHarness(
        providers=(FakeProvider(NOT_PLACED, name="a"), FakeProvider(NOT_PLACED, name="b")), policy=BYPASS
    )
    assert (Outcome.ACCEPT, Reason.BYPASS) == result_of(await harness.begin())


@pytest.mark.parametrize("first", [Placed("r"), Indeterminate("500")])
@pytest.mark.parametrize("refusal", [REFUSED, NOT_LISTED])
async def test_a_redial_never_uses_the_bypass_if_its_session_had_another_failure(first, refusal):
    one, two = FakeProvider(refusal, name="a"), FakeProvider(first, name="b")
    providers = (one, two)
    if refusal is REFUSED:
        one.results.append(first)
    harness = LoginHarness(providers=providers, policy=BYPASS)
    challenge = await harness.begin()
    assert Outcome.CHALLENGE == challenge.outcome
    harness.clock.now += harness.flow._dependencies.policies["default"].rules.call_seconds
    for provider in providers:
        provider.results = [NOT_PLACED, NOT_PLACED]
    assert (Outcome.REJECT, Reason.DELIVERY_FAILED) == result_of(await harness.answer("phone", challenge))


async def test_a_call_of_a_provider_that_is_not_configured_any_longer_is_not_replaced(harness):
    challenge = await harness.begin()
    harness.flow.follower._call_controls = {}
    again = await harness.answer("phone", challenge)
    assert (Outcome.CHALLENGE, Reason.DELIVERY_INDETERMINATE) == result_of(again)
    assert 1 == len(harness.provider.requests)


async def test_a_delivery_failure_after_the_challenge_ends_the_session_without_bypass():
    harness = LoginHarness(
        response_timeout=0.2, providers=(FakeProvider(NOT_PLACED),), policy={"bypass_until": 2_000_000.0}
    )
    harness.provider.gate = asyncio.Event()
    challenge = await harness.begin()
    harness.provider.gate.set()
    await harness.flow.drain()
    assert (Outcome.REJECT, Reason.USED_STATE) == result_of(await harness.answer(harness.provider.codes[0], challenge))


async def test_no_call_is_placed_for_an_expired_request(harness):
    late = await harness.begin(late=3.0)
    assert (Outcome.NO_RESPONSE, Reason.DEADLINE_PASSED) == result_of(late)
    assert [] == harness.provider.requests


async def test_calls_are_followed_until_they_are_over(harness):
    await harness.begin()
    await harness.flow.follower.poll()
    await harness.flow.follower.poll()
    harness.provider.statuses["fake1"] = CallStatus.ANSWERED
    await harness.flow.follower.poll()
    harness.provider.unavailable = True
    await harness.flow.follower.poll()
    assert 1 == len(harness.flow.follower)
    harness.provider.unavailable = False
    harness.provider.statuses["fake1"] = CallStatus.COMPLETED
    await harness.flow.follower.poll()
    assert 0 == len(harness.flow.follower)
    followed = [record.status for record in harness.records if isinstance(record, CallStatusRecord)]
    assert ["ringing", "answered", "completed"] == followed


async def test_a_call_that_never_ends_is_not_followed_forever(harness):
    await harness.begin()
    harness.clock.now += 3600
    await harness.flow.follower.poll()
    assert 0 == len(harness.flow.follower)


async def test_calls_of_an_unavailable_provider_are_not_followed(harness):
    harness.flow.follower._call_controls = {}
    challenge = await harness.begin()
    assert 0 == len(harness.flow.follower)
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], challenge))


async def test_a_call_that_cannot_be_ended_is_live_until_it_must_be_over():
    class Provider(FakeProvider):
        call_control = None

    harness = LoginHarness(providers=(Provider(),))
    challenge = await harness.begin()
    redial = await harness.answer("phone", challenge)
    assert (Outcome.CHALLENGE, Reason.REDIAL_UNAVAILABLE) == result_of(redial)
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], redial))
    await harness.flow.drain()
    assert (Outcome.REJECT, Reason.BUSY) == result_of(await harness.begin(client="other"))
    harness.clock.now += harness.flow._dependencies.policies["default"].rules.call_seconds
    assert (Outcome.CHALLENGE, Reason.CALL_PLACED) == result_of(await harness.begin(client="other"))
    assert [] == [record for record in harness.records if isinstance(record, ServiceRecord)]


async def test_a_login_without_a_call_makes_no_user_busy_and_ends_no_call():
    harness = LoginHarness(providers=(FakeProvider(Placed("sent", live=False), Placed("sent", live=False)),))
    challenge = await harness.begin()
    assert 0 == len(harness.flow.follower)
    assert Reason.CALL_PLACED == (await harness.begin(client="other")).reason
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], challenge))
    await harness.flow.drain()
    assert [] == harness.provider.hung_up


async def test_a_status_after_hanging_up_is_ignored(harness):
    challenge = await harness.begin()

    async def progress(calls):
        await harness.flow.follower.hang_up(calls[0])
        return {calls[0]: CallStatus.COMPLETED}

    harness.provider.progress = progress
    await harness.flow.follower.poll()
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], challenge))


async def test_the_attributes_of_an_accept_depend_on_the_groups():
    rules = (
        ReplyRule("admins", ((25, b"A"),)),
        ReplyRule(None, ((11, b"all"),)),
        ReplyRule("x", ((25, b"X"),)),
    )
    harness = LoginHarness(
        directory=FakeDirectory(replace(ALICE, groups=frozenset({"admins"}))), policy={"reply": rules}
    )
    challenge = await harness.begin()
    assert () == challenge.reply
    accept = await harness.answer(harness.provider.codes[0], challenge)
    assert ((25, b"A"), (11, b"all")) == accept.reply
    repeated = await harness.answer(harness.provider.codes[0], challenge)
    assert (Outcome.ACCEPT, Reason.REPEATED) == result_of(repeated)
    assert accept.reply == repeated.reply


class FailingStore:
    """A store in front of another. It is unavailable, or every swap is stale."""

    def __init__(self, store, *, stale=False):
        self._store = store
        self._stale = stale

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def load(self, key):
        if not self._stale:
            raise Unavailable("store", "down")
        return await self._store.load(key)

    async def compare_and_swap(self, old, new, operations=(), record=None, durable=None):
        return SwapResult.STALE


@pytest.mark.parametrize("stale", [True, False])
@pytest.mark.parametrize(
    ("setting", "outcome"), [(Outcome.NO_RESPONSE, Outcome.NO_RESPONSE), (Outcome.REJECT, Outcome.REJECT)]
)
async def test_an_unavailable_store_gives_no_response_or_reject_as_configured(stale, setting, outcome):
    harness = LoginHarness(policy={"on_unavailable": setting})
    challenge = await harness.begin()
    harness.restart_with(FailingStore(harness.store, stale=stale))
    assert (outcome, Reason.STORE_UNAVAILABLE) == result_of(await harness.begin())
    assert (outcome, Reason.STORE_UNAVAILABLE) == result_of(await harness.answer("x", challenge))
    await harness.flow.on_call_event(CallRef("fake", "fake1"), CallStatus.COMPLETED)


async def test_the_status_of_a_call_is_lost_while_the_store_is_unavailable(harness):
    await harness.begin()
    store = harness.store
    store.session_of_call = AsyncMock(side_effect=Unavailable("store", "down"))
    await harness.flow.on_call_event(CallRef("fake", "fake1"), CallStatus.COMPLETED)
    assert "status of a call was lost" in harness.records[-1].detail


async def test_the_end_of_a_call_is_lost_while_the_store_is_unavailable(harness):
    challenge = await harness.begin()
    swaps = harness.store.compare_and_swap

    async def fail_after_the_accept(old, new, *more):
        if new.delivery.over:
            raise Unavailable("store", "down")
        return await swaps(old, new, *more)

    harness.store.compare_and_swap = fail_after_the_accept
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], challenge))
    await harness.flow.drain()
    assert "end of a call was lost" in harness.records[-1].detail


async def test_the_status_of_a_call_reaches_its_session_at_another_node(harness):
    challenge = await harness.begin()
    other = LoginFlow(harness.flow._dependencies)
    await other.on_call_event(CallRef("fake", "fake1"), CallStatus.NO_ANSWER)
    await other.on_call_event(CallRef("fake", "unknown"), CallStatus.NO_ANSWER)
    key = session_key_in(challenge.state)
    assert key is not None
    assert (await harness.store.load(key)).delivery.over


async def test_a_session_of_a_policy_that_was_removed_follows_the_policy_of_its_client(harness):
    challenge = await harness.begin()
    key = session_key_in(challenge.state)
    assert key is not None
    session = await harness.store.load(key)
    await harness.store.compare_and_swap(session, replace(session, policy="removed", version=session.version + 1))
    await harness.flow.on_call_event(CallRef("fake", "fake1"), CallStatus.ANSWERED)
    again = await harness.answer("phone", challenge)
    assert Reason.REDIAL is again.reason
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[1], again))


async def test_the_first_group_rule_of_a_user_replaces_the_rules_of_the_policy():
    user = replace(ALICE, groups=frozenset({"contractors", "admins"}))
    own = LoginHarness()._policy.rules
    rules = {
        "staff": dataclasses.replace(own, digits=4),
        "admins": dataclasses.replace(own, digits=8, attempts=2, numbers=NumberRules(frozenset({"US"}))),
        "contractors": dataclasses.replace(own, digits=10),
    }
    harness = LoginHarness(directory=FakeDirectory(user), policy={"group_rules": rules})
    challenge = await harness.begin()
    key = session_key_in(challenge.state)
    assert key is not None
    session = await harness.store.load(key)
    assert session is not None
    assert ("default", "admins", 2) == (session.policy, session.group, session.attempts_left)
    again = await harness.answer("phone2", challenge)
    assert [8, 8] == [len(code) for code in harness.provider.codes]
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[1], again))


async def test_a_group_rule_may_forbid_the_country_of_every_phone():
    user = replace(ALICE, groups=frozenset({"contractors"}))
    rules = {"contractors": dataclasses.replace(LoginHarness()._policy.rules, numbers=NumberRules(frozenset({"DE"})))}
    rules["contractors"] = dataclasses.replace(
        rules["contractors"], key_rules={"countries": ("policies", "default", "group_rules", 0, "countries")}
    )
    harness = LoginHarness(directory=FakeDirectory(user), policy={"group_rules": rules})
    decided = await harness.begin()
    assert (Reason.NUMBER_NOT_ALLOWED, "policies.default.group_rules[0].countries") == (decided.reason, decided.rule)


async def test_no_record_or_repr_has_a_secret(harness):
    challenge = await harness.begin("right")
    code = harness.provider.codes[0]
    await harness.answer(code, challenge)
    shown = repr(harness.records) + repr(challenge) + repr(harness.provider.requests) + repr(harness.request("right"))
    shown += repr(harness.request("right").credentials) + repr(
        PendingDelivery(session_row(), code, harness._policy, harness._policy.rules, harness.request("right"))
    )
    assert code not in shown
    assert "'right'" not in shown
    assert "2025550123" not in shown


async def test_the_steps_of_a_login_whose_call_failed_name_no_placed_call():
    harness = LoginHarness(providers=(FakeProvider(NOT_PLACED),))
    trace = Trace(0.0, harness.clock)

    decision = await harness.flow.begin(harness.request(), trace)

    assert (Outcome.REJECT, Reason.DELIVERY_FAILED) == result_of(decision)
    assert [("session", "opened"), ("delivery", "delivery_failed")] == [
        (step.name, step.detail) for step in trace.steps if step.name != "password"
    ]
