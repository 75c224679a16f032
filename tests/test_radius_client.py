"""The RADIUS client: timeouts, retransmissions, and verification of replies."""

import asyncio
import socket
import struct
from contextlib import asynccontextmanager
from hashlib import md5
from itertools import pairwise

import pytest
import uvloop

from radius_voice import radius_client
from radius_voice.metric_labels import UpstreamEvent
from radius_voice.radius import packet as radius
from radius_voice.radius.password import decrypt_password
from radius_voice.radius_client import NoReply, RadiusClient, Timers

SECRET = b"a shared secret of the tests"
QUICK = Timers(initial=0.02, max_wait=0.04, transmissions=4, total=5.0)
PATIENT = Timers(initial=0.1, max_wait=0.1, transmissions=300, total=30.0)
ONCE = Timers(initial=60.0, max_wait=60.0, transmissions=1, total=60.0)


class Peer(asyncio.DatagramProtocol):
    """A server that records requests and sends the datagrams of `answers(number, request)`."""

    def __init__(self, answers):
        self.answers = answers
        self.requests = []
        self.senders = []
        self.arrived = asyncio.Semaphore(0)

    def connection_made(self, transport):
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data, address):
        self.requests.append(radius.decode(data))
        self.senders.append((self.requests[-1], address))
        self.client = address
        for reply in self.answers(len(self.requests), self.requests[-1]):
            self.transport.sendto(reply, address)
        self.arrived.release()

    async def received(self, count):
        """Return when that many more requests have arrived."""
        async with asyncio.timeout(30):
            for _ in range(count):
                await self.arrived.acquire()

    def reply(self, datagram):
        self.transport.sendto(datagram, self.client)


@asynccontextmanager
async def serving(answers, timers=QUICK, **more):
    loop = asyncio.get_running_loop()
    transport, peer = await loop.create_datagram_endpoint(lambda: Peer(answers), local_addr=("127.0.0.1", 0))
    try:
        async with connected(peer.port, timers, **more) as client:
            yield peer, client
    finally:
        transport.close()


@asynccontextmanager
async def connected(port, timers=QUICK, **more):
    client = RadiusClient("127.0.0.1", port, SECRET, timers, **more)
    try:
        yield client
    finally:
        client.close()


def accept(request, secret=SECRET):
    return radius.encode_reply(radius.ACCESS_ACCEPT, request, [(radius.REPLY_MESSAGE, b"welcome")], secret)


async def test_a_reply_is_accepted_and_the_password_is_hidden_in_transit():
    async with serving(lambda _, request: [accept(request)]) as (peer, client):
        reply = (await client.request([(radius.USER_NAME, b"alice")], "Grüße".encode())).packet
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


def test_waits_double_up_to_the_maximum_and_vary():
    """RFC 5080 section 2.2.1."""
    waits = list(Timers(initial=2.0, max_wait=16.0, transmissions=7).waits())
    assert 7 == len(waits)
    assert 1.8 <= waits[0] <= 2.2
    for before, wait in pairwise(waits[:3]):
        assert 1.9 * before <= wait <= 2.1 * before
    assert all(14.4 <= wait <= 17.6 for wait in waits[4:])
    assert 3 == len(set(waits[4:]))


async def test_a_response_after_the_last_transmission_is_still_accepted_for_a_while():
    timers = Timers(initial=0.02, max_wait=0.02, transmissions=5, total=0.01, late=30.0)
    async with serving(lambda *_: [], timers) as (peer, client):
        request = asyncio.ensure_future(client.request([], b"x"))
        await peer.received(1)
        await asyncio.wait({request}, timeout=0.1)  # the total time is over
        peer.reply(accept(peer.requests[0]))
        assert radius.ACCESS_ACCEPT == (await request).packet.code
    assert 1 == len(peer.requests)


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
        assert b"welcome" == (await client.request([], b"x")).packet.first(radius.REPLY_MESSAGE)
    async with serving(lambda _, request: [forgery(request)]) as (_, client):
        with pytest.raises(NoReply):
            await client.request([], b"x")


async def test_a_second_reply_changes_nothing():
    async with serving(lambda _, request: [accept(request)] * 3) as (_, client):
        assert radius.ACCESS_ACCEPT == (await client.request([], b"x")).packet.code


async def test_a_closed_port_is_no_reply_and_not_an_error():
    async with serving(lambda *_: []) as (peer, _):
        port = peer.port
    async with connected(port) as client:
        with pytest.raises(NoReply, match=f"no response from 127.0.0.1 port {port}"):
            await client.request([], b"x")


def test_the_secret_is_not_in_the_repr():
    assert SECRET.decode() not in repr(RadiusClient("127.0.0.1", 1812, SECRET))


# Many requests


async def test_more_requests_than_identifiers_are_in_flight_at_once():
    requests = []
    async with serving(lambda *_: [], ONCE) as (peer, client):
        names = [f"user{number}".encode() for number in range(600)]
        for name in names:
            requests.append(asyncio.ensure_future(client.request([(radius.USER_NAME, name)], b"x")))
            await peer.received(1)
        for request, address in peer.senders:
            peer.transport.sendto(echo(request), address)
            await asyncio.sleep(0)  # the receive buffers are small
        responses = await asyncio.gather(*requests)
    assert names == [response.packet.first(radius.REPLY_MESSAGE) for response in responses]
    assert 3 == len({address for _, address in peer.senders})
    for address in {address for _, address in peer.senders}:
        identifiers = [request.identifier for request, sender in peer.senders if sender == address]
        assert len(identifiers) == len(set(identifiers))


def echo(request):
    name = request.first(radius.USER_NAME)
    return radius.encode_reply(radius.ACCESS_ACCEPT, request, [(radius.REPLY_MESSAGE, name)], SECRET)


async def test_only_one_idle_socket_is_kept():
    async with serving(lambda _, request: [accept(request)], PATIENT) as (peer, client):
        await asyncio.gather(*(client.request([], b"x") for _ in range(300)))
        assert 1 == len(client._sockets)
    assert 2 == len({address for _, address in peer.senders})


async def test_requests_beyond_all_identifiers_fail_at_once(monkeypatch):
    monkeypatch.setattr(radius_client, "MAX_SOCKETS", 1)
    async with serving(lambda *_: [], ONCE) as (peer, client):
        waiting = []
        for _ in range(256):
            waiting.append(asyncio.ensure_future(client.request([], b"x")))
            await peer.received(1)
        with pytest.raises(NoReply, match="256 others wait"):
            await client.request([], b"x")
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        with pytest.raises(NoReply, match="no response"):
            await client.request([], b"x", timers=QUICK)


# Responses that are ignored


IGNORED = {
    "another secret": UpstreamEvent.NOT_AUTHENTIC,
    "no message authenticator": UpstreamEvent.NO_MESSAGE_AUTHENTICATOR,
    "a flipped bit": UpstreamEvent.NOT_AUTHENTIC,
    "another identifier": UpstreamEvent.UNEXPECTED,
    "another authenticator": UpstreamEvent.NOT_AUTHENTIC,
    "the request itself": UpstreamEvent.NOT_AUTHENTIC,
    "not a packet": UpstreamEvent.MALFORMED,
}


@pytest.mark.parametrize("name", IGNORED)
async def test_each_ignored_response_is_counted_with_its_kind(name):
    events: list[UpstreamEvent] = []
    answers = lambda _, request: [FORGERIES[name](request), accept(request)]  # noqa: E731
    async with serving(answers, notify=events.append) as (_, client):
        await client.request([], b"x")
    assert [IGNORED[name]] == events


async def test_duplicates_and_late_responses_are_unexpected():
    events: asyncio.Queue[UpstreamEvent] = asyncio.Queue()
    async with serving(lambda _, request: [accept(request)] * 3, notify=events.put_nowait) as (peer, client):
        await client.request([], b"x")
        peer.reply(accept(peer.requests[0]))
        async with asyncio.timeout(30):
            assert [UpstreamEvent.UNEXPECTED] * 3 == [await events.get() for _ in range(3)]


async def test_a_response_from_another_address_is_ignored():
    events: list[UpstreamEvent] = []
    async with serving(lambda *_: [], Timers(0.02, 0.02, 3, 5.0), notify=events.append) as (peer, client):
        request = asyncio.ensure_future(client.request([], b"x"))
        loop = asyncio.get_running_loop()
        other, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
        await peer.received(1)
        other.sendto(accept(peer.requests[0]), peer.client)
        with pytest.raises(NoReply):
            await request
        other.close()
    assert [UpstreamEvent.FOREIGN] == events


async def test_a_response_without_message_authenticator_is_accepted_where_none_is_required():
    events: list[UpstreamEvent] = []
    async with serving(
        lambda _, request: [unsigned(request)], notify=events.append, require_message_authenticator=False
    ) as (_, client):
        assert radius.ACCESS_ACCEPT == (await client.request([], b"x")).packet.code
    assert [UpstreamEvent.NO_MESSAGE_AUTHENTICATOR] == events


@pytest.mark.parametrize("name", [name for name in FORGERIES if name != "no message authenticator"])
async def test_forged_responses_are_ignored_also_where_no_message_authenticator_is_required(name):
    forgery = FORGERIES[name]
    async with serving(lambda _, request: [forgery(request)], require_message_authenticator=False) as (_, client):
        with pytest.raises(NoReply):
            await client.request([], b"x")


async def test_an_unreachable_network_is_no_reply():
    async with connected(1812) as client:
        client.host = "255.255.255.255"  # not without SO_BROADCAST
        with pytest.raises(NoReply, match="Permission denied"):
            await client.request([], b"x")
        client.host = "not an address"
        with pytest.raises(NoReply):
            await client.request([], b"x")


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_server_that_starts_while_a_request_waits_gets_it(loop):
    """An ICMP error for the first transmission must not end the reading of the socket."""

    async def log_in():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        async with connected(port, PATIENT) as client:
            request = asyncio.ensure_future(client.request([], b"x"))
            await asyncio.wait({request}, timeout=0.3)
            answer = lambda _, request: [accept(request)]  # noqa: E731
            create = asyncio.get_running_loop().create_datagram_endpoint
            transport, _ = await create(lambda: Peer(answer), local_addr=("127.0.0.1", port))
            assert radius.ACCESS_ACCEPT == (await request).packet.code
            transport.close()

    (uvloop if loop == "uvloop" else asyncio).run(log_in())


async def test_an_ipv6_server_is_asked():
    loop = asyncio.get_running_loop()
    answer = lambda _, request: [accept(request)]  # noqa: E731
    transport, peer = await loop.create_datagram_endpoint(lambda: Peer(answer), local_addr=("::1", 0))
    client = RadiusClient("::1", peer.port, SECRET, QUICK)
    assert radius.ACCESS_ACCEPT == (await client.request([], b"x")).packet.code
    client.close()
    transport.close()


async def test_a_response_to_a_status_server_needs_no_message_authenticator():
    events: list[UpstreamEvent] = []
    async with serving(lambda _, request: [unsigned(request)], notify=events.append) as (_, client):
        response = await client.request([], code=radius.STATUS_SERVER)
    assert (radius.ACCESS_ACCEPT, []) == (response.packet.code, events)
    async with serving(lambda _, request: [accept(request, b"a guess")]) as (_, client):
        with pytest.raises(NoReply):
            await client.request([], code=radius.STATUS_SERVER)
