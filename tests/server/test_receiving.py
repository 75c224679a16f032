"""Which datagrams the server discards, with which reason, and what `--debug` sees of them. In process."""

import asyncio

import pytest

from radius_voice.events import Discard, DiscardRecord, Reason, RequestRecord, ResendRecord
from radius_voice.login.policies.policy import ReplyRule
from radius_voice.radius import packet as radius
from radius_voice.radius.packet import Packet
from radius_voice.server.clients import Require
from radius_voice.server.duplicates import MAX_UNSIGNED
from radius_voice.server.generation import Rules
from tests.login.harness import LoginHarness
from tests.server.test_time import PEER, SECRET, InProcessClient, request, unsigned

FORGED = radius.encode_request(radius.ACCESS_REQUEST, 1, bytes(16), [(radius.USER_NAME, b"alice")], b"another secret")
STATUS = radius.encode_request(radius.STATUS_SERVER, 1, bytes(16), [], SECRET)
EAP = (radius.EAP_MESSAGE, b"\x02\x01\x00\x05\x01")


class PacketLog:
    """A tap that keeps what it sees."""

    def __init__(self):
        self.seen = []

    def received(self, client, peer, octets):
        self.seen.append(("received", client, peer, octets))

    def decided(self, peer, packet, record):
        self.seen.append(("decided", packet, record))

    def sent(self, client, peer, octets):
        self.seen.append(("sent", client, peer, octets))


@pytest.mark.parametrize(
    ("datagram", "require", "reason"),
    [
        (b"no packet", Require.YES, Discard.MALFORMED),
        (bytes((2,)) + STATUS[1:], Require.YES, Discard.WRONG_CODE),
        (FORGED, Require.YES, Discard.BAD_MESSAGE_AUTHENTICATOR),
        (FORGED, Require.NO, Discard.BAD_MESSAGE_AUTHENTICATOR),
        (unsigned(FORGED), Require.YES, Discard.NO_MESSAGE_AUTHENTICATOR),
        (unsigned(STATUS), Require.NO, Discard.NO_MESSAGE_AUTHENTICATOR),
        (request("right", EAP, signed=False), Require.NO, Discard.NO_MESSAGE_AUTHENTICATOR),
    ],
    ids=["no packet", "wrong code", "forged", "forged, unsigned is valid", "unsigned", "unsigned status", "EAP"],
)
async def test_a_datagram_that_is_not_authentic_is_discarded_with_its_reason(datagram, require, reason):
    gateway = InProcessClient(LoginHarness(), require=require)
    assert [] == await gateway.exchange(datagram)
    (record,) = gateway.records
    assert ("vpn", PEER[0], reason) == (record.client, record.client_address, record.reason)


async def test_a_datagram_of_an_unknown_peer_is_recorded_with_its_address():
    gateway = InProcessClient(LoginHarness())
    assert gateway.server.client_at("203.0.113.9") is None
    gateway.server.discard_unknown(("203.0.113.9", 40000))
    (record,) = gateway.records
    assert ("", "203.0.113.9", Discard.UNKNOWN_CLIENT) == (record.client, record.client_address, record.reason)


async def test_a_transport_may_identify_its_client_by_other_means_than_the_address():
    gateway = InProcessClient(LoginHarness())
    client = gateway.server.client_at(PEER[0])
    assert client is not None
    gateway.server.receive(request("right"), client, ("203.0.113.9", 2083), 9, gateway.replies.append)
    await gateway.server.drain()
    (response,) = gateway.replies
    assert radius.ACCESS_CHALLENGE == radius.decode(response).code
    assert [("vpn", "203.0.113.9")] == [(record.client, record.client_address) for record in gateway.records[-1:]]


async def test_a_retransmission_in_progress_is_a_duplicate():
    harness = LoginHarness()
    harness.provider.held = asyncio.Event()
    gateway, datagram = InProcessClient(harness), request("right")
    gateway.send(datagram)
    gateway.send(datagram)
    assert [Discard.DUPLICATE] == gateway.reasons()
    harness.provider.held.set()
    await gateway.server.drain()
    assert 1 == len(gateway.replies)


async def test_requests_without_message_authenticator_are_refused_where_their_identifier_is_in_use():
    gateway = InProcessClient(LoginHarness(), require=Require.NO)
    for _ in range(MAX_UNSIGNED + 1):
        gateway.send(request("wrong", identifier=7, signed=False))
    assert [Discard.IDENTIFIER_IN_USE] == gateway.reasons()
    await gateway.server.drain()


async def test_a_request_that_does_not_fit_is_discarded_as_overload():
    harness = LoginHarness()
    harness.provider.held = asyncio.Event()
    gateway = InProcessClient(harness, rules=Rules(reject_delay=0.0, max_concurrent=1, max_queued=0))
    gateway.send(request("right", identifier=1))
    gateway.send(request("right", identifier=2))
    assert [Discard.OVERLOAD] == gateway.reasons()
    harness.provider.held.set()
    await gateway.server.drain()


async def test_a_response_that_does_not_fit_is_not_sent():
    rule = ReplyRule(None, tuple((25, bytes(253)) for _ in range(17)))
    harness = LoginHarness(policy={"reply": (rule,)})
    gateway = InProcessClient(harness)
    (challenge,) = await gateway.exchange(request("right"))
    state = (radius.STATE, challenge.first(radius.STATE))
    assert [] == await gateway.exchange(request(harness.provider.codes[0], state, identifier=2))
    assert [Reason.CALL_PLACED, Reason.CODE_CORRECT, Discard.MALFORMED] == gateway.reasons()


async def test_the_reply_attributes_of_the_policy_are_sent_as_they_are_on_accept_only():
    attributes = ((25, b"\x00\xff"), (26, bytes(range(12))))
    harness = LoginHarness(policy={"reply": (ReplyRule(None, attributes),)})
    gateway = InProcessClient(harness)
    (challenge,) = await gateway.exchange(request("right"))
    assert {25, 26}.isdisjoint(challenge.firsts)
    state = (radius.STATE, challenge.first(radius.STATE))
    (accept,) = await gateway.exchange(request(harness.provider.codes[0], state, identifier=2))
    assert attributes == tuple(pair for pair in accept.attributes if pair[0] in (25, 26))


async def test_the_tap_sees_packets_of_known_clients_and_their_results():
    tap = PacketLog()
    gateway, datagram = InProcessClient(LoginHarness(), taps=[tap]), request("wrong")
    gateway.server.discard_unknown(("203.0.113.9", 40000))
    assert [] == tap.seen
    for _ in range(2):
        await gateway.exchange(datagram)
    (response,) = gateway.replies
    received, decided, sent, again, resent, sent_again = tap.seen
    assert ("received", "vpn", PEER, datagram) == received == again
    assert ("sent", "vpn", PEER, response) == sent == sent_again
    assert [RequestRecord, ResendRecord] == [type(decided[2]), type(resent[2])]
    assert all(isinstance(packet, Packet) for _, packet, _ in (decided, resent))
    tap.seen.clear()
    await gateway.exchange(b"no packet")
    (_, (_, packet, record)) = tap.seen
    assert (None, DiscardRecord) == (packet, type(record))
