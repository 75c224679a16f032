"""What every store promises, run against each of them."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radius_voice.events import Reason
from radius_voice.login.challenge import CallChanged, CallPlaced, First, step
from radius_voice.login.issued import REPEATED_FOR
from radius_voice.login.limits import settle
from radius_voice.login.model import Act, CallStatus, Limit, Limited, Record, Recorded, Spend, Swap
from radius_voice.login.records import MAX_RECORDS, RECORD_SECONDS
from radius_voice.stores import redis_scripts
from tests.login.fakes import Clock
from tests.login.rows import CAP, LIFETIME, LIVE, LOGIN, REF, answered, blank
from tests.stores.kinds import KINDS, opened

LIMIT = Limit("calls.person", 2, 60.0, Reason.CALL_LIMIT)
TIGHT = Limit("calls.all", 1, 60.0, Reason.CALL_LIMIT)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=KINDS)
async def store(request, tmp_path, clock):
    async with opened(request.param, tmp_path, clock) as store:
        yield store


def row(clock, **more):
    return blank(clock.now, **more)


async def test_what_is_swapped_in_is_loaded_again(store, clock):
    first = row(clock, reply=(("Class", "ä"),))
    assert await store.load(first.key) is None
    assert Swap.DONE is await store.swap(None, first)
    assert first == await store.load(first.key)


async def test_every_field_survives(store, clock):
    first = row(clock)
    placed = step(first, CallPlaced(LOGIN, 1, first.call.phone, REF), clock.now).row
    heard = step(placed, CallChanged(LOGIN, 1, CallStatus.ANSWERED, LIFETIME), clock.now).row
    wrong = step(heard, answered(typed=b"wrong"), clock.now).row
    accepted = step(wrong, answered(b"state2"), clock.now).row
    before = None
    for each in (first, placed, heard, wrong, accepted):
        loaded = await store.load(first.key)
        assert before == loaded
        assert Swap.DONE is await store.swap(loaded, each)
        before = each
    assert accepted == await store.load(first.key)
    over = step(accepted, CallChanged(LOGIN, 1, CallStatus.COMPLETED, LIFETIME), clock.now).row
    assert Swap.DONE is await store.swap(await store.load(first.key), over)
    opened = step(over, First(row(clock, login="login2", reply=(("Class", "x"),), returning=True)), clock.now).row
    assert opened.previous
    assert Swap.DONE is await store.swap(await store.load(first.key), opened)
    refused = step(opened, CallPlaced("login2", 1, opened.call.phone, None, refused=True), clock.now).row
    assert not refused.bypass_allowed
    assert Swap.DONE is await store.swap(await store.load(first.key), refused)
    assert refused == await store.load(first.key)


async def test_a_row_that_somebody_else_changed_is_stale(store, clock):
    first = row(clock)
    await store.swap(None, first)
    assert Swap.STALE is await store.swap(None, row(clock, login="other"))
    loaded = await store.load(first.key)
    second = loaded._replace(tries=2, version=2)
    assert Swap.DONE is await store.swap(loaded, second)
    assert Swap.STALE is await store.swap(loaded, loaded._replace(tries=1, version=2))
    assert 2 == (await store.load(first.key)).tries


async def test_of_many_at_once_one_swap_is_done(store, clock):
    rows = [row(clock, login=f"login{n}") for n in range(8)]
    swaps = await asyncio.gather(*(store.swap(None, each) for each in rows))
    assert 1 == swaps.count(Swap.DONE)
    assert 7 == swaps.count(Swap.STALE)


async def test_one_live_call_a_person(store, clock):
    first = row(clock)
    elsewhere = row(clock, key=b"o" * 16, client="other", login="login2")
    await store.swap(None, first)
    assert Swap.BUSY is await store.swap(None, elsewhere)
    assert await store.load(elsewhere.key) is None
    another = row(clock, key=b"b" * 16, person="bob-id", login="login3")
    assert Swap.DONE is await store.swap(None, another)
    over = first._replace(call=first.call._replace(over=True), version=2)
    assert Swap.DONE is await store.swap(await store.load(first.key), over)
    assert Swap.DONE is await store.swap(None, elsewhere)


async def test_a_live_call_frees_its_person_when_its_time_is_over(store, clock):
    await store.swap(None, row(clock))
    clock.now += LIVE - 1
    assert Swap.BUSY is await store.swap(None, row(clock, key=b"o" * 16, login="login2"))
    clock.now += 1
    assert Swap.DONE is await store.swap(None, row(clock, key=b"o" * 16, login="login2"))


async def test_a_row_is_opened_over_one_that_ended(store, clock):
    await store.swap(None, row(clock))
    clock.now += CAP
    old = await store.load(b"k" * 16)
    stepped = step(old, First(row(clock, login="login2")), clock.now)
    assert Swap.DONE is await store.swap(old, stepped.row)
    assert "login2" == (await store.load(b"k" * 16)).id


async def test_row_and_limits_are_all_or_none(store, clock):
    spends = [Spend(LIMIT, "alice"), Spend(TIGHT, "all")]
    assert Swap.DONE is await store.swap(None, row(clock), spends)
    limited = await store.swap(
        None, row(clock, key=b"b" * 16, person="bob", login="2"), [Spend(LIMIT, "bob"), *spends[1:]]
    )
    assert isinstance(limited, Limited)
    assert (TIGHT, 60.0) == (limited.limit, pytest.approx(limited.retry_after))
    assert await store.load(b"b" * 16) is None
    for _ in range(2):
        assert await store.spend([Spend(LIMIT, "bob")]) is None
    assert isinstance(await store.spend([Spend(LIMIT, "bob")]), Limited)


async def test_a_stale_or_busy_swap_spends_nothing(store, clock):
    await store.swap(None, row(clock))
    assert Swap.STALE is await store.swap(None, row(clock), [Spend(TIGHT, "all")])
    assert Swap.BUSY is await store.swap(None, row(clock, key=b"o" * 16), [Spend(TIGHT, "all")])
    assert await store.spend([Spend(TIGHT, "all")]) is None


CHARGED = Record(b"\0request\xff", b"\0charged \xff")
REJECTED = Record(CHARGED.key, b"rejected", replaces=CHARGED.value)
SESSION = Record(CHARGED.key, b"session", replaces=CHARGED.value, verified=True)


async def test_a_request_is_recorded_once_with_its_effect(store, clock):
    assert await store.spend([Spend(LIMIT, "alice")], CHARGED) is None
    assert Recorded(CHARGED.value) == await store.spend([Spend(LIMIT, "alice")], CHARGED)
    assert Swap.DONE is await store.swap(None, row(clock), [], SESSION)
    assert Recorded(b"session") == await store.spend([], REJECTED)
    second = row(clock, key=b"b" * 16, person="bob", login="2")
    assert Recorded(b"session") == await store.swap(None, second, [Spend(LIMIT, "alice")], SESSION)
    assert await store.load(b"b" * 16) is None
    assert await store.spend([Spend(LIMIT, "alice")]) is None  # one was spent, by the first
    assert isinstance(await store.spend([Spend(LIMIT, "alice")]), Limited)


async def test_a_request_whose_effect_did_not_happen_is_not_recorded(store, clock):
    await store.spend([Spend(TIGHT, "x")])
    assert isinstance(await store.spend([Spend(TIGHT, "x")], CHARGED), Limited)
    await store.swap(None, row(clock))
    assert Swap.STALE is await store.swap(None, row(clock), [], SESSION)
    assert Swap.BUSY is await store.swap(None, row(clock, key=b"o" * 16), [], SESSION)
    assert await store.spend([], CHARGED) is None
    assert await store.spend([], Record(CHARGED.key, b"", replaces=CHARGED.value)) is None
    assert await store.spend([], CHARGED) is None


async def test_records_end_after_a_day(store, clock):
    await store.spend([], CHARGED)
    clock.now += RECORD_SECONDS - 1
    await store.sweep()
    assert Recorded(CHARGED.value) == await store.spend([], CHARGED)
    clock.now += 1
    assert await store.spend([], REJECTED) is None
    await store.sweep()
    assert Recorded(b"rejected") == await store.spend([], CHARGED)


async def test_strangers_cannot_displace_records_of_verified_requests(store, monkeypatch):
    for module in ("memory", "sqlite"):
        monkeypatch.setattr(f"radius_voice.stores.{module}.MAX_RECORDS", 3)
    monkeypatch.setattr("radius_voice.stores.redis.SPEND", limited_to(3, redis_scripts.SPEND))
    await store.spend([], SESSION)
    for number in range(10):
        await store.spend([], Record(b"stranger %d" % number, b"rejected"))
    await store.sweep()
    assert Recorded(b"session") == await store.spend([], CHARGED)
    kept = [n for n in range(10) if await store.spend([], Record(b"stranger %d" % n, b"", b"-"))]
    assert [7, 8, 9] == kept


def limited_to(records, script):
    return redis_scripts.Script(script.text.replace(f"count > {MAX_RECORDS}", f"count > {records}"))


async def test_limits_are_given_back_peeked_at_and_cleared(store):
    take, peek = Spend(TIGHT, "x"), Spend(TIGHT, "x", Act.PEEK)
    assert await store.spend([]) is None
    assert await store.spend([peek]) is None
    assert await store.spend([take]) is None
    assert isinstance(await store.spend([peek]), Limited)
    assert await store.spend([Spend(TIGHT, "x", Act.GIVE_BACK)]) is None
    assert await store.spend([take]) is None
    assert await store.spend([Spend(TIGHT, "x", Act.CLEAR)]) is None
    assert await store.spend([peek, take]) is None
    assert await store.spend([Spend(TIGHT, "y")]) is None


async def test_a_clock_that_is_set_back_locks_no_limit(store, clock):
    clock.now += 1e8
    assert await store.spend([Spend(TIGHT, "x")]) is None
    clock.now -= 1e8
    assert await store.spend([Spend(TIGHT, "x")]) is None
    assert isinstance(await store.spend([Spend(TIGHT, "x")]), Limited)


async def test_what_is_stored_of_limits_is_told(store, clock):
    await store.spend([Spend(LIMIT, "x")])
    told = await store.full_at([Spend(LIMIT, "x"), Spend(LIMIT, "y")])
    assert {Spend(LIMIT, "x"): pytest.approx(clock.now + 30), Spend(LIMIT, "y"): 0} == told


async def test_what_is_remembered_is_recalled_until_its_time(store, clock):
    await store.remember(b"key\0\xff", b"value", 10)
    assert b"value" == await store.recall(b"key\0\xff")
    await store.remember(b"key\0\xff", b"other", 10)
    assert b"other" == await store.recall(b"key\0\xff")
    assert await store.recall(b"unknown") is None
    clock.now += 10
    assert await store.recall(b"key\0\xff") is None


async def test_open_logins_are_counted_and_abandoned_ones_told_once(store, clock):
    await store.swap(None, row(clock))
    ended = row(clock, key=b"e" * 16, person="eve", login="login2")
    await store.swap(None, ended)
    verdict = step(ended, answered(), clock.now).row
    await store.swap(await store.load(b"e" * 16), verdict)
    assert 1 == await store.open_logins()
    assert 0 == await store.sweep()
    clock.now += CAP + REPEATED_FOR
    assert 1 == await store.sweep()
    assert 0 == await store.open_logins()
    assert 0 == await store.sweep()
    assert await store.load(b"k" * 16) is None


async def test_sweeping_keeps_what_still_counts(store, clock):
    await store.remember(b"short", b"1", 10)
    await store.remember(b"long", b"1", 1000)
    await store.spend([Spend(TIGHT, "x"), Spend(LIMIT, "x")])
    clock.now += 40
    await store.sweep()
    assert (None, b"1") == (await store.recall(b"short"), await store.recall(b"long"))
    assert isinstance(await store.spend([Spend(TIGHT, "x")]), Limited)


@pytest.mark.parametrize("kind", KINDS)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 40, allow_nan=False),
            st.lists(
                st.tuples(st.sampled_from([LIMIT, TIGHT]), st.sampled_from("ab"), st.sampled_from(list(Act))),
                min_size=1,
                max_size=4,
            ),
        ),
        max_size=12,
    )
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_every_store_counts_like_the_arithmetic(tmp_path_factory, kind, turns):
    clock, full_at = Clock(), {}
    async with opened(kind, tmp_path_factory.mktemp("store"), clock) as store:
        for pause, touched in turns:
            clock.now += pause
            spends = [Spend(*spend) for spend in touched]
            expected = settle(spends, lambda key: full_at.get(key, 0.0), clock.now)
            told = await store.spend(spends)
            if isinstance(expected, Limited):
                assert isinstance(told, Limited)
                assert (expected.limit, pytest.approx(expected.retry_after, abs=1e-3)) == (told.limit, told.retry_after)
            else:
                assert told is None
                full_at.update(expected)
