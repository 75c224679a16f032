"""What takes longer than a test may: a server without sockets, whose logins have a clock that is turned by hand."""

import asyncio
import secrets
from ipaddress import ip_network

import pytest

from radius_voice.clients import Client, Clients, Require
from radius_voice.events import Discard, Discarded, Event, Lifecycle, Reason, Resent
from radius_voice.radius import packet as radius
from radius_voice.radius.password import hide
from radius_voice.server import Generation, Rules, Server
from radius_voice.stores.memory import MemoryStore
from tests.login.fakes import House

SECRET = b"a shared secret of the tests"
PEER = ("192.0.2.1", 40000)


class Direct:
    """A gateway that hands its datagrams to the server itself."""

    def __init__(self, house, memory=None, require=Require.YES, rules=None, secrets=(SECRET,)):
        self.house, self.records, self.replies = house, [], []
        vpn = Client("vpn", secrets, require, "default", 2.5)
        generation = Generation(Clients([(ip_network("192.0.2.0/24"), vpn)]), house.dialog, None)
        rules = rules or Rules(reject_delay=0.0)
        self.server = Server(generation, rules, memory or house.store, self.records.append, house.clock)
        self.generation = generation

    def send(self, datagram, peer=PEER):
        self.server.receive(datagram, peer, 1, self.replies.append)

    async def ask(self, datagram, peer=PEER):
        """The replies to one datagram."""
        self.replies.clear()
        self.send(datagram, peer)
        await self.server.drain()
        await asyncio.sleep(0)
        return [radius.decode(reply) for reply in self.replies]

    def reasons(self):
        return [record.reason for record in self.records if isinstance(record, (Event, Discarded))]


def request(password, *attributes, identifier=1, signed=True):
    authenticator = secrets.token_bytes(16)
    hidden = (radius.USER_PASSWORD, hide(password.encode(), SECRET, authenticator))
    everything = [(radius.USER_NAME, b"alice"), hidden, *attributes]
    octets = radius.encode_request(radius.ACCESS_REQUEST, identifier, authenticator, everything, SECRET)
    if signed:
        return octets
    body = octets[38:]
    return octets[:2] + (20 + len(body)).to_bytes(2) + octets[4:20] + body


@pytest.fixture
def house():
    return House()


@pytest.fixture
async def direct(house):
    return Direct(house)


async def test_a_state_that_has_expired_is_rejected_though_the_code_is_right(house, direct):
    (challenge,) = await direct.ask(request("right"))
    house.clock.now += 361
    (reply,) = await direct.ask(request(house.phones.codes[0], (radius.STATE, challenge.first(radius.STATE))))
    assert radius.ACCESS_REJECT == reply.code
    assert [Reason.CALLED, Reason.EXPIRED] == direct.reasons()


async def test_a_retransmission_after_the_duplicate_window_is_a_replay_and_does_not_dial(house, direct):
    first = request("right")
    (challenge,) = await direct.ask(first)
    (again,) = await direct.ask(first)
    assert challenge.raw == again.raw
    await direct.ask(request(house.phones.codes[0], (radius.STATE, challenge.first(radius.STATE)), identifier=2))
    direct.server.use(direct.generation, Rules(reject_delay=0.0, duplicate_window=0.0))
    (reply,) = await direct.ask(first)
    assert radius.ACCESS_REJECT == reply.code
    assert [Reason.CALLED, Reason.CODE_RIGHT, Reason.REPLAY] == direct.reasons()
    assert [Resent] == [type(record) for record in direct.records if isinstance(record, Resent)]
    assert 1 == len(house.phones.orders)


async def test_the_same_identifier_with_another_authenticator_is_another_request(house, direct):
    (challenge,) = await direct.ask(request("right"))
    (joined,) = await direct.ask(request("right"))
    assert challenge.raw != joined.raw
    assert [Reason.CALLED, Reason.JOINED] == direct.reasons()


async def test_a_reply_to_a_request_that_a_newer_one_has_replaced_is_not_sent(house, direct):
    house.phones.held = asyncio.Event()
    direct.send(request("right", identifier=7))
    await asyncio.sleep(0)
    direct.send(request("wrong", identifier=7))
    house.phones.held.set()
    await direct.server.drain()
    await asyncio.sleep(0)
    assert [radius.ACCESS_REJECT] == [radius.decode(reply).code for reply in direct.replies]


@pytest.mark.parametrize("signed", [False, True])
async def test_a_request_that_nobody_signed_takes_no_others_answer(house, signed):
    direct = Direct(house, require=Require.NO)
    house.phones.held = asyncio.Event()
    direct.send(request("right", identifier=7, signed=signed))
    await asyncio.sleep(0)
    direct.send(request("wrong", identifier=7, signed=False))
    house.phones.held.set()
    await direct.server.drain()
    await asyncio.sleep(0)
    codes = [radius.decode(reply).code for reply in direct.replies]
    assert [radius.ACCESS_REJECT, radius.ACCESS_CHALLENGE] == sorted(codes)


async def test_which_secret_of_two_is_not_known_of_a_request_without_message_authenticator(house):
    direct = Direct(house, require=Require.NO, secrets=(SECRET, b"another secret"))
    await direct.ask(request("wrong", identifier=1))
    await direct.ask(request("wrong", identifier=2, signed=False))
    assert [1, 0] == [record.secret for record in direct.records if isinstance(record, Event)]


@pytest.mark.parametrize("other", [("192.0.2.1", 40001), ("192.0.2.2", 40000)])
async def test_octets_from_another_port_or_address_are_no_retransmission(house, direct, other):
    first = request("right")
    await direct.ask(first)
    await direct.ask(first, other)
    assert [] == [record for record in direct.records if isinstance(record, Resent)]
    assert 1 == len(house.phones.orders)


async def test_who_signs_is_remembered_by_the_store_and_not_by_the_process(house):
    memory = MemoryStore(house.clock)
    before = Direct(house, memory, Require.AUTO)
    assert 1 == len(await before.ask(request("right", signed=False)))
    assert 1 == len(await before.ask(request("right", identifier=2)))
    after = Direct(house, memory, Require.AUTO)
    for identifier in (3, 4):
        assert [] == await after.ask(request("right", identifier=identifier, signed=False))
    assert [Discard.NO_MESSAGE_AUTHENTICATOR] * 2 == after.reasons()
    assert 1 == len(await after.ask(request("right", identifier=5, signed=False), ("192.0.2.9", 40000)))


async def test_an_accident_in_one_login_is_silence_without_what_was_typed_and_may_be_asked_again(house, direct):
    async def broken(claim, deadline):
        raise KeyError(claim.password)

    whole, house.people.verify = house.people.verify, broken
    first = request("right")
    assert [] == await direct.ask(first)
    assert [Reason.INTERNAL_ERROR] == direct.reasons()
    assert "right" not in repr(direct.records)
    (told,) = [record for record in direct.records if isinstance(record, Lifecycle)]
    assert told.detail.startswith("internal error: KeyError in broken:")
    assert 0 == direct.server.in_flight
    house.people.verify = whole
    assert [radius.ACCESS_CHALLENGE] == [reply.code for reply in await direct.ask(first)]


async def test_a_directory_out_of_reach_is_silence_and_the_retransmission_is_looked_at_afresh(house, direct):
    first = request("right")
    house.people.down = True
    assert [] == await direct.ask(first)
    house.people.down = False
    assert [radius.ACCESS_CHALLENGE] == [reply.code for reply in await direct.ask(first)]
    assert [Reason.IDENTITY_UNAVAILABLE, Reason.CALLED] == direct.reasons()


async def test_status_server_may_be_told_to_keep_silent(house):
    direct = Direct(house, rules=Rules(status_server=False))
    ask = radius.encode_request(radius.STATUS_SERVER, 1, bytes(16), [], SECRET)
    assert [] == await direct.ask(ask)
    assert [Reason.STATUS] == direct.reasons()


async def test_a_drain_waits_for_rejects_that_are_held_back(house):
    direct = Direct(house, rules=Rules(reject_delay=0.05))
    assert [radius.ACCESS_REJECT] == [reply.code for reply in await direct.ask(request("wrong"))]


async def test_no_request_carries_its_secret_in_a_repr(house, direct):
    seen = []
    direct.server._once = seen.append
    direct.send(request("right"))
    assert SECRET.decode() not in repr(seen)
