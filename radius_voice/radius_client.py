"""A RADIUS client with the retransmission timers of RFC 5080 section 2.2.1."""

from __future__ import annotations

import asyncio
import random
import secrets
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from radius_voice.metric_labels import UpstreamEvent
from radius_voice.radius import packet as radius
from radius_voice.radius.packet import Attribute, MalformedPacket, Packet
from radius_voice.radius.password import encrypt_password

IDENTIFIERS = 256
MAX_SOCKETS = 64
RECEIVED_AT_ONCE = 64
MAX_DATAGRAM_OCTETS = 4097
RECEIVE_BUFFER = 1 << 20
JITTER = 0.1
RESPONSES = frozenset((radius.ACCESS_ACCEPT, radius.ACCESS_REJECT, radius.ACCESS_CHALLENGE))


NO_REPLY_CAUSES = "the server is not running, has another secret, or does not know this client"


class NoReply(Exception):
    """No authentic response arrived in time."""


@dataclass(frozen=True, slots=True)
class Timers:
    """Retransmission timers in seconds, with their names in RFC 5080 section 2.2.1."""

    initial: float = 2.0  # wait after the first transmission (IRT)
    max_wait: float = 16.0  # maximum wait between transmissions (MRT)
    transmissions: int = 5  # maximum number of transmissions (MRC)
    total: float = 30.0  # total time (MRD)
    late: float = 0.0  # after `total`, wait this long for a response without sending

    def waits(self) -> Iterator[float]:
        """How long to wait after each transmission."""
        wait = _varied(1.0, self.initial)
        for _ in range(self.transmissions):
            yield wait
            wait = _varied(2.0, wait)
            if wait > self.max_wait:
                wait = _varied(1.0, self.max_wait)


def _varied(factor: float, seconds: float) -> float:
    return (factor + random.uniform(-JITTER, JITTER)) * seconds  # noqa: S311 - RFC 5080's RAND


class RadiusClient:
    """Sends requests to one RADIUS server; `host` is an IP address.

    A socket has 256 Identifiers, so more sockets are opened as requests need them, up to MAX_SOCKETS. Idle sockets are
    closed, except one.

    A response is ignored if it comes from another address, is not authentic, or no request waits for it; `notify` is
    called with the reason. A response without Message-Authenticator is ignored too, unless
    `require_message_authenticator` is false or it responds to a Status-Server: many servers send none there, and the
    response only shows that the server is alive.
    """

    def __init__(
        self,
        host: str,
        port: int,
        secret: bytes,
        timers: Timers = Timers(),
        notify: Callable[[UpstreamEvent], None] = lambda _: None,
        *,
        require_message_authenticator: bool = True,
    ) -> None:
        self.host = host
        self.port = port
        self._secret = secret
        self._timers = timers
        self._notify = notify
        self._require = require_message_authenticator
        self._sockets: list[_Socket] = []

    def __repr__(self) -> str:
        return f"RadiusClient({self})"

    def __str__(self) -> str:
        return f"{self.host} port {self.port}"

    async def request(
        self,
        attributes: Sequence[Attribute],
        password: bytes | None = None,
        code: int = radius.ACCESS_REQUEST,
        timers: Timers | None = None,
    ) -> Response:
        """Send `attributes` and, if `password` is given, User-Password. Returns the verified response.

        Raises NoReply if no response arrives in time, and ValueError if the attributes or the password do not fit.
        """
        authenticator = secrets.token_bytes(16)
        sent = list(attributes)
        if password is not None:
            sent.append((radius.USER_PASSWORD, encrypt_password(password, self._secret, authenticator)))
        try:
            with self._reserved(code, authenticator) as exchange:
                datagram = radius.encode_request(code, exchange.identifier, authenticator, sent, self._secret)
                packet = await self._until_answered(exchange, datagram, timers or self._timers)
        except OSError as problem:
            raise NoReply(f"no response from {self}: {problem.strerror}") from None
        return Response(packet, authenticator)

    def close(self) -> None:
        """Close all sockets. Requests in flight get no reply."""
        for each in self._sockets:
            each.close()
        self._sockets.clear()

    async def _until_answered(self, exchange: _Exchange, datagram: bytes, timers: Timers) -> Packet:
        clock = asyncio.get_running_loop().time
        over, problem = clock() + timers.total, ""
        for wait in timers.waits():
            problem = exchange.socket.send(datagram)
            await asyncio.wait({exchange.reply}, timeout=max(0.0, min(wait, over - clock())))
            if exchange.reply.done() or clock() >= over:
                break
        if not exchange.reply.done():
            await asyncio.wait({exchange.reply}, timeout=timers.late)
        if exchange.reply.done():
            return exchange.reply.result()
        raise NoReply(f"no response from {self}: {problem or NO_REPLY_CAUSES}")

    @contextmanager
    def _reserved(self, code: int, authenticator: bytes) -> Iterator[_Exchange]:
        """Reserve a free Identifier for one request. Raises NoReply if all are in use, and OSError."""
        sock = next((each for each in self._sockets if each.free), None) or self._opened()
        exchange = sock.begin(code, authenticator)
        try:
            yield exchange
        finally:
            sock.end(exchange)
            if sock.idle and sock in self._sockets[1:]:
                self._sockets.remove(sock)
                sock.close()

    def _opened(self) -> _Socket:
        if len(self._sockets) == MAX_SOCKETS:
            raise NoReply(f"no request to {self}: {MAX_SOCKETS * IDENTIFIERS} others wait for a response")
        sock = _Socket(self.host, self.port, self._received)
        self._sockets.append(sock)
        return sock

    def _received(self, sock: _Socket, datagram: bytes, from_server: bool) -> None:
        if not from_server:
            self._notify(UpstreamEvent.FOREIGN)
            return
        try:
            packet = radius.decode(datagram)
        except MalformedPacket:
            self._notify(UpstreamEvent.MALFORMED)
            return
        exchange = sock.exchanges.get(packet.identifier)
        if exchange is None or exchange.reply.done():
            self._notify(UpstreamEvent.UNEXPECTED)
        elif packet.code not in RESPONSES or not radius.verify_reply(
            packet, exchange.authenticator, self._secret, require_message_authenticator=False
        ):
            self._notify(UpstreamEvent.NOT_AUTHENTIC)
        elif not packet.message_authenticator and exchange.code != radius.STATUS_SERVER:
            self._notify(UpstreamEvent.NO_MESSAGE_AUTHENTICATOR)
            if not self._require:
                exchange.reply.set_result(packet)
        else:
            exchange.reply.set_result(packet)


@dataclass(frozen=True, slots=True)
class Response:
    """A verified response, and the Request Authenticator that salt-encrypted attributes depend on."""

    packet: Packet
    request_authenticator: bytes


@dataclass(frozen=True, slots=True, eq=False)
class _Exchange:
    """A request in flight."""

    socket: _Socket
    code: int
    identifier: int
    authenticator: bytes
    reply: asyncio.Future[Packet]


class _Socket:
    """A UDP socket, and the requests in flight by Identifier. Raises OSError.

    Identifiers are reused in the order in which they became free, so that a late response rarely matches a new request.
    The socket is not connected, because libuv stops watching a connected socket after an ICMP error. `received` is
    called with each datagram, and with whether it comes from the server's address.
    """

    def __init__(self, host: str, port: int, received: Callable[[_Socket, bytes, bool], None]) -> None:
        (found, *_) = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
        family, self._address = found[0], found[4]
        self._peer = _without_zone(self._address)
        self._received = received
        self._loop = asyncio.get_running_loop()
        self._identifiers = deque(random.sample(range(IDENTIFIERS), IDENTIFIERS))
        self.exchanges: dict[int, _Exchange] = {}
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._loop.add_reader(self._socket, self._read)

    @property
    def free(self) -> bool:
        """Whether an Identifier is free."""
        return bool(self._identifiers)

    @property
    def idle(self) -> bool:
        """Whether no request is in flight."""
        return not self.exchanges

    def begin(self, code: int, authenticator: bytes) -> _Exchange:
        """Reserve an Identifier."""
        identifier = self._identifiers.popleft()
        exchange = _Exchange(self, code, identifier, authenticator, self._loop.create_future())
        self.exchanges[identifier] = exchange
        return exchange

    def end(self, exchange: _Exchange) -> None:
        """Release an Identifier."""
        del self.exchanges[exchange.identifier]
        self._identifiers.append(exchange.identifier)

    def send(self, datagram: bytes) -> str:
        """Send a datagram. Returns the text of an error, which counts as a lost datagram."""
        try:
            self._socket.sendto(datagram, self._address)
        except OSError as problem:
            return str(problem.strerror)
        return ""

    def close(self) -> None:
        """Close the socket."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _read(self) -> None:
        for _ in range(RECEIVED_AT_ONCE):
            try:
                datagram, sender = self._socket.recvfrom(MAX_DATAGRAM_OCTETS)
            except OSError:
                return
            self._received(self, datagram, _without_zone(sender) == self._peer)


def _without_zone(address: Any) -> tuple[str, int]:
    """The address (without IPv6 zone) and port of a socket address."""
    host, port = address[:2]
    return str(host).partition("%")[0], port
