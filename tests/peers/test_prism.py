"""Twilio's own OpenAPI description, enforced by Prism: it refuses requests the description does not allow."""

import asyncio

import aiohttp
import pytest
from msgspec.structs import replace
from twilio.base import values

from radius_voice.delivery.twilio_sms.provider import TwilioSms
from radius_voice.delivery.twilio_voice import provider as voice_provider
from radius_voice.delivery.twilio_voice.provider import TwilioVoice
from radius_voice.login.deliveries.call_scripts import code_script
from radius_voice.login.deliveries.requests import CodeMessage, DeliveryRequest, Placed
from radius_voice.login.model import CallRef, CallStatus
from radius_voice.login.phone import Phone
from radius_voice.login.voicemail import Voicemail
from radius_voice.simulator import Simulator
from radius_voice.twilio.checks import country_checks
from tests.delivery.conftest import twilio_sms, twilio_voice
from tests.support.prism import loaded_description, running_prism

pytestmark = pytest.mark.peer("prism")

DESCRIPTION = "twilio_api_v2010.json"
ACCOUNT = "AC" + "0" * 32
CALL = CallRef("twilio", "CA" + "a" * 32)
ORDER = DeliveryRequest(Phone("+14155550123"), CodeMessage("en", "ACME VPN", "123456"), ring_timeout=25)


@pytest.fixture(scope="module")
def prism():
    """The base URL of Prism."""
    with running_prism(DESCRIPTION) as url:
        yield url


@pytest.fixture
def description():
    return loaded_description(DESCRIPTION)


@pytest.fixture
async def asked(prism, monkeypatch):
    """A provider that uses Prism, and the list of its requests and their responses."""

    def make(kind=twilio_voice, **changes):
        provider = kind(**{"base_url": prism, "password": "t"} | changes)
        made.append(provider)
        answers, send = [], provider._account._pool.send

        async def watched(method, url, **rest):
            response = await send(method, url, **rest)
            answers.append(
                (
                    method,
                    url.removeprefix(f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}"),
                    response.status,
                )
            )
            return response

        monkeypatch.setattr(provider._account._pool, "send", watched)
        return provider, answers

    made: list[TwilioVoice | TwilioSms] = []
    yield make
    for provider in made:
        await provider.close()


async def test_prism_refuses_what_the_description_does_not_allow(prism):
    async with aiohttp.ClientSession(headers={"Authorization": aiohttp.encode_basic_auth(ACCOUNT, "t")}) as session:
        async with session.post(
            f"{prism}/2010-04-01/Accounts/{ACCOUNT}/Calls.json", data={"To": "+14155550123"}
        ) as response:
            assert 422 == response.status
        async with session.get(
            f"{prism}/2010-04-01/Accounts/{ACCOUNT}/Calls.json", params={"PageSize": "1001"}
        ) as response:
            assert 422 == response.status


async def test_our_create_request_is_allowed_and_its_response_understood(asked):
    voice, answers = asked()
    assert isinstance(await voice.place(ORDER, asyncio.get_running_loop().time() + 30), Placed)
    assert [("POST", "/Calls.json", 201)] == answers


async def test_our_create_request_with_an_extension_is_allowed(asked, description):
    voice, answers = asked()
    phone = Phone("+14155550123", "1" * 20)
    assert isinstance(await voice.place(replace(ORDER, phone=phone), asyncio.get_running_loop().time() + 30), Placed)
    assert [("POST", "/Calls.json", 201)] == answers
    create = description["paths"]["/2010-04-01/Accounts/{AccountSid}/Calls.json"]["post"]["requestBody"]["content"]
    (body,) = create.values()
    assert "SendDigits" in body["schema"]["properties"]


async def test_our_create_request_for_a_sip_address_is_allowed(asked, description):
    voice, answers = asked(sip_auth=("radius-voice", "a password of the PBX"))
    phone = Phone("sip:3105@pbx.example.org;transport=tls")
    assert isinstance(await voice.place(replace(ORDER, phone=phone), asyncio.get_running_loop().time() + 30), Placed)
    assert [("POST", "/Calls.json", 201)] == answers
    create = description["paths"]["/2010-04-01/Accounts/{AccountSid}/Calls.json"]["post"]["requestBody"]["content"]
    (body,) = create.values()
    assert {"SipAuthUsername", "SipAuthPassword"} <= body["schema"]["properties"].keys()
    assert "SIP address" in body["schema"]["properties"]["To"]["description"]


async def test_our_list_and_fetch_requests_are_allowed_and_their_responses_understood(asked):
    voice, answers = asked()
    elsewhere = CallRef("twilio", "CA" + "b" * 32)
    statuses = await voice.progress([elsewhere])
    assert {elsewhere} == statuses.keys()
    assert isinstance(statuses[elsewhere], CallStatus)
    assert [("GET", "/Calls.json", 200), ("GET", f"/Calls/{elsewhere.reference}.json", 200)] == answers


async def test_our_hang_up_request_is_allowed(asked):
    voice, answers = asked()
    await voice.hang_up(CALL)
    assert [("POST", f"/Calls/{CALL.reference}.json", 200)] == answers


async def test_our_account_requests_are_allowed(asked):
    voice, answers = asked()
    assert all(finding.ok for finding in await voice.check_account())
    assert [
        ("GET", ".json", 200),
        ("GET", "/Balance.json", 200),
        ("GET", "/IncomingPhoneNumbers.json", 200),
    ] == answers


async def test_our_request_for_the_countries_of_an_account_is_allowed(asked):
    with running_prism("twilio_voice_v1.json") as url:
        voice, answers = asked(base_url=url)
        await country_checks(voice._requests, voice._account, ["US"], "")
        assert [("GET", "https://voice.twilio.com/v1/DialingPermissions/Countries/US", 200)] == answers


async def test_our_request_for_caller_ids_is_allowed(asked):
    voice, answers = asked()
    resource = voice._account.client().api.account.outgoing_caller_ids
    assert await voice._requests.first(resource, phone_number="+15005550006")
    assert [("GET", "/OutgoingCallerIds.json", 200)] == answers


async def test_our_requests_with_an_api_key_are_allowed(asked):
    voice, answers = asked(username="SK" + "1" * 32)
    assert all(finding.ok for finding in await voice.check_account())
    assert ("GET", "/Calls.json", 200) == answers[0]


@pytest.mark.parametrize(
    "changes", [{}, {"sender": "ACME VPN", "senders": {"US": "ACME"}}, {"sender": None, "service": "MG" + "a" * 32}]
)
async def test_our_message_requests_are_allowed_and_their_responses_understood(changes, asked, description):
    texts, answers = asked(twilio_sms, **changes)
    request = replace(ORDER, phone=Phone("+442079460958"))
    answer = await texts.place(request, asyncio.get_running_loop().time() + 30)
    assert isinstance(answer, Placed)
    assert (False, [("POST", "/Messages.json", 201)]) == (answer.live, answers)
    create = description["paths"]["/2010-04-01/Accounts/{AccountSid}/Messages.json"]["post"]["requestBody"]["content"]
    (body,) = create.values()
    assert {"From", "MessagingServiceSid", "Body", "ValidityPeriod"} <= body["schema"]["properties"].keys()


async def test_our_account_requests_about_text_messages_are_allowed(asked):
    texts, answers = asked(twilio_sms)
    account, _, number = await texts.check_account()
    assert (True, False) == (account.ok, number.ok)  # the number of the description's example is for calls only
    assert "cannot send text messages" in number.text
    paths = [".json", "/Balance.json", "/IncomingPhoneNumbers.json"]
    assert [("GET", path, 200) for path in paths] == answers
    texts, answers = asked(twilio_sms, username="SK" + "1" * 32)
    assert (await texts.check_account())[0].ok
    assert ("GET", "/Messages.json", 200) == answers[0]


async def test_the_simulator_returns_the_fields_of_the_api_description(description):
    simulator = Simulator(ACCOUNT, "t")
    port = await simulator.start("127.0.0.1", 0)
    where = f"http://127.0.0.1:{port}/2010-04-01/Accounts/{ACCOUNT}"
    form = {"To": "+14155550123", "From": "+15005550006", "Twiml": "<Response><Say>hello</Say></Response>"}
    text = {"To": "+14155550123", "From": "+15005550006", "Body": "hello"}
    try:
        async with aiohttp.ClientSession(headers={"Authorization": aiohttp.encode_basic_auth(ACCOUNT, "t")}) as session:
            async with session.post(f"{where}/Calls.json", data=form) as response:
                call = await response.json()
            async with session.get(f"{where}/Calls.json") as response:
                page = await response.json()
            async with session.post(f"{where}/Messages.json", data=text) as response:
                message = await response.json()
            async with session.get(f"{where}/Messages.json") as response:
                message_page = await response.json()
            async with session.get(f"{where}.json") as response:
                account = await response.json()
    finally:
        await simulator.stop()
    schemas = description["components"]["schemas"]
    assert schemas["api.v2010.account.call"]["properties"].keys() == call.keys()
    assert schemas["api.v2010.account.message"]["properties"].keys() == message.keys()
    assert schemas["api.v2010.account"]["properties"].keys() == account.keys()
    for resource, shown in (("Calls", page), ("Messages", message_page)):
        path = description["paths"][f"/2010-04-01/Accounts/{{AccountSid}}/{resource}.json"]
        listing = path["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert listing["properties"].keys() == shown.keys()


@pytest.mark.parametrize("public_url", ["https://voice.example.org", ""])
@pytest.mark.parametrize("voicemail", Voicemail)
async def test_calls_with_callbacks_and_machine_detection_are_allowed_by_the_description(
    asked, voicemail, public_url, monkeypatch
):
    # Prism reads no arrays of forms: to it, StatusCallbackEvent is a text, also if it is given several times.
    monkeypatch.setattr(voice_provider, "STATUS_EVENTS", values.unset)
    provider, answers = asked()
    request = replace(ORDER, public_url=public_url, delivery="0f.1a.1", voicemail=voicemail)
    placed = await provider.place(request, asyncio.get_running_loop().time() + 20)
    if voicemail is Voicemail.PRESS and not public_url:
        assert [] == answers
    else:
        assert isinstance(placed, Placed)
        assert [("POST", "/Calls.json", 201)] == answers


async def test_an_answered_call_may_be_given_another_script(asked):
    provider, answers = asked()
    await provider.speak(CALL, code_script(ORDER.message))
    assert [("POST", f"/Calls/{CALL.reference}.json", 200)] == answers
