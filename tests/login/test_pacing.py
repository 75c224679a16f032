"""A provider is asked for at most so many calls a second. A prompt says how long a call waits, before it is placed."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from radius_voice.events import Outcome, PlacementRecord, Reason, SecondFactorMode, ServiceRecord
from radius_voice.login.calls.pacing import FAILOVER_SECONDS, MAX_CAS_RETRIES, MAX_WAIT_SECONDS, Pacer, next_slot
from radius_voice.login.calls.queued_calls import QueuedCall
from radius_voice.login.codes.keys import Keys
from radius_voice.login.deliveries.requests import NotPlaced, NumberRejected, Placed
from radius_voice.login.inputs import Transition
from radius_voice.login.model import Method, Unavailable, User
from radius_voice.login.phone import Phone
from radius_voice.login.policies.policy import user_key_of
from radius_voice.stores.memory import MemoryStore
from tests.login.harness import ACCEPTED, ALICE, Clock, FakeDirectory, FakeProvider, LoginHarness, result_of

BOB = User("bob-id", "bob", (Phone("+12025550177"),))
CAROL = User("carol-id", "carol", (Phone("+12025550188"), Phone("+12025550199")))
QUEUED = (Outcome.CHALLENGE, Reason.DELIVERY_QUEUED)
PLACED = (Outcome.CHALLENGE, Reason.CALL_PLACED)


class SlowStore(MemoryStore):
    """Other tasks run before each operation on a durable value, as if another process had been faster."""

    async def durable(self, key):
        await asyncio.sleep(0)
        return await super().durable(key)

    async def replace_durable(self, key, old, new):
        await asyncio.sleep(0)
        return await super().replace_durable(key, old, new)


@pytest.fixture
def store(clock):
    return SlowStore(clock)


async def test_calls_at_once_get_slots_of_their_own_in_all_processes(store, clock):
    workers = [Pacer("twilio", 2.0, store, clock) for _ in range(3)]
    waits = await asyncio.gather(*[workers[n % 3].reserve(60.0) for n in range(30)])
    assert [n / 2 for n in range(30)] == sorted(wait for wait in waits if wait is not None)


async def test_providers_have_queues_of_their_own(store, clock):
    assert [0.0, 0.0] == [await Pacer(name, 1.0, store, clock).reserve(60.0) for name in ("a", "b")]


async def test_a_wait_that_is_too_long_reserves_no_slot(store, clock):
    pacer = Pacer("twilio", 1.0, store, clock)
    assert [0.0, 1.0, 2.0, None, None] == [await pacer.reserve(2.0) for _ in range(5)]
    assert 3.0 == await pacer.reserve(3.0)


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0, MAX_WAIT_SECONDS)), max_size=30), st.floats(0.1, 20))
async def test_slots_are_at_least_an_interval_apart_and_no_call_waits_longer_than_necessary(steps, per_second):
    clock = Clock()
    pacer, slots = Pacer("twilio", per_second, MemoryStore(clock), clock), list[float]()
    for pause, max_wait in steps:
        clock.now += pause
        earliest = max(clock.now, slots[-1] + 1 / per_second) if slots else clock.now
        wait = await pacer.reserve(max_wait)
        if wait is None:
            assert earliest - clock.now > max_wait - 1e-6
        else:
            assert earliest == pytest.approx(clock.now + wait)
            assert 0 <= wait <= max_wait
            slots.append(clock.now + wait)


@pytest.mark.parametrize("stored", [None, b"", b"short"])
def test_a_call_is_placed_at_once_where_no_time_is_stored(stored):
    assert 5.0 == next_slot(stored, 5.0, 1.0)


async def test_a_time_that_was_stored_before_the_clock_was_set_back_is_ignored(store, clock):
    pacer = Pacer("twilio", 1.0, store, clock)
    await pacer.reserve(60.0)
    clock.now -= 1000.0
    assert [0.0, 1.0] == [await pacer.reserve(60.0) for _ in range(2)]


async def test_a_time_that_changes_all_the_time_is_an_error(clock):
    class Changing(MemoryStore):
        swaps = 0

        async def replace_durable(self, key, old, new):
            self.swaps += 1
            return False

    changing = Changing(clock)
    with pytest.raises(Unavailable):
        await Pacer("twilio", 1.0, changing, clock).reserve(60.0)
    assert MAX_CAS_RETRIES == changing.swaps


def harness_of(*providers, per_second=0.1, **more):
    """Three users, and providers that are asked for one call in ten seconds."""
    providers = providers or (FakeProvider(),)
    paces = {provider.name: per_second for provider in providers}
    directory = FakeDirectory(ALICE, BOB, CAROL)
    return LoginHarness(directory=directory, providers=providers, calls_per_second=paces, **more)


def asked(harness):
    return [record.provider for record in harness.records if isinstance(record, PlacementRecord)]


async def session_of(harness, user):
    return await harness.store.load(Keys(b"k" * 32).session_key("vpn", user_key_of("people", user.id)))


async def log_in(harness, *names):
    """The results of the logins of these users, one after the other."""
    return [result_of(await harness.begin(name=name)) for name in names]


async def test_the_prompt_says_how_long_a_call_waits_before_it_is_placed():
    harness = harness_of()
    assert PLACED == result_of(await harness.begin(name="bob"))
    challenge = await harness.begin()
    text = "ACME VPN will call your phone ending in 23 in about 10 seconds. Enter the code you hear:"
    assert (QUEUED, text) == (result_of(challenge), challenge.text)
    assert ["fake"] == asked(harness)
    harness.flow.place_waiting_calls()
    await harness.flow.drain()
    assert ["fake", "fake"] == asked(harness)
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[-1], challenge))


async def test_the_session_is_live_and_its_code_valid_until_the_call_that_waits_is_over():
    harness = harness_of()
    await harness.begin(name="bob")
    at_once = (await session_of(harness, BOB)).delivery
    await harness.begin()
    session = await session_of(harness, ALICE)
    assert at_once.live_until + 10.0 == session.delivery.live_until
    assert harness.clock.now + 10.0 == session.delivery.due_at
    assert session.delivery.live_until + 120.0 == session.code_until
    assert harness.clock.now + 360.0 == session.ends_at


async def test_a_call_that_has_waited_is_followed_until_the_session_is_no_longer_live():
    harness = harness_of()
    await log_in(harness, "bob", "alice")
    harness.flow.place_waiting_calls()
    await harness.flow.drain()
    live_until = (await session_of(harness, ALICE)).delivery.live_until
    assert live_until == max(followed.until for followed in harness.flow.follower._followed.values())


async def test_a_login_that_joins_and_a_request_for_another_call_say_that_the_call_waits():
    harness = harness_of()
    await harness.begin(name="bob")
    challenge = await harness.begin()
    harness.clock.now += 4.5
    joined = await harness.begin()
    assert Reason.JOINED is joined.reason
    assert "in about 6 seconds" in joined.text
    again = await harness.answer("phone", challenge)
    assert Reason.REDIAL_UNAVAILABLE is again.reason
    assert "in about 6 seconds" in again.text
    wrong = await harness.answer("000000", again)
    assert "Wrong code, 2 attempts left. Enter the code you heard:" == wrong.text
    harness.clock.now += 5.5
    assert "is calling your phone ending in 23" in (await harness.begin()).text


async def test_a_short_wait_is_not_announced():
    harness = harness_of(per_second=100.0)
    assert [PLACED] * 3 == await log_in(harness, "alice", "bob", "carol")
    assert 3 == len(harness.provider.requests)


async def test_another_provider_takes_over_where_the_wait_would_be_too_long():
    harness = harness_of(FakeProvider(name="first"), FakeProvider(name="second"), per_second=0.9 / FAILOVER_SECONDS)
    assert [PLACED] * 2 == await log_in(harness, "alice", "bob")
    assert ["first", "second"] == asked(harness)


async def test_the_provider_is_used_that_has_the_shorter_of_two_long_queues():
    first, second = FakeProvider(name="first"), FakeProvider(name="second")
    harness = harness_of(first, second, per_second=0.9 / FAILOVER_SECONDS)
    assert [PLACED, PLACED, QUEUED] == await log_in(harness, "alice", "bob", "carol")
    harness.flow.place_waiting_calls()
    await harness.flow.drain()
    assert ["first", "second", "first"] == asked(harness)


async def test_another_method_takes_over_where_the_wait_would_be_too_long():
    calls, texts = FakeProvider(name="calls"), FakeProvider(Placed("SM1", live=False), name="texts")
    harness = LoginHarness(
        directory=FakeDirectory(ALICE, BOB),
        by_method={Method.VOICE: {"calls": calls}, Method.SMS: {"texts": texts}},
        policy={"methods": (Method.VOICE, Method.SMS)},
        calls_per_second={"calls": 0.9 / FAILOVER_SECONDS},
    )
    assert [PLACED, (Outcome.CHALLENGE, Reason.TEXT_SENT)] == await log_in(harness, "alice", "bob")


async def test_a_call_beyond_the_queue_is_not_placed_and_opens_no_bypass():
    policy = {"bypass_until": Clock().now + 1000}
    harness = harness_of(per_second=0.9 / MAX_WAIT_SECONDS, policy=policy)
    assert [PLACED, (Outcome.REJECT, Reason.DELIVERY_FAILED)] == await log_in(harness, "alice", "bob")
    assert 1 == len(harness.provider.requests)
    details = [record.detail for record in harness.records if isinstance(record, PlacementRecord)]
    assert ["", "not sent: too many calls wait for this provider"] == details


async def test_a_call_that_would_not_be_over_at_the_end_of_its_session_is_not_placed():
    harness = harness_of(per_second=1 / 30, policy={"session_timeout": 139.0})
    assert [PLACED, (Outcome.REJECT, Reason.DELIVERY_FAILED)] == await log_in(harness, "alice", "bob")


async def test_no_provider_is_asked_for_a_login_that_has_ended_while_its_call_waited():
    first, second = FakeProvider(name="first"), FakeProvider(name="second")
    harness = harness_of(first, second)
    await log_in(harness, "bob")
    challenge = await harness.begin(name="carol")
    for _ in range(3):
        challenge = await harness.answer("000000", challenge, name="carol")
    assert Reason.NO_ATTEMPTS_LEFT is challenge.reason
    harness.flow.place_waiting_calls()
    await harness.flow.drain()
    assert (1, 0) == (len(first.requests), len(second.requests))
    session = await session_of(harness, CAROL)
    assert session.delivery.over, "the user may log in again at once"


async def test_a_login_that_ends_before_its_wait_is_stored_is_not_called():
    harness = harness_of()
    await harness.begin(name="bob")
    apply, ended = harness.flow._sessions.apply, list[bool]()

    async def end_before_the_wait(key, event, **more):
        if type(event).__name__ == "CallQueued" and not ended:
            ended.append(True)
            harness.clock.now += 400.0
        return await apply(key, event, **more)

    harness.flow._sessions.apply = end_before_the_wait
    await harness.begin()
    async with asyncio.timeout(5.0):  # the wait would be longer
        await harness.flow.drain()
    assert ["bob"] == ["bob" if request.phone in BOB.phones else "alice" for request in harness.provider.requests]


async def test_calls_are_placed_without_a_wait_while_the_store_cannot_be_asked_for_it():
    class Partial(MemoryStore):
        async def durable(self, key):
            if key.startswith(b"next_call"):
                raise Unavailable("store", "down")
            return await super().durable(key)

    harness = harness_of()
    harness.restart_with(Partial(harness.clock))
    assert [PLACED] * 2 == await log_in(harness, "alice", "bob")
    warning = "calls_per_second of provider fake was not observed: store: down"
    assert [warning] * 2 == [record.detail for record in harness.records if isinstance(record, ServiceRecord)]


async def test_a_call_is_placed_after_its_wait_also_while_the_store_is_unavailable():
    class Partial(MemoryStore):
        down = False

        async def load(self, key):
            if self.down:
                raise Unavailable("store", "down")
            return await super().load(key)

    harness = harness_of()
    store = Partial(harness.clock)
    harness.restart_with(store)
    assert [PLACED, QUEUED] == await log_in(harness, "alice", "bob")
    store.down = True
    harness.flow.place_waiting_calls()
    await harness.flow.drain()
    assert 2 == len(harness.provider.requests)


async def test_a_second_phone_waits_again_after_the_first_one_was_rejected():
    harness = harness_of(FakeProvider(Placed("r"), NumberRejected("n")))
    await log_in(harness, "bob")
    assert "ending in 88 in about 10 seconds" in (await harness.begin(name="carol")).text
    harness.flow.place_waiting_calls()
    await harness.flow.drain()
    assert [BOB.phones[0], *CAROL.phones] == [request.phone for request in harness.provider.requests]
    session = await session_of(harness, CAROL)
    assert 140.0 + 10.0 + 20.0 == session.delivery.live_until - session.delivery.at


async def test_a_request_to_the_provider_may_take_as_long_after_the_wait_as_without_one():
    left = []

    class Provider(FakeProvider):
        async def place(self, request, deadline):
            left.append(deadline - asyncio.get_running_loop().time())
            return await super().place(request, deadline)

    harness = harness_of(Provider())
    await log_in(harness, "alice", "bob")
    harness.flow.place_waiting_calls()
    await harness.flow.drain()
    assert [20.0, 30.0] == [pytest.approx(each, abs=5.0) for each in left]


async def test_a_call_that_asks_for_an_approval_waits_within_the_time_of_the_gateway_and_announces_nothing():
    harness = harness_of()
    await harness.begin()
    stored = await session_of(harness, ALICE)
    held = structs.replace(stored, approval=True, code_until=harness.clock.now + 14.0)
    opened = Transition(held, Outcome.CHALLENGE, Reason.CALL_PLACED)
    hurry = asyncio.Event()
    hurry.set()
    queued = QueuedCall(harness.flow._dependencies, harness.flow._sessions, held, 140.0, opened, hurry)
    assert 7.0 == queued.max_wait
    assert await queued.wait(5.0, harness.provider.requests[0])
    assert (False, 0.0) == (queued.announced.done(), queued.announced_seconds)
    harness.clock.now += 1000.0
    assert not await queued.wait(5.0, harness.provider.requests[0])
    assert 0.0 == queued.max_wait


async def test_the_second_of_two_passes_is_asked_for_after_the_call_that_waits():
    harness = harness_of(second_factor=SecondFactorMode.TWO_PASS)
    await harness.begin(name="bob")
    text = "ACME VPN will call your phone ending in 23 in about 10 seconds. Then log in again with password,code"
    assert text == (await harness.begin()).text


async def test_a_challenge_that_must_not_tell_whether_a_user_exists_does_not_tell_of_a_wait():
    harness = harness_of(policy={"decoys": True, "first_factor": None}, response_timeout=0.3)
    await harness.begin(name="bob")
    challenge = await harness.begin()
    assert (Reason.DELIVERY_QUEUED, True) == (challenge.reason, "is calling your phone" in challenge.text)
    harness.flow.place_waiting_calls()
    await harness.flow.drain()


async def test_a_refused_call_does_not_count_for_the_queue_of_another_provider():
    first, second = FakeProvider(NotPlaced("busy"), name="first"), FakeProvider(name="second")
    harness = harness_of(first, second)
    assert [PLACED] == await log_in(harness, "alice")
    assert ["first", "second"] == asked(harness)
