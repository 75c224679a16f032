"""Deliveries to a prefix stop while too few of them end in a right code: toll fraud."""

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radius_voice.events import Alarm, AlarmRecord, Outcome, Reason, ServiceRecord
from radius_voice.login.codes.pins import ChangedPhone
from radius_voice.login.deliveries.requests import Indeterminate, NumberRejected, Placed
from radius_voice.login.inputs import CallProgress, DeliveryPlaced
from radius_voice.login.limits.configured import Limits
from radius_voice.login.limits.rate_limits import remaining
from radius_voice.login.limits.success import SuccessRule
from radius_voice.login.model import CallRef, CallStatus, LimitOperation, Method, Session, Unavailable, User
from radius_voice.login.phone import NO_PHONE, Phone
from radius_voice.login.session.sessions import Sessions
from tests.login.harness import ALICE, NOT_PLACED, FakeDirectory, FakeProvider, LoginHarness, result_of

RULE = SuccessRule(floor=0.2, calls=10, users=5, window=3600.0)
REJECTED = (Outcome.REJECT, Reason.TOLL_FRAUD_SUSPECTED)


def users_of(country_code, count):
    return [
        User(f"{country_code}-{n}", f"{country_code}-{n}", (Phone(f"+{country_code}2912345{n}"),)) for n in range(count)
    ]


LATVIA, GERMANY = users_of(371, 9), [User(f"49-{n}", f"49-{n}", (Phone(f"+491511234567{n}"),)) for n in range(3)]


def harness_with(rule=RULE, **more):
    more = {"directory": FakeDirectory(*LATVIA, *GERMANY)} | more
    return LoginHarness(limits=Limits(success=rule), **more)


async def miss(harness, name, status=CallStatus.NO_ANSWER):
    """A login whose call ends without a right code; the result of its initial request."""
    challenge = await harness.begin(name=name)
    if challenge.outcome is Outcome.CHALLENGE:
        harness.provider.statuses[f"fake{len(harness.provider.requests)}"] = status
        await harness.flow.follower.poll()
        await harness.flow.drain()
    return result_of(challenge)


async def succeed(harness, name):
    challenge = await harness.begin(name=name)
    decided = await harness.answer(harness.provider.codes[-1], challenge, name=name)
    await harness.flow.drain()
    return decided


def alarms(harness):
    return [each for each in harness.records if isinstance(each, AlarmRecord)]


async def stop(harness, attackers=LATVIA[:5]):
    """Use up what the rule allows: two calls of each of five users."""
    for user in attackers * 2:
        assert Outcome.CHALLENGE is (await miss(harness, user.name))[0]


async def test_calls_to_a_country_stop_when_none_ends_in_a_right_code_and_one_alarm_is_raised():
    harness = harness_with()
    await stop(harness)
    decided = await harness.begin(name=LATVIA[5].name)
    assert (REJECTED, "limits.success.calls") == (result_of(decided), decided.rule)
    assert [Alarm.TOLL_FRAUD_SUSPECTED] == [each.alarm for each in alarms(harness)]
    assert "deliveries to LV are rejected for 60 minutes" in alarms(harness)[0].detail
    for user in LATVIA[5:8]:
        assert REJECTED == await miss(harness, user.name)
    assert 1 == len(alarms(harness))
    assert 10 == len(harness.provider.requests)


async def test_calls_to_other_countries_go_on():
    harness = harness_with()
    await stop(harness)
    assert Reason.CODE_CORRECT is (await succeed(harness, GERMANY[0].name)).reason


async def test_the_stop_ends_after_the_window_and_the_count_begins_again():
    harness = harness_with()
    for user in LATVIA[:5]:
        await miss(harness, user.name)
    harness.clock.now += 1800
    for user in LATVIA[:5]:
        await miss(harness, user.name)
    harness.clock.now += 3590
    assert REJECTED == await miss(harness, LATVIA[6].name)
    harness.clock.now += 20
    assert Reason.CODE_CORRECT is (await succeed(harness, LATVIA[6].name)).reason
    assert 1 == len(alarms(harness))


async def test_users_with_pinned_numbers_are_called_also_during_the_stop():
    harness = harness_with()
    assert Reason.CODE_CORRECT is (await succeed(harness, LATVIA[7].name)).reason
    await stop(harness)
    assert REJECTED == await miss(harness, LATVIA[8].name)
    assert Reason.CODE_CORRECT is (await succeed(harness, LATVIA[7].name)).reason


async def test_calls_to_pinned_numbers_do_not_count():
    harness = harness_with()
    for user in LATVIA[:5]:
        await succeed(harness, user.name)
    for user in LATVIA[:5] * 3:
        assert Outcome.CHALLENGE is (await miss(harness, user.name))[0]
    assert [] == alarms(harness)


async def test_a_changed_number_that_the_policy_allows_counts_as_not_pinned():
    harness = harness_with(policy={"changed_phone": ChangedPhone.ALLOW})
    changed = User(LATVIA[8].id, LATVIA[8].name, (Phone("+37129999999"), *LATVIA[8].phones))
    await succeed(harness, changed.name)
    await stop(harness)
    harness.directory.users[changed.name] = changed
    assert REJECTED == await miss(harness, changed.name)
    harness.directory.users[changed.name] = LATVIA[8]
    assert Reason.CODE_CORRECT is (await succeed(harness, changed.name)).reason


async def test_few_users_do_not_stop_the_calls_of_others():
    harness = harness_with()
    for _ in range(10):
        for user in LATVIA[:4]:
            await miss(harness, user.name)
            harness.clock.now += 80
    assert Reason.CALL_PLACED is (await miss(harness, LATVIA[5].name))[1]
    assert [] == alarms(harness)


async def test_right_codes_keep_the_calls_of_a_country_going():
    harness = harness_with(SuccessRule(floor=0.2, calls=10, users=2, window=7200.0))
    for turn in range(8):
        for user in LATVIA[:4]:
            assert (await miss(harness, user.name))[0] is Outcome.CHALLENGE, turn
            harness.clock.now += 100
        harness.directory.users["new"] = User(f"new{turn}", "new", (Phone(f"+3712888888{turn}"),))
        assert Reason.CODE_CORRECT is (await succeed(harness, "new")).reason
    assert [] == alarms(harness)


async def test_a_right_code_after_the_end_of_the_call_takes_back_its_own_failure():
    rule = SuccessRule(floor=0.5, calls=10, users=5, window=3600.0)
    harness = harness_with(rule)
    for user in LATVIA[:5]:
        await miss(harness, user.name)
    challenge = await harness.begin(name=LATVIA[5].name)
    harness.provider.statuses["fake6"] = CallStatus.COMPLETED
    await harness.flow.follower.poll()
    await harness.flow.drain()
    operation = LimitOperation(rule.failures, "LV")
    left = []
    for typed in ("000000", harness.provider.codes[-1]):
        challenge = await harness.answer(typed, challenge, name=LATVIA[5].name)
        (stored,) = (await harness.store.arrival_times([operation])).values()
        left.append(remaining(stored, rule.failures, harness.clock.now))
    assert (Outcome.ACCEPT, [4, 6]) == (challenge.outcome, left)


async def test_a_delivery_that_ends_before_the_answer_of_the_provider_counts_once():
    ended: list[Session] = []
    harness = harness_with()
    harness.provider.gate = asyncio.Event()
    began = asyncio.ensure_future(harness.begin(name=LATVIA[0].name))
    await harness.provider.placements_started.acquire()
    ((key, session),) = harness.store._changed.items()
    sessions = Sessions(harness.store, harness.limits, harness.clock, on_end=ended.append)
    ref = CallRef("fake", "fake1")
    await sessions.apply(key, CallProgress(session.id, 1, CallStatus.BUSY, 0.0, ref))
    await sessions.apply(key, DeliveryPlaced(session.id, 1, session.delivery.phone, ref))
    assert 1 == len(ended)
    harness.provider.gate.set()
    await began


async def test_the_rule_can_count_prefixes_in_place_of_countries():
    harness = harness_with(SuccessRule(floor=0.2, calls=10, users=5, window=3600.0, digits=5))
    await stop(harness)
    assert REJECTED == await miss(harness, LATVIA[5].name)
    assert "deliveries to +37129 are" in alarms(harness)[0].detail
    harness.directory.users["other"] = User("other", "other", (Phone("+37167123456"),))
    assert Reason.CALL_PLACED is (await miss(harness, "other"))[1]


async def test_another_call_in_a_login_is_not_placed_during_the_stop():
    harness = harness_with()
    challenge = await harness.begin(name=LATVIA[8].name)
    await stop(harness)
    again = await harness.answer("phone", challenge, name=LATVIA[8].name)
    assert ((Outcome.CHALLENGE, Reason.REDIAL_UNAVAILABLE), "limits.success.calls") == (result_of(again), again.rule)


async def test_a_right_code_during_the_stop_may_end_it_and_a_second_stop_raises_no_second_alarm():
    harness = harness_with()
    challenge = await harness.begin(name=LATVIA[8].name)
    await stop(harness)
    assert REJECTED == await miss(harness, LATVIA[5].name)
    decided = await harness.answer(harness.provider.codes[0], challenge, name=LATVIA[8].name)
    assert Reason.CODE_CORRECT is decided.reason
    for user in LATVIA[5:7] * 2:
        assert Outcome.CHALLENGE is (await miss(harness, user.name))[0]
    assert REJECTED == await miss(harness, LATVIA[7].name)
    assert 1 == len(alarms(harness))


async def test_the_next_phone_is_not_called_during_the_stop():
    harness = harness_with()
    await stop(harness)
    user = User("two", "two", (Phone("+4915100000001"), Phone("+37129000001")))
    harness.directory.users["two"] = user
    harness.provider.results = [NumberRejected("n")]
    assert (Outcome.REJECT, Reason.NUMBER_REJECTED) == result_of(await harness.begin(name="two"))


async def test_deliveries_that_no_provider_made_do_not_count():
    harness = harness_with(providers=(FakeProvider(*[NOT_PLACED] * 20),))
    for user in LATVIA[:5] * 3:
        assert Reason.DELIVERY_FAILED is (await harness.begin(name=user.name)).reason
    await harness.flow.drain()
    assert [] == alarms(harness)


async def test_a_call_that_another_one_replaces_counts_too():
    harness = harness_with()
    for user in LATVIA[:5]:
        challenge = await harness.begin(name=user.name)
        again = await harness.answer("phone", challenge, name=user.name)
        assert (Outcome.CHALLENGE, Reason.REDIAL) == result_of(again)
        await harness.flow.drain()
        harness.provider.statuses[f"fake{len(harness.provider.requests)}"] = CallStatus.NO_ANSWER
        await harness.flow.follower.poll()
        await harness.flow.drain()
    assert 5 == len(harness.provider.hung_up)
    assert REJECTED == await miss(harness, LATVIA[5].name)


async def test_a_call_whose_reference_is_not_known_does_not_count():
    harness = harness_with()
    for _ in range(2):
        for user in LATVIA[:5]:
            harness.provider.results = [Indeterminate("HTTP 500")]
            assert Outcome.CHALLENGE is (await harness.begin(name=user.name)).outcome
        harness.clock.now += 400
    assert Reason.CALL_PLACED is (await miss(harness, LATVIA[0].name))[1]


async def test_a_text_message_counts_when_it_is_sent():
    sms = FakeProvider(*[Placed(f"sm{n}", live=False) for n in range(20)], name="sms")
    harness = harness_with(policy={"methods": (Method.SMS,)}, by_method={Method.SMS: {"sms": sms}})
    for user in LATVIA[:5] * 2:
        assert Outcome.CHALLENGE is (await harness.begin(name=user.name)).outcome
        await harness.flow.drain()
        harness.clock.now += 100
    assert REJECTED == result_of(await harness.begin(name=LATVIA[6].name))


async def test_a_store_that_fails_loses_the_count_and_no_login(monkeypatch):
    harness = harness_with()
    challenge = await harness.begin(name=LATVIA[0].name)

    async def unavailable(*_arguments):
        raise Unavailable("store", "down")

    harness.provider.statuses["fake1"] = CallStatus.NO_ANSWER
    with monkeypatch.context() as patch:
        patch.setattr(harness.store, "apply_limits", unavailable)
        await harness.flow.follower.poll()
        await harness.flow.drain()
    warnings = [each.detail for each in harness.records if isinstance(each, ServiceRecord)]
    assert ["a delivery without a right code was not counted: store: down"] == warnings
    assert (
        Reason.CODE_CORRECT is (await harness.answer(harness.provider.codes[0], challenge, name=LATVIA[0].name)).reason
    )


async def test_two_workers_raise_one_alarm():
    harness = harness_with()
    other = LoginHarness(directory=harness.directory, limits=harness.limits, clock=harness.clock)
    other.restart_with(harness.store)
    other.packets = 1000
    for turn, user in enumerate(LATVIA[:5] * 2):
        await miss((harness, other)[turn % 2], user.name)
    assert [REJECTED, REJECTED] == [await miss(each, LATVIA[6].name) for each in (harness, other)]
    assert 1 == len(alarms(harness)) + len(alarms(other))


async def test_without_the_rule_no_session_lists_its_phones_that_are_not_pinned():
    harness = LoginHarness()
    await harness.begin()
    (session,) = harness.store._changed.values()
    assert () == session.unpinned


def test_a_phone_without_a_number_has_no_prefix():
    assert ("", "US", "+1202") == (
        RULE.prefix(NO_PHONE),
        RULE.prefix(ALICE.phones[0]),
        SuccessRule(0.2, 10, 5, 60.0, digits=4).prefix(ALICE.phones[0]),
    )


def test_a_sip_address_counts_for_its_domain():
    address = Phone("sip:3105@pbx.example.org")
    assert ["sip:pbx.example.org"] * 2 == [
        each.prefix(address) for each in (RULE, SuccessRule(0.2, 10, 5, 60.0, digits=4))
    ]


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=60))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_country_is_stopped_only_if_its_share_was_below_the_floor(logins):
    async def run():
        harness = harness_with(SuccessRule(floor=0.2, calls=10, users=5, window=86400.0))
        missed = reached = 0
        for turn, (number, right) in enumerate(logins):
            user = LATVIA[number]
            harness.directory.users[user.name] = User(f"{user.id}-{turn}", user.name, user.phones)
            if right:
                reached += (await succeed(harness, user.name)).outcome is Outcome.ACCEPT
            else:
                missed += (await miss(harness, user.name))[0] is Outcome.CHALLENGE
            harness.clock.now += 1
            if alarms(harness):
                assert missed >= 10
                return
        assert missed < 10 or reached

    asyncio.run(run())
