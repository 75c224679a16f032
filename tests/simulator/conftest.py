import json

import aiohttp
import pytest

from radius_voice.simulator import Simulator

ACCOUNT, TOKEN = "AC" + "0" * 32, "token"
TWIML = "<Response><Say>Your code is</Say><Say>1</Say><Say>2</Say><Say>3</Say><Say>4</Say></Response>"


class Clock:
    def __init__(self):
        self.now = 1_700_000_000.0

    def __call__(self):
        return self.now


class Talk:
    """A simulator and an HTTP client beside it."""

    def __init__(self, url, session):
        self.url, self.session = url, session

    async def __call__(self, method, path, auth=(ACCOUNT, TOKEN), **rest):
        headers = {"Authorization": aiohttp.encode_basic_auth(*auth)} if auth else {}
        where = path if path.startswith(("/simulator", "/v2")) else f"/2010-04-01/Accounts/{ACCOUNT}{path}"
        async with self.session.request(method, self.url + where, headers=headers, **rest) as response:
            return response.status, json.loads(await response.read())

    async def call(self, to="+14155550123", **changes):
        form = {"To": to, "From": "+15005550006", "Twiml": TWIML} | changes
        return await self(
            "POST", "/Calls.json", data={name: value for name, value in form.items() if value is not None}
        )

    async def text(self, to="+14155550123", **changes):
        form = {"To": to, "From": "+15005550006", "Body": "ACME VPN: your code is 123456."} | changes
        return await self(
            "POST", "/Messages.json", data={name: value for name, value in form.items() if value is not None}
        )

    async def messages(self, **query):
        return (await self("GET", "/simulator/messages", params=query))[1]

    async def history(self, **query):
        return (await self("GET", "/simulator/calls", params=query))[1]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def make(clock):
    """Starts a simulator and gives a `Talk` to it."""
    running = []

    async def start(**settings):
        simulator = Simulator(
            ACCOUNT, TOKEN, **{"queue_seconds": 1, "ring_seconds": 2, "talk_seconds": 30, "clock": clock} | settings
        )
        port = await simulator.start("127.0.0.1", 0)
        session = aiohttp.ClientSession()
        running.append((simulator, session))
        return Talk(f"http://127.0.0.1:{port}", session)

    yield start
    for simulator, session in running:
        await session.close()
        await simulator.stop()


@pytest.fixture
async def talk(make):
    return await make()
