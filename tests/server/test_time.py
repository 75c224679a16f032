"""Behaviour over long times: a server without sockets, with a clock that tests set."""

import asyncio
import secrets
from ipaddress import ip_network
from typing import Any

import pytest

from radius_voice.events import DiscardRecord, Reason, RequestRecord, ResendRecord, ServiceRecord
from radius_voice.login.codes.keys import Keys
from radius_voice.radius import packet as radius
from radius_voice.radius.password import encrypt_password
from radius_voice.server.clients import Client, Clients, Require
from radius_voice.server.generation import Generation, Rules
from radius_voice.server.recorder import Taps
from radius_voice.server.server import Server
from tests.login.harness import LoginHarness

SECRET = b"a shared secret of the tests"
PEER = ("192.0.2.1", 40000)


def reject_attribute(name, value):
    """The policy of LoginHarness has no reply attributes to encode."""
    raise AssertionError(name)


class InProcessClient:
    """A RADIUS client that passes its datagrams to the server without sockets."""

    def __init__(
        self, harness, memory=None, require=Require.YES, rules=None, secrets=(SECRET,), taps=(), traffic=None, **more
    ):
        self.harness = harness
        self.records: list[Any] = []
        self.replies: list[bytes] = []
        signer_keys = tuple(Keys(b"k" * 32).client("vpn", secret) for secret in secrets)
        vpn = Client("vpn", secrets, require, "default", 2.5, signer_keys, **more)
        generation = Generation(Clients([(ip_network("192.0.2.0/24"), vpn)]), harness.flow)
        rules = rules or Rules(reject_delay=0.0)
        self.server = Server(
            generation, rules, memory or harness.store, self.records.append, harness.clock, Taps(*taps), traffic=traffic
        )
        self.generation = generation

    def send(self, datagram, peer=PEER):
        client = self.server.client_at(peer[0])
        assert client is not None
        self.server.receive(datagram, client, peer, 1, self.replies.append)

    async def exchange(self, datagram, peer=PEER):
        """The replies to one datagram."""
        self.replies.clear()
        self.send(datagram, peer)
        await self.server.drain()
        await asyncio.sleep(0)
        return [radius.decode(reply) for reply in self.replies]

    def reasons(self):
        return [record.reason for record in self.records if isinstance(record, (RequestRecord, DiscardRecord))]


def request(password, *attributes, identifier=1, signed=True, user=b"alice"):
    authenticator = secrets.token_bytes(16)
    hidden = (radius.USER_PASSWORD, encrypt_password(password.encode(), SECRET, authenticator))
    everything = [(radius.USER_NAME, user), hidden, *attributes]
    octets = radius.encode_request(radius.ACCESS_REQUEST, identifier, authenticator, everything, SECRET)
    return octets if signed else unsigned(octets)


def unsigned(octets):
    """A request without its Message-Authenticator."""
    body = octets[38:]
    return octets[:2] + (20 + len(body)).to_bytes(2) + octets[4:20] + body


@pytest.fixture
def harness():
    return LoginHarness()


@pytest.fixture
async def direct(harness):
    return InProcessClient(harness)


async def test_a_state_that_has_expired_is_rejected_though_the_code_is_right(harness, direct):
    (challenge,) = await direct.exchange(request("right"))
    harness.clock.now += 361
    (reply,) = await direct.exchange(request(harness.provider.codes[0], (radius.STATE, challenge.first(radius.STATE))))
    assert radius.ACCESS_REJECT == reply.code
    assert [Reason.CALL_PLACED, Reason.EXPIRED] == direct.reasons()


async def test_a_retransmission_after_the_duplicate_window_is_a_replay_and_places_no_call(harness, direct):
    first = request("right")
    (challenge,) = await direct.exchange(first)
    (again,) = await direct.exchange(first)
    assert challenge.raw == again.raw
    await direct.exchange(
        request(harness.provider.codes[0], (radius.STATE, challenge.first(radius.STATE)), identifier=2)
    )
    direct.server.use(direct.generation, Rules(reject_delay=0.0, duplicate_window=0.0))
    (reply,) = await direct.exchange(first)
    assert radius.ACCESS_REJECT == reply.code
    assert [Reason.CALL_PLACED, Reason.CODE_CORRECT, Reason.REPLAY] == direct.reasons()
    assert [ResendRecord] == [type(record) for record in direct.records if isinstance(record, ResendRecord)]
    assert 1 == len(harness.provider.requests)


async def test_the_same_identifier_with_another_authenticator_is_another_request(harness, direct):
    (challenge,) = await direct.exchange(request("right"))
    (joined,) = await direct.exchange(request("right"))
    assert challenge.raw != joined.raw
    assert [Reason.CALL_PLACED, Reason.JOINED] == direct.reasons()


async def test_a_reply_to_a_superseded_request_is_not_sent(harness, direct):
    harness.provider.gate = asyncio.Event()
    direct.send(request("right", identifier=7))
    await asyncio.sleep(0)
    direct.send(request("wrong", identifier=7))
    harness.provider.gate.set()
    await direct.server.drain()
    await asyncio.sleep(0)
    assert [radius.ACCESS_REJECT] == [radius.decode(reply).code for reply in direct.replies]


@pytest.mark.parametrize("signed", [False, True])
async def test_an_unsigned_request_suppresses_no_response_to_another(harness, signed):
    direct = InProcessClient(harness, require=Require.NO)
    harness.provider.gate = asyncio.Event()
    direct.send(request("right", identifier=7, signed=signed))
    await asyncio.sleep(0)
    direct.send(request("wrong", identifier=7, signed=False))
    harness.provider.gate.set()
    await direct.server.drain()
    await asyncio.sleep(0)
    codes = [radius.decode(reply).code for reply in direct.replies]
    assert [radius.ACCESS_REJECT, radius.ACCESS_CHALLENGE] == sorted(codes)


async def test_the_secret_used_is_unknown_without_message_authenticator(harness):
    direct = InProcessClient(harness, require=Require.NO, secrets=(SECRET, b"another secret"))
    await direct.exchange(request("wrong", identifier=1))
    await direct.exchange(request("wrong", identifier=2, signed=False))
    assert [1, 0] == [record.secret for record in direct.records if isinstance(record, RequestRecord)]


@pytest.mark.parametrize("other", [("192.0.2.1", 40001), ("192.0.2.2", 40000)])
async def test_octets_from_another_port_or_address_are_no_retransmission(harness, direct, other):
    first = request("right")
    await direct.exchange(first)
    await direct.exchange(first, other)
    assert [] == [record for record in direct.records if isinstance(record, ResendRecord)]
    assert 1 == len(harness.provider.requests)


async def test_an_internal_error_gives_no_response_hides_the_input_and_allows_a_retry(harness, direct):
    async def broken(verification, deadline):
        raise KeyError(verification.credentials.text)

    verify, harness.directory.verify = harness.directory.verify, broken
    first = request("right")
    assert [] == await direct.exchange(first)
    assert [Reason.INTERNAL_ERROR] == direct.reasons()
    assert "right" not in repr(direct.records)
    (line,) = [record for record in direct.records if isinstance(record, ServiceRecord)]
    assert line.detail.startswith("internal error: KeyError in broken:")
    assert 0 == direct.server.in_progress
    harness.directory.verify = verify
    assert [radius.ACCESS_CHALLENGE] == [reply.code for reply in await direct.exchange(first)]


async def test_an_unavailable_directory_gives_no_response_and_the_retransmission_is_processed_again(harness, direct):
    first = request("right")
    harness.directory.unavailable = True
    assert [] == await direct.exchange(first)
    harness.directory.unavailable = False
    assert [radius.ACCESS_CHALLENGE] == [reply.code for reply in await direct.exchange(first)]
    assert [Reason.IDENTITY_UNAVAILABLE, Reason.CALL_PLACED] == direct.reasons()


async def test_status_server_can_be_configured_to_get_no_response(harness):
    direct = InProcessClient(harness, rules=Rules(status_server=False))
    ask = radius.encode_request(radius.STATUS_SERVER, 1, bytes(16), [], SECRET)
    assert [] == await direct.exchange(ask)
    assert [Reason.STATUS] == direct.reasons()


async def test_a_drain_waits_for_delayed_rejects(harness):
    direct = InProcessClient(harness, rules=Rules(reject_delay=0.05))
    assert [radius.ACCESS_REJECT] == [reply.code for reply in await direct.exchange(request("wrong"))]


async def test_no_request_carries_its_secret_in_a_repr(harness, direct):
    seen: list[Any] = []
    direct.server._admit = seen.append
    direct.send(request("right"))
    assert 1 == len(seen)
    assert SECRET.decode() not in repr(seen)
