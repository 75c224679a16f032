"""Failover between RADIUS servers, dead servers, and the probes that bring them back. The servers are in this process."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from radius_voice.identity.radius import servers as module
from radius_voice.identity.radius.servers import Servers
from radius_voice.metric_labels import UpstreamEvent
from radius_voice.radius import packet as radius
from radius_voice.radius_client import NoReply, RadiusClient, Timers

SECRET = b"a shared secret of the tests"
TIMERS = Timers(initial=0.1, max_wait=0.4)
PROBE = 0.05
WAIT = 30.0  # seconds; longer than any step takes on a busy machine


class Peer(asyncio.DatagramProtocol):
    """A server. `mode` is what it does with requests; it counts those of either code."""

    def __init__(self):
        self.mode = "accept"
        self.answers_status = True
        self.requests = []
        self.probes = 0
        self.arrived = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data, address):
        packet = radius.decode(data)
        self.arrived.set()
        if packet.code == radius.STATUS_SERVER:
            self.probes += 1
            if self.answers_status:
                self.transport.sendto(radius.encode_reply(radius.ACCESS_ACCEPT, packet, [], SECRET), address)
            return
        self.requests.append((packet, address))
        if self.mode == "accept":
            self.accept(packet, address)
        elif self.mode == "garbage":
            self.transport.sendto(b"\x02\x00 not a packet", address)
            self.transport.sendto(radius.encode_reply(radius.ACCESS_ACCEPT, packet, [], b"a guess"), address)

    def accept(self, packet, address):
        attributes = [(radius.REPLY_MESSAGE, str(self.port).encode())]
        self.transport.sendto(radius.encode_reply(radius.ACCESS_ACCEPT, packet, attributes, SECRET), address)


class Upstream:
    """Several peers, and the Servers that asks them."""

    def __init__(self, peers, timers, probe_interval):
        self.peers = peers
        self.events: asyncio.Queue[tuple[int, UpstreamEvent]] = asyncio.Queue()
        clients = [RadiusClient("127.0.0.1", peer.port, SECRET, timers) for peer in peers]
        self.servers = Servers(clients, timers, probe_interval, self.on_event, time.monotonic)

    def on_event(self, server, event):
        number = [peer.port for peer in self.peers].index(server.client.port)
        self.events.put_nowait((number, event))

    async def event(self):
        async with asyncio.timeout(WAIT):
            return await self.events.get()

    async def ask(self, seconds=WAIT, **more):
        """The number of the peer that responded."""
        _, response = await self.servers.request([], b"x", time.monotonic() + seconds, **more)
        return [peer.port for peer in self.peers].index(int(response.packet.first(radius.REPLY_MESSAGE) or b""))


@asynccontextmanager
async def upstream(count, timers=TIMERS, probe_interval=PROBE):
    loop = asyncio.get_running_loop()
    peers = [(await loop.create_datagram_endpoint(Peer, local_addr=("127.0.0.1", 0)))[1] for _ in range(count)]
    up = Upstream(peers, timers, probe_interval)
    try:
        yield up
    finally:
        await up.servers.close()
        for peer in peers:
            peer.transport.close()


async def test_the_first_server_is_asked_while_it_responds():
    async with upstream(2) as up:
        assert [0] * 5 == [await up.ask() for _ in range(5)]
        assert [] == up.peers[1].requests


@pytest.mark.parametrize("mode", ["ignore", "garbage"])
async def test_the_next_server_is_asked_when_the_first_does_not_respond(mode):
    async with upstream(3) as up:
        up.peers[0].mode = up.peers[1].mode = mode
        assert 2 == await up.ask()
        assert [(0, UpstreamEvent.DEAD), (1, UpstreamEvent.DEAD)] == [await up.event(), await up.event()]
        assert ["sends no response", "sends no response", ""] == [each.problem for each in up.servers.states()]


async def test_a_dead_server_delays_no_other_login():
    async with upstream(2, Timers(initial=0.1, max_wait=0.4), probe_interval=60.0) as up:
        up.peers[0].mode = "ignore"
        assert 1 == await up.ask()
        before = len(up.peers[0].requests)
        assert [1] * 20 == await asyncio.gather(*(up.ask() for _ in range(20)))
        assert before == len(up.peers[0].requests)


async def test_the_response_of_a_slow_server_is_accepted_while_the_next_one_is_asked():
    async with upstream(2) as up:
        up.peers[0].mode = up.peers[1].mode = "ignore"
        login = asyncio.ensure_future(up.ask())
        async with asyncio.timeout(WAIT):
            await up.peers[1].arrived.wait()
        up.peers[0].accept(*up.peers[0].requests[0])
        assert 0 == await login
        assert (0, UpstreamEvent.DEAD) == await up.event()
        assert (0, UpstreamEvent.ALIVE) == await up.event()


async def test_a_server_that_responds_to_another_request_is_not_dead():
    async with upstream(2) as up:
        up.peers[0].mode = "ignore"
        unanswered = asyncio.ensure_future(up.ask())
        async with asyncio.timeout(WAIT):
            await up.peers[0].arrived.wait()
        up.peers[0].mode = "accept"
        assert 0 == await up.ask()
        up.peers[0].mode = "ignore"
        await unanswered
        assert up.events.empty()
        up.peers[0].mode = "accept"
        assert 0 == await up.ask()


async def test_several_probes_bring_a_server_back():
    async with upstream(2) as up:
        up.peers[0].mode = "ignore"
        assert 1 == await up.ask()
        assert (0, UpstreamEvent.DEAD) == await up.event()
        up.peers[0].mode = "accept"
        assert (0, UpstreamEvent.ALIVE) == await up.event()
        assert module.PROBES_NEEDED == up.peers[0].probes
        assert 0 == await up.ask()


async def test_a_server_that_dies_again_is_probed_by_one_task():
    async with upstream(2, probe_interval=60.0) as up:
        for _ in range(2):
            up.peers[0].mode = "ignore"
            login = asyncio.ensure_future(up.ask())
            assert 1 == await login
            assert (0, UpstreamEvent.DEAD) == await up.event()
            up.peers[1].mode = "ignore"
            up.peers[0].mode = "accept"
            assert 0 == await up.ask()
            assert (1, UpstreamEvent.DEAD) == await up.event()
            assert (0, UpstreamEvent.ALIVE) == await up.event()
            up.peers[1].mode = "accept"
            up.peers[0].mode = "ignore"
            assert 1 == await up.ask()
            assert (0, UpstreamEvent.DEAD) == await up.event()
            assert (1, UpstreamEvent.ALIVE) == await up.event()
            up.peers[0].mode = "accept"
            await up.servers.request([], b"x", time.monotonic() + WAIT, f"127.0.0.1 port {up.peers[0].port}")
            assert (0, UpstreamEvent.ALIVE) == await up.event()
        probing = [task for task in asyncio.all_tasks() if "_probe_until_alive" in repr(task)]
        assert 2 == len(probing)


async def test_a_server_that_does_not_respond_to_probes_stays_dead_until_the_others_are(monkeypatch):
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.02)
    async with upstream(2) as up:
        up.peers[0].mode, up.peers[0].answers_status = "ignore", False
        assert 1 == await up.ask()
        async with asyncio.timeout(WAIT):
            while up.peers[0].probes < 5:
                up.peers[0].arrived.clear()
                await up.peers[0].arrived.wait()
        up.peers[0].mode = "accept"
        assert 1 == await up.ask()
        up.peers[1].mode = "ignore"
        assert 0 == await up.ask()
        assert 0 == await up.ask()


async def test_a_probe_that_fails_starts_the_count_again(monkeypatch):
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.02)
    async with upstream(2) as up:
        up.peers[0].mode = "ignore"
        assert 1 == await up.ask()
        assert (0, UpstreamEvent.DEAD) == await up.event()
        for answers in (True, True, False):
            up.peers[0].arrived.clear()
            up.peers[0].answers_status = answers
            async with asyncio.timeout(WAIT):
                await up.peers[0].arrived.wait()
        up.peers[0].answers_status = True
        assert (0, UpstreamEvent.ALIVE) == await up.event()
        assert up.peers[0].probes >= 3 + module.PROBES_NEEDED


async def test_without_a_server_that_responds_only_a_few_logins_wait(monkeypatch):
    monkeypatch.setattr(module, "RESPONSE_SECONDS", 0.0)
    async with upstream(1, probe_interval=60.0) as up:
        up.peers[0].mode = "ignore"
        with pytest.raises(NoReply):
            await up.ask(0.2)
        waiting = [asyncio.ensure_future(up.ask()) for _ in range(module.MAX_TRIALS)]
        async with asyncio.timeout(WAIT):
            while len(up.peers[0].requests) < module.MAX_TRIALS + 1:
                up.peers[0].arrived.clear()
                await up.peers[0].arrived.wait()
        with pytest.raises(NoReply, match="others are being tried"):
            await up.ask()
        up.peers[0].mode = "accept"
        assert [0] * len(waiting) == await asyncio.gather(*waiting)
        assert 0 == await up.ask()


async def test_a_response_after_the_deadline_is_accepted():
    async with upstream(1) as up:
        up.peers[0].mode = "ignore"
        login = asyncio.ensure_future(up.ask(0.01))
        async with asyncio.timeout(WAIT):
            await up.peers[0].arrived.wait()
        await asyncio.wait({login}, timeout=0.1)
        up.peers[0].accept(*up.peers[0].requests[0])
        assert 0 == await login


async def test_no_request_is_sent_after_the_deadline():
    async with upstream(2) as up:
        with pytest.raises(NoReply, match="not asked before"):
            await up.ask(-0.1)
        assert [] == [peer.requests for peer in up.peers if peer.requests]


async def test_one_server_can_be_asked_without_failover(monkeypatch):
    monkeypatch.setattr(module, "RESPONSE_SECONDS", 0.0)
    async with upstream(2) as up:
        second = f"127.0.0.1 port {up.peers[1].port}"
        assert 1 == await up.ask(only=second)
        up.peers[1].mode = "ignore"
        with pytest.raises(NoReply):
            await up.ask(0.3, only=second)
        assert [] == up.peers[0].requests


async def test_each_server_is_probed_when_asked():
    async with upstream(2) as up:
        assert [2, 2] == [packet.code for _, packet in await up.servers.probe(time.monotonic() + 5)]
        assert [1, 1] == [peer.probes for peer in up.peers]


async def test_a_probe_that_is_asked_for_ends_at_its_deadline(monkeypatch):
    monkeypatch.setattr(module, "PROBE_SECONDS", 60.0)
    async with upstream(1) as up, asyncio.timeout(WAIT):
        up.peers[0].answers_status = False
        ((_, result),) = await up.servers.probe(time.monotonic() + 0.05)
        assert isinstance(result, NoReply)


async def test_attributes_that_do_not_fit_are_an_error():
    async with upstream(2) as up:
        with pytest.raises(ValueError, match="octets"):
            await up.servers.request([(32, bytes(254))], b"x", time.monotonic() + WAIT)
