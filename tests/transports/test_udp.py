"""UDP sockets: each datagram is passed on once with its client, and responses leave from the address it was sent to."""

import asyncio
import socket
from typing import Any

import pytest

from radius_voice.server.clients import Client, Require
from radius_voice.transports.udp import DRAINED_AT_ONCE, UdpListener, bind, bind_shared

CLIENT = Client("gateway", (b"secret",), Require.YES, "default", 2.5, ())


class PacketQueue:
    """A handler that queues what it receives: datagram, peer, number of the socket, and the function that responds."""

    def __init__(self):
        self.unknown = set()
        self.discarded = []
        self._received: asyncio.Queue[Any] = asyncio.Queue()

    def client_at(self, address):
        return None if address in self.unknown else CLIENT

    def discard_unknown(self, peer):
        self.discarded.append(peer)

    def receive(self, datagram, client, peer, socket_number, send):
        assert client is CLIENT
        self._received.put_nowait((datagram, peer, socket_number, send))

    async def get(self):
        return await self._received.get()

    def empty(self):
        return self._received.empty()


@pytest.fixture
async def listen():
    """Listens on an address; returns the listener and the queue of what it receives."""
    listeners = []

    def listen(host):
        queue = PacketQueue()
        listener = UdpListener(bind(host, 0), queue)
        listeners.append(listener)
        return listener, queue

    yield listen
    for listener in listeners:
        listener.close()


@pytest.fixture
def asker():
    """Creates the sockets of clients."""
    socks = []

    def ask(family=socket.AF_INET):
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.setblocking(False)
        socks.append(sock)
        return sock

    yield ask
    for sock in socks:
        sock.close()


async def reply_to(sock):
    async with asyncio.timeout(10):
        octets, server = await asyncio.get_running_loop().sock_recvfrom(sock, 8192)
        return octets, server[:2]


async def next_of(came):
    async with asyncio.timeout(10):
        return await came.get()


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.2"),
        ("0.0.0.0", "127.9.8.7"),
        ("::1", "::1"),
        ("::", "::1"),
    ],
)
async def test_a_reply_comes_from_the_address_that_was_asked(listen, asker, host, asked):
    listener, came = listen(host)
    sock = asker(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.sendto(b"hello", (asked, listener.port))
    datagram, peer, _, send = await next_of(came)
    assert (b"hello", ("::1" if ":" in host else "127.0.0.1", sock.getsockname()[1])) == (datagram, peer)
    send(b"welcome")
    assert (b"welcome", (asked, listener.port)) == await reply_to(sock)


async def test_a_datagram_of_an_unknown_peer_is_discarded_with_its_address(listen, asker):
    listener, queue = listen("127.0.0.1")
    queue.unknown.add("127.0.0.2")
    unknown, known = asker(), asker()
    unknown.bind(("127.0.0.2", 0))
    for sock in (unknown, known):
        sock.sendto(b"hello", ("127.0.0.1", listener.port))
    assert known.getsockname()[1] == (await next_of(queue))[1][1]
    assert [unknown.getsockname()] == queue.discarded


async def test_a_wildcard_of_one_family_does_not_take_the_others_port(listen):
    listener, _ = listen("::")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as four:
        four.bind(("0.0.0.0", listener.port))


async def test_more_datagrams_than_one_wake_up_reads_are_read_in_order(listen, asker):
    listener, came = listen("127.0.0.1")
    sock = asker()
    expected = [number.to_bytes(2) for number in range(3 * DRAINED_AT_ONCE + 1)]
    for datagram in expected:
        sock.sendto(datagram, ("127.0.0.1", listener.port))
    assert expected == [(await next_of(came))[0] for _ in expected]


async def test_a_reply_may_be_delayed_and_comes_from_the_socket_of_its_request(listen, asker):
    first, to_first = listen("127.0.0.1")
    second, to_second = listen("127.0.0.1")
    one, two = asker(), asker()
    one.sendto(b"", ("127.0.0.1", first.port))
    two.sendto(b"", ("127.0.0.1", second.port))
    *_, first_number, answer_one = await next_of(to_first)
    *_, second_number, answer_two = await next_of(to_second)
    assert first_number != second_number
    answer_two(b"2")
    answer_one(b"1")
    assert (b"1", ("127.0.0.1", first.port)) == await reply_to(one)
    assert (b"2", ("127.0.0.1", second.port)) == await reply_to(two)


async def test_a_client_that_is_gone_affects_no_other(listen, asker):
    listener, came = listen("127.0.0.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.sendto(b"hello", ("127.0.0.1", listener.port))
    (await next_of(came))[-1](b"to no client")
    sock = asker()
    for text in (b"one", b"two"):
        sock.sendto(text, ("127.0.0.1", listener.port))
        datagram, *_, send = await next_of(came)
        send(datagram)
        assert text == (await reply_to(sock))[0]


async def test_a_reply_that_cannot_be_sent_counts_as_lost(listen, asker):
    listener, came = listen("127.0.0.1")
    sock = asker()
    sock.sendto(b"", ("127.0.0.1", listener.port))
    *_, send = await next_of(came)
    send(bytes(70_000))
    send(b"again")
    assert b"again" == (await reply_to(sock))[0]


async def test_a_paused_listener_reads_nothing_but_can_send(listen, asker):
    listener, came = listen("127.0.0.1")
    sock = asker()
    sock.sendto(b"1", ("127.0.0.1", listener.port))
    *_, send = await next_of(came)
    listener.pause()
    sock.sendto(b"2", ("127.0.0.1", listener.port))
    send(b"late")
    assert b"late" == (await reply_to(sock))[0]
    assert came.empty()


async def test_a_port_in_use_is_an_error_and_leaves_no_socket(listen):
    listener, _ = listen("127.0.0.1")
    with pytest.raises(OSError, match="in use"):
        bind("127.0.0.1", listener.port)


def test_the_sockets_of_one_service_share_a_port_and_every_datagram_reaches_one():
    socks = bind_shared("127.0.0.1", 0, 3)
    (address,) = {sock.getsockname() for sock in socks}
    spoken = dict.fromkeys(socks, 0)
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.sendto(b"x", address)
        for sock in socks:
            try:
                spoken[sock] += len(sock.recv(2))
            except BlockingIOError:
                continue
    for sock in socks:
        sock.close()
    assert 100 == sum(spoken.values())
    assert 0 not in spoken.values()


@pytest.mark.parametrize("count", [1, 2])
def test_a_port_that_the_sockets_of_another_service_share_is_refused(count):
    first = bind_shared("127.0.0.1", 0, 2)
    port = first[0].getsockname()[1]
    with pytest.raises(OSError, match="Address already in use"):
        bind_shared("127.0.0.1", port, count)
    for sock in first:
        sock.close()
