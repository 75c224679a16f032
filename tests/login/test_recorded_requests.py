"""A recorded request has one effect; a used State has none in another login."""

import asyncio

import pytest
from msgspec.structs import replace

from radius_voice.events import Outcome, Reason
from radius_voice.login.codes.issued_states import MAX_UNUSED, REPEAT_SECONDS
from radius_voice.login.codes.keys import session_key_in
from radius_voice.login.limits.configured import Limits
from radius_voice.login.model import CallStatus, User
from tests.login.harness import ACCEPTED, ALICE, FakeDirectory, LoginHarness, limit, result_of

PACKET = b"p" * 16
REPLAYED = (Outcome.REJECT, Reason.REPLAY)
HOME, ELSEWHERE = "192.0.2.9", "198.51.100.66"


@pytest.fixture
def harness():
    return LoginHarness()


async def call_ends(harness, number=1):
    harness.provider.statuses[f"fake{number}"] = CallStatus.NO_ANSWER
    await harness.flow.follower.poll()


async def finish(harness, challenge):
    decision = await harness.answer(harness.provider.codes[-1], challenge)
    await harness.flow.drain()
    return decision


# A recorded request


@pytest.mark.parametrize("first_factor", [True, False])
async def test_a_request_that_opened_a_login_never_calls_again(first_factor):
    harness = LoginHarness(policy={} if first_factor else {"first_factor": None})
    await finish(harness, await harness.begin(packet=PACKET))
    harness.clock.now += 3600
    assert REPLAYED == result_of(await harness.begin(packet=PACKET))
    assert 1 == len(harness.provider.requests)
    assert harness.directory.verifications == first_factor


@pytest.mark.parametrize("first_factor", [True, False])
async def test_a_request_that_joined_a_login_never_calls(first_factor):
    harness = LoginHarness(policy={} if first_factor else {"first_factor": None})
    challenge = await harness.begin()
    assert Reason.JOINED == (await harness.begin(packet=PACKET)).reason
    await finish(harness, challenge)
    assert REPLAYED == result_of(await harness.begin(packet=PACKET))
    assert 1 == len(harness.provider.requests)


async def test_a_request_rejected_as_busy_never_calls(harness):
    challenge = await harness.begin()
    assert (Outcome.REJECT, Reason.BUSY) == result_of(await harness.begin(packet=PACKET, calling_station_id=ELSEWHERE))
    await finish(harness, challenge)
    assert REPLAYED == result_of(await harness.begin(packet=PACKET, calling_station_id=ELSEWHERE))


async def test_a_request_rejected_as_busy_at_another_client_never_calls(harness):
    challenge = await harness.begin()
    assert (Outcome.REJECT, Reason.BUSY) == result_of(await harness.begin(packet=PACKET, client="other"))
    await finish(harness, challenge)
    assert REPLAYED == result_of(await harness.begin(packet=PACKET, client="other"))


async def test_a_request_rejected_by_a_call_limit_never_calls():
    harness = LoginHarness(limits=Limits(calls={"user": limit("calls.user", 1, Reason.CALL_LIMIT)}))
    await finish(harness, await harness.begin())
    assert (Outcome.REJECT, Reason.CALL_LIMIT) == result_of(await harness.begin(packet=PACKET))
    harness.clock.now += 3600
    assert REPLAYED == result_of(await harness.begin(packet=PACKET))


async def test_a_request_rejected_by_the_limit_of_wrong_passwords_never_calls():
    failures = {"user": limit("wrong_passwords.user", 1, Reason.WRONG_PASSWORD_LIMIT)}
    harness = LoginHarness(limits=Limits(failures=failures))
    await harness.begin("wrong")
    assert (Outcome.REJECT, Reason.WRONG_PASSWORD_LIMIT) == result_of(await harness.begin(packet=PACKET))
    harness.clock.now += 3600
    assert REPLAYED == result_of(await harness.begin(packet=PACKET))


async def test_a_request_that_placed_a_redial_never_calls_again(harness):
    await harness.begin()
    await call_ends(harness)
    assert Reason.REDIAL == (await harness.begin(packet=PACKET)).reason
    await call_ends(harness, 2)
    joined = await harness.begin(packet=PACKET)
    assert (Outcome.CHALLENGE, Reason.JOINED) == result_of(joined)
    assert 2 == len(harness.provider.requests)


async def test_a_user_who_could_not_be_called_is_not_called_by_an_old_request():
    harness = LoginHarness(directory=FakeDirectory(User("alice-id", "alice")))
    assert Reason.NO_PHONE == (await harness.begin(packet=PACKET)).reason
    harness.directory.users["alice"] = ALICE
    assert REPLAYED == result_of(await harness.begin(packet=PACKET))


async def test_a_recorded_request_joins_its_open_login_at_another_node_with_the_same_state(harness):
    first = await harness.begin(packet=PACKET)
    verified = harness.directory.verifications
    node = LoginHarness(directory=harness.directory, clock=harness.clock)
    node.restart_with(harness.store)
    again = await node.begin(packet=PACKET)
    assert (Outcome.CHALLENGE, Reason.JOINED, first.state) == (*result_of(again), again.state)
    assert verified == harness.directory.verifications
    assert ACCEPTED == result_of(await node.answer(harness.provider.codes[0], first))


async def test_a_hundred_replays_keep_every_state_of_the_owner(harness):
    one, two = await harness.begin(packet=PACKET), await harness.begin()
    for _ in range(100):
        await harness.begin(packet=PACKET)
    wrong = await harness.answer("x", one)
    assert Reason.WRONG_CODE == wrong.reason
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], two))


async def test_a_recorded_request_from_elsewhere_or_after_its_state_was_used_joins_nothing(harness):
    challenge = await harness.begin(packet=PACKET)
    assert REPLAYED == result_of(await harness.begin(packet=PACKET, calling_station_id=ELSEWHERE))
    await harness.answer("x", challenge)
    assert REPLAYED == result_of(await harness.begin(packet=PACKET))


async def test_the_33rd_request_that_would_join_is_rejected(harness):
    challenges = [await harness.begin() for _ in range(MAX_UNUSED)]
    assert (Outcome.REJECT, Reason.JOIN_LIMIT) == result_of(await harness.begin())
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], challenges[0]))


async def test_concurrent_copies_of_one_request_open_one_session_with_one_state(harness):
    decisions = await asyncio.gather(*(harness.begin(packet=PACKET) for _ in range(5)))
    assert 1 == len({decision.state for decision in decisions})
    assert 1 == len(harness.provider.requests)


# A used State


async def test_a_used_state_of_an_ended_session_obtains_no_state_of_the_next(harness):
    first = await harness.begin(calling_station_id=ELSEWHERE)
    wrong = await harness.answer("x", first, calling_station_id=ELSEWHERE)
    await finish(harness, wrong)
    second = await harness.begin(calling_station_id=HOME)
    repeated = await harness.answer("x", first, calling_station_id=ELSEWHERE)
    assert (Outcome.REJECT, b"") == (repeated.outcome, repeated.state)
    assert Reason.UNKNOWN_STATE == repeated.reason
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[-1], second))


async def test_the_state_of_a_missed_session_obtains_none_of_its_replacement(harness):
    harness.directory.password = "old password"
    first = await harness.begin("old password")
    again = await harness.answer("x", first)
    await call_ends(harness)
    harness.directory.password = "new password"
    second = await harness.begin("new password", calling_station_id=HOME)
    assert Reason.CALL_PLACED == second.reason
    for state in (first, again):
        for typed in ("x", "phone", "old password", harness.provider.codes[0]):
            assert (Outcome.REJECT, b"") == ((d := await harness.answer(typed, state)).outcome, d.state)
    assert "2 attempts" in (await harness.answer("x", second)).text
    assert 2 == len(harness.provider.requests)


@pytest.mark.parametrize("typed_right", [True, False])
async def test_the_final_result_of_a_replaced_session_is_repeated_unchanged(typed_right):
    groups = User("alice-id", "alice", ALICE.phones, groups=frozenset({"staff"}))
    harness = LoginHarness(directory=FakeDirectory(groups), policy={"attempts": 1, "reply": ()})
    first = await harness.begin()
    typed = harness.provider.codes[0] if typed_right else "x"
    result = await harness.answer(typed, first)
    await harness.flow.drain()
    second = await harness.begin()
    assert Reason.CALL_PLACED == second.reason
    repeated = await harness.answer(typed, first)
    assert (result.outcome, Reason.REPEATED) == result_of(repeated)
    assert (result.session, result.user, result.text, b"") == (repeated.session, repeated.user, repeated.text, b"")
    other = await harness.answer("other", first)
    assert (Outcome.REJECT, Reason.USED_STATE) == result_of(other)
    foreign = await harness.answer(typed, first, client="other")
    assert (Outcome.REJECT, Reason.UNKNOWN_STATE) == result_of(foreign)
    harness.clock.now += REPEAT_SECONDS + 1
    assert Outcome.REJECT == (await harness.answer(typed, first)).outcome


async def test_a_repeated_wrong_code_gets_the_same_next_state(harness):
    challenge = await harness.begin()
    wrong = [await harness.answer("x", challenge) for _ in range(3)]
    assert 1 == len({decision.state for decision in wrong})
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], wrong[0]))


async def test_a_late_lock_does_not_end_the_next_session(monkeypatch):
    codes = {"user": limit("wrong_codes.user", 1, Reason.LOCKED)}
    harness = LoginHarness(limits=Limits(codes=codes))
    first = await harness.begin()
    wrong = await harness.answer("x", first)
    swap = harness.store.compare_and_swap

    async def replaced_meanwhile(old, new, *more):
        monkeypatch.setattr(harness.store, "compare_and_swap", swap)
        ended = replace(old, result=None, id="login2", states=(), version=old.version + 1)
        await swap(old, ended)
        return await swap(old, new, *more)

    monkeypatch.setattr(harness.store, "compare_and_swap", replaced_meanwhile)
    assert Outcome.REJECT == (await harness.answer(harness.provider.codes[0], wrong)).outcome
    key = session_key_in(wrong.state)
    assert key is not None
    session = await harness.store.load(key)
    assert session is not None
    assert session.result is None
