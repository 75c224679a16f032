"""Twilio's own OpenAPI description, enforced by Prism: it refuses requests the description does not allow."""

import asyncio
import json
import socket
import subprocess
import threading
from pathlib import Path

import aiohttp
import pytest

from radius_voice.delivery.twilio_voice import TwilioVoice
from radius_voice.login.model import CallRef, CallStatus, Order, Placed, Script
from radius_voice.login.phone import Phone
from radius_voice.simulator import Simulator
from tests.peers.needs import need

pytestmark = pytest.mark.peer("prism")

INSTALLED = Path(__file__).parents[2] / ".peers" / "node_modules"
PRISM = INSTALLED / ".bin" / "prism"
DESCRIPTION = INSTALLED / "@twilio" / "cli-core" / "src" / "services" / "twilio-api" / "twilio_api_v2010.json"

ACCOUNT = "AC" + "0" * 32
CALL = CallRef("twilio", "CA" + "a" * 32)
ORDER = Order(Phone("+14155550123"), Script("en", "ACME VPN", "123456"), ring=25, login="login-1")


@pytest.fixture(scope="module")
def prism():
    """Prism with the description, on a free port; its base URL."""
    need("prism", PRISM.exists() and DESCRIPTION.exists())
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    with subprocess.Popen(
        [PRISM, "mock", "-h", "127.0.0.1", "-p", str(port), DESCRIPTION],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        said = []
        for line in server.stdout:
            said.append(line)
            if "Prism is listening" in line:
                break
        else:
            pytest.fail("prism did not start:\n" + "".join(said[-5:]), pytrace=False)
        # it stops when nobody reads what it says
        threading.Thread(target=server.stdout.read, daemon=True).start()
        yield f"http://127.0.0.1:{port}"
        server.terminate()


@pytest.fixture
def description():
    need("prism", DESCRIPTION.exists())
    return json.loads(DESCRIPTION.read_text())


@pytest.fixture
async def asked(prism, monkeypatch):
    """A TwilioVoice that asks Prism, and the list of what it asked and how it was answered."""

    def make(**changes):
        settings = {
            "name": "twilio",
            "account_sid": ACCOUNT,
            "username": ACCOUNT,
            "password": "t",
            "from_number": "+15005550006",
        }
        voice = TwilioVoice(**settings | {"base_url": prism} | changes)
        made.append(voice)
        answers, send = [], voice._pool.send

        async def watched(method, url, **rest):
            response = await send(method, url, **rest)
            answers.append(
                (
                    method,
                    url.removeprefix(f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}"),
                    response.status_code,
                )
            )
            return response

        monkeypatch.setattr(voice._pool, "send", watched)
        return voice, answers

    made = []
    yield make
    for voice in made:
        await voice.close()


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


async def test_our_create_is_allowed_and_its_answer_understood(asked):
    voice, answers = asked()
    assert isinstance(await voice.place(ORDER, asyncio.get_running_loop().time() + 30), Placed)
    assert [("POST", "/Calls.json", 201)] == answers


async def test_our_listing_and_our_fetch_are_allowed_and_their_answers_understood(asked):
    voice, answers = asked()
    elsewhere = CallRef("twilio", "CA" + "b" * 32)
    told = await voice.progress([elsewhere])
    assert {elsewhere} == told.keys()
    assert isinstance(told[elsewhere], CallStatus)
    assert [("GET", "/Calls.json", 200), ("GET", f"/Calls/{elsewhere.reference}.json", 200)] == answers


async def test_our_hanging_up_is_allowed(asked):
    voice, answers = asked()
    await voice.hang_up(CALL)
    assert [("POST", f"/Calls/{CALL.reference}.json", 200)] == answers


async def test_our_questions_about_the_account_are_allowed(asked):
    voice, answers = asked()
    assert all(finding.ok for finding in await voice.credentials())
    assert [
        ("GET", ".json", 200),
        ("GET", "/IncomingPhoneNumbers.json", 200),
        ("GET", "/OutgoingCallerIds.json", 200),
    ] == answers


async def test_our_questions_with_an_api_key_are_allowed(asked):
    voice, answers = asked(username="SK" + "1" * 32)
    assert all(finding.ok for finding in await voice.credentials())
    assert ("GET", "/Calls.json", 200) == answers[0]


async def test_the_simulator_writes_a_call_an_account_and_a_page_with_the_fields_of_the_description(description):
    simulator = Simulator(ACCOUNT, "t")
    port = await simulator.start("127.0.0.1", 0)
    where = f"http://127.0.0.1:{port}/2010-04-01/Accounts/{ACCOUNT}"
    form = {"To": "+14155550123", "From": "+15005550006", "Twiml": "<Response><Say>hello</Say></Response>"}
    try:
        async with aiohttp.ClientSession(headers={"Authorization": aiohttp.encode_basic_auth(ACCOUNT, "t")}) as session:
            async with session.post(f"{where}/Calls.json", data=form) as response:
                call = await response.json()
            async with session.get(f"{where}/Calls.json") as response:
                page = await response.json()
            async with session.get(f"{where}.json") as response:
                account = await response.json()
    finally:
        await simulator.stop()
    schemas = description["components"]["schemas"]
    listing = description["paths"]["/2010-04-01/Accounts/{AccountSid}/Calls.json"]["get"]["responses"]["200"]
    assert schemas["api.v2010.account.call"]["properties"].keys() == call.keys()
    assert schemas["api.v2010.account"]["properties"].keys() == account.keys()
    assert listing["content"]["application/json"]["schema"]["properties"].keys() == page.keys()
