"""RADIUS over UDP: receive datagrams, find the client by its address, send responses.

Each wake-up reads up to 64 datagrams. A response is sent from the address to which the request was sent, even if the
socket listens on all addresses.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from functools import partial
from ipaddress import ip_address
from typing import Protocol

from radius_voice.server.clients import Client
from radius_voice.server.request import Peer, Send

DRAINED_AT_ONCE = 64
MAX_DATAGRAM_OCTETS = 4097
RECEIVE_BUFFER = 4 << 20
_IP_PKTINFO = 26 if sys.platform == "darwin" else 8
_ANCILLARY_SPACE = socket.CMSG_SPACE(20)
_V4_INFO = struct.Struct("=I4s4s")


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A bound, non-blocking UDP socket. Raises OSError.

    A socket that listens on all addresses reports each datagram's destination address. With `shared`, several sockets
    can be bound to one port; the kernel always gives the datagrams of one peer to the same socket.
    """
    address = ip_address(host.partition("%")[0])
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET  # noqa: PLR2004
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if address.is_unspecified and family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        elif address.is_unspecified:
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def bind_shared(host: str, port: int, count: int) -> list[socket.socket]:
    """`count` sockets on one port, for the workers of one service. Raises OSError if the port is in use.

    The first socket is bound without SO_REUSEPORT, with which a second service of the same user could use the port.
    """
    first = bind(host, port)
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, True)
    port = first.getsockname()[1]
    return [first, *(bind(host, port, shared=True) for _ in range(count - 1))]


class PacketHandler(Protocol):
    """The part of the server that a transport uses.

    The client must be looked up for each packet, because a reload replaces the entries.
    """

    def client_at(self, address: str) -> Client | None: ...  # noqa: D102

    def discard_unknown(self, peer: Peer) -> None: ...  # noqa: D102

    def receive(self, datagram: bytes, client: Client, peer: Peer, socket_number: int, send: Send) -> None: ...  # noqa: D102


class UdpListener:
    """Passes each datagram of a socket to `handler`, with its client and a function that sends a response."""

    def __init__(self, sock: socket.socket, handler: PacketHandler) -> None:
        self._sock = sock
        self._handler = handler
        self._loop = asyncio.get_running_loop()
        self._number = sock.fileno()
        self._loop.add_reader(sock, self._drain)

    @property
    def port(self) -> int:
        """The port that the socket is bound to."""
        return int(self._sock.getsockname()[1])

    def close(self) -> None:
        """Close the socket; datagrams queued in it are lost."""
        self._loop.remove_reader(self._sock)
        self._sock.close()

    def pause(self) -> None:
        """Stop reading; responses can still be sent."""
        self._loop.remove_reader(self._sock)

    def _drain(self) -> None:
        for _ in range(DRAINED_AT_ONCE):
            try:
                datagram, ancillary, _, peer = self._sock.recvmsg(MAX_DATAGRAM_OCTETS, _ANCILLARY_SPACE)
            except BlockingIOError:
                return
            except OSError:
                # An ICMP error caused by an earlier response; the next datagram is not affected.
                continue
            client = self._handler.client_at(peer[0])
            if client is None:
                self._handler.discard_unknown(peer[:2])
                continue
            send = partial(self._send, peer, _return_path(ancillary))
            self._handler.receive(datagram, client, peer[:2], self._number, send)

    def _send(self, peer: tuple[str, int], path: list[tuple[int, int, bytes]], datagram: bytes) -> None:
        try:
            self._sock.sendmsg([datagram], path, 0, peer)
        except OSError:
            # Like a lost datagram: the client retransmits and gets the same octets.
            return


def _return_path(ancillary: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """The ancillary data for a response from the address to which the request was sent."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
            _, local, _ = _V4_INFO.unpack(data[: _V4_INFO.size])
            return [(level, kind, _V4_INFO.pack(0, local, local))]
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            return [(level, kind, data)]
    return []
