import asyncio
import json
import logging
import re
import socket
from urllib.parse import parse_qs

import aiohttp
import pytest
from msgspec import structs

from radius_voice.config.messages_file import messages_of
from radius_voice.delivery.twilio_voice import provider
from radius_voice.delivery.twilio_voice.provider import MAX_FETCHES, MAX_PAGES, REFUSALS
from radius_voice.http_client import NOT_SENT_FIX
from radius_voice.login.deliveries.adapter_reports import AccountCheck
from radius_voice.login.deliveries.code_message import MAX_SPEECH_SECONDS
from radius_voice.login.deliveries.requests import Indeterminate, NotPlaced, NumberRejected, Placed
from radius_voice.login.model import CallRef, CallStatus, Unavailable
from radius_voice.login.phone import Phone
from radius_voice.login.texts.speech import Speech
from radius_voice.messages import LANGUAGES
from radius_voice.simulator.twiml import spoken_text
from radius_voice.twilio.provider import CREDENTIALS_FIX, DEFAULT_FIX
from tests.support.network import http_get

from .conftest import ACCOUNT, TOKEN, answering, raw_server, read_request, twilio_voice

THIS_PHONE, THIS_COUNTRY = (NumberRejected, False), (NumberRejected, True)
NEXT_PROVIDER, CONFIGURATION = (NotPlaced, False), (NotPlaced, True)
OUTAGES = {20003, 20404, 21210, 21212}

CODE_TABLE = {
    20003: (401, CONFIGURATION),
    20404: (404, CONFIGURATION),
    20429: (429, NEXT_PROVIDER),
    21210: (400, CONFIGURATION),
    21212: (400, CONFIGURATION),
    21202: (400, THIS_PHONE),
    21211: (400, THIS_PHONE),
    21217: (400, THIS_PHONE),
    13224: (400, THIS_PHONE),
    21214: (400, THIS_PHONE),
    21215: (400, THIS_COUNTRY),
    13227: (400, THIS_COUNTRY),
    32205: (403, THIS_COUNTRY),
    21216: (400, THIS_PHONE),
    21219: (400, CONFIGURATION),
    10004: (429, NEXT_PROVIDER),
}


async def history(base_url):
    async with aiohttp.ClientSession() as session, session.get(f"{base_url}/simulator/calls") as response:
        return await response.json()


def error_body(code, status):
    return json.dumps({"code": code, "message": "about +14155550123", "more_info": "", "status": status}).encode()


def test_the_table_holds_every_code_and_the_bare_status_of_too_many_requests():
    assert CODE_TABLE.keys() | {429} == REFUSALS.keys()


@pytest.mark.parametrize("code", REFUSALS)
def test_every_alarm_has_its_fix_and_no_other_result_has_one(code):
    assert REFUSALS[code].alarm is (REFUSALS[code].fix not in ("", DEFAULT_FIX))


@pytest.mark.parametrize("code", CODE_TABLE)
async def test_every_code_of_twilio_becomes_what_the_table_says(code, voice, order, soon):
    status, (kind, alarm) = CODE_TABLE[code]
    async with raw_server(answering(status, error_body(code, status))) as port:
        answer = await voice(f"http://127.0.0.1:{port}").place(order(), soon())
    assert (kind, alarm) == (type(answer), answer.alarm)
    assert answer.detail.startswith(str(code))
    assert "4155550123" not in answer.detail
    assert (code in OUTAGES) == getattr(answer, "outage", False)


@pytest.mark.parametrize(
    ("status", "body", "kind", "alarm"),
    [
        (429, b"slow down", NotPlaced, False),
        (429, error_body(99999, 429), NotPlaced, False),
        (400, error_body(21205, 400), NotPlaced, True),
        (418, b"\xff\xfe", NotPlaced, True),
        (400, b'{"code": ["21217"]}', NotPlaced, True),
        (400, b"[21217]", NotPlaced, True),
        (307, b"", NotPlaced, True),
    ],
)
async def test_a_4xx_response_without_a_known_code_was_not_placed(status, body, kind, alarm, voice, order, soon):
    async with raw_server(answering(status, body)) as port:
        answer = await voice(f"http://127.0.0.1:{port}").place(order(), soon())
    assert (kind, alarm) == (type(answer), answer.alarm)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b""),
        (502, b"<html>"),
        (503, error_body(20429, 503)),
        (201, b""),
        (201, b"not json"),
        (201, b"[]"),
        (201, b"{}"),
        (201, b'"CA"'),
        (201, b'{"sid": null}'),
        (201, b'{"sid": 12}'),
        (201, b'{"sid": "../Calls"}'),
        (201, b'{"sid": "CA1", "date_created": 5}'),
        (201, b"[" * 100_000),
    ],
)
async def test_a_5xx_or_malformed_response_is_indeterminate(status, body, voice, order, soon):
    async with raw_server(answering(status, body)) as port:
        assert isinstance(await voice(f"http://127.0.0.1:{port}").place(order(), soon()), Indeterminate)


@pytest.mark.parametrize("sid", ["CA" + "0f" * 16, "x", "A1" * 32, "b1ff6f2c-4bb1-4d0e-9c3e-0d8a7d6c5b4a"])
async def test_a_call_with_a_short_sid_is_placed(sid, voice, order, soon):
    async with raw_server(answering(201, json.dumps({"sid": sid}).encode())) as port:
        assert Placed(sid) == await voice(f"http://127.0.0.1:{port}").place(order(), soon())


@pytest.mark.parametrize("sid", ["", "A" * 65, "A" * 60_000, "CA 1", "-CA1", "CA1\n", "CÄ1", "CA\u0661", "CA1\x1b[2J"])
async def test_a_call_with_any_other_sid_is_indeterminate(sid, voice, order, soon):
    async with raw_server(answering(201, json.dumps({"sid": sid}).encode())) as port:
        assert Indeterminate("response names no call") == await voice(f"http://127.0.0.1:{port}").place(order(), soon())


async def test_an_oversized_response_to_a_call_is_indeterminate(voice, order, soon):
    body = json.dumps({"sid": "A" * 7_000_000}).encode()
    async with raw_server(answering(201, body)) as port:
        answer = await voice(f"http://127.0.0.1:{port}").place(order(), soon())
    assert Indeterminate("sent, then: response too long") == answer


def problem(**changes):
    """An error in the format of RFC 9457, which names its own HTTP status."""
    return json.dumps({"type": "about:blank", "title": "no", "status": 400, "code": 21211} | changes).encode()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (500, problem(), Indeterminate("HTTP 500, code 21211")),
        (400, problem(status=503), REFUSALS[21211]),
        (400, problem(status="x" * 50_000), REFUSALS[21211]),
        (400, problem(status=10**4000), REFUSALS[21211]),
        (400, problem(code=10**4000), NotPlaced("HTTP 400, code 400", alarm=True, fix=DEFAULT_FIX)),
        (400, problem(code=-1), NotPlaced("HTTP 400, code 400", alarm=True, fix=DEFAULT_FIX)),
        (400, problem(code="x" * 50_000), NotPlaced("HTTP 400, code 400", alarm=True, fix=DEFAULT_FIX)),
        (400, b'{"code": ' + b"9" * 5000 + b"}", NotPlaced("HTTP 400, code 400", alarm=True, fix=DEFAULT_FIX)),
        (
            400,
            b'{"code": 99999, "message": "' + b"x" * 60_000 + b'"}',
            NotPlaced("HTTP 400, code 99999", alarm=True, fix=DEFAULT_FIX),
        ),
        (400, b"[" * 60_000, NotPlaced("HTTP 400, code 400", alarm=True, fix=DEFAULT_FIX)),
        (503, b'{"code": 999999999999}', Indeterminate("HTTP 503, code 503")),
    ],
)
async def test_only_the_http_status_and_a_short_code_of_an_error_are_kept(status, body, expected, voice, order, soon):
    async with raw_server(answering(status, body)) as port:
        assert expected == await voice(f"http://127.0.0.1:{port}").place(order(), soon())


@pytest.mark.parametrize("body", [problem(status="x" * 50_000, code=10**4000), b'{"code": ' + b"9" * 5000 + b"}"])
async def test_errors_of_follow_hang_up_and_account_requests_are_short(body, voice):
    async with raw_server(answering(400, body)) as port:
        ours = voice(f"http://127.0.0.1:{port}")
        with pytest.raises(Unavailable, match=r"^twilio: HTTP 400, code 400$"):
            await ours.progress([CallRef("twilio", "CA1")])
        with pytest.raises(Unavailable, match=r"^twilio: HTTP 400, code 400$"):
            await ours.hang_up(CallRef("twilio", "CA1"))
        assert [AccountCheck(ok=False, text="HTTP 400, code 400")] == await ours.check_account()


@pytest.mark.parametrize("name", ["x" * 60_000, "two\nlines\x1b[2J"])
async def test_no_text_of_an_account_is_shown(name, voice):
    account = {"sid": name, "friendly_name": name, "status": name, "type": name, "incoming_phone_numbers": []}
    async with raw_server(answering(200, json.dumps(account).encode())) as port:
        findings = await voice(f"http://127.0.0.1:{port}").check_account()
    assert all(len(finding.text) < 150 and finding.text.isprintable() for finding in findings)


async def test_a_call_to_a_closed_port_was_not_placed(voice, order, soon):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        answer = await voice(f"http://127.0.0.1:{held.getsockname()[1]}").place(order(), soon())
    assert (
        NotPlaced("not sent: connection refused or host not reachable", outage=True, fix=NOT_SENT_FIX, sent=False)
        == answer
    )


async def test_a_passed_deadline_sends_nothing(simulator, voice, order, soon):
    assert NotPlaced("not sent: no time left", sent=False) == await voice(simulator).place(order(), soon(-1))
    assert [] == await history(simulator)


async def test_a_reset_after_sending_is_indeterminate_and_places_one_call(simulator, voice, order, soon):
    assert isinstance(await voice(simulator).place(order("+15005550032"), soon()), Indeterminate)
    assert 1 == len(await history(simulator))


async def test_a_missing_response_is_indeterminate_at_the_deadline(simulator, voice, order, soon):
    assert Indeterminate("sent, then: timed out") == await voice(simulator).place(order("+15005550033"), soon(0.05))
    assert 1 == len(await history(simulator))


async def test_the_deadline_shortens_the_total_time_and_never_lengthens_it(voice, order, soon, monkeypatch):
    ours, allowed = voice(None, total_timeout=10), []

    class Session:
        def request(self, method, url, *, timeout, **rest):
            allowed.append(timeout.total)
            raise RuntimeError

    monkeypatch.setattr(ours._account._pool, "_open_session", Session)
    for left in (5, 60):
        await ours.place(order(), soon(left))
    assert 4 < allowed[0] <= 5
    assert 10 == allowed[1]


async def test_the_total_timeout_applies_when_the_deadline_is_far(simulator, voice, order, soon):
    answer = await voice(simulator, total_timeout=0.05).place(order("+15005550033"), soon(60))
    assert Indeterminate("sent, then: timed out") == answer


@pytest.mark.parametrize("number", ["+15005550030", "+15005550031", "+15005550034"])
async def test_the_simulators_worst_responses_are_indeterminate(number, simulator, voice, order, soon):
    assert isinstance(await voice(simulator).place(order(number), soon()), Indeterminate)


async def test_a_call_is_placed_and_speaks_the_code(simulator, voice, order, soon):
    answer = await voice(simulator).place(order(), soon())
    (call,) = await history(simulator)
    assert Placed(call["sid"]) == answer
    assert ("+14155550123", "+15005550006", "123456") == (call["to"], call["from"], call["code"])
    assert call["said"].startswith(
        "Hello. This is ACME VPN. Your code is 1 2 3 4 5 6. Once more, your code is 1 2 3 4 5 6."
    )


@pytest.mark.parametrize(("extension", "digits"), [("", ""), ("42", "wwww42"), ("1" * 20, "wwww" + "1" * 20)])
async def test_an_extension_is_dialled_after_a_pause(extension, digits, simulator, voice, order, soon):
    request = structs.replace(order(), phone=Phone("+14155550123", extension))
    assert isinstance(await voice(simulator).place(request, soon()), Placed)
    (call,) = await history(simulator)
    assert ("+14155550123", digits, "123456") == (call["to"], call["digits"], call["code"])


async def test_a_sip_address_is_called_without_digits_and_is_not_in_the_message(simulator, voice, order, soon):
    address = "sips:3105@pbx.example.org:5061;transport=tls"
    assert isinstance(await voice(simulator).place(order(address), soon()), Placed)
    (call,) = await history(simulator)
    assert (address, "", "123456") == (call["to"], call["digits"], call["code"])
    assert "3105" not in call["said"]


@pytest.mark.parametrize(
    ("to", "credentials"),
    [
        ("sip:3105@pbx.example.org", {"SipAuthUsername": ["radius-voice"], "SipAuthPassword": ["a & b"]}),
        ("+14155550123", {}),
    ],
)
async def test_the_credentials_of_the_pbx_are_sent_with_calls_to_sip_addresses_only(to, credentials, order, soon):
    forms = []

    async def accept(reader, writer):
        forms.append(parse_qs((await read_request(reader)).partition(b"\r\n\r\n")[2].decode()))
        writer.write(b"HTTP/1.1 201 X\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()

    async with raw_server(accept) as port:
        voice = twilio_voice(base_url=f"http://127.0.0.1:{port}", sip_auth=("radius-voice", "a & b"))
        await voice.place(order(to), soon())
        await voice.close()
    (form,) = forms
    assert [to] == form["To"]
    assert credentials == {name: value for name, value in form.items() if name.startswith("Sip")}
    assert "a & b" not in repr(voice)


async def test_a_name_with_markup_is_spoken_as_it_is_written(simulator, voice, order, soon):
    name = 'R&D <Say>"one"</Say> \ue000\x00 Zürich'
    await voice(simulator).place(order(friendly_name=name), soon())
    (call,) = await history(simulator)
    assert 'This is R&D <Say>"one"</Say> Zürich.' in call["said"]
    assert "123456" == call["code"]


async def test_a_template_never_contains_a_code(simulator, voice, order, soon):
    ours = voice(simulator)
    for code in ("111111", "222222", "3333"):
        await ours.place(order(code=code), soon())
        await ours.place(order(code=code, language="de"), soon())
    assert ["111111", "111111", "222222", "222222", "3333", "3333"] == [
        call["code"] for call in await history(simulator)
    ]
    assert not any(digit in str(ours._templates.values()) for digit in ("11", "22", "33"))
    assert 4 == len(ours._templates)


async def test_each_message_has_its_own_speech_and_texts(simulator, voice, order, soon):
    ours = voice(simulator)
    catalog, _ = messages_of("en: {spoken: {closing: Bye.}}", "messages.yaml")
    for more in ({}, {"speech": Speech(repetitions=1)}, {"catalog": catalog}):
        await ours.place(order(**more), soon())
    default, once, replaced = [call["said"] for call in await history(simulator)]
    assert (3, 1) == (default.count("1 2 3 4 5 6"), once.count("1 2 3 4 5 6"))
    assert (True, True) == (default.endswith("Goodbye."), replaced.endswith("Bye."))
    voices = [ours._twiml(order(speech=Speech((("en", name),))).message) for name in ("Polly.Amy", "Polly.Joey")]
    assert ["Polly.Amy", "Polly.Joey"] == [re.findall('voice="([^"]+)"', each)[0] for each in voices]


async def test_languages_with_the_same_messages_share_a_template(simulator, voice, order, soon):
    ours = voice(simulator)
    for language in ("en", "en-GB", "tlh", "x" * 50):
        await ours.place(order(language=language), soon())
    assert 1 == len(ours._templates)


async def test_a_message_too_long_for_twilio_is_not_sent(simulator, voice, order, soon):
    answer = await voice(simulator).place(order(friendly_name="x" * 4000), soon())
    assert (NotPlaced, True) == (type(answer), answer.alarm)
    assert [] == await history(simulator)


async def test_the_longest_code_fits_in_every_language(simulator, voice, order, soon):
    for language in LANGUAGES:
        assert isinstance(await voice(simulator).place(order(language=language, code="1234567890"), soon()), Placed)


async def test_the_request_has_ring_timeout_time_limit_and_no_recording(voice, order, soon):
    sent = []

    async def talk(reader, writer):
        sent.append(await read_request(reader))
        writer.write(b'HTTP/1.1 201 X\r\nContent-Length: 14\r\n\r\n{"sid": "CA1"}')
        await writer.drain()
        await reader.read()

    async with raw_server(talk) as port:
        assert Placed("CA1") == await voice(f"http://127.0.0.1:{port}").place(order(), soon())
    head, _, body = sent[0].decode().partition("\r\n\r\n")
    form = parse_qs(body)
    assert head.startswith(f"POST /2010-04-01/Accounts/{ACCOUNT}/Calls.json HTTP/1.1")
    assert {"To", "From", "Twiml", "Timeout", "TimeLimit"} == form.keys()
    assert (["25"], [str(MAX_SPEECH_SECONDS)]) == (form["Timeout"], form["TimeLimit"])
    assert "1 2 3 4 5 6" in spoken_text(form["Twiml"][0])


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        ({}, "api.twilio.com"),
        ({"region": "ie1", "edge": "dublin"}, "api.dublin.ie1.twilio.com"),
        ({"edge": "dublin"}, "api.dublin.us1.twilio.com"),
    ],
)
async def test_only_region_and_edge_choose_the_host(settings, host, voice, order, soon, monkeypatch):
    monkeypatch.setenv("TWILIO_REGION", "au1")
    monkeypatch.setenv("TWILIO_EDGE", "sydney")
    ours, urls = voice(None, **settings), []

    async def send(method, url, **rest):
        urls.append(url)
        raise RuntimeError

    monkeypatch.setattr(ours._account._pool, "send", send)
    await ours.place(order(), soon())
    assert [f"https://{host}/2010-04-01/Accounts/{ACCOUNT}/Calls.json"] == urls


async def test_a_service_with_twilios_api_may_have_a_path_and_uuids(voice, order, soon):
    project, call, requests = "4f1a0c9e-6a0b-4c1d-8e2f-3a4b5c6d7e8f", "b1ff6f2c-4bb1-4d0e-9c3e-0d8a7d6c5b4a", []

    async def talk(reader, writer):
        while True:
            requests.append((await read_request(reader)).split(b" HTTP", 1)[0].decode())
            body = json.dumps({"sid": call, "status": "ringing"}).encode()
            writer.write(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()

    async with raw_server(talk) as port:
        ours = voice(f"http://127.0.0.1:{port}/api/laml", account_sid=project, username=project)
        assert Placed(call) == await ours.place(order(), soon())
        await ours.hang_up(CallRef("twilio", call))
    account = f"POST /api/laml/2010-04-01/Accounts/{project}"
    assert [f"{account}/Calls.json", f"{account}/Calls/{call}.json"] == requests


async def test_cancellation_is_propagated(voice, order, soon):
    arrived = asyncio.Event()

    async def never_respond(reader, writer):
        await read_request(reader)
        arrived.set()
        await asyncio.Event().wait()

    async with raw_server(never_respond) as port:
        placing = asyncio.create_task(voice(f"http://127.0.0.1:{port}").place(order(), soon()))
        await asyncio.wait_for(arrived.wait(), 5)
        placing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await placing


async def test_calls_are_followed_from_queue_to_end(simulator, clock, voice, order, soon):
    ours = voice(simulator)
    answers = [
        await ours.place(order(number), soon())
        for number in ("+14155550123", "+15005550010", "+15005550011", "+15005550012")
    ]
    calls = [CallRef("twilio", answer.reference) for answer in answers]
    seen = []
    for seconds in (0, 1.5, 2, 24, 30):
        clock.now += seconds
        statuses = await ours.progress(calls)
        seen.append([statuses[call] for call in calls])
    assert [
        [CallStatus.QUEUED] * 4,
        [CallStatus.RINGING] * 4,
        [CallStatus.ANSWERED, CallStatus.BUSY, CallStatus.RINGING, CallStatus.FAILED],
        [CallStatus.ANSWERED, CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED],
        [CallStatus.COMPLETED, CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED],
    ] == seen


@pytest.fixture
def counted(monkeypatch):
    """Counts the requests of a TwilioVoice, as `METHOD last-part-of-the-path`."""

    def watch(ours):
        asked, send = [], ours._account._pool.send

        async def counting(method, url, **rest):
            asked.append(f"{method} {url.rpartition('/')[2]}")
            return await send(method, url, **rest)

        monkeypatch.setattr(ours._account._pool, "send", counting)
        return asked

    return watch


async def test_many_calls_are_followed_by_one_request(simulator, voice, order, soon, counted):
    ours = voice(simulator)
    calls = [CallRef("twilio", (await ours.place(order(), soon())).reference) for _ in range(80)]
    asked = counted(ours)
    assert set(calls) == (await ours.progress(calls)).keys()
    assert ["GET Calls.json"] == asked


async def test_a_call_that_is_not_on_the_page_is_fetched_separately(simulator, voice, order, soon, counted):
    ours = voice(simulator)
    old = CallRef("twilio", (await ours.place(order(), soon())).reference)
    for _ in range(60):
        await ours.place(order(), soon())
    asked = counted(ours)
    assert {old: CallStatus.QUEUED} == await ours.progress([old])
    assert ["GET Calls.json", f"GET {old.reference}.json"] == asked


async def test_further_pages_are_listed_until_every_call_is_found(simulator, voice, order, soon, counted, monkeypatch):
    monkeypatch.setattr(provider, "MAX_PAGE", 20)
    ours = voice(simulator)
    calls = [CallRef("twilio", (await ours.place(order(), soon())).reference) for _ in range(70)]
    asked = counted(ours)
    assert set(calls[30:]) == (await ours.progress(calls[30:])).keys()
    assert 2 == len(asked)
    assert set(calls) == (await ours.progress(calls)).keys()
    assert 2 + 4 == len(asked)
    assert {"GET Calls.json"} == {request.partition("?")[0] for request in asked}


async def test_the_pages_of_a_listing_are_bounded(simulator, voice, order, soon, counted, monkeypatch):
    monkeypatch.setattr(provider, "MAX_PAGE", 5)
    monkeypatch.setattr(provider, "MAX_FETCHES", 0)
    ours = voice(simulator)
    calls = [CallRef("twilio", (await ours.place(order(), soon())).reference) for _ in range(60)]
    asked = counted(ours)
    assert set(calls[10:]) == (await ours.progress(calls)).keys()
    assert MAX_PAGES == len(asked)


async def test_10_000_calls_are_followed_by_a_bounded_number_of_requests(simulator, voice, counted):
    ours = voice(simulator)
    unknown = [CallRef("twilio", f"CA{number:032}") for number in range(10_000)]
    asked = counted(ours)
    for polls in (1, 2, 3):
        assert {} == await ours.progress(unknown)
        assert polls * (1 + MAX_FETCHES) == len(asked)
    assert 3 * MAX_FETCHES == len({request for request in asked if request != "GET Calls.json"})


async def test_a_call_unknown_to_twilio_is_omitted(simulator, voice):
    assert {} == await voice(simulator).progress([CallRef("twilio", "CA" + "f" * 32)])


async def test_following_no_calls_sends_no_request(voice):
    assert {} == await voice("http://127.0.0.1:9").progress([])


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"calls": 5}', b'{"calls": [7]}', b'{"a": [], "b": []}'])
async def test_a_malformed_listing_is_unavailable(body, voice):
    async with raw_server(answering(200, body)) as port:
        with pytest.raises(Unavailable, match="twilio: "):
            await voice(f"http://127.0.0.1:{port}").progress([CallRef("twilio", "CA1")])


async def test_following_with_a_wrong_token_is_unavailable_with_its_cause(simulator, voice):
    with pytest.raises(Unavailable, match="20003"):
        await voice(simulator, password="wrong").progress([CallRef("twilio", "CA1")])


async def test_hanging_up_ends_a_call(simulator, clock, voice, order, soon):
    ours = voice(simulator)
    call = CallRef("twilio", (await ours.place(order(), soon())).reference)
    clock.now += 5
    await ours.hang_up(call)
    assert {call: CallStatus.COMPLETED} == await ours.progress([call])


async def test_hanging_up_a_ringing_call_cancels_it(simulator, clock, voice, order, soon):
    ours = voice(simulator)
    call = CallRef("twilio", (await ours.place(order(), soon())).reference)
    clock.now += 1.5
    await ours.hang_up(call)
    assert {call: CallStatus.CANCELED} == await ours.progress([call])


async def test_hanging_up_twice_or_an_unknown_call_is_no_error(simulator, clock, voice, order, soon):
    ours = voice(simulator)
    call = CallRef("twilio", (await ours.place(order(), soon())).reference)
    clock.now += 100
    await ours.hang_up(call)
    await ours.hang_up(CallRef("twilio", "CA" + "f" * 32))


async def test_hanging_up_while_twilio_is_unavailable_raises_unavailable(voice):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(Unavailable):
            await voice(f"http://127.0.0.1:{held.getsockname()[1]}").hang_up(CallRef("twilio", "CA1"))


async def test_valid_credentials_are_accepted(simulator, voice):
    findings = await voice(simulator).check_account()
    assert all(finding.ok for finding in findings)
    texts = [finding.text for finding in findings]
    assert ["account is active", "balance 20.00 USD", "from number +15*******06 belongs to the account"] == texts[:3]
    assert "countries: policies allow any" in texts[3]


async def test_the_countries_that_the_account_may_not_call_are_reported(simulator, voice):
    *_, may, may_not = await voice(simulator).check_account(["US", "KP", "DE"])
    assert AccountCheck(ok=True, text="may call DE, US") == may
    assert (False, True) == (may_not.ok, may_not.text.startswith("may not call KP; "))


ACTIVE = {"status": "active", "type": "Full", "balance": "20", "currency": "USD", "low_risk_numbers_enabled": True}


@pytest.mark.parametrize(
    ("changes", "ok", "text"),
    [
        ({"status": "suspended"}, False, "account is suspended; look up the reason in the Twilio console"),
        ({"status": "closed"}, False, "account is closed; use another account"),
        ({"status": "pending"}, False, "account is not active; look its status up in the Twilio console"),
        ({"type": "Trial"}, True, "account is active; trial account: calls verified numbers only"),
        ({"balance": "-1.5"}, True, "balance -1.50 USD; add funds, unless Twilio sends you invoices"),
        ({"balance": "much"}, True, "balance: response not understood"),
    ],
)
async def test_the_account_is_described(changes, ok, text, voice):
    numbers, account = json.dumps({"incoming_phone_numbers": [{}]}).encode(), json.dumps(ACTIVE | changes).encode()

    async def talk(reader, writer):
        while True:
            body = numbers if b"IncomingPhoneNumbers" in await read_request(reader) else account
            writer.write(f"HTTP/1.1 200 X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()

    async with raw_server(talk) as port:
        findings = await voice(f"http://127.0.0.1:{port}").check_account()
    assert (ok, True) in [(finding.ok, finding.text.startswith(text)) for finding in findings], findings


async def test_what_a_restricted_key_may_not_read_is_said(voice):
    async def talk(reader, writer):
        while True:
            request = await read_request(reader)
            status, body = (200, b'{"calls": []}') if b"Calls.json" in request else (403, b"{}")
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()

    async with raw_server(talk) as port:
        ours = voice(f"http://127.0.0.1:{port}", username="SK" + "1" * 32)
        findings = await ours.check_account(["US"])
    assert all(finding.ok for finding in findings)
    assert ["API key accepted"] == [finding.text for finding in findings if finding.checked]
    subjects = [finding.text.partition(":")[0] for finding in findings if not finding.checked]
    assert ["account", "balance", "from number +15*******06", "US"] == subjects
    assert all("key may not" in finding.text for finding in findings if not finding.checked)


async def test_an_api_key_is_valid_without_reading_the_account(simulator, voice, counted):
    ours = voice(simulator, username="SK" + "1" * 32)
    asked = counted(ours)
    assert all(finding.ok for finding in await ours.check_account())
    assert f"GET {ACCOUNT}.json" not in asked


async def test_a_wrong_token_is_reported(simulator, voice):
    assert [AccountCheck(ok=False, text=f"20003: credentials refused; {CREDENTIALS_FIX}")] == await voice(
        simulator, password="wrong"
    ).check_account()


async def test_a_from_number_of_another_account_is_reported(simulator, voice):
    account, _, number, _ = await voice(simulator, from_number="+15005550007").check_account()
    assert (True, False) == (account.ok, number.ok)


async def test_a_number_of_another_account_for_a_country_is_reported_with_its_key(simulator, voice):
    ours = voice(simulator, by_country={"DE": Phone("+15005550007")})
    (wrong,) = [check for check in await ours.check_account() if not check.ok]
    assert wrong.text.startswith("from number +15*******07 is neither a number nor a verified caller ID")
    assert wrong.text.endswith("from or from_by_country")


@pytest.mark.parametrize("code", [21210, 21212])
def test_the_fix_of_a_refused_from_number_names_both_keys(code):
    assert "`from` or `from_by_country`" in REFUSALS[code].fix


async def test_a_secret_is_in_no_repr_log_or_error(simulator, voice, order, soon, caplog):
    caplog.set_level(logging.DEBUG)
    ours = voice(simulator)
    shown = [repr(ours), str(ours), repr(await ours.place(order("+15005550001"), soon()))]
    try:
        await voice("http://127.0.0.1:9", password=TOKEN).hang_up(CallRef("twilio", "CA1"))
    except Unavailable as error:
        shown.append(repr(error))
    for private in (TOKEN, "123456", "5005550001"):
        assert private not in " ".join(shown) + caplog.text


GERMAN, BRITISH = Phone("+493012345678"), Phone("+442079460999")


async def test_a_call_comes_from_the_number_for_the_country_of_the_user(simulator, voice, order, soon):
    ours = voice(simulator, by_country={"DE": GERMAN, "GB": BRITISH})
    called = {"+4915112345678": GERMAN.address, "+447400123456": BRITISH.address, "+14155550123": "+15005550006"}
    for number in called:
        await ours.place(order(number), soon())
    _, history = await asyncio.to_thread(http_get, f"{simulator}/simulator/calls")
    assert called == {call["to"]: call["from"] for call in json.loads(history)}


async def test_the_calls_from_all_numbers_are_listed_until_each_call_is_found(simulator, voice, order, soon, counted):
    ours = voice(simulator, by_country={"DE": GERMAN, "GB": GERMAN})
    default = CallRef("twilio", (await ours.place(order(), soon())).reference)
    german = CallRef("twilio", (await ours.place(order("+4915112345678"), soon())).reference)
    asked = counted(ours)
    assert {default} == (await ours.progress([default])).keys()
    assert 1 == len(asked)
    assert {default, german} == (await ours.progress([default, german])).keys()
    assert ["GET Calls.json"] * 3 == asked


async def test_each_number_is_checked(simulator, voice):
    checks = await voice(simulator, by_country={"DE": GERMAN, "GB": Phone("+15005550007")}).check_account()
    assert [True, True, False] == [check.ok for check in checks if check.text.startswith("from number")]
