import asyncio
from contextlib import asynccontextmanager

import pytest

from radius_voice.delivery.twilio_sms.provider import TwilioSms
from radius_voice.delivery.twilio_verify.provider import TwilioVerify
from radius_voice.delivery.twilio_voice.callbacks import TwilioCallbacks
from radius_voice.delivery.twilio_voice.provider import TwilioVoice
from radius_voice.http_client import HttpPool
from radius_voice.login.deliveries.caller_numbers import CallerNumbers
from radius_voice.login.deliveries.requests import CodeMessage, DeliveryRequest
from radius_voice.login.model import Method
from radius_voice.login.phone import Phone
from radius_voice.simulator import Simulator
from radius_voice.twilio.client import TwilioAccount

ACCOUNT = "AC" + "0" * 32
SERVICE = "VA" + "a" * 32
TOKEN = "a-token-that-stays-secret"


class Clock:
    """A wall clock that tests set, in seconds."""

    def __init__(self):
        self.now = 1_700_000_000.0

    def __call__(self):
        return self.now


def twilio_voice(*, from_number="+15005550006", by_country=None, sip_auth=None, **changes):
    """A TwilioVoice; `changes` are arguments of its pool and of its account."""
    callers = CallerNumbers(Phone(from_number), by_country or {})
    return TwilioVoice("twilio", twilio_account(**changes), callers, TwilioCallbacks(TOKEN), sip_auth)


def twilio_sms(*, sender="+15005550006", service=None, senders=None, **changes):
    """A TwilioSms; `changes` are arguments of its pool and of its account."""
    return TwilioSms("texts", twilio_account(**changes), sender=sender, service=service, senders=senders)


def twilio_verify(*, service_sid=SERVICE, custom_code=False, asks_for_key=False, **changes):
    """A TwilioVerify; `changes` are arguments of its pool and of its account."""
    return TwilioVerify(
        "verify", twilio_account(**changes), service_sid, custom_code=custom_code, asks_for_key=asks_for_key
    )


def twilio_account(**changes):
    settings = {
        "connect_timeout": 3.0,
        "total_timeout": 10.0,
        "account_sid": ACCOUNT,
        "username": ACCOUNT,
        "password": TOKEN,
        **changes,
    }
    of_pool = {
        name: settings.pop(name)
        for name in ("connect_timeout", "total_timeout", "base_url", "proxy", "ca_file")
        if name in settings
    }
    return TwilioAccount(HttpPool(**of_pool), **settings)


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
        made.append(twilio_voice(base_url=base_url, **changes))
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
async def sms():
    """Makes a TwilioSms for a base URL, and closes it."""
    made = []

    def make(base_url, **changes):
        made.append(twilio_sms(base_url=base_url, **changes))
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
async def verify():
    """Makes a TwilioVerify for a base URL, and closes it."""
    made = []

    def make(base_url, **changes):
        made.append(twilio_verify(base_url=base_url, **changes))
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
def order():
    """Makes an order for a number."""

    def make(number="+14155550123", method=Method.VOICE, **script):
        words = {"language": "en", "friendly_name": "ACME VPN", "code": "123456"} | script
        return DeliveryRequest(phone=Phone(number), message=CodeMessage(**words), ring_timeout=25, method=method)

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
        task = asyncio.current_task()
        assert task is not None
        talking.add(task)
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
    """One complete HTTP request: its head, and a body of Content-Length octets."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    return head + await reader.readexactly(length)


def answering(status, body, *, cut=0):
    """A server that sends the same response to every request, without the last `cut` octets of its body."""

    async def talk(reader, writer):
        while True:
            await read_request(reader)
            head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body[: len(body) - cut])
            await writer.drain()
            if cut:
                return

    return talk
