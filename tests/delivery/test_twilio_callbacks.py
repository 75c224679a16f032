"""Callbacks that Twilio sends, and those that it did not send."""

import urllib.parse

import pytest
from msgspec import structs
from twilio.request_validator import RequestValidator

from radius_voice.delivery.twilio_voice.callbacks import MAX_FIELDS, TwilioCallbacks
from radius_voice.login.callbacks import Callback, CallbackRequest, StatusReported, Unusable
from radius_voice.login.model import CallStatus

from .conftest import TOKEN, answering, raw_server

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
