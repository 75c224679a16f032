"""A provider that is ill in every way: what the gateway is told, what is written down, and that nothing rings twice."""

import re
import socket
from functools import partial
from pathlib import Path

import pytest

from radius_voice.radius import packet as radius
from tests.server import house as houses
from tests.server.broken import Listener, resetting, saying, silent
from tests.stores.redis_server import until

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.1s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
limits: {calls: {all: 100 per 1m, country: 100 per 1m, client: 100 per 1m}}
"""
IMPATIENT = "timeout: 0.5s\n      connect_timeout: 0.5s"
MEMORY = 48 << 20


class Provider(Listener):
    """Stands in front of the simulated Twilio and hands it every request, or does what `fault` does instead."""

    def __init__(self, url):
        super().__init__(self.answer)
        self.well = tuple(url.removeprefix("http://").split(":"))
        self.fault = None
        self.calls_asked_for = 0
        self.url = f"http://127.0.0.1:{self.port}"

    def answer(self, connection):
        """One request a connection: so each meets the fault of its time."""
        request = whole(connection)
        self.calls_asked_for += request.startswith(b"POST") and b"/Calls.json " in request
        (self.fault or partial(self.hand_on, request=request))(connection)

    def hand_on(self, connection, request):
        with socket.create_connection(self.well, houses.PATIENCE) as twilio:
            twilio.sendall(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            while piece := twilio.recv(65536):
                connection.sendall(piece)


def whole(connection):
    request = b""
    while b"\r\n\r\n" not in request:
        request += received(connection)
    head, _, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    while length and len(body) < int(length[1]):
        body += received(connection)
    return head + b"\r\n\r\n" + body


def received(connection):
    piece = connection.recv(65536)
    if not piece:
        raise ConnectionResetError
    return piece


# Faults


def answering(status, body, promised=0, kind=b"application/json"):
    length = len(body) + promised
    return saying(b"HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (status, kind, length) + body)


def stopping(connection):
    answering(201, b'{"sid": "CA1"', promised=500)(connection)
    silent(connection)


def endless(connection):
    answering(201, b"", promised=10**12)(connection)
    while True:
        connection.sendall(b" " * 65536)


HTML = b"<!doctype html><title>Welcome to the hotel's wireless network</title>"
UNKNOWN = {
    "says nothing": (silent, "timed out"),
    "resets the connection": (resetting, "connection broke"),
    "closes the connection": (saying(b""), "connection broke"),
    "talks another protocol": (saying(b"220 mail.example ESMTP\r\n\r\n"), "answer is not HTTP"),
    "talks noise": (saying(bytes(range(256)) * 20), "answer is not HTTP"),
    "stops in mid-body": (stopping, "timed out"),
    "cuts in mid-body": (answering(201, b'{"sid": "CA1"', promised=500), "answer cut short"),
    "never comes to an end": (endless, "answer too long"),
    "sends broken JSON": (answering(201, b'{"sid": "CA1'), "answer not understood"),
    "nests without end": (answering(201, b"[" * 60_000), "answer not understood"),
    "answers at length": (answering(201, b'{"sid": "%b"}' % (b"A" * 7_000_000)), "answer too long"),
    "names a call at length": (answering(201, b'{"sid": "%b"}' % (b"A" * 60_000)), "answer names no call"),
    "sends a list": (answering(201, b"[1]"), "answer not understood"),
    "sends wrong types": (answering(201, b'{"sid": 5, "status": [], "price": {}}'), "answer names no call"),
    "is a hotel's login page": (answering(200, HTML, kind=b"text/html"), "answer not understood"),
    "sends no body": (answering(204, b""), "answer names no call"),
    "fails": (answering(503, HTML), "HTTP 503"),
}
REFUSED = {
    "leads elsewhere": (saying(b"HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"), "302"),
    "refuses with noise": (answering(400, b"\xff\xfe"), "HTTP 400"),
    "refuses at length": (answering(400, b'{"code": %b, "message": "%b"}' % (b"9" * 4000, b"x" * 9000)), "HTTP 400"),
    "refuses with wrong types": (answering(403, b'{"code": [1], "message": {}}'), "HTTP 403"),
}


@pytest.fixture(scope="module")
def provider(phones):
    provider = Provider(phones.url)
    yield provider
    provider.close()


@pytest.fixture(scope="module")
def house(start, provider, make_person):
    everybody = [make_person() for _ in range(2 * (len(UNKNOWN) + len(REFUSED) + 1))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(houses, "FOUNDATION", houses.FOUNDATION.replace("timeout: 3s", IMPATIENT))
        with start(CONFIGURATION, everybody, phones=provider.url) as house:
            house.strangers = iter(everybody)
            yield house


@pytest.fixture
def anne(house, provider):
    """Somebody who logs in while the provider is ill. It is well again after the test."""
    yield next(house.strangers)
    provider.fault = None


def log_in(house, provider, phones):
    """Somebody else logs in, now that the provider is well, and their call is ended."""
    provider.fault = None
    person, gateway = next(house.strangers), house.gateway()
    challenge = gateway.begin(person)
    reply = gateway.answer(person, challenge, phones.code(person.phone))
    until(lambda: phones.calls(person.phone)[-1]["status"] in {"completed", "canceled"}, "the call is hung up")
    return reply.code


def memory(house):
    """The most octets that the server has ever used."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{house.process.pid}/status").read_text())[1]) << 10


@pytest.mark.parametrize("fault", UNKNOWN)
def test_a_provider_of_whom_nobody_knows_whether_it_rings_is_asked_once(house, provider, phones, anne, fault):
    provider.fault, detail = UNKNOWN[fault]
    provider.calls_asked_for, used = 0, memory(house)
    unknown = house.metric("radius_voice_calls_total", result="unknown")
    gateway = house.gateway()
    challenge = gateway.begin(anne)
    again = gateway.begin(anne)
    redial = gateway.answer(anne, challenge, "phone")
    assert [radius.ACCESS_CHALLENGE] * 3 == [challenge.code, again.code, redial.code]
    assert ["call_unknown", "joined", "cannot_redial"] == house.reasons(anne)
    assert 1 == provider.calls_asked_for
    (call,) = house.audit(kind="call", login=house.audit(user=anne.name)[0]["login"])
    assert ("unknown", True) == (call["result"], detail in call["detail"])
    assert detail in house.line(call["login"], house.stderr)
    assert unknown + 1 == house.metric("radius_voice_calls_total", result="unknown")
    assert memory(house) - used < MEMORY
    assert radius.ACCESS_ACCEPT == log_in(house, provider, phones)


@pytest.mark.parametrize("fault", REFUSED)
def test_a_provider_that_certainly_rang_nobody_is_a_reject_and_an_alarm(house, provider, phones, anne, fault):
    provider.fault, detail = REFUSED[fault]
    provider.calls_asked_for = 0
    alarms = house.metric("radius_voice_provider_alarms_total")
    assert radius.ACCESS_REJECT == house.gateway().begin(anne).code
    assert (["delivery_failed"], 1) == (house.reasons(anne), provider.calls_asked_for)
    (call,) = house.audit(kind="call", login=house.audit(user=anne.name)[0]["login"])
    assert ("not_placed", True, True) == (call["result"], call["alarm"], detail in call["detail"])
    assert "fix=" in house.line(call["login"], house.stderr)
    assert alarms + 1 == house.metric("radius_voice_provider_alarms_total")
    assert radius.ACCESS_ACCEPT == log_in(house, provider, phones)


def test_a_provider_that_is_back_is_used_again(house, provider, phones, anne):
    provider.close()
    try:
        assert radius.ACCESS_REJECT == house.gateway().begin(anne).code
    finally:
        provider.open()
    assert "connection refused" in house.line(house.audit(user=anne.name)[0]["login"], house.stderr)
    assert ["delivery_failed"] == house.reasons(anne)
    assert radius.ACCESS_ACCEPT == log_in(house, provider, phones)
