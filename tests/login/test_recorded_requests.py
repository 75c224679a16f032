"""A recorded request has one effect; a used State has none in another login."""

import asyncio

import pytest

from radius_voice.events import Outcome, Reason
from radius_voice.login.issued import MAX_UNUSED, REPEATED_FOR
from radius_voice.login.limits import Limits
from radius_voice.login.model import CallStatus, User
from tests.login.fakes import ACCEPTED, ALICE, House, People, limit, told

PACKET = b"p" * 16
REPLAYED = (Outcome.REJECT, Reason.REPLAY)
HOME, ELSEWHERE = "192.0.2.9", "198.51.100.66"


@pytest.fixture
def house():
    return House()


async def call_ends(house, number=1):
    house.phones.statuses[f"fake{number}"] = CallStatus.NO_ANSWER
    await house.dialog.follower.poll()


async def finish(house, challenge):
    decision = await house.answer(house.phones.codes[-1], challenge)
    await house.dialog.drain()
    return decision


# A recorded request


@pytest.mark.parametrize("first_factor", [True, False])
async def test_a_request_that_opened_a_login_never_calls_again(first_factor):
    house = House(policy={} if first_factor else {"first_factor": None})
    await finish(house, await house.begin(packet=PACKET))
    house.clock.now += 3600
    assert REPLAYED == told(await house.begin(packet=PACKET))
    assert 1 == len(house.phones.orders)
    assert house.people.verified == first_factor


@pytest.mark.parametrize("first_factor", [True, False])
async def test_a_request_that_joined_a_login_never_calls(first_factor):
    house = House(policy={} if first_factor else {"first_factor": None})
    challenge = await house.begin()
    assert Reason.JOINED == (await house.begin(packet=PACKET)).reason
    await finish(house, challenge)
    assert REPLAYED == told(await house.begin(packet=PACKET))
    assert 1 == len(house.phones.orders)


async def test_a_request_rejected_as_busy_never_calls(house):
    challenge = await house.begin()
    assert (Outcome.REJECT, Reason.BUSY) == told(await house.begin(packet=PACKET, source=ELSEWHERE))
    await finish(house, challenge)
    assert REPLAYED == told(await house.begin(packet=PACKET, source=ELSEWHERE))


async def test_a_request_rejected_as_busy_at_another_client_never_calls(house):
    challenge = await house.begin()
    assert (Outcome.REJECT, Reason.BUSY) == told(await house.begin(packet=PACKET, client="other"))
    await finish(house, challenge)
    assert REPLAYED == told(await house.begin(packet=PACKET, client="other"))


async def test_a_request_rejected_by_a_call_limit_never_calls():
    house = House(limits=Limits(calls={"person": limit("calls.person", 1, Reason.CALL_LIMIT)}))
    await finish(house, await house.begin())
    assert (Outcome.REJECT, Reason.CALL_LIMIT) == told(await house.begin(packet=PACKET))
    house.clock.now += 3600
    assert REPLAYED == told(await house.begin(packet=PACKET))


async def test_a_request_rejected_by_the_limit_of_wrong_passwords_never_calls():
    failures = {"person": limit("wrong_passwords.person", 1, Reason.FAILURE_LIMIT)}
    house = House(limits=Limits(failures=failures))
    await house.begin("wrong")
    assert (Outcome.REJECT, Reason.FAILURE_LIMIT) == told(await house.begin(packet=PACKET))
    house.clock.now += 3600
    assert REPLAYED == told(await house.begin(packet=PACKET))


async def test_a_request_that_placed_a_redial_never_calls_again(house):
    await house.begin()
    await call_ends(house)
    assert Reason.REDIALLED == (await house.begin(packet=PACKET)).reason
    await call_ends(house, 2)
    joined = await house.begin(packet=PACKET)
    assert (Outcome.CHALLENGE, Reason.JOINED) == told(joined)
    assert 2 == len(house.phones.orders)


async def test_a_user_who_could_not_be_called_is_not_called_by_an_old_request():
    house = House(people=People(User("alice-id", "alice")))
    assert Reason.NO_PHONE == (await house.begin(packet=PACKET)).reason
    house.people.users["alice"] = ALICE
    assert REPLAYED == told(await house.begin(packet=PACKET))


async def test_a_recorded_request_joins_its_open_login_at_another_node_with_the_same_state(house):
    first = await house.begin(packet=PACKET)
    verified = house.people.verified
    node = House(people=house.people, clock=house.clock)
    node.use(house.store)
    again = await node.begin(packet=PACKET)
    assert (Outcome.CHALLENGE, Reason.JOINED, first.state) == (*told(again), again.state)
    assert verified == house.people.verified
    assert ACCEPTED == told(await node.answer(house.phones.codes[0], first))


async def test_a_hundred_replays_leave_every_state_of_the_owner_in_place(house):
    one, two = await house.begin(packet=PACKET), await house.begin()
    for _ in range(100):
        await house.begin(packet=PACKET)
    wrong = await house.answer("x", one)
    assert Reason.WRONG_CODE == wrong.reason
    assert ACCEPTED == told(await house.answer(house.phones.codes[0], two))


async def test_a_recorded_request_from_elsewhere_or_after_its_state_was_used_joins_nothing(house):
    challenge = await house.begin(packet=PACKET)
    assert REPLAYED == told(await house.begin(packet=PACKET, source=ELSEWHERE))
    await house.answer("x", challenge)
    assert REPLAYED == told(await house.begin(packet=PACKET))


async def test_the_33rd_request_that_would_join_is_rejected(house):
    challenges = [await house.begin() for _ in range(MAX_UNUSED)]
    assert (Outcome.REJECT, Reason.JOIN_LIMIT) == told(await house.begin())
    assert ACCEPTED == told(await house.answer(house.phones.codes[0], challenges[0]))


async def test_copies_of_one_request_at_once_open_one_login_with_one_state(house):
    decisions = await asyncio.gather(*(house.begin(packet=PACKET) for _ in range(5)))
    assert 1 == len({decision.state for decision in decisions})
    assert 1 == len(house.phones.orders)


# A used State


async def test_a_used_state_of_an_ended_login_obtains_no_state_of_the_next(house):
    first = await house.begin(source=ELSEWHERE)
    wrong = await house.answer("x", first, source=ELSEWHERE)
    await finish(house, wrong)
    second = await house.begin(source=HOME)
    repeated = await house.answer("x", first, source=ELSEWHERE)
    assert (Outcome.REJECT, b"") == (repeated.outcome, repeated.state)
    assert Reason.UNKNOWN_STATE == repeated.reason
    assert ACCEPTED == told(await house.answer(house.phones.codes[-1], second))


async def test_the_state_of_a_missed_login_obtains_none_of_the_one_that_replaces_it(house):
    house.people.password = "old password"
    first = await house.begin("old password")
    again = await house.answer("x", first)
    await call_ends(house)
    house.people.password = "new password"
    second = await house.begin("new password", source=HOME)
    assert Reason.CALLED == second.reason
    for state in (first, again):
        for typed in ("x", "phone", "old password", house.phones.codes[0]):
            assert (Outcome.REJECT, b"") == ((d := await house.answer(typed, state)).outcome, d.state)
    assert "2 tries" in (await house.answer("x", second)).text
    assert 2 == len(house.phones.orders)


@pytest.mark.parametrize("typed_right", [True, False])
async def test_the_final_result_of_a_replaced_login_is_repeated_as_it_was(typed_right):
    groups = User("alice-id", "alice", ALICE.phones, groups=frozenset({"staff"}))
    house = House(people=People(groups), policy={"tries": 1, "reply": ()})
    first = await house.begin()
    typed = house.phones.codes[0] if typed_right else "x"
    result = await house.answer(typed, first)
    await house.dialog.drain()
    second = await house.begin()
    assert Reason.CALLED == second.reason
    repeated = await house.answer(typed, first)
    assert (result.outcome, Reason.REPEATED) == told(repeated)
    assert (result.login, result.user, result.text, b"") == (repeated.login, repeated.user, repeated.text, b"")
    other = await house.answer("other", first)
    assert (Outcome.REJECT, Reason.USED_STATE) == told(other)
    foreign = await house.answer(typed, first, client="other")
    assert (Outcome.REJECT, Reason.UNKNOWN_STATE) == told(foreign)
    house.clock.now += REPEATED_FOR + 1
    assert Outcome.REJECT == (await house.answer(typed, first)).outcome


async def test_a_repeated_wrong_code_gets_the_same_next_state(house):
    challenge = await house.begin()
    wrong = [await house.answer("x", challenge) for _ in range(3)]
    assert 1 == len({decision.state for decision in wrong})
    assert ACCEPTED == told(await house.answer(house.phones.codes[0], wrong[0]))


async def test_a_lock_that_comes_late_does_not_end_the_next_login():
    codes = {"person": limit("wrong_codes.person", 1, Reason.LOCKED)}
    house = House(limits=Limits(codes=codes))
    first = await house.begin()
    wrong = await house.answer("x", first)
    swap = house.store.swap

    async def replaced_meanwhile(old, new, spends=(), record=None):
        house.store.swap = swap
        ended = old._replace(verdict=None, id="login2", states=(), version=old.version + 1)
        await swap(old, ended)
        return await swap(old, new, spends, record)

    house.store.swap = replaced_meanwhile
    assert Outcome.REJECT == (await house.answer(house.phones.codes[0], wrong)).outcome
    assert (await house.store.load(wrong.state[:16])).verdict is None
