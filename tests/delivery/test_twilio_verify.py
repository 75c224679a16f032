import asyncio
import json
import logging
import socket
from urllib.parse import parse_qs

import aiohttp
import pytest
from msgspec import structs

from radius_voice.delivery.twilio_verify.provider import (
    COUNTRIES_NOT_CHECKED,
    CUSTOM_CODE_FIX,
    DTMF_FIX,
    NO_CODE,
    NO_ENROLMENT,
    NO_EXTENSION,
    NO_NUMBER,
    REFUSALS,
)
from radius_voice.http_client import NOT_SENT_FIX
from radius_voice.login.deliveries.adapter_reports import AccountCheck
from radius_voice.login.deliveries.requests import Indeterminate, NotPlaced, NumberRejected, Placed
from radius_voice.login.deliveries.verifications import CodeCheck
from radius_voice.login.model import Method, Unavailable
from radius_voice.login.phone import Phone
from radius_voice.simulator.verifications import DTMF_REQUIRED, NO_CUSTOM_CODES, NO_SERVICE
from radius_voice.twilio.provider import CREDENTIALS_FIX

from .conftest import SERVICE, TOKEN, answering, raw_server, read_request

THIS_PHONE, THIS_PHONE_AND_ALARM = (NumberRejected, False), (NumberRejected, True)
NEXT_PROVIDER, CONFIGURATION = (NotPlaced, False), (NotPlaced, True)
OUTAGES = {20003, 20404, 60204}
NUMBER = "+14155550123"
PHONE = Phone(NUMBER)
VERIFICATION = "VE" + "0f" * 16

CODE_TABLE = {
    20003: CONFIGURATION,
    20404: CONFIGURATION,
    20429: NEXT_PROVIDER,
    21608: CONFIGURATION,
    60200: THIS_PHONE_AND_ALARM,
    60203: THIS_PHONE,
    60204: CONFIGURATION,
    60205: THIS_PHONE,
    60212: THIS_PHONE,
    60223: CONFIGURATION,
    60410: THIS_PHONE_AND_ALARM,
    60605: THIS_PHONE_AND_ALARM,
}


async def history(base_url):
    async with aiohttp.ClientSession() as session, session.get(f"{base_url}/simulator/verifications") as response:
        return await response.json()


def error_body(code, status):
    return json.dumps({"code": code, "message": "about +14155550123", "more_info": "", "status": status}).encode()


def verification_body(**changes):
    return json.dumps({"sid": VERIFICATION, "status": "pending", "channel": "sms"} | changes).encode()


def in_turn(*responses, requests=None):
    """A server that sends each of these responses (status, body) once. A status of 0 resets the connection."""
    left = list(responses)

    async def talk(reader, writer):
        while left:
            request = await read_request(reader)
            if requests is not None:
                requests.append(request.decode())
            status, body = left.pop(0)
            if not status:
                return
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
        await reader.read()

    return talk


NOTHING_PENDING = (404, error_body(20404, 404))


def test_the_table_holds_every_code_and_the_bare_status_of_too_many_requests():
    assert CODE_TABLE.keys() | {429} == REFUSALS.keys()


@pytest.mark.parametrize("code", REFUSALS)
def test_every_alarm_has_its_fix_and_no_other_result_has_one(code):
    assert REFUSALS[code].alarm is (REFUSALS[code].fix != "")


@pytest.mark.parametrize("code", CODE_TABLE)
async def test_every_code_of_twilio_becomes_what_the_table_says(code, verify, order, soon):
    kind, alarm = CODE_TABLE[code]
    async with raw_server(in_turn(NOTHING_PENDING, (400, error_body(code, 400)))) as port:
        answer = await verify(f"http://127.0.0.1:{port}").place(order(), soon())
    assert (kind, alarm) == (type(answer), answer.alarm)
    assert answer.detail.startswith(str(code))
    assert "4155550123" not in answer.detail
    assert (code in OUTAGES) == getattr(answer, "outage", False)


# At most one delivery under each fault


@pytest.mark.parametrize("method", [Method.VOICE, Method.SMS])
@pytest.mark.parametrize(
    ("number", "kind", "started"),
    [
        ("+15005550001", NumberRejected, 0),
        ("+15005550003", NumberRejected, 0),
        ("+15005550020", NotPlaced, 0),
        ("+15005550030", Indeterminate, 0),
        ("+15005550031", Indeterminate, 1),
        ("+15005550032", Indeterminate, 1),
        ("+15005550033", Indeterminate, 1),
        ("+15005550034", Indeterminate, 1),
        (NUMBER, Placed, 1),
    ],
)
async def test_a_request_has_one_result_and_one_delivery_at_most(
    number, kind, started, method, simulator, verify, order, soon
):
    seconds = 0.5 if number == "+15005550033" else 5
    assert kind is type(await verify(simulator).place(order(number, method), soon(seconds)))
    assert started == sum(len(each["channels"]) for each in await history(simulator))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b""),
        (503, error_body(20429, 503)),
        (201, b""),
        (201, b"not json"),
        (201, b"[]"),
        (201, b"{}"),
        (201, verification_body(sid=None)),
        (201, verification_body(sid="../Verifications")),
        (0, b""),
    ],
)
async def test_a_5xx_or_malformed_response_and_a_reset_are_indeterminate(status, body, verify, order, soon):
    async with raw_server(in_turn(NOTHING_PENDING, (status, body))) as port:
        assert isinstance(await verify(f"http://127.0.0.1:{port}").place(order(), soon()), Indeterminate)


async def test_a_verification_at_a_closed_port_was_not_started(verify, order, soon):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        answer = await verify(f"http://127.0.0.1:{held.getsockname()[1]}").place(order(), soon())
    assert (
        NotPlaced("not sent: connection refused or host not reachable", outage=True, fix=NOT_SENT_FIX, sent=False)
        == answer
    )


async def test_a_passed_deadline_starts_nothing(simulator, verify, order, soon):
    assert NotPlaced("not sent: no time left", sent=False) == await verify(simulator).place(order(), soon(-1))
    assert [] == await history(simulator)


# The earlier verification is canceled first


async def test_each_delivery_has_a_code_of_its_own(simulator, verify, order, soon):
    ours = verify(simulator)
    first, second = [await ours.place(order(), soon()) for _ in range(2)]
    assert first != second
    assert ["canceled", "pending"] == [each["status"] for each in await history(simulator)]


@pytest.mark.parametrize("first", [(500, b""), (503, b""), (0, b"")])
async def test_nothing_is_delivered_if_an_earlier_verification_may_be_pending(first, verify, order, soon):
    requests: list[str] = []
    async with raw_server(in_turn(first, (201, verification_body()), requests=requests)) as port:
        answer = await verify(f"http://127.0.0.1:{port}").place(order(), soon())
    assert (NotPlaced, False, False, 1) == (type(answer), answer.sent, answer.outage, len(requests))
    assert "earlier verification was not canceled" in answer.detail


@pytest.mark.parametrize(("status", "code"), [(401, 20003), (429, 20429)])
async def test_a_refused_cancellation_has_the_result_of_its_code(status, code, verify, order, soon):
    async with raw_server(in_turn((status, error_body(code, status)), (201, verification_body()))) as port:
        assert REFUSALS[code] == await verify(f"http://127.0.0.1:{port}").place(order(), soon())


# The request


@pytest.mark.parametrize(
    ("method", "extension", "custom", "form"),
    [
        (Method.SMS, "", False, {"To": NUMBER, "Channel": "sms", "Locale": "de"}),
        (Method.VOICE, "", False, {"To": NUMBER, "Channel": "call", "Locale": "de"}),
        (Method.VOICE, "42", False, {"To": NUMBER, "Channel": "call", "Locale": "de", "SendDigits": "wwww42"}),
        (Method.SMS, "", True, {"To": NUMBER, "Channel": "sms", "Locale": "de", "CustomCode": "123456"}),
    ],
)
async def test_the_request_has_channel_language_and_only_a_custom_code(
    method, extension, custom, form, verify, order, soon
):
    requests: list[str] = []
    request = structs.replace(order(method=method, language="de"), phone=Phone(NUMBER, extension))
    async with raw_server(in_turn(NOTHING_PENDING, (201, verification_body()), requests=requests)) as port:
        answer = await verify(f"http://127.0.0.1:{port}", custom_code=custom).place(request, soon())
    assert Placed(VERIFICATION, live=method is Method.VOICE) == answer
    assert requests[0].startswith(f"POST /v2/Services/{SERVICE}/Verifications/+14155550123 HTTP/1.1")
    assert requests[1].startswith(f"POST /v2/Services/{SERVICE}/Verifications HTTP/1.1")
    sent = {name: value for name, (value,) in parse_qs(requests[1].partition("\r\n\r\n")[2]).items()}
    assert form == sent


@pytest.mark.parametrize(
    ("phone", "method", "message", "custom", "answer"),
    [
        (Phone("sip:3105@pbx.example.org"), Method.VOICE, {}, True, NO_NUMBER),
        (Phone(NUMBER, "42"), Method.SMS, {}, True, NO_EXTENSION),
        (PHONE, Method.SMS, {"code": ""}, True, NO_CODE),
        (PHONE, Method.SMS, {"enrolment": True}, False, NO_ENROLMENT),
    ],
)
async def test_what_verify_cannot_deliver_sends_nothing(
    phone, method, message, custom, answer, simulator, verify, order, soon
):
    request = structs.replace(order(method=method, **message), phone=phone)
    assert answer == await verify(simulator, custom_code=custom).place(request, soon())
    assert [] == await history(simulator)


async def test_an_enrolment_is_delivered_with_a_custom_code(simulator, verify, order, soon):
    assert isinstance(await verify(simulator, custom_code=True).place(order(enrolment=True), soon()), Placed)
    assert ["123456"] == [each["code"] for each in await history(simulator)]


async def test_a_service_without_custom_codes_is_an_outage(simulator, verify, order, soon):
    ours = verify(simulator, service_sid=NO_CUSTOM_CODES, custom_code=True)
    assert REFUSALS[60204] == await ours.place(order(), soon())


# Checks and the end of a verification


@pytest.mark.parametrize("by_reference", [True, False])
async def test_a_right_code_is_correct_once(by_reference, simulator, verify, order, soon):
    ours = verify(simulator)
    placed = await ours.place(order(), soon())
    reference = placed.reference if by_reference else ""
    (shown,) = await history(simulator)
    assert CodeCheck.WRONG is await ours.check(reference, PHONE, "000000x", soon())
    assert CodeCheck.CORRECT is await ours.check(reference, PHONE, shown["code"], soon())
    assert CodeCheck.ENDED is await ours.check(reference, PHONE, shown["code"], soon())


async def test_the_code_of_an_old_verification_is_not_correct(simulator, verify, order, soon):
    ours = verify(simulator)
    old = await ours.place(order(), soon())
    new = await ours.place(order(), soon())
    first, second = await history(simulator)
    assert CodeCheck.ENDED is await ours.check(old.reference, PHONE, first["code"], soon())
    assert CodeCheck.ENDED is await ours.check(old.reference, PHONE, second["code"], soon())
    assert CodeCheck.CORRECT is await ours.check(new.reference, PHONE, second["code"], soon())


async def test_too_many_checks_end_a_verification(simulator, verify, order, soon):
    ours = verify(simulator)
    placed = await ours.place(order(), soon())
    answers = [await ours.check(placed.reference, PHONE, "000000x", soon()) for _ in range(6)]
    assert [CodeCheck.WRONG] * 5 + [CodeCheck.ENDED] == answers


@pytest.mark.parametrize("status", ["canceled", "expired", "max_attempts_reached", "deleted", "failed", "APPROVED"])
async def test_any_other_status_of_a_check_is_not_correct(status, verify, soon):
    async with raw_server(answering(201, verification_body(status=status, valid=True))) as port:
        ours = verify(f"http://127.0.0.1:{port}")
        assert CodeCheck.ENDED is await ours.check(VERIFICATION, PHONE, "123456", soon())


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b""),
        (503, error_body(20503, 503)),
        (429, error_body(20429, 429)),
        (401, error_body(20003, 401)),
        (400, error_body(60200, 400)),
        (201, b""),
        (201, b"[]"),
        (201, verification_body(status=None)),
        (0, b""),
    ],
)
async def test_without_an_answer_no_code_is_correct_or_wrong(status, body, verify, soon):
    async with raw_server(in_turn((status, body))) as port:
        ours = verify(f"http://127.0.0.1:{port}")
        with pytest.raises(Unavailable) as problem:
            await ours.check(VERIFICATION, PHONE, "123456", soon())
    assert "verify" == problem.value.component
    assert "123456" not in str(problem.value)
    assert "4155550123" not in str(problem.value)


async def test_a_check_ends_at_its_deadline(verify, soon):
    async def never(reader, writer):
        await asyncio.Event().wait()

    async with raw_server(never) as port:
        with pytest.raises(Unavailable):
            await verify(f"http://127.0.0.1:{port}").check(VERIFICATION, PHONE, "123456", soon(0.05))


async def test_a_verification_is_canceled_or_approved_and_a_second_time_is_no_error(simulator, verify, order, soon):
    ours = verify(simulator)
    for end in (ours.cancel, ours.approve):
        placed = await ours.place(order(), soon())
        await end(placed.reference, PHONE)
        await end(placed.reference, PHONE)
    placed = await ours.place(order(), soon())
    await ours.cancel("", PHONE)
    assert ["canceled", "approved", "canceled"] == [each["status"] for each in await history(simulator)]


async def test_a_verification_that_cannot_be_canceled_is_reported(simulator, verify, order, soon):
    ours = verify(simulator)
    placed = await ours.place(order("+15005550042"), soon())
    with pytest.raises(Unavailable):
        await ours.cancel(placed.reference, Phone("+15005550042"))


# The account


@pytest.mark.parametrize(
    ("changes", "ok", "text"),
    [
        ({}, True, "with codes of 6 digits"),
        ({"custom_code": True}, True, "with custom codes"),
        ({"custom_code": True, "service_sid": NO_CUSTOM_CODES}, False, CUSTOM_CODE_FIX),
        ({"asks_for_key": True}, False, DTMF_FIX),
        ({"asks_for_key": True, "service_sid": DTMF_REQUIRED}, True, "with codes of 6 digits"),
    ],
)
async def test_the_service_is_checked(changes, ok, text, simulator, verify):
    account, balance, service = await verify(simulator, **changes).check_account()
    assert (True, True) == (account.ok, balance.ok)
    assert (ok, True) == (service.ok, text in service.text)


async def test_an_unknown_service_is_reported(simulator, verify):
    findings = await verify(simulator, service_sid=NO_SERVICE).check_account()
    assert (False, True) == (findings[-1].ok, "service_sid" in findings[-1].text)


async def test_an_api_key_is_valid_without_reading_the_account(simulator, verify):
    findings = await verify(simulator, username="SK" + "1" * 32).check_account(["US"])
    assert all(finding.ok for finding in findings)
    assert COUNTRIES_NOT_CHECKED == findings[-1]


async def test_a_key_that_may_not_read_the_service_is_no_error(verify):
    account = json.dumps({"status": "active", "type": "Full"}).encode()
    async with raw_server(in_turn((200, account), (404, b""), (403, error_body(70051, 403)))) as port:
        _, _, service = await verify(f"http://127.0.0.1:{port}").check_account()
    assert (True, False) == (service.ok, service.checked)


async def test_a_service_without_a_known_length_of_codes_is_no_error(verify):
    account = json.dumps({"status": "active", "type": "Full"}).encode()
    async with raw_server(in_turn((200, account), (404, b""), (200, b'{"code_length": null}'))) as port:
        _, _, service = await verify(f"http://127.0.0.1:{port}").check_account()
    assert (True, True) == (service.ok, "an unknown number of digits" in service.text)


async def test_a_wrong_token_is_reported(simulator, verify):
    assert [AccountCheck(ok=False, text=f"20003: credentials refused; {CREDENTIALS_FIX}")] == await verify(
        simulator, password="wrong"
    ).check_account()


async def test_a_secret_is_in_no_repr_log_or_error(simulator, verify, order, soon, caplog):
    caplog.set_level(logging.DEBUG)
    ours = verify(simulator, custom_code=True)
    numbers = (NUMBER, "+15005550001", "+15005550034")
    shown = f"{ours} {ours!r} {[await ours.place(order(number), soon()) for number in numbers]}"
    for secret in (TOKEN, "123456", "4155550123"):
        assert secret not in shown + caplog.text
