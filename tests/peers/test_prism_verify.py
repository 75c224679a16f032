"""Twilio's own OpenAPI description of Verify, enforced by Prism."""

import asyncio

import aiohttp
import pytest
from msgspec.structs import replace

from radius_voice.delivery.twilio_verify.provider import TwilioVerify
from radius_voice.login.deliveries.requests import CodeMessage, DeliveryRequest, Placed
from radius_voice.login.deliveries.verifications import CodeCheck
from radius_voice.login.model import Method
from radius_voice.login.phone import Phone
from radius_voice.simulator import Simulator
from tests.delivery.conftest import ACCOUNT, SERVICE, twilio_verify
from tests.support.prism import loaded_description, running_prism

pytestmark = pytest.mark.peer("prism")

DESCRIPTION = "twilio_verify_v2.json"
VERIFICATION = "VE" + "0f" * 16
PHONE = Phone("+14155550123")
ORDER = DeliveryRequest(PHONE, CodeMessage("en", "ACME VPN", "123456"), ring_timeout=25, method=Method.SMS)
OF_SERVICE = f"https://verify.twilio.com/v2/Services/{SERVICE}"


@pytest.fixture(scope="module")
def prism():
    """The base URL of Prism."""
    with running_prism(DESCRIPTION) as url:
        yield url


@pytest.fixture
async def asked(prism, monkeypatch):
    """A provider that uses Prism, and the list of its requests and their responses."""

    def make(**changes):
        provider = twilio_verify(**{"base_url": prism, "password": "t"} | changes)
        made.append(provider)
        answers, send = [], provider._account._pool.send

        async def watched(method, url, **rest):
            response = await send(method, url, **rest)
            answers.append((method, url.removeprefix(OF_SERVICE), response.status))
            return response

        monkeypatch.setattr(provider._account._pool, "send", watched)
        return provider, answers

    made: list[TwilioVerify] = []
    yield make
    for provider in made:
        await provider.close()


def soon():
    return asyncio.get_running_loop().time() + 30


async def test_prism_refuses_what_the_description_does_not_allow(prism):
    path = f"{prism}/v2/Services/{SERVICE}/Verifications"
    async with aiohttp.ClientSession(headers={"Authorization": aiohttp.encode_basic_auth(ACCOUNT, "t")}) as session:
        for form in ({"To": PHONE.address}, {"To": PHONE.address, "Channel": "sms", "TemplateSid": "none"}):
            async with session.post(path, data=form) as response:
                assert 422 == response.status


@pytest.mark.parametrize(
    ("changes", "order", "fields"),
    [
        ({}, ORDER, {"To", "Channel", "Locale"}),
        ({"custom_code": True}, ORDER, {"CustomCode"}),
        ({}, replace(ORDER, method=Method.VOICE, phone=Phone(PHONE.address, "42")), {"SendDigits"}),
    ],
)
async def test_our_requests_for_a_delivery_are_allowed_and_their_responses_understood(changes, order, fields, asked):
    verify, answers = asked(**changes)
    assert isinstance(await verify.place(order, soon()), Placed)
    assert [("POST", f"/Verifications/{PHONE.address}", 200), ("POST", "/Verifications", 201)] == answers
    create = loaded_description(DESCRIPTION)["paths"]["/v2/Services/{ServiceSid}/Verifications"]["post"]
    (body,) = create["requestBody"]["content"].values()
    assert fields <= body["schema"]["properties"].keys()


@pytest.mark.parametrize("reference", [VERIFICATION, ""])
async def test_our_checks_are_allowed_and_their_responses_understood(reference, asked):
    verify, answers = asked()
    assert isinstance(await verify.check(reference, PHONE, "123456", soon()), CodeCheck)
    assert [("POST", "/VerificationCheck", 200)] == answers


async def test_our_requests_to_end_a_verification_are_allowed(asked):
    verify, answers = asked()
    await verify.cancel(VERIFICATION, PHONE)
    await verify.approve(VERIFICATION, PHONE)
    assert [("POST", f"/Verifications/{VERIFICATION}", 200)] * 2 == answers


async def test_our_requests_about_the_service_are_allowed(asked):
    verify, answers = asked(username="SK" + "1" * 32)
    assert 4 == len(await verify.check_account())
    assert [("GET", "", 200)] * 2 == [answer for answer in answers if "Balance" not in answer[1]]


async def test_the_simulator_returns_the_fields_of_the_api_description():
    description = loaded_description(DESCRIPTION)
    simulator = Simulator(ACCOUNT, "t")
    port = await simulator.start("127.0.0.1", 0)
    where = f"http://127.0.0.1:{port}/v2/Services/{SERVICE}"
    try:
        async with aiohttp.ClientSession(headers={"Authorization": aiohttp.encode_basic_auth(ACCOUNT, "t")}) as session:
            form = {"To": PHONE.address, "Channel": "sms"}
            async with session.post(f"{where}/Verifications", data=form) as response:
                started = (response.status, await response.json())
            async with session.post(f"{where}/VerificationCheck", data={"To": PHONE.address, "Code": "1"}) as response:
                checked = (response.status, await response.json())
            async with session.get(where) as response:
                service = await response.json()
    finally:
        await simulator.stop()
    schemas = description["components"]["schemas"]
    assert schemas["verify.v2.service"]["properties"].keys() == service.keys()
    for name, (status, shown), path in (
        ("verification", started, "Verifications"),
        ("verification_check", checked, "VerificationCheck"),
    ):
        assert schemas[f"verify.v2.service.{name}"]["properties"].keys() == shown.keys()
        assert str(status) in description["paths"][f"/v2/Services/{{ServiceSid}}/{path}"]["post"]["responses"]
