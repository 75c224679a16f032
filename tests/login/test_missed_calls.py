"""Calls that did not reach the user: the next prompt says so, and another call can be requested."""

import pytest

from radius_voice.events import Outcome, Reason
from radius_voice.login.model import CallStatus
from tests.login.harness import ACCEPTED, LoginHarness, result_of

BUSY = "Your phone was busy. Type phone to be called again, or enter the code:"


async def missed(harness, status):
    """A login whose call ended with that status, as the provider reports it when it is asked."""
    challenge = await harness.begin()
    harness.provider.statuses["fake1"] = status
    await harness.flow.follower.poll()
    return challenge


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (CallStatus.BUSY, BUSY),
        (CallStatus.NO_ANSWER, "The call was not answered. Type phone to be called again, or enter the code:"),
        (CallStatus.FAILED, "The call did not reach your phone. Type phone to be called again, or enter the code:"),
        (CallStatus.COMPLETED, "Wrong code, 2 attempts left. Enter the code you heard:"),
        (CallStatus.CANCELED, "Wrong code, 2 attempts left. Enter the code you heard:"),
    ],
)
async def test_the_next_prompt_says_how_the_call_ended(status, text):
    harness = LoginHarness()
    prompt = await harness.answer("", await missed(harness, status))
    assert (Outcome.CHALLENGE, Reason.WRONG_CODE, text) == (*result_of(prompt), prompt.text)


async def test_another_call_is_placed_whose_prompt_is_that_of_any_call():
    harness = LoginHarness()
    prompt = await harness.answer("", await missed(harness, CallStatus.BUSY))
    again = await harness.answer("phone", prompt)
    assert (Reason.REDIAL, "Calling your phone ending in 23. Enter the new code:") == (again.reason, again.text)
    wrong = await harness.answer("000000", again)
    assert wrong.text.startswith("Wrong code, 1 attempt left.")
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[1], wrong))


async def test_no_other_call_is_offered_without_redials_left():
    harness = LoginHarness(policy={"redials": 0})
    prompt = await harness.answer("", await missed(harness, CallStatus.BUSY))
    assert prompt.text.startswith("Wrong code, 2 attempts left.")


async def test_a_policy_with_decoys_does_not_say_how_the_call_ended():
    harness = LoginHarness(policy={"decoys": True})
    prompt = await harness.answer("", await missed(harness, CallStatus.BUSY))
    assert prompt.text.startswith("Wrong code, 2 attempts left.")
