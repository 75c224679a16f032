"""The reservations of deliveries in the budgets of a day, and the refunds when they have ended."""

import asyncio
from dataclasses import replace as replace_costs

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from radius_voice.events import CostRecord, Outcome, Reason
from radius_voice.login.deliveries.requests import Indeterminate, NotPlaced, NumberRejected, Placed
from radius_voice.login.inputs import CallProgress
from radius_voice.login.limits.configured import Limits
from radius_voice.login.limits.costs import UNITS, Costs, Prices, minutes, subject_at, without_day
from radius_voice.login.limits.rate_limits import DAY_SECONDS, remaining
from radius_voice.login.model import CallRef, CallStatus, Limit, LimitAction, LimitOperation, Method, Unavailable, User
from radius_voice.login.phone import Phone
from radius_voice.login.session.sessions import Sessions
from tests.login.harness import ALICE, NOT_PLACED, FakeDirectory, FakeProvider, LoginHarness, result_of

LATVIA, GERMANY = Phone("+37129123456"), Phone("+4915112345678")
PRICES = Prices({"voice": {"+": 9000, "+1": 200, "+371": 5000, "+3712": 6000}, "sms": {"+": 100}})
BUDGETS = {"user": 60_000, "country": 100_000, "total": 200_000}
MIDNIGHT = 12 * DAY_SECONDS


def budget(scope, units):
    return Limit(f"cost_per_day.{scope}", units, float(DAY_SECONDS), Reason.COST_LIMIT, counts=True)


def costs(budgets=BUDGETS, by_country=()):
    of_countries = {code: None if units is None else budget(f"countries.{code}", units) for code, units in by_country}
    return Costs(PRICES, ("ACME VPN",), {scope: budget(scope, units) for scope, units in budgets.items()}, of_countries)


def users_with(*phones):
    return [User(f"user{n}-id", f"user{n}", (phone,)) for n, phone in enumerate(phones)]


def harness_with(users=(ALICE,), budgets=BUDGETS, by_country=(), **more):
    limits = Limits(costs=costs(budgets, by_country))
    harness = LoginHarness(directory=FakeDirectory(*users), limits=limits, **more)
    harness.clock.now = MIDNIGHT + 3600.0
    return harness


async def used(harness, scope="total", subject="total", day=None):
    """The units that are used of a budget, today or on another day."""
    limit = harness.limits.costs.budgets[scope]
    at = harness.clock.now if day is None else day * DAY_SECONDS
    operation = LimitOperation(limit, subject_at(subject, at))
    (stored,) = (await harness.store.arrival_times([operation])).values()
    return limit.burst - remaining(stored, limit, harness.clock.now)


async def used_by(harness, user_key="people:alice-id", country="US"):
    scopes = (("user", user_key), ("country", country), ("total", "total"))
    return [await used(harness, scope, subject) for scope, subject in scopes]


async def ended(harness, status=CallStatus.COMPLETED, reference="fake1"):
    harness.provider.statuses[reference] = status
    await harness.flow.follower.poll()


def records(harness):
    return [(each.reserved, each.settled) for each in harness.records if isinstance(each, CostRecord)]


@pytest.mark.parametrize(
    ("number", "price"),
    [("+12025550123", 200), ("+37123456789", 6000), ("+37167123456", 5000), ("+4930123456", 9000), ("", 0)],
)
def test_the_price_of_the_longest_prefix_applies(number, price):
    assert price == PRICES.price(Method.VOICE, Phone(number))
    assert 0 == PRICES.price(Method.ISSUED_CODE, Phone(number))


def test_a_sip_address_has_the_budget_of_its_domain_and_a_price_of_its_own():
    address = Phone("sips:3105@pbx.example.org:5061")
    assert 0 == PRICES.price(Method.VOICE, address)
    costs_of_sip = replace_costs(costs(), prices=Prices({"voice": {"+": 9000, "sip:": 100}}))
    assert 100 == costs_of_sip.prices.price(Method.VOICE, address)
    operations = costs_of_sip.operations("people:alice-id", address, MIDNIGHT, 100)
    assert subject_at("sip:pbx.example.org", MIDNIGHT) in [operation.subject for operation in operations]


@pytest.mark.parametrize(("seconds", "charged"), [(0.0, 1), (60.0, 1), (60.1, 2), (120.0, 2), (121.0, 3)])
def test_each_minute_that_has_begun_is_charged(seconds, charged):
    assert charged == minutes(seconds)


def test_the_subject_of_a_budget_has_the_utc_day():
    assert ["total 11", "total 12"] == [subject_at("total", MIDNIGHT + seconds) for seconds in (-0.1, 0.0)]
    assert "people:alice id" == without_day(subject_at("people:alice id", MIDNIGHT))


async def test_a_call_reserves_ringing_and_speech_and_keeps_what_it_lasted():
    harness = harness_with()
    await harness.begin()
    assert [400, 400, 400] == await used_by(harness)
    harness.clock.now += 55
    await ended(harness)
    assert [200, 200, 200] == await used_by(harness)
    await ended(harness, CallStatus.BUSY)
    await ended(harness)
    assert [200, 200, 200] == await used_by(harness)
    assert [(400 / UNITS, 0.0), (0.0, 200 / UNITS)] == records(harness)


async def test_a_call_costs_at_most_its_reservation():
    harness = harness_with()
    await harness.begin()
    harness.clock.now += 139
    await ended(harness)
    assert [400, 400, 400] == await used_by(harness)
    assert (0.0, 400 / UNITS) == records(harness)[-1]


@pytest.mark.parametrize("status", [CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED, CallStatus.CANCELED])
async def test_a_call_that_is_not_answered_costs_nothing(status):
    harness = harness_with()
    await harness.begin()
    await ended(harness, status)
    assert [0, 0, 0] == await used_by(harness)
    assert (0.0, 0.0) == records(harness)[-1]


async def test_a_right_code_ends_the_call_and_settles_it():
    harness = harness_with()
    challenge = await harness.begin()
    harness.clock.now += 20
    await harness.answer(harness.provider.codes[0], challenge)
    await harness.flow.drain()
    assert ["fake1"] == harness.provider.hung_up
    assert [200, 200, 200] == await used_by(harness)


async def test_a_delivery_that_no_provider_made_costs_nothing():
    harness = harness_with(providers=(FakeProvider(NOT_PLACED, NotPlaced("refused")),))
    for reason in (Reason.DELIVERY_FAILED, Reason.DELIVERY_FAILED):
        assert reason is (await harness.begin()).reason
        assert [0, 0, 0] == await used_by(harness)


async def test_a_delivery_that_may_have_been_made_keeps_its_reservation():
    harness = harness_with(providers=(FakeProvider(Indeterminate("sent")),))
    await harness.begin()
    harness.clock.now += 600
    assert [400, 400, 400] == await used_by(harness)


async def test_a_rejected_number_moves_the_reservation_to_the_country_of_the_next():
    alice = replace(ALICE, phones=(LATVIA, ALICE.phones[0]))
    harness = harness_with([alice], providers=(FakeProvider(NumberRejected("n")),))
    await harness.begin()
    assert [400, 400, 400] == await used_by(harness)
    assert 0 == await used(harness, "country", "LV")
    harness.clock.now += 30
    await ended(harness, reference="fake2")
    assert [200, 200, 200] == await used_by(harness)


async def test_when_all_numbers_are_rejected_every_reservation_is_refunded():
    alice = replace(ALICE, phones=(ALICE.phones[0], LATVIA))
    harness = harness_with([alice], providers=(FakeProvider(NumberRejected("n"), NumberRejected("n")),))
    assert Reason.NUMBER_REJECTED is (await harness.begin()).reason
    assert [0, 0, 0] == await used_by(harness)
    assert 0 == await used(harness, "country", "LV")


async def test_the_next_phone_is_not_called_beyond_its_budget():
    alice = replace(ALICE, phones=(ALICE.phones[0], LATVIA))
    harness = harness_with(
        [alice], {"country": 11_999, "total": 50_000}, providers=(FakeProvider(NumberRejected("n")),)
    )
    assert Reason.NUMBER_REJECTED is (await harness.begin()).reason
    assert 1 == len(harness.provider.requests)
    assert [0, 0, 0] == [
        await used(harness),
        await used(harness, "country", "LV"),
        await used(harness, "country", "US"),
    ]


async def test_another_method_reserves_its_own_price():
    voice, sms = FakeProvider(NOT_PLACED, name="voice"), FakeProvider(Placed("sm1", live=False), name="sms")
    harness = harness_with(
        policy={"methods": (Method.VOICE, Method.SMS)},
        by_method={Method.VOICE: {"voice": voice}, Method.SMS: {"sms": sms}},
    )
    await harness.begin()
    assert [100, 100, 100] == await used_by(harness)
    assert [(400 / UNITS, 0.0), (0.0, 100 / UNITS)] == records(harness)


async def test_a_text_message_costs_each_of_its_segments():
    sms = FakeProvider(Placed("sm1", live=False), name="sms")
    harness = harness_with(policy={"methods": (Method.SMS,)}, by_method={Method.SMS: {"sms": sms}})
    await harness.begin()
    assert [100, 100, 100] == await used_by(harness)
    longer = Costs(PRICES, ("V", "V" * 160)).reservation(Method.SMS, ALICE.phones[0], 0.0, "en")
    assert 200 == longer.cost


async def test_a_call_whose_end_is_not_followed_keeps_its_reservation():
    harness = harness_with(providers=(FakeProvider(Placed("r", live=False)),))
    await harness.begin()
    assert [400, 400, 400] == await used_by(harness)
    assert [(400 / UNITS, 0.0), (0.0, 400 / UNITS)] == records(harness)


async def test_another_call_reserves_again_and_the_one_that_it_replaces_keeps_its_reservation():
    harness = harness_with()
    challenge = await harness.begin()
    await harness.answer("phone", challenge)
    assert [800, 800, 800] == await used_by(harness)
    await ended(harness, CallStatus.NO_ANSWER, "fake2")
    assert [400, 400, 400] == await used_by(harness)


@pytest.mark.parametrize(("scope", "subject"), [("user", "people:alice-id"), ("country", "US"), ("total", "total")])
async def test_beyond_a_budget_the_login_is_rejected_by_its_rule_until_the_next_day(scope, subject):
    harness = harness_with(budgets={scope: 500})
    challenge = await harness.begin()
    harness.clock.now += 70
    await harness.answer(harness.provider.codes[0], challenge)
    await harness.flow.drain()
    rejected = await harness.begin()
    assert ((Outcome.REJECT, Reason.COST_LIMIT), f"limits.cost_per_day.{scope}") == (result_of(rejected), rejected.rule)
    assert 400 == await used(harness, scope, subject)
    harness.clock.now = MIDNIGHT + DAY_SECONDS
    assert Reason.CALL_PLACED is (await harness.begin()).reason


async def test_another_call_beyond_the_budget_keeps_the_challenge():
    harness = harness_with(budgets={"user": 500})
    again = await harness.answer("phone", await harness.begin())
    assert ((Outcome.CHALLENGE, Reason.REDIAL_UNAVAILABLE), "limits.cost_per_day.user") == (
        result_of(again),
        again.rule,
    )
    assert 400 == await used(harness, "user", "people:alice-id")


async def test_a_call_over_midnight_is_settled_on_the_day_of_its_request():
    harness = harness_with()
    harness.clock.now = MIDNIGHT - 10.0
    await harness.begin()
    harness.clock.now = MIDNIGHT + 10.0
    await ended(harness)
    assert [200, 0] == [await used(harness, day=11), await used(harness, day=12)]


async def test_a_single_country_may_have_another_budget_or_none():
    users = users_with(LATVIA, LATVIA, GERMANY, GERMANY, *ALICE.phones)
    harness = harness_with(users, {"country": 500}, [("LV", 12_000), ("DE", None)])
    decided = [await harness.begin(name=user.name) for user in users]
    assert [None, "countries.LV", None, None, None, "country"] == [
        each.rule.removeprefix("limits.cost_per_day.") or None for each in decided
    ]


async def test_many_users_at_an_expensive_prefix_use_up_only_the_budget_of_its_country():
    attackers, others = users_with(*[Phone(f"+371291{n:05}") for n in range(40)]), users_with(*ALICE.phones)
    others = [replace(user, id=f"other-{user.id}", name=f"other-{user.name}") for user in others]
    harness = harness_with([*attackers, *others])
    decided = await asyncio.gather(*[harness.begin(name=user.name) for user in attackers])
    assert (8, 32) == tuple([each.reason for each in decided].count(r) for r in (Reason.CALL_PLACED, Reason.COST_LIMIT))
    assert {"limits.cost_per_day.country"} == {each.rule for each in decided if each.reason is Reason.COST_LIMIT}
    assert 96_000 == await used(harness, "country", "LV")
    for user in others:
        assert Reason.CALL_PLACED is (await harness.begin(name=user.name)).reason


async def test_a_status_that_the_store_does_not_get_refunds_nothing_and_its_repetition_once(monkeypatch):
    harness = harness_with()
    await harness.begin()

    async def unavailable(*_arguments):
        raise Unavailable("store", "down")

    with monkeypatch.context() as patch:
        patch.setattr(harness.store, "compare_and_swap", unavailable)
        await harness.flow.on_call_event(*await present_call(harness, CallStatus.NO_ANSWER))
    assert [400, 400, 400] == await used_by(harness)
    for _ in range(2):
        await harness.flow.on_call_event(*await present_call(harness, CallStatus.NO_ANSWER))
    assert [0, 0, 0] == await used_by(harness)


async def present_call(harness, status):
    (key,) = harness.store._changed
    session = await harness.store.load(key)
    return session.delivery.ref, status


async def test_two_workers_that_get_one_status_settle_it_once():
    harness = harness_with()
    await harness.begin()
    harness.clock.now += 10
    event = await present_call(harness, CallStatus.COMPLETED)
    await asyncio.gather(*[harness.flow.on_call_event(*event) for _ in range(5)])
    assert [200, 200, 200] == await used_by(harness)
    assert 2 == len(records(harness))


@pytest.mark.parametrize(("status", "cost"), [(CallStatus.BUSY, 0), (CallStatus.COMPLETED, 200)])
async def test_a_call_that_has_ended_before_the_answer_of_the_provider_is_settled_with_the_answer(status, cost):
    harness = harness_with()
    harness.provider.gate = asyncio.Event()
    began = asyncio.ensure_future(harness.begin())
    await harness.provider.placements_started.acquire()
    (key,) = harness.store._changed
    session = await harness.store.load(key)
    assert session is not None
    ended = CallProgress(session.id, 1, status, 0.0, CallRef("fake", "fake1"))
    await Sessions(harness.store, harness.limits, harness.clock).apply(key, ended)
    assert [400, 400, 400] == await used_by(harness)
    harness.provider.gate.set()
    await began
    assert [cost] * 3 == await used_by(harness)


async def test_a_reload_with_other_prices_settles_by_the_reserved_price():
    harness = harness_with()
    await harness.begin()
    event = await present_call(harness, CallStatus.COMPLETED)
    other = Costs(Prices({"voice": {"+": 1}, "sms": {"+": 1}}), ("ACME VPN",), harness.limits.costs.budgets)
    harness.limits = Limits(costs=other)
    harness.restart_with(harness.store)
    await harness.flow.on_call_event(*event)
    assert [200, 200, 200] == await used_by(harness)


async def test_without_prices_nothing_is_reserved():
    harness = LoginHarness()
    await harness.begin()
    (key,) = harness.store._changed
    session = await harness.store.load(key)
    assert session is not None
    assert (0, []) == (session.delivery.cost, records(harness))


async def test_a_decoy_reserves_nothing():
    policy = {"first_factor": None, "first_factor_name": "none", "decoys": True}
    harness = harness_with(policy=policy)
    harness.directory.accepts_every_name = True
    assert Outcome.CHALLENGE is (await harness.begin(name="nobody")).outcome
    assert (0, []) == (await used(harness), records(harness))


STATUSES = [CallStatus.COMPLETED, CallStatus.NO_ANSWER, CallStatus.ANSWERED]
RESULTS = st.sampled_from([Placed, NumberRejected, NotPlaced])


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.floats(0, 300), st.sampled_from(["begin", "answer", "phone", "end"])),
        max_size=25,
    ),
    st.lists(RESULTS, max_size=12),
    st.lists(st.sampled_from(STATUSES), min_size=1, max_size=6),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_budget_has_all_that_deliveries_have_reserved_and_cost(turns, results, statuses):
    async def run():
        scripted = [result("r") for result in results if result is not Placed] if results else []
        provider = FakeProvider(*scripted)
        users = users_with(LATVIA, GERMANY, *ALICE.phones, LATVIA, GERMANY)
        harness = harness_with(users, {"total": 60_000}, providers=(provider,))
        challenges = {}
        for number_of_user, pause, act in turns:
            harness.clock.now += pause
            name = f"user{number_of_user}"
            if act == "begin":
                challenges[name] = await harness.begin(name=name)
            elif act == "end":
                for number in range(len(provider.requests)):
                    await ended(harness, statuses[number % len(statuses)], f"fake{number + 1}")
            elif name in challenges and challenges[name].state:
                typed = provider.codes[-1] if act == "answer" else "phone"
                decision = await harness.answer(typed, challenges[name], name=name)
                challenges[name] = decision if decision.state else challenges[name]
            await harness.flow.drain()
            seen = [each for each in harness.records if isinstance(each, CostRecord)]
            total = await used(harness)
            assert 0 <= total <= 60_000
            assert sum(each.settled for each in seen) * UNITS - 0.5 <= total
            assert total <= sum(each.reserved for each in seen) * UNITS + 0.5

    asyncio.run(run())


async def test_an_administrator_can_reset_the_budget_of_a_user():
    harness = harness_with(budgets={"user": 400})
    await harness.begin()
    await harness.store.apply_limits(
        harness.limits.costs.about({"user": "people:alice-id"}, harness.clock.now, action=LimitAction.RESET)
    )
    assert 0 == await used(harness, "user", "people:alice-id")
    await ended(harness)
    assert 0 == await used(harness, "user", "people:alice-id")
