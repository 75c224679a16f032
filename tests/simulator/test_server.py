import json

import aiohttp
import pytest

from radius_voice.simulator import Simulator
from radius_voice.simulator.calls import MAX_SPEECH

from .conftest import ACCOUNT, TOKEN, TWIML


async def test_a_call_is_accepted_and_its_history_has_the_spoken_text(talk, clock):
    status, call = await talk.call()
    assert (201, "queued", ACCOUNT, "outbound-api") == (status, call["status"], call["account_sid"], call["direction"])
    assert [
        {
            "sid": call["sid"],
            "to": "+14155550123",
            "from": "+15005550006",
            "digits": "",
            "said": "Your code is 1 2 3 4",
            "code": "1234",
            "answered_by": None,
            "keys": "",
            "callbacks": [],
            "status": "queued",
            "at": clock.now,
            "ended": None,
        }
    ] == await talk.history()


async def test_the_history_has_the_keys_that_were_dialled_once_the_number_answered(talk):
    await talk.call(SendDigits="wW1234#*")
    await talk.call("+15005550010", SendDigits="42")
    answered, busy = await talk.history()
    assert ("wW1234#*", "") == (answered["digits"], busy["digits"])


@pytest.mark.parametrize("digits", ["", "a", "1,2", "1" * 33])
async def test_keys_that_no_phone_has_are_refused(digits, talk):
    status, error = await talk.call(SendDigits=digits)
    assert (400, 20001) == (status, error["code"])


async def test_history_is_oldest_first_and_can_be_filtered_by_number(talk):
    for number in ("+14155550121", "+14155550122", "+14155550121"):
        await talk.call(number)
    assert ["+14155550121", "+14155550122", "+14155550121"] == [call["to"] for call in await talk.history()]
    assert 2 == len(await talk.history(to="+14155550121"))
    assert [] == await talk.history(to="+14155550129")


async def test_a_call_queues_rings_is_answered_and_ends(talk, clock):
    _, call = await talk.call()
    seen = []
    for seconds in (0.5, 1, 2, 29, 1):
        clock.now += seconds
        seen.append((await talk("GET", f"/Calls/{call['sid']}.json"))[1]["status"])
    assert ["queued", "ringing", "in-progress", "in-progress", "completed"] == seen


@pytest.mark.parametrize(
    ("number", "end"),
    [
        ("+15005550010", "busy"),
        ("+15005550011", "no-answer"),
        ("+15005550012", "failed"),
        ("sip:15005550010@pbx.example.org", "busy"),
    ],
)
async def test_calls_that_are_not_answered_have_their_final_status(number, end, talk, clock):
    await talk.call(number)
    clock.now += 100
    (call,) = await talk.history()
    assert (end, "", "") == (call["status"], call["said"], call["code"])


async def test_a_call_to_a_sip_address_is_accepted(talk):
    status, call = await talk.call("sip:3105@pbx.example.org;transport=tcp")
    assert (201, "sip:3105@pbx.example.org;transport=tcp") == (status, call["to"])
    assert ["1234"] == [each["code"] for each in await talk.history(to="sip:3105@pbx.example.org;transport=tcp")]


@pytest.mark.parametrize(
    ("to", "status", "code"),
    [
        ("sip:15005550002@pbx.example.org", 400, 21214),
        ("sip:15005550030@pbx.example.org", 500, 20500),
        ("sip:3105@pbx.example.org?X-Header=1", 400, 21211),
        ("sip:3105:password@pbx.example.org", 400, 21211),
        ("sip:31 05@pbx.example.org", 400, 21211),
        ("sip:3105", 400, 21211),
        ("<sip:3105@pbx.example.org>", 400, 21211),
    ],
)
async def test_a_sip_address_is_scripted_by_its_user_and_checked(to, status, code, talk):
    found, error = await talk.call(to)
    assert (status, code) == (found, error["code"])


async def test_a_phone_that_rings_too_briefly_is_not_answered(talk, clock):
    await talk.call(Timeout="1")
    clock.now += 2
    assert "no-answer" == (await talk.history())[0]["status"]


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        ("+15005550001", 400, 21217),
        ("+15005550002", 400, 21214),
        ("+15005550003", 400, 21215),
        ("+15005550004", 400, 21216),
        ("+15005550020", 429, 20429),
        ("+15005550021", 429, 10004),
        ("+15005550022", 400, 21219),
        ("+15005550023", 400, 13224),
        ("+15005550024", 400, 13227),
        ("+15005550025", 400, 32205),
        ("+15005550030", 500, 20500),
        ("4155550123", 400, 21211),
        ("", 400, 21201),
        (None, 400, 21201),
    ],
)
async def test_some_numbers_are_refused(number, status, code, talk):
    answered, error = await talk.call(number)
    assert (status, code, status) == (answered, error["code"], error["status"])
    assert {"code", "message", "more_info", "status"} == error.keys()
    assert [] == await talk.history()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"From": "+15005550001"}, 21212),
        ({"From": "+15005550007"}, 21210),
        ({"From": None}, 21213),
        ({"From": "ACME"}, 21212),
        ({"Twiml": None}, 21205),
        ({"Twiml": "<Response><Shout/></Response>"}, 12100),
        ({"Twiml": f"<Response><Say>{'x' * 4000}</Say></Response>"}, 20001),
        ({"Timeout": "601"}, 20001),
        ({"Timeout": "soon"}, 20001),
        ({"Timeout": "9" * 5000}, 20001),
        ({"TimeLimit": "\u0661"}, 20001),
    ],
)
async def test_some_requests_are_refused(change, code, talk):
    status, error = await talk.call(**change)
    assert (400, code) == (status, error["code"])
    assert [] == await talk.history()


@pytest.mark.parametrize("auth", [None, (ACCOUNT, "wrong"), ("AC" + "1" * 32, TOKEN), ("", "")])
async def test_wrong_credentials_are_refused(auth, talk):
    status, error = await talk("GET", ".json", auth=auth)
    assert (401, 20003) == (status, error["code"])


async def test_an_api_key_authenticates_like_the_account(talk):
    assert 200 == (await talk("GET", ".json", auth=("SK" + "1" * 32, TOKEN)))[0]


async def test_unknown_resources_are_404_with_twilios_error_body(talk):
    for path in ("/Calls/CA1.json", "/Queues.json", "0.json"):
        status, error = await talk("GET", path)
        assert (404, 20404) == (status, error["code"])


@pytest.mark.parametrize(
    ("after", "status", "end"),
    [(0, "canceled", "canceled"), (2, "completed", "canceled"), (10, "completed", "completed")],
)
async def test_a_call_can_be_ended(after, status, end, talk, clock):
    _, call = await talk.call()
    clock.now += after
    answered, changed = await talk("POST", f"/Calls/{call['sid']}.json", data={"Status": status})
    assert (200, end) == (answered, changed["status"])
    answered, error = await talk("POST", f"/Calls/{call['sid']}.json", data={"Status": status})
    assert (400, 21220) == (answered, error["code"])


async def test_a_call_that_is_answered_cannot_be_cancelled(talk, clock):
    _, call = await talk.call()
    clock.now += 10
    assert 21220 == (await talk("POST", f"/Calls/{call['sid']}.json", data={"Status": "canceled"}))[1]["code"]


async def test_a_live_call_can_be_given_new_twiml(talk, clock):
    _, call = await talk.call()
    more = {"Twiml": "<Response><Say>Thank you</Say></Response>"}
    assert 21220 == (await talk("POST", f"/Calls/{call['sid']}.json", data=more))[1]["code"]
    clock.now += 10
    assert 200 == (await talk("POST", f"/Calls/{call['sid']}.json", data=more))[0]
    assert "Your code is 1 2 3 4 Thank you" == (await talk.history())[0]["said"]


async def test_text_that_twiml_repeats_without_end_is_truncated(talk, clock):
    endless = f'<Response><Say loop="0">{"x" * 999}</Say></Response>'
    _, call = await talk.call(Twiml=endless)
    clock.now += 10
    assert 200 == (await talk("POST", f"/Calls/{call['sid']}.json", data={"Twiml": endless}))[0]
    assert MAX_SPEECH == len((await talk.history())[0]["said"])


async def test_the_listing_is_newest_first_in_pages(talk):
    sids = [(await talk.call())[1]["sid"] for _ in range(5)]
    _, page = await talk("GET", "/Calls.json", params={"PageSize": "2"})
    assert sids[:2:-1] == [call["sid"] for call in page["calls"]]
    found = []
    while page["next_page_uri"]:
        _, page = await talk("GET", page["next_page_uri"].partition(ACCOUNT)[2])
        found += [call["sid"] for call in page["calls"]]
    assert sids[2::-1] == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, 2),
        ({"To": "+14155550121"}, 1),
        ({"From": "+14155559999"}, 0),
        ({"Status": "ringing"}, 1),
        ({"StartTime": "2023-11-14"}, 2),
        ({"StartTime": "2023-11-15"}, 0),
        ({"StartTime>": "2023-11-14T22:13:25Z"}, 1),
        ({"StartTime<": "2023-11-14T22:13:25Z"}, 1),
    ],
)
async def test_the_listing_can_be_filtered(query, found, talk, clock):
    await talk.call("+14155550121")
    clock.now += 10
    await talk.call("+14155550122")
    clock.now += 1.5
    status, page = await talk("GET", "/Calls.json", params=query)
    assert (200, found) == (status, len(page["calls"]))


async def test_a_start_time_filter_finds_only_calls_that_were_dialed(talk, clock):
    _, call = await talk.call()
    query = {"StartTime": "2023-11-14"}
    assert [] == (await talk("GET", "/Calls.json", params=query))[1]["calls"], "queued"
    clock.now += 1.5
    (dialed,) = (await talk("GET", "/Calls.json", params=query))[1]["calls"]
    assert (call["sid"], "ringing") == (dialed["sid"], dialed["status"])
    _, canceled = await talk.call()
    assert 200 == (await talk("POST", f"/Calls/{canceled['sid']}.json", data={"Status": "canceled"}))[0]
    clock.now += 1.5
    assert [dialed["sid"]] == [call["sid"] for call in (await talk("GET", "/Calls.json", params=query))[1]["calls"]]


@pytest.mark.parametrize(
    "query",
    [
        {"PageSize": "0"},
        {"PageSize": "1001"},
        {"PageSize": "x"},
        {"Page": "-1"},
        {"Page": "9" * 20},
        {"StartTime": "soon"},
        {"StartTime": "9999-12-31"},
    ],
)
async def test_a_malformed_listing_request_is_refused(query, talk):
    assert 400 == (await talk("GET", "/Calls.json", params=query))[0]


async def test_a_create_request_that_fails_may_have_placed_the_call(make):
    fractions = iter([0.0, 0.6, 0.0, 0.4, 0.9])
    talk = await make(fail_rate=0.5, chance=lambda: next(fractions))
    outcomes = [((await talk.call())[0], len(await talk.history())) for _ in range(3)]
    assert [(500, 1), (500, 1), (201, 2)] == outcomes


async def test_the_worst_responses_place_the_call(talk):
    assert 500 == (await talk.call("+15005550031"))[0]
    with pytest.raises(aiohttp.ClientError):
        await talk.call("+15005550032")
    with pytest.raises(TimeoutError):
        await talk(
            "POST",
            "/Calls.json",
            data={"To": "+15005550033", "From": "+15005550006", "Twiml": TWIML},
            timeout=aiohttp.ClientTimeout(0.05),
        )
    with pytest.raises(json.JSONDecodeError):
        await talk.call("+15005550034")
    assert 4 == len(await talk.history())
    assert all(call["code"] == "1234" for call in await talk.history())


async def test_latency_delays_every_create_request(make):
    talk = await make(latency=60)
    with pytest.raises(TimeoutError):
        await talk("POST", "/Calls.json", data={}, timeout=aiohttp.ClientTimeout(0.05))
    assert [] == await talk.history()


async def test_stopping_before_starting_is_no_error():
    await Simulator(ACCOUNT, TOKEN).stop()
