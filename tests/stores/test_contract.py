"""What every store promises, run against each of them."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from radius_voice.events import Reason
from radius_voice.login.codes.issued_states import REPEAT_SECONDS
from radius_voice.login.durable import DurableExists, DurableWrite
from radius_voice.login.inputs import CallProgress, DeliveryPlaced, InitialRequest
from radius_voice.login.limits.rate_limits import apply_operations, remaining
from radius_voice.login.model import (
    AlreadyRecorded,
    CallStatus,
    Limit,
    LimitAction,
    Limited,
    LimitOperation,
    SwapResult,
)
from radius_voice.login.replay import MAX_RECORDS, RECORD_SECONDS, ReplayRecord
from radius_voice.login.session.state_machine import step
from radius_voice.stores import redis_scripts
from tests.login.harness import Clock
from tests.login.sessions import LIFETIME, LOGIN, MAX_CALL, REF, SESSION_TIMEOUT, challenge_response, session_row
from tests.support.stores import STORE_TYPES, open_store

LIMIT = Limit("calls.user", 2, 60.0, Reason.CALL_LIMIT)
TIGHT = Limit("calls.total", 1, 60.0, Reason.CALL_LIMIT)
RESETS = Limit("directory_lockout.user", 3, 60.0, Reason.LOCKED, resets=True)
COUNTS = Limit("cost_per_day.total", 5, 86400.0, Reason.CALL_LIMIT, counts=True)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=STORE_TYPES)
async def store(request, tmp_path, clock):
    async with open_store(request.param, tmp_path, clock) as store:
        yield store


def session(clock, **more):
    return session_row(clock.now, **more)


async def test_a_swapped_session_is_loaded_again(store, clock):
    first = session(clock, reply=((25, "ä".encode()), (26, bytes(range(8)))))
    assert await store.load(first.key) is None
    assert SwapResult.DONE is await store.compare_and_swap(None, first)
    assert first == await store.load(first.key)


async def test_every_field_is_stored_and_loaded(store, clock):
    first = session(clock)
    placed = step(first, DeliveryPlaced(LOGIN, 1, first.delivery.phone, REF), clock.now).session
    answered = step(placed, CallProgress(LOGIN, 1, CallStatus.ANSWERED, LIFETIME), clock.now).session
    wrong = step(answered, challenge_response(typed=b"wrong"), clock.now).session
    accepted = step(wrong, challenge_response(b"state2"), clock.now).session
    before = None
    for each in (first, placed, answered, wrong, accepted):
        loaded = await store.load(first.key)
        assert before == loaded
        assert SwapResult.DONE is await store.compare_and_swap(loaded, each)
        before = each
    assert accepted == await store.load(first.key)
    over = step(accepted, CallProgress(LOGIN, 1, CallStatus.COMPLETED, LIFETIME), clock.now).session
    assert SwapResult.DONE is await store.compare_and_swap(await store.load(first.key), over)
    reopened = step(
        over, InitialRequest(session(clock, login="login2", reply=((25, b"x"),), returning=True)), clock.now
    ).session
    assert reopened is not None
    assert reopened.previous
    assert SwapResult.DONE is await store.compare_and_swap(await store.load(first.key), reopened)
    refused = step(
        reopened, DeliveryPlaced("login2", 1, reopened.delivery.phone, None, refused=True), clock.now
    ).session
    assert refused is not None
    assert not refused.bypass_allowed
    assert SwapResult.DONE is await store.compare_and_swap(await store.load(first.key), refused)
    assert refused == await store.load(first.key)


async def test_a_call_leads_to_the_session_whose_present_delivery_it_is(store, clock):
    first = session(clock)
    placed = step(first, DeliveryPlaced(LOGIN, 1, first.delivery.phone, REF), clock.now).session
    assert placed is not None
    await store.compare_and_swap(None, first)
    assert await store.session_of_call(REF) is None
    await store.compare_and_swap(first, placed)
    assert placed == await store.session_of_call(REF)
    other = replace(REF, reference="CA2")
    again = replace(placed, delivery=replace(placed.delivery, number=2, ref=other), version=placed.version + 1)
    await store.compare_and_swap(await store.load(first.key), again)
    assert again == await store.session_of_call(other)
    assert await store.session_of_call(REF) is None


async def test_a_row_changed_by_another_writer_is_stale(store, clock):
    first = session(clock)
    await store.compare_and_swap(None, first)
    assert SwapResult.STALE is await store.compare_and_swap(None, session(clock, login="other"))
    loaded = await store.load(first.key)
    second = replace(loaded, attempts_left=2, version=2)
    assert SwapResult.DONE is await store.compare_and_swap(loaded, second)
    assert SwapResult.STALE is await store.compare_and_swap(loaded, replace(loaded, attempts_left=1, version=2))
    assert 2 == (await store.load(first.key)).attempts_left


async def test_one_of_many_concurrent_swaps_succeeds(store, clock):
    rows = [session(clock, login=f"login{n}") for n in range(8)]
    swaps = await asyncio.gather(*(store.compare_and_swap(None, each) for each in rows))
    assert 1 == swaps.count(SwapResult.DONE)
    assert 7 == swaps.count(SwapResult.STALE)


async def test_a_user_has_one_live_call(store, clock):
    first = session(clock)
    elsewhere = session(clock, key=b"o" * 16, client="other", login="login2")
    await store.compare_and_swap(None, first)
    assert SwapResult.BUSY is await store.compare_and_swap(None, elsewhere)
    assert await store.load(elsewhere.key) is None
    another = session(clock, key=b"b" * 16, user_key="bob-id", login="login3")
    assert SwapResult.DONE is await store.compare_and_swap(None, another)
    over = replace(first, delivery=replace(first.delivery, over=True), version=2)
    assert SwapResult.DONE is await store.compare_and_swap(await store.load(first.key), over)
    assert SwapResult.DONE is await store.compare_and_swap(None, elsewhere)


async def test_a_live_call_frees_its_user_when_its_time_is_over(store, clock):
    await store.compare_and_swap(None, session(clock))
    clock.now += MAX_CALL - 1
    assert SwapResult.BUSY is await store.compare_and_swap(None, session(clock, key=b"o" * 16, login="login2"))
    clock.now += 1
    assert SwapResult.DONE is await store.compare_and_swap(None, session(clock, key=b"o" * 16, login="login2"))


async def test_a_row_replaces_one_that_has_ended(store, clock):
    await store.compare_and_swap(None, session(clock))
    clock.now += SESSION_TIMEOUT
    old = await store.load(b"k" * 16)
    transition = step(old, InitialRequest(session(clock, login="login2")), clock.now)
    assert SwapResult.DONE is await store.compare_and_swap(old, transition.session)
    assert "login2" == (await store.load(b"k" * 16)).id


async def test_row_and_limits_are_all_or_none(store, clock):
    operations = [LimitOperation(LIMIT, "alice"), LimitOperation(TIGHT, "all")]
    assert SwapResult.DONE is await store.compare_and_swap(None, session(clock), operations)
    limited = await store.compare_and_swap(
        None, session(clock, key=b"b" * 16, user_key="bob", login="2"), [LimitOperation(LIMIT, "bob"), *operations[1:]]
    )
    assert isinstance(limited, Limited)
    assert TIGHT == limited.limit
    assert pytest.approx(60.0) == limited.retry_after
    assert await store.load(b"b" * 16) is None
    for _ in range(2):
        assert await store.apply_limits([LimitOperation(LIMIT, "bob")]) is None
    assert isinstance(await store.apply_limits([LimitOperation(LIMIT, "bob")]), Limited)


async def test_a_stale_or_busy_swap_charges_no_limit(store, clock):
    await store.compare_and_swap(None, session(clock))
    assert SwapResult.STALE is await store.compare_and_swap(None, session(clock), [LimitOperation(TIGHT, "all")])
    assert SwapResult.BUSY is await store.compare_and_swap(
        None, session(clock, key=b"o" * 16), [LimitOperation(TIGHT, "all")]
    )
    assert await store.apply_limits([LimitOperation(TIGHT, "all")]) is None


CHARGED = ReplayRecord(b"\0request\xff", b"\0charged \xff")
REJECTED = ReplayRecord(CHARGED.key, b"rejected", replaces=CHARGED.value)
SESSION = ReplayRecord(CHARGED.key, b"session", replaces=CHARGED.value, verified=True)


async def test_a_request_is_recorded_once_with_its_effect(store, clock):
    assert await store.apply_limits([LimitOperation(LIMIT, "alice")], CHARGED) is None
    assert AlreadyRecorded(CHARGED.value) == await store.apply_limits([LimitOperation(LIMIT, "alice")], CHARGED)
    assert SwapResult.DONE is await store.compare_and_swap(None, session(clock), [], SESSION)
    assert AlreadyRecorded(b"session") == await store.apply_limits([], REJECTED)
    second = session(clock, key=b"b" * 16, user_key="bob", login="2")
    assert AlreadyRecorded(b"session") == await store.compare_and_swap(
        None, second, [LimitOperation(LIMIT, "alice")], SESSION
    )
    assert await store.load(b"b" * 16) is None
    assert await store.apply_limits([LimitOperation(LIMIT, "alice")]) is None  # one was spent, by the first
    assert isinstance(await store.apply_limits([LimitOperation(LIMIT, "alice")]), Limited)


async def test_a_request_whose_effect_did_not_happen_is_not_recorded(store, clock):
    await store.apply_limits([LimitOperation(TIGHT, "x")])
    assert isinstance(await store.apply_limits([LimitOperation(TIGHT, "x")], CHARGED), Limited)
    await store.compare_and_swap(None, session(clock))
    assert SwapResult.STALE is await store.compare_and_swap(None, session(clock), [], SESSION)
    assert SwapResult.BUSY is await store.compare_and_swap(None, session(clock, key=b"o" * 16), [], SESSION)
    assert await store.apply_limits([], CHARGED) is None
    assert await store.apply_limits([], ReplayRecord(CHARGED.key, b"", replaces=CHARGED.value)) is None
    assert await store.apply_limits([], CHARGED) is None


async def test_replay_records_expire_after_a_day(store, clock):
    await store.apply_limits([], CHARGED)
    clock.now += RECORD_SECONDS - 1
    await store.sweep()
    assert AlreadyRecorded(CHARGED.value) == await store.apply_limits([], CHARGED)
    clock.now += 1
    assert await store.apply_limits([], REJECTED) is None
    await store.sweep()
    assert AlreadyRecorded(b"rejected") == await store.apply_limits([], CHARGED)


async def test_unauthenticated_requests_cannot_displace_records_of_verified_ones(store, monkeypatch):
    for module in ("memory", "sqlite"):
        monkeypatch.setattr(f"radius_voice.stores.{module}.MAX_RECORDS", 3)
    monkeypatch.setattr("radius_voice.stores.redis.APPLY_LIMITS", limited_to(3, redis_scripts.APPLY_LIMITS))
    await store.apply_limits([], SESSION)
    for number in range(10):
        await store.apply_limits([], ReplayRecord(b"stranger %d" % number, b"rejected"))
    await store.sweep()
    assert AlreadyRecorded(b"session") == await store.apply_limits([], CHARGED)
    kept = [n for n in range(10) if await store.apply_limits([], ReplayRecord(b"stranger %d" % n, b"", b"-"))]
    assert [7, 8, 9] == kept


def limited_to(records, script):
    return redis_scripts.Script(script.text.replace(f"count > {MAX_RECORDS}", f"count > {records}"))


async def test_limits_are_refunded_checked_and_reset(store):
    take, peek = LimitOperation(TIGHT, "x"), LimitOperation(TIGHT, "x", LimitAction.CHECK)
    assert await store.apply_limits([]) is None
    assert await store.apply_limits([peek]) is None
    assert await store.apply_limits([take]) is None
    assert isinstance(await store.apply_limits([peek]), Limited)
    assert await store.apply_limits([LimitOperation(TIGHT, "x", LimitAction.REFUND)]) is None
    assert await store.apply_limits([take]) is None
    assert await store.apply_limits([LimitOperation(TIGHT, "x", LimitAction.RESET)]) is None
    assert await store.apply_limits([peek, take]) is None
    assert await store.apply_limits([LimitOperation(TIGHT, "y")]) is None


async def test_a_limit_that_resets_has_its_uses_again_after_a_period_without_a_use(store, clock):
    resets = Limit("directory_lockout.user", 2, 60.0, Reason.LOCKED, resets=True)
    take, peek = LimitOperation(resets, "x"), LimitOperation(resets, "x", LimitAction.CHECK)
    assert await store.apply_limits([take]) is None
    assert await store.apply_limits([peek]) is None
    assert await store.apply_limits([LimitOperation(resets, "x", LimitAction.REFUND)]) is None
    assert await store.apply_limits([take, take]) is None
    clock.now += 59
    limited = await store.apply_limits([take])
    assert isinstance(limited, Limited)
    assert 1 == pytest.approx(limited.retry_after)
    clock.now += 2
    assert await store.apply_limits([take, take]) is None
    assert await store.apply_limits([LimitOperation(resets, "x", LimitAction.RESET)]) is None
    assert await store.apply_limits([take]) is None
    (stored,) = (await store.arrival_times([take])).values()
    assert 1 == remaining(stored, resets, clock.now)


async def test_a_limit_that_resets_counts_from_the_first_use_unless_it_is_extended(store, clock):
    resets = Limit("directory_lockout.user", 2, 600.0, Reason.LOCKED, resets=True)
    take, extend = LimitOperation(resets, "x"), LimitOperation(resets, "x", LimitAction.EXTEND)
    assert await store.apply_limits([take]) is None
    clock.now += 400
    assert await store.apply_limits([take, LimitOperation(resets, "x", LimitAction.REFUND)]) is None
    clock.now += 201
    assert await store.apply_limits([extend, take, take]) is None
    clock.now += 400
    assert await store.apply_limits([extend]) is None
    clock.now += 201
    assert isinstance(await store.apply_limits([take]), Limited)


def counted(amount, action=LimitAction.TAKE, subject="total 11"):
    return LimitOperation(COUNTS, subject, action, amount)


async def left(store, operation, clock):
    (stored,) = (await store.arrival_times([operation])).values()
    return remaining(stored, operation.limit, clock.now)


async def test_a_limit_that_counts_refills_nothing_and_its_uses_are_refunded(store, clock):
    assert await store.apply_limits([counted(3)]) is None
    clock.now += 3600
    assert isinstance(await store.apply_limits([counted(3)]), Limited)
    assert isinstance(await store.apply_limits([counted(3, LimitAction.CHECK)]), Limited)
    assert await store.apply_limits([counted(2, LimitAction.CHECK)]) is None
    assert await store.apply_limits([counted(2), counted(4, LimitAction.REFUND)]) is None
    assert 4 == await left(store, counted(1), clock)
    assert await store.apply_limits([counted(9, LimitAction.REFUND)]) is None
    assert await store.apply_limits([counted(5, LimitAction.EXTEND), counted(5)]) is None
    assert 0 == await left(store, counted(1), clock)
    assert await store.apply_limits([counted(1, LimitAction.RESET)]) is None
    assert 5 == await left(store, counted(1), clock)


async def test_uses_of_another_day_are_counted_separately_also_refunds_after_midnight(store, clock):
    clock.now = 12 * 86400 - 1.0
    today, tomorrow = "total 11", "total 12"
    assert await store.apply_limits([counted(5, subject=today)]) is None
    limited = await store.apply_limits([counted(1, subject=today)])
    assert isinstance(limited, Limited)
    assert 1.0 == pytest.approx(limited.retry_after)
    clock.now += 2
    assert await store.apply_limits([counted(4, subject=tomorrow)]) is None
    assert await store.apply_limits([counted(2, LimitAction.REFUND, today)]) is None
    assert [2, 1] == [await left(store, counted(1, subject=day), clock) for day in (today, tomorrow)]


async def test_the_uses_of_a_day_are_kept_for_two_days(store, clock):
    await store.apply_limits([counted(5)])
    clock.now += 2 * 86400
    await store.sweep()
    assert 0 == await left(store, counted(1), clock)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_sweep_deletes_the_uses_of_former_days(tmp_path, clock, kind):
    async with open_store(kind, tmp_path, clock) as store:
        await store.apply_limits([counted(5)])
        clock.now += 4 * 86400
        await store.sweep()
        assert {counted(1): 0.0} == await store.arrival_times([counted(1)])


async def test_simultaneous_uses_of_a_limit_that_counts_take_exactly_what_it_has(store, clock):
    budget = Limit("cost_per_day.total", 100_000_000, 86400.0, Reason.CALL_LIMIT, counts=True)
    take = LimitOperation(budget, "total 11", LimitAction.TAKE, 1_234_567)
    sessions = [session(clock, key=b"%016d" % n, user_key=f"user{n}") for n in range(100)]
    results = await asyncio.gather(*[store.compare_and_swap(None, each, [take]) for each in sessions])
    assert 81 == results.count(SwapResult.DONE)
    assert 100_000_000 - 81 * 1_234_567 == await left(store, take, clock)
    refunds = [LimitOperation(budget, "total 11", LimitAction.REFUND, 234_567)] * 81
    await asyncio.gather(*[store.apply_limits([refund]) for refund in refunds])
    assert 100_000_000 - 81_000_000 == await left(store, take, clock)


async def test_an_amount_takes_and_refunds_several_uses_of_every_kind_of_limit(store, clock):
    for limit in (Limit("calls.user", 5, 60.0, Reason.CALL_LIMIT), replace(RESETS, burst=5), COUNTS):
        take = LimitOperation(limit, "x", LimitAction.TAKE, 3)
        assert await store.apply_limits([take]) is None
        assert isinstance(await store.apply_limits([take]), Limited)
        assert 2 == await left(store, take, clock)
        assert await store.apply_limits([replace(take, action=LimitAction.REFUND, amount=2), take]) is None
        assert 1 == await left(store, take, clock)


async def test_a_clock_set_back_locks_no_limit(store, clock):
    clock.now += 1e8
    assert await store.apply_limits([LimitOperation(TIGHT, "x")]) is None
    clock.now -= 1e8
    assert await store.apply_limits([LimitOperation(TIGHT, "x")]) is None
    assert isinstance(await store.apply_limits([LimitOperation(TIGHT, "x")]), Limited)


async def test_the_stored_limits_are_listed(store, clock):
    await store.apply_limits([LimitOperation(LIMIT, "x")])
    result = await store.arrival_times([LimitOperation(LIMIT, "x"), LimitOperation(LIMIT, "y")])
    assert {LimitOperation(LIMIT, "x"): pytest.approx(clock.now + 30), LimitOperation(LIMIT, "y"): 0} == result


async def test_a_stored_value_is_loaded_until_it_expires(store, clock):
    await store.put(b"key\0\xff", b"value", 10)
    assert b"value" == await store.get(b"key\0\xff")
    await store.put(b"key\0\xff", b"other", 10)
    assert b"other" == await store.get(b"key\0\xff")
    assert await store.get(b"unknown") is None
    clock.now += 10
    assert await store.get(b"key\0\xff") is None


async def test_open_sessions_are_counted_and_expired_ones_reported_once(store, clock):
    await store.compare_and_swap(None, session(clock))
    ended = session(clock, key=b"e" * 16, user_key="eve", login="login2")
    await store.compare_and_swap(None, ended)
    result = step(ended, challenge_response(), clock.now).session
    await store.compare_and_swap(await store.load(b"e" * 16), result)
    assert 1 == await store.open_sessions()
    assert 0 == await store.sweep()
    clock.now += SESSION_TIMEOUT + REPEAT_SECONDS
    assert 1 == await store.sweep()
    assert 0 == await store.open_sessions()
    assert 0 == await store.sweep()
    assert await store.load(b"k" * 16) is None


async def test_a_sweep_changes_no_open_session(store, clock):
    first = session(clock)
    await store.compare_and_swap(None, first)
    await store.sweep()
    assert first == await store.load(first.key)
    assert SwapResult.BUSY is await store.compare_and_swap(None, session(clock, key=b"o" * 16))
    second = replace(first, attempts_left=2, version=2)
    assert SwapResult.STALE is await store.compare_and_swap(second, replace(second, version=3))
    assert SwapResult.DONE is await store.compare_and_swap(first, second)
    await store.sweep()
    assert second == await store.load(first.key)


async def test_sweeping_keeps_live_rows_and_limits(store, clock):
    await store.put(b"short", b"1", 10)
    await store.put(b"long", b"1", 1000)
    await store.apply_limits([LimitOperation(TIGHT, "x"), LimitOperation(LIMIT, "x")])
    clock.now += 40
    await store.sweep()
    assert (None, b"1") == (await store.get(b"short"), await store.get(b"long"))
    assert isinstance(await store.apply_limits([LimitOperation(TIGHT, "x")]), Limited)


@pytest.mark.parametrize("kind", STORE_TYPES)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 40, allow_nan=False),
            st.lists(
                st.tuples(
                    st.sampled_from([LIMIT, TIGHT, RESETS, COUNTS]),
                    st.sampled_from("ab"),
                    st.sampled_from(list(LimitAction)),
                    st.integers(1, 3),
                ),
                min_size=1,
                max_size=4,
            ),
        ),
        max_size=12,
    )
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_every_store_counts_like_the_arithmetic(tmp_path_factory, kind, turns):
    clock = Clock()
    tat: dict[str, float] = {}
    async with open_store(kind, tmp_path_factory.mktemp("store"), clock) as store:
        for pause, touched in turns:
            clock.now += pause
            operations = [LimitOperation(*operation) for operation in touched]
            expected = apply_operations(operations, lambda key: tat.get(key, 0.0), clock.now)
            result = await store.apply_limits(operations)
            if isinstance(expected, Limited):
                assert isinstance(result, Limited)
                assert expected.limit == result.limit
                assert pytest.approx(expected.retry_after, abs=1e-3) == result.retry_after
            else:
                assert result is None
                tat.update(expected)


PINS = DurableWrite(b"pins\0\xff", b"first")


async def test_a_durable_value_never_expires_and_is_replaced_only_if_it_is_known(store, clock):
    assert await store.durable(b"key") is None
    assert not await store.replace_durable(b"key", b"other", b"one")
    assert await store.replace_durable(b"key", None, b"one")
    assert not await store.replace_durable(b"key", None, b"two")
    assert not await store.replace_durable(b"key", b"other", b"two")
    clock.now += 10 * 365 * 86400
    await store.sweep()
    assert b"one" == await store.durable(b"key")
    await store.put(b"kept", b"value", 60.0)
    assert (b"value", b"one") == await store.get_with_durable(b"kept", b"key")
    assert (None, None) == await store.get_with_durable(b"key", b"kept")
    assert await store.replace_durable(b"key", b"one", b"two")
    assert b"two" == await store.durable(b"key")
    assert await store.replace_durable(b"key", b"two", None)
    assert await store.durable(b"key") is None
    assert await store.replace_durable(b"key", None, None)
    assert await store.durable(b"key") is None


async def test_a_swap_writes_its_durable_value_where_none_is(store, clock):
    first = session(clock)
    assert SwapResult.DONE is await store.compare_and_swap(None, first, durable=PINS)
    assert PINS.value == await store.durable(PINS.key)
    other = session(clock, key=b"o" * 16, user_key="bob-id")
    operations = [LimitOperation(TIGHT, "bob")]
    swapped = await store.compare_and_swap(None, other, operations, CHARGED, DurableWrite(PINS.key, b"second"))
    assert DurableExists(PINS.value) == swapped
    assert (None, PINS.value) == (await store.load(other.key), await store.durable(PINS.key))
    assert await store.apply_limits(operations, CHARGED) is None


async def test_a_refused_swap_writes_no_durable_value(store, clock):
    first = session(clock)
    assert SwapResult.STALE is await store.compare_and_swap(first, replace(first, version=2), durable=PINS)
    assert isinstance(
        await store.compare_and_swap(None, first, [LimitOperation(TIGHT, "x")] * 2, durable=PINS), Limited
    )
    await store.apply_limits([], CHARGED)
    recorded = await store.compare_and_swap(None, first, (), CHARGED, PINS)
    assert AlreadyRecorded(CHARGED.value) == recorded
    assert SwapResult.DONE is await store.compare_and_swap(None, first)
    assert SwapResult.BUSY is await store.compare_and_swap(None, session(clock, key=b"o" * 16), durable=PINS)
    assert await store.durable(PINS.key) is None


async def test_of_simultaneous_swaps_one_writes_the_durable_value(store, clock):
    sessions = [session(clock, key=bytes([n]) * 16, user_key=f"user{n}") for n in range(8)]
    writes = [DurableWrite(PINS.key, b"%d" % n) for n in range(8)]
    results = await asyncio.gather(
        *[store.compare_and_swap(None, each, durable=write) for each, write in zip(sessions, writes, strict=True)]
    )
    (winner,) = [n for n, result in enumerate(results) if result is SwapResult.DONE]
    assert writes[winner].value == await store.durable(PINS.key)
    assert 7 == results.count(DurableExists(writes[winner].value))


async def test_of_simultaneous_replacements_of_a_durable_value_one_succeeds(store):
    results = await asyncio.gather(*[store.replace_durable(b"key", None, b"%d" % n) for n in range(8)])
    assert 1 == results.count(True)
    assert b"%d" % results.index(True) == await store.durable(b"key")
