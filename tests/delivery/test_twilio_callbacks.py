"""Callbacks that Twilio sends, and those that it did not send."""

import urllib.parse
from types import SimpleNamespace

import pytest
from msgspec import structs
from twilio.request_validator import RequestValidator

from radius_voice.delivery.twilio_voice.callbacks import MAX_FIELDS, TwilioCallbacks
from radius_voice.delivery.twilio_voice.statuses import status_of
from radius_voice.login.deliveries.call_scripts import HangUp, code_script, press_script
from radius_voice.login.deliveries.callbacks import (
    CallAnswered,
    Callback,
    CallbackRequest,
    KeyPressed,
    StatusReported,
    Unusable,
)
from radius_voice.login.deliveries.requests import NotPlaced
from radius_voice.login.model import CallRef, CallStatus
from radius_voice.login.phone import Phone
from radius_voice.login.voicemail import Voicemail
from radius_voice.messages import LANGUAGES
from radius_voice.simulator.twiml import Gather, Hangup, code_in, speech_of, spoken_text, steps_of

from .conftest import TOKEN, answering, raw_server
from .test_twilio_voice import history

URL = "https://voice.example.org/twilio/DELIVERY/status"
FIELDS = {"CallSid": "CA" + "1" * 32, "CallStatus": "in-progress", "From": "+15005550006", "To": "+14155550123"}
GOLDEN = "rgijeat+s8PciaJ6jLa6X+GMd+g="
"""The signature of FIELDS at URL by TOKEN, computed with OpenSSL's HMAC-SHA1."""


def callback(fields=FIELDS, *, action="status", url=URL, signed=None, **changes):
    body = fields if isinstance(fields, bytes) else urllib.parse.urlencode(fields).encode()
    if signed is None:
        signed = RequestValidator(TOKEN).compute_signature(url, fields)
    values = {
        "url": url,
        "delivery": "DELIVERY",
        "action": action,
        "headers": {"x-twilio-signature": signed},
        "body": body,
    }
    return CallbackRequest(**values | changes)


def received(request, token=TOKEN):
    return TwilioCallbacks(token).receive(request)


def test_a_golden_signature_is_accepted():
    assert Callback(FIELDS["CallSid"], StatusReported(CallStatus.ANSWERED)) == received(callback(signed=GOLDEN))


@pytest.mark.parametrize("position", range(len(GOLDEN)))
def test_a_golden_signature_with_one_other_character_is_refused(position):
    other = "A" if GOLDEN[position] != "A" else "B"
    changed = GOLDEN[:position] + other + GOLDEN[position + 1 :]
    assert Unusable.UNSIGNED is received(callback(signed=changed))


@pytest.mark.parametrize(
    "request_",
    [
        callback(signed=""),
        callback(headers={}),
        callback(signed=GOLDEN[:-1]),
        callback(signed=GOLDEN * 2),
        callback(signed=GOLDEN, url=URL.replace("status", "key")),
        callback(signed=GOLDEN, url=URL.replace("voice", "other")),
        callback(signed=GOLDEN, url=URL.replace("https", "http")),
        callback(FIELDS | {"CallStatus": "completed"}, signed=GOLDEN),
        callback(FIELDS | {"More": ""}, signed=GOLDEN),
        callback(b"", signed=GOLDEN),
        callback(b"\xff=\xfe", signed=GOLDEN),
        callback(b"CallSid=%ff%fe", signed=GOLDEN),
        callback(b"&".join(b"a%d=b" % number for number in range(MAX_FIELDS + 1)), signed=GOLDEN),
    ],
)
def test_what_twilio_has_not_signed_for_this_url_is_refused(request_):
    assert Unusable.UNSIGNED is received(request_)


def test_a_signature_by_another_token_or_without_one_is_refused():
    assert Unusable.UNSIGNED is received(callback(signed=GOLDEN), "another token")
    assert Unusable.UNSIGNED is received(callback(signed=RequestValidator("").compute_signature(URL, FIELDS)), None)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("queued", CallStatus.QUEUED),
        ("initiated", CallStatus.QUEUED),
        ("ringing", CallStatus.RINGING),
        ("in-progress", CallStatus.ANSWERED),
        ("completed", CallStatus.COMPLETED),
        ("busy", CallStatus.BUSY),
        ("no-answer", CallStatus.NO_ANSWER),
        ("failed", CallStatus.FAILED),
        ("canceled", CallStatus.CANCELED),
    ],
)
def test_every_status_of_twilio_is_understood(status, expected):
    assert StatusReported(expected) == received(callback(FIELDS | {"CallStatus": status})).event


@pytest.mark.parametrize(
    "request_",
    [
        callback({"CallStatus": "ringing"}),
        callback(FIELDS | {"CallSid": "../Calls"}),
        callback(FIELDS | {"CallSid": ""}),
        callback(FIELDS | {"CallStatus": "exploded"}),
        callback({"CallSid": FIELDS["CallSid"]}),
        callback(action="other"),
        callback(action=""),
        callback({}),
    ],
)
def test_a_signed_request_without_meaning_is_malformed(request_):
    assert Unusable.MALFORMED is received(request_)


def test_the_repr_of_a_callback_holds_no_body():
    assert "CallbackRequest(status)" == repr(callback())


async def test_a_call_without_a_callback_listener_requests_no_callbacks(simulator, voice, order, soon):
    request = order()
    assert "" == request.callback_url("twilio", "status")
    assert (await voice(simulator).place(request, soon())).reference


async def test_a_call_requests_a_callback_for_every_status(voice, order, soon):
    sent = []

    async def send(method, url, *, data, **rest):
        sent.append(data)
        raise RuntimeError

    ours = voice("http://127.0.0.1:9")
    ours._account._pool.send = send
    await ours.place(structs.replace(order(), public_url="https://voice.example.org", delivery="DELIVERY"), soon())
    (form,) = sent
    assert "https://voice.example.org/twilio/DELIVERY/status" == form["StatusCallback"]
    assert ["initiated", "ringing", "answered", "completed"] == form["StatusCallbackEvent"]


async def test_twilios_response_is_read_in_the_same_way_with_callbacks(voice, order, soon):
    async with raw_server(answering(201, b'{"sid": "CA1"}')) as port:
        request = structs.replace(order(), public_url="https://voice.example.org", delivery="DELIVERY")
        assert "CA1" == (await voice(f"http://127.0.0.1:{port}").place(request, soon())).reference


# Calls that are placed without a code


def branching(order, voicemail, *, public_url="https://voice.example.org", extension=""):
    phone = Phone("+14155550123", extension)
    message = structs.replace(order().message, code="")
    request = structs.replace(order(), phone=phone, message=message)
    return structs.replace(request, public_url=public_url, delivery="DELIVERY", voicemail=voicemail)


@pytest.fixture
def form_of(voice, soon):
    """Places a call; returns the fields that Twilio gets, or the result if it gets none."""

    async def placed(request):
        sent = []

        async def send(method, url, *, data, **rest):
            sent.append(data)
            raise RuntimeError

        ours = voice("http://127.0.0.1:9")
        ours._account._pool.send = send
        result = await ours.place(request, soon())
        return sent[0] if sent else result

    return placed


async def test_press_asks_for_a_key_and_the_request_has_no_code(order, form_of):
    form = await form_of(branching(order, Voicemail.PRESS))
    (gather,) = [step for step in steps_of(form["Twiml"]) if isinstance(step, Gather)]
    assert "https://voice.example.org/twilio/DELIVERY/key" == gather.action
    assert 3 == speech_of(gather.prompt).count("To hear your code, press 1")
    assert "code is" not in form["Twiml"]
    assert 'finishOnKey=""' in form["Twiml"]
    assert not {"Url", "MachineDetection"} & form.keys()


async def test_detect_with_callbacks_asks_the_server_what_an_answered_call_speaks(order, form_of):
    form = await form_of(branching(order, Voicemail.DETECT))
    assert ("https://voice.example.org/twilio/DELIVERY/answer", "Enable") == (form["Url"], form["MachineDetection"])
    assert "Twiml" not in form


async def test_detect_without_callbacks_waits_for_the_code(order, form_of):
    form = await form_of(branching(order, Voicemail.DETECT, public_url=""))
    assert "Hello. This is ACME VPN. Please wait for your code." == spoken_text(form["Twiml"])
    assert "Enable" == form["MachineDetection"]
    assert not {"Url", "StatusCallback"} & form.keys()


async def test_press_without_callbacks_places_no_call(order, form_of):
    result = await form_of(branching(order, Voicemail.PRESS, public_url=""))
    assert (NotPlaced, True, False, False) == (type(result), result.alarm, result.outage, result.sent)
    assert result.fix.startswith("restart radius-voice")


async def test_detect_behind_an_extension_asks_for_a_key_or_places_no_call(order, form_of):
    form = await form_of(branching(order, Voicemail.DETECT, extension="42"))
    assert ("wwww42", True) == (form["SendDigits"], form["Url"].endswith("/answer"))
    result = await form_of(branching(order, Voicemail.DETECT, extension="42", public_url=""))
    assert (NotPlaced, True, False) == (type(result), result.alarm, result.sent)
    assert result.fix.startswith("write voicemail: press")


@pytest.mark.parametrize("name", ['R&D <Say>"one"</Say>', "a\x00b\ue000c"])
async def test_no_friendly_name_changes_the_markup(name, order, form_of):
    request = branching(order, Voicemail.PRESS)
    request = structs.replace(request, message=structs.replace(request.message, friendly_name=name))
    assert "To hear your code, press 1" in spoken_text((await form_of(request))["Twiml"])


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_script_fits_in_every_language_with_the_longest_name(language, order, form_of):
    message = structs.replace(order().message, code="", language=language, friendly_name="N" * 60)
    for voicemail, url in ((Voicemail.PRESS, "https://voice.example.org"), (Voicemail.DETECT, "")):
        request = structs.replace(branching(order, voicemail, public_url=url), message=message)
        assert len((await form_of(request))["Twiml"]) < 4000


def test_a_script_speaks_the_code_and_a_key_leads_to_the_same_delivery(order):
    twilio, request = TwilioCallbacks(TOKEN), callback(action="answer", url=URL.replace("status", "answer"))
    content_type, body = twilio.rendered(code_script(order().message), request)
    assert ("text/xml", "123456") == (content_type, code_in(spoken_text(body)))
    _, body = twilio.rendered(press_script(order().message), request)
    (gather, hangup) = steps_of(body)
    assert isinstance(gather, Gather)
    assert (URL.replace("status", "key"), Hangup()) == (gather.action, hangup)
    assert "123456" not in body
    assert (Hangup(),) == steps_of(twilio.rendered(HangUp(), request)[1])


@pytest.mark.parametrize("key", ["0", "9", "*", "#"])
def test_a_pressed_key_is_understood(key):
    assert KeyPressed(key) == received(callback(FIELDS | {"Digits": key}, action="key")).event


@pytest.mark.parametrize("digits", [{}, {"Digits": ""}, {"Digits": "12"}, {"Digits": "a"}, {"Digits": "\u0661"}])
def test_another_text_than_one_key_is_malformed(digits):
    assert Unusable.MALFORMED is received(callback(FIELDS | digits, action="key"))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("human", CallStatus.HUMAN),
        ("machine_start", CallStatus.MACHINE),
        ("machine_end_beep", CallStatus.MACHINE),
        ("machine_end_silence", CallStatus.MACHINE),
        ("machine_end_other", CallStatus.MACHINE),
        ("fax", CallStatus.MACHINE),
        ("unknown", None),
        ("", None),
        ("anything", None),
        (None, None),
    ],
)
def test_the_result_of_machine_detection_is_understood(found, expected):
    fields = FIELDS | ({} if found is None else {"AnsweredBy": found})
    assert CallAnswered(expected) == received(callback(fields, action="answer")).event


def test_no_repr_holds_a_key_or_a_code(order):
    assert "KeyPressed()" == repr(KeyPressed("1"))
    assert "Speak()" == repr(code_script(order().message))


@pytest.mark.parametrize(
    ("status", "found", "expected"),
    [
        ("ringing", None, CallStatus.RINGING),
        ("in-progress", None, CallStatus.ANSWERED),
        ("in-progress", "human", CallStatus.HUMAN),
        ("in-progress", "machine_start", CallStatus.MACHINE),
        ("in-progress", "unknown", CallStatus.MACHINE),
        ("completed", "human", CallStatus.COMPLETED),
        ("completed", "fax", CallStatus.MACHINE),
        ("completed", "unknown", CallStatus.COMPLETED),
        ("completed", None, CallStatus.COMPLETED),
        ("exploded", "human", None),
        (7, None, None),
        ([], [], None),
    ],
)
def test_a_polled_call_has_the_status_of_machine_detection(status, found, expected):
    assert expected is status_of(SimpleNamespace(status=status, answered_by=found))


async def test_an_answered_call_is_given_its_code(simulator, clock, voice, order, soon):
    ours = voice(simulator)
    request = branching(order, Voicemail.DETECT, public_url="")
    call = CallRef("twilio", (await ours.place(request, soon())).reference)
    clock.now += 3.5
    assert {call: CallStatus.HUMAN} == await ours.progress([call])
    await ours.speak(call, code_script(order().message))
    assert "123456" == (await history(simulator))[0]["code"]
    clock.now += 100
    await ours.speak(call, code_script(order().message))
