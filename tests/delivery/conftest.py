import asyncio
from contextlib import asynccontextmanager

import pytest

from radius_voice.delivery.twilio_voice import TwilioVoice
from radius_voice.login.model import Order, Script
from radius_voice.login.phone import Phone
from radius_voice.simulator import Simulator

ACCOUNT = "AC" + "0" * 32
TOKEN = "a-token-that-nobody-may-see"


class Clock:
    """Wall-clock seconds that pass when told."""

    def __init__(self):
        self.now = 1_700_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def simulator(clock):
    simulator = Simulator(ACCOUNT, TOKEN, queue_seconds=1, ring_seconds=2, talk_seconds=30, clock=clock)
    port = await simulator.start("127.0.0.1", 0)
    yield f"http://127.0.0.1:{port}"
    await simulator.stop()


@pytest.fixture
async def voice():
    """Makes a TwilioVoice for a base URL, and closes it."""
    made = []

    def make(base_url, **changes):
        settings = {
            "name": "twilio",
            "account_sid": ACCOUNT,
            "username": ACCOUNT,
            "password": TOKEN,
            "from_number": "+15005550006",
        }
        made.append(TwilioVoice(**settings | {"base_url": base_url} | changes))
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
def order():
    """Makes an order for a number."""

    def make(number="+14155550123", **script):
        words = {"language": "en", "friendly_name": "ACME VPN", "code": "123456"} | script
        return Order(phone=Phone(number), script=Script(**words), ring=25, login="login-1")

    return make


@pytest.fixture
def soon():
    """Deadlines on the running loop's clock."""
    return lambda seconds=5.0: asyncio.get_running_loop().time() + seconds


@asynccontextmanager
async def raw_server(talk, **options):
    """A TCP server on loopback whose every connection runs `talk(reader, writer)`."""
    talking = set()

    async def connected(reader, writer):
        talking.add(asyncio.current_task())
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)


async def read_request(reader):
    """One whole HTTP request: its head, and a body as long as its Content-Length."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    return head + await reader.readexactly(length)


def answering(status, body, *, cut=0):
    """A talk that answers every request alike; with `cut`, that many octets of the promised body are kept back."""

    async def talk(reader, writer):
        while True:
            await read_request(reader)
            head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body[: len(body) - cut])
            await writer.drain()
            if cut:
                return

    return talk
