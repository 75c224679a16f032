"""Text messages: as the policy's method, at the user's request, and in place of a call."""

import pytest

from radius_voice.events import Outcome, PlacementRecord, Reason
from radius_voice.login.deliveries.requests import Indeterminate, NumberRejected, Placed
from radius_voice.login.model import Method
from radius_voice.login.session.state_machine import TEXT_SECONDS
from tests.login.harness import ACCEPTED, NOT_PLACED, FakeProvider, LoginHarness, result_of

SENT = Placed("SM1", live=False)
VOICE, SMS = Method.VOICE, Method.SMS


def harness_of(methods, *texts, calls=(), **more):
    """A harness whose policy has those methods, and whose providers answer so."""
    by_method = {
        VOICE: {"calls": FakeProvider(*calls, name="calls")},
        SMS: {"texts": FakeProvider(*texts, name="texts")},
    }
    return LoginHarness(policy={"methods": methods, **more}, by_method=by_method)


def provider(harness, method):
    (found,) = harness.by_method[method].values()
    return found


def sent(harness):
    """The deliveries that providers were asked for: method, phone and result."""
    return [
        (record.method, record.phone[-2:], str(record.result))
        for record in harness.records
        if isinstance(record, PlacementRecord)
    ]


async def test_a_text_message_carries_the_code():
    harness = harness_of((SMS,), SENT)
    challenge = await harness.begin()
    assert (Outcome.CHALLENGE, Reason.TEXT_SENT) == result_of(challenge)
    assert "has sent a text message to your phone ending in 23" in challenge.text
    (request,) = provider(harness, SMS).requests
    assert SMS is request.method
    assert ACCEPTED == result_of(await harness.answer(request.message.code, challenge))
    assert [] == provider(harness, VOICE).requests


async def test_after_a_text_message_the_user_may_log_in_again_at_once():
    harness = harness_of((SMS,), SENT, SENT)
    challenge = await harness.begin()
    await harness.answer(provider(harness, SMS).codes[-1], challenge)
    assert (Outcome.CHALLENGE, Reason.TEXT_SENT) == result_of(await harness.begin(client="other"))


async def test_a_wrong_code_of_a_text_message_is_answered_in_its_words():
    harness = harness_of((SMS,), SENT)
    challenge = await harness.begin()
    again = await harness.answer("000000", challenge)
    assert "Wrong code, 2 attempts left. Enter the code from the text message:" == again.text
    assert (
        "Wrong code, 1 attempt left. Enter the code from the text message:" == (await harness.answer("0", again)).text
    )


async def test_the_same_request_joins_while_the_text_message_may_arrive_and_later_sends_another():
    harness = harness_of((SMS,), SENT, SENT)
    await harness.begin()
    harness.clock.now += TEXT_SECONDS - 1
    assert (Outcome.CHALLENGE, Reason.JOINED) == result_of(await harness.begin())
    harness.clock.now += 1
    assert (Outcome.CHALLENGE, Reason.REDIAL) == result_of(await harness.begin())
    assert 2 == len(provider(harness, SMS).requests)


async def test_the_code_of_a_text_message_is_valid_from_when_the_provider_accepted_it():
    harness = harness_of((SMS,), SENT)
    challenge = await harness.begin()
    harness.clock.now += 121.0
    late = await harness.answer(provider(harness, SMS).codes[-1], challenge)
    assert (Outcome.REJECT, Reason.EXPIRED) == result_of(late)


@pytest.mark.parametrize(
    ("typed", "method", "ending", "text"),
    [
        ("sms", SMS, "23", "A new text message was sent to your phone ending in 23. Enter the new code:"),
        (" SMS2 ", SMS, "24", "A new text message was sent to your phone ending in 24. Enter the new code:"),
        ("phone2", VOICE, "24", "Calling your phone ending in 24. Enter the new code:"),
    ],
)
async def test_a_user_may_ask_for_another_method_and_phone(typed, method, ending, text):
    harness = harness_of((VOICE, SMS), SENT)
    challenge = await harness.begin()
    again = await harness.answer(typed, challenge)
    assert (Outcome.CHALLENGE, Reason.REDIAL, text) == (*result_of(again), again.text)
    assert (method.value, ending, "placed") == sent(harness)[-1]
    assert (Outcome.CHALLENGE, Reason.WRONG_CODE) == result_of(
        await harness.answer(provider(harness, VOICE).codes[0], again)
    ), "the code of the call before is no longer valid"


@pytest.mark.parametrize(
    ("methods", "typed", "text"),
    [
        ((VOICE,), "sms", "No text message is possible now. Enter the code you heard:"),
        ((SMS,), "phone", "No call is possible now. Enter the code from the text message:"),
        ((VOICE, SMS), "sms3", "No text message is possible now. Enter the code you heard:"),
        ((VOICE, SMS), "phone9", "No further call is possible now. Enter the code you heard:"),
        ((SMS, VOICE), "phone9", "No call is possible now. Enter the code from the text message:"),
        ((SMS, VOICE), " SMS9 ", "No further text message is possible now. Enter the code from the last one:"),
    ],
)
async def test_a_method_or_phone_that_is_not_there_costs_no_attempt(methods, typed, text):
    harness = harness_of(methods, SENT)
    challenge = await harness.begin()
    again = await harness.answer(typed, challenge)
    assert (Outcome.CHALLENGE, Reason.REDIAL_UNAVAILABLE, text) == (*result_of(again), again.text)
    assert 1 == len(sent(harness))
    code = provider(harness, methods[0]).codes[-1]
    assert ACCEPTED == result_of(await harness.answer(code, again))


async def test_without_a_provider_that_can_call_a_text_message_is_sent():
    harness = harness_of((VOICE, SMS), SENT, calls=[NOT_PLACED])
    challenge = await harness.begin()
    assert (Outcome.CHALLENGE, Reason.TEXT_SENT) == result_of(challenge)
    assert "text message to your phone ending in 23" in challenge.text
    assert [("voice", "23", "not_placed"), ("sms", "23", "placed")] == sent(harness)
    assert ACCEPTED == result_of(await harness.answer(provider(harness, SMS).codes[-1], challenge))


async def test_the_prompt_names_the_phone_that_was_called_in_the_end():
    harness = LoginHarness(providers=(FakeProvider(NumberRejected("n"), Placed("CA2")),))
    assert "ending in 24" in (await harness.begin()).text


async def test_a_text_message_of_unknown_result_leaves_the_challenge_and_may_be_asked_for_again():
    harness = harness_of((SMS,), Indeterminate("reset"), SENT)
    challenge = await harness.begin()
    assert (Outcome.CHALLENGE, Reason.DELIVERY_INDETERMINATE) == result_of(challenge)
    assert (Outcome.CHALLENGE, Reason.REDIAL) == result_of(await harness.answer("sms", challenge))


async def test_a_text_message_in_place_of_a_call_of_unknown_result_is_not_sent():
    harness = harness_of((VOICE, SMS), SENT, calls=[Indeterminate("reset")])
    assert (Outcome.CHALLENGE, Reason.DELIVERY_INDETERMINATE) == result_of(await harness.begin())
    assert [("voice", "23", "indeterminate")] == sent(harness)


async def test_a_decoy_looks_like_a_text_message():
    harness = harness_of((SMS,), first_factor=None, first_factor_name="none", decoys=True)
    decoy = await harness.begin("ignored", name="unknown")
    assert (Outcome.CHALLENGE, Reason.DECOY) == result_of(decoy)
    assert "has sent a text message to your phone" in decoy.text
    again = await harness.answer("sms", decoy, name="unknown")
    assert "A new text message was sent" in again.text
    assert [] == sent(harness)
