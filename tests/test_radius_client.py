"""The RADIUS client: timeouts, retransmissions, and verification of replies."""

import asyncio
import struct
from contextlib import asynccontextmanager
from hashlib import md5

import pytest

from radius_voice.radius import packet as radius
from radius_voice.radius.password import decrypt_password
from radius_voice.radius_client import NoReply, RadiusClient, Timers

SECRET = b"a shared secret of the tests"
QUICK = Timers(initial=0.02, max_wait=0.04, transmissions=4, total=5.0)


class Peer(asyncio.DatagramProtocol):
    """A server that records requests and sends the datagrams of `answers(number, request)`."""

    def __init__(self, answers):
        self.answers = answers
        self.requests = []

    def connection_made(self, transport):
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data, address):
        self.requests.append(radius.decode(data))
        for reply in self.answers(len(self.requests), self.requests[-1]):
            self.transport.sendto(reply, address)


@asynccontextmanager
async def serving(answers, timers=QUICK):
    loop = asyncio.get_running_loop()
    transport, peer = await loop.create_datagram_endpoint(lambda: Peer(answers), local_addr=("127.0.0.1", 0))
    try:
        yield peer, RadiusClient("127.0.0.1", peer.port, SECRET, timers)
    finally:
        transport.close()


def accept(request, secret=SECRET):
    return radius.encode_reply(radius.ACCESS_ACCEPT, request, [(radius.REPLY_MESSAGE, b"welcome")], secret)


async def test_a_reply_is_accepted_and_the_password_is_hidden_in_transit():
    async with serving(lambda _, request: [accept(request)]) as (peer, client):
        reply = await client.request([(radius.USER_NAME, b"alice")], "Grüße".encode())
    assert (radius.ACCESS_ACCEPT, b"welcome") == (reply.code, reply.first(radius.REPLY_MESSAGE))
    (request,) = peer.requests
    assert radius.verify(request, SECRET)
    assert "Grüße".encode() == decrypt_password(request.first(radius.USER_PASSWORD), SECRET, request.authenticator)


async def test_a_slow_server_gets_retransmissions_with_the_same_octets():
    async with serving(lambda number, request: [accept(request)] if number == 3 else []) as (peer, client):
        await client.request([(radius.USER_NAME, b"alice")], b"x")
    assert 3 == len(peer.requests)
    assert 1 == len({request.raw for request in peer.requests})


async def test_a_server_without_response_gets_the_configured_number_of_transmissions():
    async with serving(lambda *_: []) as (peer, client):
        with pytest.raises(NoReply, match=f"no response from 127.0.0.1 port {peer.port}"):
            await client.request([], b"x")
    assert QUICK.transmissions == len(peer.requests)


async def test_no_wait_exceeds_the_total_time():
    once = Timers(initial=60.0, max_wait=60.0, transmissions=5, total=0.05)
    async with serving(lambda *_: [], once) as (peer, client):
        with pytest.raises(NoReply):
            async with asyncio.timeout(30):
                await client.request([], b"x")
    assert 1 <= len(peer.requests) <= once.transmissions


async def test_waits_double_up_to_the_maximum_and_vary(monkeypatch):
    waits = []

    async def hurried(_awaited, timeout):
        waits.append(timeout)

    monkeypatch.setattr(asyncio, "wait", hurried)
    async with serving(lambda *_: [], Timers()) as (_, client):
        with pytest.raises(NoReply):
            await client.request([], b"x")
    bases = [2.0, 4.0, 8.0, 16.0, 16.0]
    assert len(bases) == len(waits)
    assert all(0.9 * base <= wait <= 1.1 * base for base, wait in zip(bases, waits, strict=True))
    assert 1 < len({wait / base for base, wait in zip(bases, waits, strict=True)})


def unsigned(request):
    """An Access-Accept whose Response Authenticator is right and that lacks a Message-Authenticator (CVE-2024-3596)."""
    head = struct.pack("!BBH", radius.ACCESS_ACCEPT, request.identifier, 20)
    return head + md5(head + request.authenticator + SECRET).digest()


def flipped(request):
    good = accept(request)
    return good[:-1] + bytes((good[-1] ^ 1,))


def renumbered(request):
    """An authentic reply to another Identifier."""
    other = radius.decode(bytes((1, request.identifier ^ 1)) + request.raw[2:])
    return accept(other)


FORGERIES = {
    "another secret": lambda request: accept(request, b"a guess"),
    "no message authenticator": unsigned,
    "a flipped bit": flipped,
    "another identifier": renumbered,
    "another authenticator": lambda request: accept(radius.decode(request.raw[:4] + bytes(16) + request.raw[20:])),
    "the request itself": lambda request: request.raw,
    "not a packet": lambda _: b"\x02\x00",
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
async def test_a_forged_reply_is_ignored_and_the_authentic_reply_after_it_is_accepted(forgery):
    async with serving(lambda _, request: [forgery(request), forgery(request), accept(request)]) as (_, client):
        assert b"welcome" == (await client.request([], b"x")).first(radius.REPLY_MESSAGE)
    async with serving(lambda _, request: [forgery(request)]) as (_, client):
        with pytest.raises(NoReply):
            await client.request([], b"x")


async def test_a_second_reply_changes_nothing():
    async with serving(lambda _, request: [accept(request)] * 3) as (_, client):
        assert radius.ACCESS_ACCEPT == (await client.request([], b"x")).code


async def test_a_closed_port_is_no_reply_and_not_an_error():
    async with serving(lambda *_: []) as (peer, _):
        port = peer.port
    with pytest.raises(NoReply):
        await RadiusClient("127.0.0.1", port, SECRET, QUICK).request([], b"x")


def test_the_secret_is_not_in_the_repr():
    assert SECRET.decode() not in repr(RadiusClient("127.0.0.1", 1812, SECRET))
