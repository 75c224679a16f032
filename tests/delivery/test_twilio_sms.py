import asyncio
import json
import logging
import socket
from urllib.parse import parse_qs

import aiohttp
import pytest
from msgspec import structs

from radius_voice.delivery.twilio_sms.provider import MAX_QUEUE_SECONDS, NO_MESSAGES, NO_SENDER, REFUSALS
from radius_voice.http_client import NOT_SENT_FIX
from radius_voice.login.deliveries.adapter_reports import AccountCheck
from radius_voice.login.deliveries.requests import Indeterminate, MessageStatus, NotPlaced, NumberRejected, Placed
from radius_voice.login.model import Unavailable
from radius_voice.login.phone import Phone
from radius_voice.simulator.messages import NO_SERVICE
from radius_voice.twilio.provider import CREDENTIALS_FIX, DEFAULT_FIX

from .conftest import ACCOUNT, TOKEN, answering, raw_server, read_request

THIS_PHONE, THIS_PHONE_AND_ALARM = (NumberRejected, False), (NumberRejected, True)
NEXT_PROVIDER, CONFIGURATION = (NotPlaced, False), (NotPlaced, True)
OUTAGES = {20003, 20404, 21212, 21660, 21661, 21701, 21705, 30002}
SERVICE = "MG" + "a" * 32
BRITISH, AMERICAN = "+442079460958", "+14155550123"

CODE_TABLE = {
    20003: CONFIGURATION,
    20404: CONFIGURATION,
    20429: NEXT_PROVIDER,
    21211: THIS_PHONE,
    21212: CONFIGURATION,
    21217: THIS_PHONE,
    21265: THIS_PHONE,
    21266: THIS_PHONE,
    21267: CONFIGURATION,
    21408: THIS_PHONE_AND_ALARM,
    21606: CONFIGURATION,
    21608: CONFIGURATION,
    21610: THIS_PHONE_AND_ALARM,
    21611: NEXT_PROVIDER,
    21612: THIS_PHONE_AND_ALARM,
    21614: THIS_PHONE,
    21617: CONFIGURATION,
    21635: THIS_PHONE,
    21659: CONFIGURATION,
    21660: CONFIGURATION,
    21661: CONFIGURATION,
    21701: CONFIGURATION,
    21703: CONFIGURATION,
    21705: CONFIGURATION,
    30001: NEXT_PROVIDER,
    30002: CONFIGURATION,
    30003: THIS_PHONE,
    30004: THIS_PHONE,
    30005: THIS_PHONE,
    30006: THIS_PHONE,
    30007: CONFIGURATION,
    30008: NEXT_PROVIDER,
    30034: CONFIGURATION,
    30450: THIS_PHONE_AND_ALARM,
}


async def history(base_url):
    async with aiohttp.ClientSession() as session, session.get(f"{base_url}/simulator/messages") as response:
        return await response.json()


def error_body(code, status):
    return json.dumps({"code": code, "message": "about +14155550123", "more_info": "", "status": status}).encode()


def message_body(**changes):
    return json.dumps({"sid": "SM" + "0f" * 16, "status": "queued", "error_code": None} | changes).encode()


def test_the_table_holds_every_code_and_the_bare_status_of_too_many_requests():
    assert CODE_TABLE.keys() | {429} == REFUSALS.keys()


@pytest.mark.parametrize("code", REFUSALS)
def test_every_alarm_has_its_fix_and_no_other_result_has_one(code):
    assert REFUSALS[code].alarm is (REFUSALS[code].fix not in ("", DEFAULT_FIX))


@pytest.mark.parametrize("code", CODE_TABLE)
async def test_every_code_of_twilio_becomes_what_the_table_says(code, sms, order, soon):
    kind, alarm = CODE_TABLE[code]
    async with raw_server(answering(400, error_body(code, 400))) as port:
        answer = await sms(f"http://127.0.0.1:{port}").place(order(), soon())
    assert (kind, alarm) == (type(answer), answer.alarm)
    assert answer.detail.startswith(str(code))
    assert "4155550123" not in answer.detail
    assert (code in OUTAGES) == getattr(answer, "outage", False)


@pytest.mark.parametrize("code", CODE_TABLE)
async def test_a_message_that_failed_at_once_has_the_result_of_its_code(code, sms, order, soon):
    async with raw_server(answering(201, message_body(status="failed", error_code=code))) as port:
        assert REFUSALS[code] == await sms(f"http://127.0.0.1:{port}").place(order(), soon())


@pytest.mark.parametrize("code", [None, 0, -1, 99999, "30006x", [], {}, True, 10**4000])
async def test_a_message_that_failed_with_an_unknown_code_was_not_sent(code, sms, order, soon):
    async with raw_server(answering(201, message_body(status="failed", error_code=code))) as port:
        answer = await sms(f"http://127.0.0.1:{port}").place(order(), soon())
    assert NotPlaced("accepted, then failed", alarm=True, fix=DEFAULT_FIX) == answer


@pytest.mark.parametrize("status", ["accepted", "queued", "sending", "sent", "undelivered", "delivered", None, 5, []])
async def test_a_message_with_any_other_status_is_placed_and_is_no_call(status, sms, order, soon):
    async with raw_server(answering(201, message_body(status=status))) as port:
        answer = await sms(f"http://127.0.0.1:{port}").place(order(), soon())
    assert Placed("SM" + "0f" * 16, live=False) == answer


# At most one message under each fault


@pytest.mark.parametrize(
    ("number", "kind", "sent"),
    [
        ("+15005550001", NumberRejected, 0),
        ("+15005550009", NumberRejected, 0),
        ("+15005550012", Placed, 1),
        ("+15005550013", NumberRejected, 1),  # accepted by the simulator, and failed
        ("+15005550020", NotPlaced, 0),
        ("+15005550030", Indeterminate, 0),
        ("+15005550031", Indeterminate, 1),
        ("+15005550032", Indeterminate, 1),
        ("+15005550033", Indeterminate, 1),
        ("+15005550034", Indeterminate, 1),
        (AMERICAN, Placed, 1),
    ],
)
async def test_a_request_has_one_result_and_sends_at_most_one_message(number, kind, sent, simulator, sms, order, soon):
    seconds = 0.3 if number == "+15005550033" else 5
    assert kind is type(await sms(simulator).place(order(number), soon(seconds)))
    assert sent == len(await history(simulator))


@pytest.mark.parametrize(
    ("status", "body", "cut"),
    [
        (500, b"", 0),
        (502, b"<html>", 0),
        (503, error_body(20429, 503), 0),
        (201, b"", 0),
        (201, b"not json", 0),
        (201, b"[]", 0),
        (201, b"{}", 0),
        (201, message_body(sid=None), 0),
        (201, message_body(sid="../Messages"), 0),
        (201, message_body(date_created=5), 0),
        (201, message_body(), 5),
        (201, b"[" * 100_000, 0),
    ],
)
async def test_a_5xx_cut_or_malformed_response_is_indeterminate(status, body, cut, sms, order, soon):
    async with raw_server(answering(status, body, cut=cut)) as port:
        assert isinstance(await sms(f"http://127.0.0.1:{port}").place(order(), soon()), Indeterminate)


@pytest.mark.parametrize(
    ("status", "body", "alarm"),
    [(429, b"slow down", False), (400, error_body(21604, 400), True), (418, b"\xff\xfe", True), (307, b"", True)],
)
async def test_a_4xx_response_without_a_known_code_was_not_sent(status, body, alarm, sms, order, soon):
    async with raw_server(answering(status, body)) as port:
        answer = await sms(f"http://127.0.0.1:{port}").place(order(), soon())
    assert (NotPlaced, alarm) == (type(answer), answer.alarm)


async def test_a_message_to_a_closed_port_was_not_sent(sms, order, soon):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        answer = await sms(f"http://127.0.0.1:{held.getsockname()[1]}").place(order(), soon())
    assert (
        NotPlaced("not sent: connection refused or host not reachable", outage=True, fix=NOT_SENT_FIX, sent=False)
        == answer
    )


async def test_a_passed_deadline_sends_nothing(simulator, sms, order, soon):
    assert NotPlaced("not sent: no time left", sent=False) == await sms(simulator).place(order(), soon(-1))
    assert [] == await history(simulator)


async def test_cancellation_is_propagated(sms, order, soon):
    arrived = asyncio.Event()

    async def never_respond(reader, writer):
        await read_request(reader)
        arrived.set()
        await asyncio.Event().wait()

    async with raw_server(never_respond) as port:
        sending = asyncio.create_task(sms(f"http://127.0.0.1:{port}").place(order(), soon()))
        await asyncio.wait_for(arrived.wait(), 5)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


# The message and its sender


async def test_a_message_carries_the_code_and_the_friendly_name(simulator, sms, order, soon):
    answer = await sms(simulator).place(order(friendly_name='R&D "VPN"'), soon())
    (message,) = await history(simulator)
    assert Placed(message["sid"], live=False) == answer
    assert (AMERICAN, "+15005550006", "123456") == (message["to"], message["from"], message["code"])
    assert 'R&D "VPN"' in message["body"]


@pytest.mark.parametrize("phone", [Phone(AMERICAN, "42"), Phone("sip:3105@pbx.example.org")])
async def test_an_extension_or_sip_address_is_rejected_without_a_request(phone, simulator, sms, order, soon):
    request = structs.replace(order(), phone=phone)
    assert NO_MESSAGES == await sms(simulator).place(request, soon())
    assert [] == await history(simulator)


@pytest.mark.parametrize(
    ("changes", "number", "shown"),
    [
        ({}, BRITISH, ("+15005550006", "")),
        ({"senders": {"GB": "ACME VPN"}}, BRITISH, ("ACME VPN", "")),
        ({"senders": {"GB": "ACME VPN"}}, AMERICAN, ("+15005550006", "")),
        ({"sender": "ACME VPN"}, BRITISH, ("ACME VPN", "")),
        ({"sender": "ACME VPN", "senders": {"US": "+15005550006"}}, AMERICAN, ("+15005550006", "")),
        ({"sender": None, "service": SERVICE}, AMERICAN, ("+15005550006", SERVICE)),
        ({"sender": None, "service": SERVICE, "senders": {"GB": "ACME"}}, BRITISH, ("ACME", "")),
        ({"sender": None, "service": SERVICE, "senders": {"GB": "ACME"}}, AMERICAN, ("+15005550006", SERVICE)),
    ],
)
async def test_the_country_of_the_number_selects_the_sender(changes, number, shown, simulator, sms, order, soon):
    assert isinstance(await sms(simulator, **changes).place(order(number), soon()), Placed)
    (message,) = await history(simulator)
    assert shown == (message["from"], message["service"])


@pytest.mark.parametrize("number", [AMERICAN, "+16135550123", "+17875550123"])
async def test_an_alphanumeric_sender_sends_nothing_to_countries_that_accept_numbers_only(
    number, simulator, sms, order, soon
):
    assert NO_SENDER == await sms(simulator, sender="ACME VPN").place(order(number), soon())
    assert [] == await history(simulator)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sender": "+15005550001"}, 21212),
        ({"sender": "+15005550007"}, 21606),
        ({"sender": "+15005550008"}, 21611),
        ({"sender": None, "service": NO_SERVICE}, 21701),
    ],
)
async def test_a_sender_that_twilio_refuses_has_the_result_of_its_code(changes, code, simulator, sms, order, soon):
    assert REFUSALS[code] == await sms(simulator, **changes).place(order(), soon())


async def test_the_request_has_the_sender_and_the_text_and_leaves_the_queue_with_the_login(sms, order, soon):
    sent = []

    async def talk(reader, writer):
        sent.append(await read_request(reader))
        writer.write(b'HTTP/1.1 201 X\r\nContent-Length: 14\r\n\r\n{"sid": "SM1"}')
        await writer.drain()
        await reader.read()

    async with raw_server(talk) as port:
        assert Placed("SM1", live=False) == await sms(f"http://127.0.0.1:{port}").place(order(), soon())
    head, _, body = sent[0].decode().partition("\r\n\r\n")
    form = parse_qs(body)
    assert head.startswith(f"POST /2010-04-01/Accounts/{ACCOUNT}/Messages.json HTTP/1.1")
    assert {"To", "From", "Body", "ValidityPeriod"} == form.keys()
    assert [str(MAX_QUEUE_SECONDS)] == form["ValidityPeriod"]


# The account


async def test_valid_credentials_and_a_number_that_can_send_are_accepted(simulator, sms):
    findings = await sms(simulator).check_account()
    assert [True, True, True] == [finding.ok for finding in findings]
    assert "can send text messages" in findings[2].text
    assert "15005550006" not in str(findings)


async def test_each_sender_is_checked_once(simulator, sms):
    senders = {"GB": "ACME VPN", "DE": "+15005550007", "FR": "+15005550006"}
    findings = await sms(simulator, senders=senders).check_account()
    assert [True, True, True, True, False] == [finding.ok for finding in findings]
    assert (False, True) == (findings[3].checked, "ACME VPN: countries decide" in findings[3].text)
    assert "is no number of the account" in findings[4].text


async def test_countries_cannot_be_checked_and_it_is_said(simulator, sms):
    *_, countries, _ = await sms(simulator).check_account(["US"])
    assert (False, True) == (countries.checked, countries.text.startswith("countries: see "))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+14155550123", (MessageStatus.DELIVERED, "")),
        ("+15005550012", (MessageStatus.NOT_DELIVERED, "30005: unknown number")),
    ],
)
async def test_a_message_is_followed_to_its_end(number, expected, simulator, clock, sms, order, soon):
    ours = sms(simulator)
    placed = await ours.place(order(number), soon())
    assert isinstance(placed, Placed)
    assert (MessageStatus.QUEUED, "") == await ours.message_status(placed.reference)
    clock.now += 60
    assert expected == await ours.message_status(placed.reference)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"status": "new"}',
        b'{"status": 7}',
        b'{"status": ["sent"]}',
        b'{"status": "undelivered", "error_code": ["x"]}',
        b"[]",
    ],
)
async def test_an_unknown_status_of_a_message_is_unavailable(body, sms):
    async with raw_server(answering(200, body)) as port:
        with pytest.raises(Unavailable, match="response not understood"):
            await sms(f"http://127.0.0.1:{port}").message_status("SM1")


async def test_a_messaging_service_is_not_checked_and_said_to_be(simulator, sms):
    *_, finding = await sms(simulator, sender=None, service=SERVICE).check_account()
    assert (True, False) == (finding.ok, finding.checked)


async def test_an_api_key_is_valid_without_reading_the_account(simulator, sms, monkeypatch):
    ours, asked = sms(simulator, username="SK" + "1" * 32), []
    send = ours._account._pool.send

    async def counting(method, url, **rest):
        asked.append(f"{method} {url.rpartition('/')[2]}")
        return await send(method, url, **rest)

    monkeypatch.setattr(ours._account._pool, "send", counting)
    assert all(finding.ok for finding in await ours.check_account())
    assert ["GET Messages.json", "GET Balance.json", "GET IncomingPhoneNumbers.json"] == asked


async def test_a_wrong_token_is_reported(simulator, sms):
    assert [AccountCheck(ok=False, text=f"20003: credentials refused; {CREDENTIALS_FIX}")] == await sms(
        simulator, password="wrong"
    ).check_account()


@pytest.mark.parametrize(
    ("numbers", "ok", "text"),
    [
        ([{"capabilities": {"sms": True}}], True, "can send text messages"),
        ([{"capabilities": {"sms": False, "voice": True}}], False, "cannot send text messages"),
        ([{"capabilities": None}], False, "cannot send text messages"),
        ([{"capabilities": "sms"}], False, "cannot send text messages"),
        ([], False, "is no number of the account"),
    ],
)
async def test_a_number_that_cannot_send_is_reported(numbers, ok, text, sms):
    account, listing = {"status": "active", "type": "Trial"}, {"incoming_phone_numbers": numbers}

    async def talk(reader, writer):
        while True:
            request = await read_request(reader)
            body = json.dumps(listing if b"IncomingPhoneNumbers" in request else account).encode()
            writer.write(f"HTTP/1.1 200 X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()

    async with raw_server(talk) as port:
        trial, *_, number = await sms(f"http://127.0.0.1:{port}").check_account()
    assert (ok, True) == (number.ok, text in number.text)
    assert "verified numbers only" in trial.text


async def test_a_key_that_may_not_list_numbers_is_no_error(sms):
    async def talk(reader, writer):
        while True:
            request = await read_request(reader)
            status, body = (403, b"{}") if b"IncomingPhoneNumbers" in request else (200, b'{"messages": []}')
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()

    async with raw_server(talk) as port:
        key, *_, number = await sms(f"http://127.0.0.1:{port}", username="SK" + "1" * 32).check_account()
    assert (True, True, False) == (key.checked, number.ok, number.checked)


async def test_a_secret_is_in_no_repr_log_or_error(simulator, sms, order, soon, caplog):
    caplog.set_level(logging.DEBUG)
    ours = sms(simulator)
    numbers = (AMERICAN, "+15005550001", "+15005550034")
    shown = f"{ours} {ours!r} {[await ours.place(order(number), soon()) for number in numbers]}"
    for private in (TOKEN, "123456", "5005550001", "4155550123"):
        assert private not in shown + caplog.text
