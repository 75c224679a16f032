"""A user who is disabled, deleted or moved to another phone while a login waits for its code."""

from dataclasses import replace

import pytest

from radius_voice.events import Outcome, Reason
from radius_voice.login.phone import Phone
from tests.login.fakes import ACCEPTED, ALICE, House, told

MOVED = replace(ALICE, phones=(Phone("+12025550188"),))
REORDERED = replace(ALICE, phones=ALICE.phones[::-1])


@pytest.fixture
def house():
    return House()


def become(house, user):
    house.people.users = {} if user is None else {user.name: user}


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        (None, Reason.UNKNOWN_USER),
        (replace(ALICE, disabled=True), Reason.DISABLED),
        (replace(ALICE, phones=()), Reason.NO_PHONE),
        (MOVED, Reason.PHONE_CHANGED),
    ],
)
@pytest.mark.parametrize("typed", ["the code", "phone", "phone2", "right", "wrong"])
async def test_a_user_who_may_no_longer_log_in_is_rejected_before_the_code_is_compared(house, user, reason, typed):
    challenge = await house.begin()
    become(house, user)
    answer = house.phones.codes[0] if typed == "the code" else typed
    assert (Outcome.REJECT, reason) == told(await house.answer(answer, challenge))
    await house.dialog.drain()
    assert ["fake1"] == house.phones.hung_up
    assert 1 == len(house.phones.orders)
    become(house, ALICE)
    assert Outcome.REJECT == (await house.answer(house.phones.codes[0], challenge)).outcome


async def test_a_user_found_under_another_name_or_order_of_phones_is_no_change(house):
    challenge = await house.begin()
    become(house, replace(REORDERED, name="alice.new"))
    assert ACCEPTED == told(await house.answer(house.phones.codes[0], challenge))


@pytest.mark.parametrize("setting", [Outcome.SILENCE, Outcome.REJECT])
async def test_a_directory_that_is_down_uses_up_neither_state_nor_attempt(setting):
    house = House(policy={"on_unavailable": setting})
    challenge = await house.begin()
    house.people.down = True
    for typed in (house.phones.codes[0], "phone", "x"):
        assert (setting, Reason.IDENTITY_UNAVAILABLE) == told(await house.answer(typed, challenge))
    house.people.down = False
    assert "2 tries" in (wrong := await house.answer("y", challenge)).text
    assert ACCEPTED == told(await house.answer(house.phones.codes[0], wrong))


async def test_a_repeated_result_is_not_decided_again(house):
    challenge = await house.begin()
    code = house.phones.codes[0]
    assert ACCEPTED == told(await house.answer(code, challenge))
    become(house, None)
    house.people.down = True
    assert (Outcome.ACCEPT, Reason.REPEATED) == told(await house.answer(code, challenge))


async def test_a_phone_that_was_removed_is_not_called_instead_of_the_first(house):
    challenge = await house.begin()
    become(house, replace(ALICE, phones=ALICE.phones[:1]))
    again = await house.answer("phone2", challenge)
    assert (Outcome.CHALLENGE, Reason.CANNOT_REDIAL) == told(again)
    assert 1 == len(house.phones.orders)


async def test_a_second_login_after_a_missed_call_rings_the_phones_of_today(house):
    await house.begin()
    house.clock.now += 150
    become(house, MOVED)
    again = await house.begin()
    assert Reason.REDIALLED == again.reason
    assert MOVED.phones[0] == house.phones.orders[-1].phone
    assert ACCEPTED == told(await house.answer(house.phones.codes[-1], again))


async def test_a_login_from_a_directory_that_is_configured_no_more_is_rejected(house):
    challenge = await house.begin()
    after = House(people=house.people, clock=house.clock, policy={"directory_name": "another"})
    after.use(house.store)
    assert (Outcome.REJECT, Reason.UNKNOWN_USER) == told(await after.answer(house.phones.codes[0], challenge))
