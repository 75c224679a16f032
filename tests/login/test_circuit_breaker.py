"""A provider with an outage is skipped for a while, unless no other provider delivers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius_voice.events import Alarm, AlarmRecord, Outcome, PlacementRecord, Reason, ServiceRecord
from radius_voice.login.calls.placement import Stage, deliver
from radius_voice.login.deliveries.circuit_breaker import (
    MAX_OUTAGES,
    SKIP_SECONDS,
    Change,
    CircuitBreaker,
    State,
    breakers_of,
)
from radius_voice.login.deliveries.requests import (
    CodeMessage,
    DeliveryRequest,
    Indeterminate,
    NotPlaced,
    NumberRejected,
    Placed,
)
from radius_voice.login.model import Method
from tests.login.harness import ALICE, FakeProvider, LoginHarness, result_of

DOWN, TIMEOUT = NotPlaced("down", outage=True, sent=False), Indeterminate("timeout")
OUTAGES = [DOWN, TIMEOUT, NotPlaced("20003: credentials refused", outage=True)]
WORKS = [Placed("r"), Placed("r", live=False), NumberRejected("n"), NotPlaced("busy")]
SAYS_NOTHING = [NotPlaced("no time left", sent=False), NumberRejected("extension", sent=False)]


@pytest.fixture
def breaker(clock):
    return CircuitBreaker(clock)


def opened(breaker):
    assert [None] * (MAX_OUTAGES - 1) + [Change.OPENED] == [breaker.record(DOWN) for _ in range(MAX_OUTAGES)]
    return breaker


def test_a_provider_is_skipped_after_the_last_of_several_outages_in_a_row(breaker):
    for answer in OUTAGES[:-1]:
        breaker.record(answer)
        assert (False, False) == (breaker.is_open, breaker.skips())
    assert Change.OPENED is breaker.record(OUTAGES[-1])
    assert (True, True) == (breaker.is_open, breaker.skips())


def test_the_state_is_shown_without_making_a_delivery_the_probe(breaker, clock):
    seen = [breaker.state]
    opened(breaker)
    seen.append(breaker.state)
    clock.now += SKIP_SECONDS
    seen += [breaker.state, breaker.state]
    assert not breaker.skips()
    assert [State.CLOSED, State.OPEN, State.HALF_OPEN, State.HALF_OPEN, State.OPEN] == [*seen, breaker.state]


@pytest.mark.parametrize("answer", WORKS)
def test_an_answer_that_is_no_outage_starts_the_count_again(breaker, answer):
    for each in (*OUTAGES[1:], answer, *OUTAGES[1:]):
        assert breaker.record(each) is None
    assert not breaker.skips()


@pytest.mark.parametrize("answer", SAYS_NOTHING)
def test_a_request_that_was_not_sent_for_another_reason_changes_nothing(breaker, answer):
    breaker.record(DOWN)
    breaker.record(DOWN)
    assert breaker.record(answer) is None
    assert Change.OPENED is breaker.record(DOWN)
    assert breaker.record(answer) is None
    assert breaker.skips()


def test_one_delivery_probes_a_skipped_provider(breaker, clock):
    opened(breaker)
    clock.now += SKIP_SECONDS - 0.1
    assert breaker.skips()
    clock.now += 0.1
    assert [False, True, True] == [breaker.skips() for _ in range(3)]


def test_a_probe_that_is_not_answered_is_followed_by_another_one(breaker, clock):
    opened(breaker)
    clock.now += SKIP_SECONDS
    breaker.skips()
    clock.now += SKIP_SECONDS
    assert not breaker.skips()


def test_a_probe_that_finds_an_outage_skips_the_provider_for_the_whole_time_again(breaker, clock):
    opened(breaker)
    clock.now += SKIP_SECONDS
    breaker.skips()
    clock.now += 10.0
    assert breaker.record(TIMEOUT) is None
    clock.now += SKIP_SECONDS - 0.1
    assert breaker.skips()
    clock.now += 0.1
    assert not breaker.skips()


@pytest.mark.parametrize("answer", WORKS)
def test_the_first_answer_that_is_no_outage_ends_the_skipping(breaker, answer):
    opened(breaker)
    assert Change.CLOSED is breaker.record(answer)
    assert (False, False) == (breaker.is_open, breaker.skips())


@given(st.lists(st.sampled_from([*OUTAGES, *WORKS, *SAYS_NOTHING, 1.0, SKIP_SECONDS]), max_size=40))
def test_an_open_breaker_lets_one_delivery_through_in_each_period(steps):
    """A number lets so many seconds pass, anything else is an answer; after each step a delivery is tried."""
    now = [0.0]
    breaker = CircuitBreaker(lambda: now[0])
    row, until = 0, 0.0
    for step in steps:
        before = breaker.is_open
        if isinstance(step, float):
            now[0] += step
        else:
            change = breaker.record(step)
            row = row if step in SAYS_NOTHING else row + 1 if step in OUTAGES else 0
            until = now[0] + SKIP_SECONDS if step in OUTAGES else until
            expected = {(False, True): Change.OPENED, (True, False): Change.CLOSED}
            assert expected.get((before, breaker.is_open)) is change
        assert breaker.is_open is (row >= MAX_OUTAGES)
        skipped = breaker.skips()
        assert skipped is (breaker.is_open and now[0] < until)
        if breaker.is_open and not skipped:
            until = now[0] + SKIP_SECONDS


def test_a_provider_whose_section_has_not_changed_keeps_its_breaker(clock):
    before = breakers_of({"a": 1, "b": 2, "gone": 3}, clock, {}, {})
    after = breakers_of({"a": 1, "b": 20, "new": 4}, clock, {"a": 1, "b": 2, "gone": 3}, before)
    assert ["a", "b", "new"] == list(after)
    assert before["a"] is after["a"]
    assert before["b"] is not after["b"]


def asked(harness):
    """The providers that were asked, in their order."""
    return [record.provider for record in harness.records if isinstance(record, PlacementRecord)]


def reported(harness):
    """The alarms and service events."""
    return [
        (record.alarm if isinstance(record, AlarmRecord) else record.event, record.detail)
        for record in harness.records
        if isinstance(record, AlarmRecord | ServiceRecord)
    ]


async def log_in(harness, client):
    challenge = await harness.begin(client=client)
    harness.clock.now += 1000.0
    return result_of(challenge)


async def test_logins_skip_a_provider_with_an_outage_until_a_probe_finds_that_it_works():
    first, second = FakeProvider(*[DOWN] * MAX_OUTAGES, name="first"), FakeProvider(name="second")
    now = [0.0]
    harness = LoginHarness(providers=(first, second), breaker_clock=lambda: now[0])
    for _ in range(MAX_OUTAGES):
        await log_in(harness, "vpn")
    assert ["first", "second"] * MAX_OUTAGES == asked(harness)
    await log_in(harness, "vpn")
    assert ["second"] == asked(harness)[2 * MAX_OUTAGES :]
    now[0] += SKIP_SECONDS
    assert (Outcome.CHALLENGE, Reason.CALL_PLACED) == await log_in(harness, "vpn")
    assert ["second", "first"] == asked(harness)[2 * MAX_OUTAGES :]
    (alarm, text), restored = reported(harness)
    assert Alarm.PROVIDER_OUTAGE is alarm
    assert "provider first failed 3 times in a row, the last time with: down; " in text
    assert ("provider_restored", "provider first works again") == restored


async def test_the_only_provider_is_never_skipped():
    provider = FakeProvider(*[DOWN] * (MAX_OUTAGES + 1))
    harness = LoginHarness(providers=(provider,), breaker_clock=lambda: 0.0)
    results = [await log_in(harness, "vpn") for _ in range(MAX_OUTAGES + 2)]
    failed = (Outcome.REJECT, Reason.DELIVERY_FAILED)
    assert [*[failed] * (MAX_OUTAGES + 1), (Outcome.CHALLENGE, Reason.CALL_PLACED)] == results


async def test_a_skipped_provider_is_tried_after_those_of_the_other_method():
    calls = FakeProvider(*[TIMEOUT] * MAX_OUTAGES, name="calls")
    texts = FakeProvider(*[Placed("SM1", live=False)], DOWN, name="texts")
    harness = LoginHarness(
        policy={"methods": (Method.VOICE, Method.SMS)},
        by_method={Method.VOICE: {"calls": calls}, Method.SMS: {"texts": texts}},
        breaker_clock=lambda: 0.0,
    )
    for _ in range(MAX_OUTAGES):
        assert (Outcome.CHALLENGE, Reason.DELIVERY_INDETERMINATE) == await log_in(harness, "vpn")
    assert (Outcome.CHALLENGE, Reason.TEXT_SENT) == await log_in(harness, "vpn")
    assert (Outcome.CHALLENGE, Reason.CALL_PLACED) == await log_in(harness, "vpn")
    assert [*["calls"] * MAX_OUTAGES, "texts", "texts", "calls"] == asked(harness)
    assert [Method.VOICE] == [request.method for request in calls.requests[MAX_OUTAGES:]]


async def test_a_number_that_another_provider_has_rejected_is_not_called_by_a_skipped_one():
    first = FakeProvider(*[DOWN] * MAX_OUTAGES, name="first")
    second = FakeProvider(*[Placed("r")] * MAX_OUTAGES, NumberRejected("n"), NumberRejected("n"), name="second")
    harness = LoginHarness(providers=(first, second), breaker_clock=lambda: 0.0)
    for _ in range(MAX_OUTAGES):
        await log_in(harness, "vpn")
    assert (Outcome.REJECT, Reason.NUMBER_REJECTED) == await log_in(harness, "vpn")
    assert ["second", "second"] == asked(harness)[2 * MAX_OUTAGES :]


async def test_a_skipped_provider_is_tried_with_the_same_phone_where_the_other_one_places_no_call():
    first = FakeProvider(*[DOWN] * MAX_OUTAGES, name="first")
    second = FakeProvider(*[Placed("r")] * MAX_OUTAGES, NotPlaced("busy"), name="second")
    harness = LoginHarness(providers=(first, second), breaker_clock=lambda: 0.0)
    for _ in range(MAX_OUTAGES):
        await log_in(harness, "vpn")
    assert (Outcome.CHALLENGE, Reason.CALL_PLACED) == await log_in(harness, "vpn")
    assert ["second", "first"] == asked(harness)[2 * MAX_OUTAGES :]
    assert first.requests[-1].phone == second.requests[-1].phone


async def test_the_limits_are_asked_before_another_method_takes_the_place_of_a_skipped_provider():
    moved = []

    async def may_deliver(request, *, counted):
        moved.append((request.method, counted))
        return request.method is Method.VOICE

    async def ask(stage, name, provider, request, deadline):
        return None if name == "calls" and stage is Stage.AVAILABLE else await provider.place(request, deadline)

    calls, texts = FakeProvider(name="calls"), FakeProvider(name="texts")
    providers = {Method.VOICE: {"calls": calls}, Method.SMS: {"texts": texts}}
    request = DeliveryRequest(ALICE.phones[0], CodeMessage("en", "ACME", "123456"), 30)
    methods = (Method.VOICE, Method.SMS)
    placement = await deliver(request, ALICE.phones[:1], methods, providers, may_deliver, lambda *_: None, 0.0, ask)
    assert [(Method.SMS, False), (Method.VOICE, False)] == moved
    assert ([], Method.VOICE) == (texts.requests, placement.method)
