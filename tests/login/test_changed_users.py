"""A user is disabled, deleted, moved to another phone or given another password during a login."""

import asyncio

import pytest
from msgspec.structs import replace

from radius_voice.events import Outcome, Reason
from radius_voice.login.model import Unavailable
from radius_voice.login.phone import Phone
from tests.login.harness import ACCEPTED, ALICE, NOT_PLACED, LoginHarness, result_of

MOVED = replace(ALICE, phones=(Phone("+12025550188"),))
REORDERED = replace(ALICE, phones=ALICE.phones[::-1])


@pytest.fixture
def harness():
    return LoginHarness()


def replace_user(harness, user):
    harness.directory.users = {} if user is None else {user.name: user}


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
async def test_a_user_who_may_not_log_in_any_longer_is_rejected_before_the_code_is_compared(
    harness, user, reason, typed
):
    challenge = await harness.begin()
    replace_user(harness, user)
    answer = harness.provider.codes[0] if typed == "the code" else typed
    assert (Outcome.REJECT, reason) == result_of(await harness.answer(answer, challenge))
    await harness.flow.drain()
    assert ["fake1"] == harness.provider.hung_up
    assert 1 == len(harness.provider.requests)
    replace_user(harness, ALICE)
    assert Outcome.REJECT == (await harness.answer(harness.provider.codes[0], challenge)).outcome


async def test_another_name_or_order_of_phones_is_no_change_of_the_user(harness):
    challenge = await harness.begin()
    replace_user(harness, replace(REORDERED, name="alice.new"))
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], challenge))


@pytest.mark.parametrize("setting", [Outcome.NO_RESPONSE, Outcome.REJECT])
async def test_an_unavailable_directory_uses_up_neither_state_nor_attempt(setting):
    harness = LoginHarness(policy={"on_unavailable": setting})
    challenge = await harness.begin()
    harness.directory.unavailable = True
    for typed in (harness.provider.codes[0], "phone", "x"):
        assert (setting, Reason.IDENTITY_UNAVAILABLE) == result_of(await harness.answer(typed, challenge))
    harness.directory.unavailable = False
    assert "2 attempts" in (wrong := await harness.answer("y", challenge)).text
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], wrong))


@pytest.mark.parametrize("now", ["second", ""])
@pytest.mark.parametrize("typed", ["the code", "phone"])
async def test_a_changed_password_ends_the_login(harness, typed, now):
    challenge = await harness.begin()
    harness.directory.password_id_now = now
    answer = harness.provider.codes[0] if typed == "the code" else typed
    assert (Outcome.REJECT, Reason.PASSWORD_CHANGED) == result_of(await harness.answer(answer, challenge))
    await harness.flow.drain()
    assert ["fake1"] == harness.provider.hung_up
    assert Reason.CALL_PLACED is (await harness.begin()).reason


async def test_a_source_that_cannot_tell_changes_of_passwords_is_not_asked(harness):
    harness.directory.password_id_now = ""
    challenge = await harness.begin()
    harness.directory.password_id_now = "unexpected"
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], challenge))


async def test_a_session_without_a_password_is_not_affected_by_first_factors(harness):
    challenge = await harness.begin()
    after = LoginHarness(harness.directory, harness.providers, clock=harness.clock, policy={"first_factor": None})
    after.restart_with(harness.store)
    harness.directory.password_id_now = "second"
    assert ACCEPTED == result_of(await after.answer(harness.provider.codes[0], challenge))


@pytest.mark.parametrize("placement", ["first call", "redial"])
@pytest.mark.parametrize(
    ("user", "reason"),
    [
        (None, Reason.UNKNOWN_USER),
        (replace(ALICE, disabled=True), Reason.DISABLED),
        (MOVED, Reason.PHONE_CHANGED),
        (Unavailable, Reason.IDENTITY_UNAVAILABLE),
        (ALICE, Reason.BYPASS),
    ],
)
async def test_a_bypass_accepts_no_user_who_was_changed_while_the_call_was_placed(user, reason, placement):
    harness = LoginHarness(policy={"bypass_until": 2_000_000.0})
    provider = harness.provider
    challenge = await harness.begin() if placement == "redial" else None
    provider.results, provider.gate = [NOT_PLACED], asyncio.Event()
    login = asyncio.create_task(harness.answer("phone", challenge) if challenge else harness.begin())
    for _ in range(2 if challenge else 1):
        await provider.placements_started.acquire()
    if user is Unavailable:
        harness.directory.unavailable = True
    else:
        replace_user(harness, user)
    provider.gate.set()
    outcome = Outcome.ACCEPT if reason is Reason.BYPASS else Outcome.REJECT
    assert (outcome, reason) == result_of(await login)


async def test_a_repeated_result_is_not_decided_again(harness):
    challenge = await harness.begin()
    code = harness.provider.codes[0]
    assert ACCEPTED == result_of(await harness.answer(code, challenge))
    replace_user(harness, None)
    harness.directory.unavailable = True
    assert (Outcome.ACCEPT, Reason.REPEATED) == result_of(await harness.answer(code, challenge))


async def test_a_phone_that_was_removed_is_not_called_instead_of_the_first(harness):
    challenge = await harness.begin()
    replace_user(harness, replace(ALICE, phones=ALICE.phones[:1]))
    again = await harness.answer("phone2", challenge)
    assert (Outcome.CHALLENGE, Reason.REDIAL_UNAVAILABLE) == result_of(again)
    assert 1 == len(harness.provider.requests)


async def test_a_second_login_after_a_missed_call_calls_the_current_phones(harness):
    await harness.begin()
    harness.clock.now += 150
    replace_user(harness, MOVED)
    again = await harness.begin()
    assert Reason.REDIAL == again.reason
    assert MOVED.phones[0] == harness.provider.requests[-1].phone
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[-1], again))


async def test_a_session_of_a_directory_that_is_not_configured_any_longer_is_rejected(harness):
    challenge = await harness.begin()
    after = LoginHarness(directory=harness.directory, clock=harness.clock, policy={"directory_name": "another"})
    after.restart_with(harness.store)
    assert (Outcome.REJECT, Reason.UNKNOWN_USER) == result_of(await after.answer(harness.provider.codes[0], challenge))
