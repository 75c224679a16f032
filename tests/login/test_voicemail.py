"""Calls that are placed without a code: a pressed key or machine detection decides whether a code is created."""

import asyncio
import re
from typing import Any

import pytest
from msgspec.structs import replace

from radius_voice.events import CallbackRecord, CallStatusRecord, Outcome, Reason, ServiceRecord
from radius_voice.login.deliveries.call_scripts import (
    AskForKey,
    Speak,
    code_script,
    opening_of,
    press_script,
    wait_script,
)
from radius_voice.login.deliveries.callbacks import (
    CallAnswered,
    Callback,
    CallbackRequest,
    DeliveryId,
    KeyPressed,
    StatusReported,
)
from radius_voice.login.deliveries.callbacks import delivery_id_in as parsed
from radius_voice.login.deliveries.requests import CodeMessage, DeliveryRequest, Indeterminate, NumberRejected, Placed
from radius_voice.login.limits.configured import Limits
from radius_voice.login.model import CallStatus, Method, Unavailable
from radius_voice.login.phone import Phone
from radius_voice.login.voicemail import Voicemail
from radius_voice.metric_labels import CallbackResult
from tests.login.harness import ACCEPTED, NOT_PLACED, FakeProvider, LoginHarness, limit, result_of

URL = "https://voice.example.org"
PRESS = "Hello. This is ACME VPN. To hear your code, press 1. " * 3
CODE = re.compile(r"Your code is (\d(?: \d)+) ")


def harness_with(voicemail, **values):
    policy = {"voicemail": voicemail} | values.pop("policy", {})
    return LoginHarness(public_url=values.pop("public_url", URL), policy=policy, **values)


@pytest.fixture
def press():
    return harness_with(Voicemail.PRESS)


@pytest.fixture
def detect():
    return harness_with(Voicemail.DETECT)


@pytest.fixture
def polled():
    return harness_with(Voicemail.DETECT, public_url="")


def delivery_of(harness, number=-1) -> DeliveryId:
    delivery = parsed(harness.provider.requests[number].delivery)
    assert delivery is not None
    return delivery


async def session_of(harness):
    session = await harness.store.load(delivery_of(harness).key)
    assert session is not None
    return session


async def report(harness, event, reference=None, number=-1):
    """The result of a callback about a call, and the body of the response."""
    headers: Any = Callback(reference or f"fake{len(harness.provider.requests)}", event)
    request = CallbackRequest("", harness.provider.requests[number].delivery, "x", headers, b"")
    response = await harness.flow.on_callback("fake", request)
    assert isinstance(harness.records[-1], CallbackRecord)
    return response.result, response.body


def code_in(body):
    found = CODE.search(body)
    assert found, body
    return found[1].replace(" ", "")


def statuses(harness):
    return [record.status for record in harness.records if isinstance(record, CallStatusRecord)]


async def test_a_call_is_placed_without_a_code_and_no_answer_is_correct(press):
    challenge = await press.begin()
    (request,) = press.provider.requests
    assert (Voicemail.PRESS, "") == (request.voicemail, request.message.code)
    assert b"" == (await session_of(press)).code
    for typed in ("", "000000", "\0"):
        challenge = await press.answer(typed, challenge)
    assert (Outcome.REJECT, Reason.NO_ATTEMPTS_LEFT) == result_of(challenge)


async def test_a_pressed_key_creates_the_code_which_is_stored_before_it_is_spoken(press):
    challenge = await press.begin()
    press.clock.now += 20
    result, body = await report(press, KeyPressed("1"))
    session, code = await session_of(press), code_in(body)
    assert CallbackResult.COUNTED is result
    assert (session.code, session.code_until) == (
        press.flow._dependencies.keys.code(session.key, code),
        press.clock.now + 120,
    )
    assert ["human"] == statuses(press)
    assert ACCEPTED == result_of(await press.answer(code, challenge))


async def test_a_repeated_key_press_creates_no_other_code(press):
    challenge = await press.begin()
    _, body = await report(press, KeyPressed("1"))
    assert [(CallbackResult.LATE, "")] * 3 == [await report(press, KeyPressed("1")) for _ in range(3)]
    assert ACCEPTED == result_of(await press.answer(code_in(body), challenge))


async def test_of_many_key_presses_at_once_one_creates_the_code(press):
    challenge = await press.begin()
    responses = await asyncio.gather(*(report(press, KeyPressed("1")) for _ in range(8)))
    (body,) = [body for _, body in responses if body]
    assert 7 == sum(result is CallbackResult.LATE for result, _ in responses)
    assert ACCEPTED == result_of(await press.answer(code_in(body), challenge))


@pytest.mark.parametrize("key", "0234567899*#")
async def test_any_other_key_is_asked_for_again(press, key):
    await press.begin()
    assert (CallbackResult.COUNTED, PRESS.strip()) == await report(press, KeyPressed(key))
    assert b"" == (await session_of(press)).code


@pytest.mark.parametrize("key", ["1", "2"])
async def test_a_key_has_no_effect_once_the_call_or_the_login_is_over(press, key):
    challenge = await press.begin()
    await report(press, StatusReported(CallStatus.COMPLETED))
    assert (CallbackResult.LATE, "") == await report(press, KeyPressed(key))
    again = await press.answer("phone", challenge)
    assert (CallbackResult.LATE, "") == await report(press, KeyPressed(key), "fake1", number=0)
    for _ in range(3):
        again = await press.answer("wrong", again)
    assert (CallbackResult.LATE, "") == await report(press, KeyPressed(key))


@pytest.mark.parametrize(
    "event", [KeyPressed("1"), KeyPressed("2"), CallAnswered(CallStatus.HUMAN), CallAnswered(None)]
)
async def test_a_call_that_speaks_its_code_at_once_never_gets_another_one(event):
    harness = harness_with(Voicemail.OFF)
    challenge = await harness.begin()
    assert (CallbackResult.LATE, "") == await report(harness, event)
    assert ACCEPTED == result_of(await harness.answer(harness.provider.codes[0], challenge))


async def test_another_call_needs_another_key_and_has_another_code(press):
    challenge = await press.begin()
    _, first = await report(press, KeyPressed("1"))
    again = await press.answer("phone", challenge)
    assert b"" == (await session_of(press)).code
    assert Reason.WRONG_CODE is (wrong := await press.answer(code_in(first), again)).reason
    _, second = await report(press, KeyPressed("1"))
    assert ACCEPTED == result_of(await press.answer(code_in(second), wrong))


async def test_a_missed_call_is_placed_again_without_a_code(press):
    await press.begin()
    await report(press, StatusReported(CallStatus.NO_ANSWER))
    assert Reason.REDIAL is (await press.begin()).reason
    assert (b"", Voicemail.PRESS) == ((session := await session_of(press)).code, session.delivery.voicemail)


async def test_an_answer_leaves_the_end_of_a_login_without_a_code_as_it_is(press):
    await press.begin()
    until = (await session_of(press)).code_until
    await report(press, StatusReported(CallStatus.ANSWERED))
    assert until == (await session_of(press)).code_until


async def test_the_code_is_spoken_after_a_human_answered(detect):
    challenge = await detect.begin()
    assert Voicemail.DETECT is detect.provider.requests[0].voicemail
    result, body = await report(detect, CallAnswered(CallStatus.HUMAN))
    assert (CallbackResult.COUNTED, ["human"]) == (result, statuses(detect))
    assert (CallbackResult.LATE, "") == await report(detect, CallAnswered(CallStatus.HUMAN))
    assert ACCEPTED == result_of(await detect.answer(code_in(body), challenge))


async def test_an_answering_machine_is_hung_up_on_and_the_prompt_says_so(detect):
    challenge = await detect.begin()
    assert (CallbackResult.COUNTED, "nothing") == await report(detect, CallAnswered(CallStatus.MACHINE))
    assert (CallbackResult.LATE, "") == await report(detect, CallAnswered(CallStatus.MACHINE))
    assert ["machine"] == statuses(detect)
    prompt = await detect.answer("", challenge)
    assert "An answering machine took the call. Type phone to be called again:" == prompt.text
    assert Reason.REDIAL is (await detect.answer("phone", prompt)).reason


async def test_if_it_is_not_known_who_answered_the_call_asks_for_a_key(detect):
    challenge = await detect.begin()
    assert (CallbackResult.COUNTED, PRESS.strip()) == await report(detect, CallAnswered(None))
    _, body = await report(detect, KeyPressed("1"))
    assert ACCEPTED == result_of(await detect.answer(code_in(body), challenge))


async def test_the_prompt_says_that_a_call_ended_before_it_had_a_code(press):
    challenge = await press.begin()
    await report(press, StatusReported(CallStatus.COMPLETED))
    prompt = await press.answer("", challenge)
    assert "The call ended before it gave you a code. Type phone to be called again:" == prompt.text


async def test_a_removed_policy_gives_no_code(press):
    await press.begin()
    press.flow._dependencies.policies.clear()
    for key in ("1", "2"):
        assert (CallbackResult.LATE, "") == await report(press, KeyPressed(key))


# Without callbacks


async def polled_as(harness, *found):
    for status in found:
        harness.provider.statuses[f"fake{len(harness.provider.requests)}"] = status
        await harness.flow.follower.poll()


async def test_a_polled_call_speaks_its_code_once_a_human_was_detected(polled):
    challenge = await polled.begin()
    await polled_as(polled, CallStatus.ANSWERED)
    assert [] == polled.provider.spoken
    await polled_as(polled, CallStatus.HUMAN, CallStatus.HUMAN, CallStatus.COMPLETED)
    assert ["answered", "human", "completed"] == statuses(polled)
    ((reference, body),) = polled.provider.spoken
    assert "fake1" == reference
    assert ACCEPTED == result_of(await polled.answer(code_in(body), challenge))


async def test_a_polled_call_to_a_machine_is_ended_without_a_code(polled):
    challenge = await polled.begin()
    await polled_as(polled, CallStatus.MACHINE)
    assert (["fake1"], []) == (polled.provider.hung_up, polled.provider.spoken)
    assert "An answering machine took the call." in (await polled.answer("", challenge)).text


async def down(*_arguments):
    raise Unavailable("fake", "down")


def warnings(harness):
    return [record.detail for record in harness.records if isinstance(record, ServiceRecord)]


async def test_a_call_to_a_machine_that_cannot_be_ended_stays_live(polled, monkeypatch):
    await polled.begin()
    monkeypatch.setattr(polled.provider, "hang_up", down)
    await polled_as(polled, CallStatus.MACHINE)
    assert not (await session_of(polled)).delivery.over
    assert ["a call could not be ended: fake: down"] == warnings(polled)


async def test_a_code_that_cannot_be_spoken_is_reported_and_another_call_gives_one(polled, monkeypatch):
    challenge = await polled.begin()
    monkeypatch.setattr(polled.provider, "speak", down)
    await polled_as(polled, CallStatus.HUMAN)
    assert ["the status of a call was lost: fake: down"] == warnings(polled)
    monkeypatch.undo()
    again = await polled.answer("phone", challenge)
    await polled_as(polled, CallStatus.HUMAN)
    assert ACCEPTED == result_of(await polled.answer(code_in(polled.provider.spoken[0][1]), again))


async def test_a_polled_call_of_a_removed_policy_speaks_no_code(polled):
    await polled.begin()
    polled.flow._dependencies.policies.clear()
    await polled_as(polled, CallStatus.HUMAN, CallStatus.COMPLETED)
    assert [] == polled.provider.spoken


# Other methods


def texted(voice, *, methods=(Method.VOICE, Method.SMS)):
    sms = FakeProvider(Placed("sms1", live=False), name="texts")
    harness = harness_with(Voicemail.PRESS, policy={"methods": methods}, providers=(voice, sms))
    harness.by_method = {Method.VOICE: {"fake": voice}, Method.SMS: {"texts": sms}}
    harness.restart_with(harness.store)
    return harness, sms


@pytest.mark.parametrize("refused", [NOT_PLACED, NumberRejected("not valid")])
async def test_a_text_message_that_replaces_a_call_has_a_stored_code(refused):
    harness, sms = texted(FakeProvider(refused, refused))
    challenge = await harness.begin()
    assert Reason.TEXT_SENT is challenge.reason
    assert [Voicemail.OFF] == [request.voicemail for request in sms.requests]
    assert (CallbackResult.LATE, "") == await report(harness, KeyPressed("1"))
    assert ACCEPTED == result_of(await harness.answer(sms.codes[0], challenge))


async def test_no_text_message_follows_a_call_that_may_have_been_placed():
    harness, sms = texted(FakeProvider(Indeterminate("reset")))
    await harness.begin()
    assert [] == sms.requests


async def test_no_call_follows_a_text_message_whose_code_it_would_have_to_speak():
    harness, sms = texted(FakeProvider(), methods=(Method.SMS, Method.VOICE))
    sms.results = [NOT_PLACED]
    assert Reason.DELIVERY_FAILED is (await harness.begin()).reason
    assert [] == harness.provider.requests


async def test_a_text_message_that_the_user_asks_for_has_its_code_at_once(press):
    harness, sms = texted(FakeProvider())
    again = await harness.answer("sms", await harness.begin())
    assert ACCEPTED == result_of(await harness.answer(sms.codes[0], again))


async def test_a_text_message_beyond_the_limits_is_not_sent():
    harness, sms = texted(FakeProvider(NumberRejected("a"), NumberRejected("b")))
    harness.limits = Limits(calls={"phone": limit("calls.phone", 1, Reason.CALL_LIMIT)})
    harness.restart_with(harness.store)
    assert Reason.NUMBER_REJECTED is (await harness.begin()).reason
    assert [] == sms.requests


async def test_a_text_message_is_not_sent_once_the_login_has_ended(monkeypatch):
    harness, sms = texted(FakeProvider(NOT_PLACED))
    harness.provider.gate = asyncio.Event()
    harness.response_timeout = 0.3
    challenge = await harness.begin()
    session = await session_of(harness)
    ended = replace(session, version=session.version + 1, delivery=replace(session.delivery, over=True))
    await harness.store.compare_and_swap(session, ended)
    harness.provider.gate.set()
    await harness.flow.drain()
    assert [] == sms.requests
    assert challenge.outcome is Outcome.CHALLENGE


def test_no_repr_of_a_script_has_what_it_speaks():
    message = CodeMessage("en", "ACME VPN", "123456")
    assert "Speak()" == repr(code_script(message))
    assert "1 2 3" not in repr(press_script(message))


def test_a_script_without_a_code_has_none_in_its_message():
    message = CodeMessage("en", "ACME VPN", "123456")
    assert ("", "") == (press_script(message).message.code, wait_script(message).message.code)


@pytest.mark.parametrize(
    ("voicemail", "kind"), [(Voicemail.OFF, type(None)), (Voicemail.PRESS, AskForKey), (Voicemail.DETECT, Speak)]
)
def test_a_call_without_a_code_opens_with_a_request(voicemail, kind):
    request = DeliveryRequest(Phone("+12025550123"), CodeMessage("en", "ACME VPN", ""), 30, voicemail=voicemail)
    assert kind is type(opening_of(request))


def test_the_repr_of_a_key_press_has_no_key():
    assert "KeyPressed()" == repr(KeyPressed("1"))
