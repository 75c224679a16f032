"""A RADIUS client with the retransmission timers of RFC 5080 section 2.2.1."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from radius_voice.radius import packet as radius
from radius_voice.radius.packet import Attribute, MalformedPacket, Packet
from radius_voice.radius.password import encrypt_password


class NoReply(Exception):
    """No authentic response arrived in time."""


@dataclass(frozen=True, slots=True)
class Timers:
    """RFC 5080 section 2.2.1, in seconds.

    `initial` and `max_wait` wait between transmissions (IRT, MRT), number of `transmissions` (MRC), total time `total`
    (MRD).
    """

    initial: float = 2.0
    max_wait: float = 16.0
    transmissions: int = 5
    total: float = 30.0


@dataclass(frozen=True, slots=True)
class RadiusClient:
    """Sends requests to one RADIUS server; `host` is an IP address."""

    host: str
    port: int
    secret: bytes = field(repr=False)
    timers: Timers = field(default_factory=Timers)

    async def request(
        self, attributes: Sequence[Attribute], password: bytes | None = None, code: int = radius.ACCESS_REQUEST
    ) -> Packet:
        """Send `attributes` and, with `password`, User-Password; returns the verified response.

        Raises NoReply if none arrives in time, and OSError. Responses that are not authentic are ignored.
        """
        authenticator, identifier = secrets.token_bytes(16), secrets.randbelow(256)
        sent = list(attributes)
        if password is not None:
            sent.append((radius.USER_PASSWORD, encrypt_password(password, self.secret, authenticator)))
        datagram = radius.encode_request(code, identifier, authenticator, sent, self.secret)
        loop = asyncio.get_running_loop()
        host = str(ip_address(self.host.partition("%")[0]))
        transport, waiting = await loop.create_datagram_endpoint(
            lambda: _Waiting(identifier, authenticator, self.secret), remote_addr=(host, self.port)
        )
        try:
            return await self._until_answered(transport, waiting, datagram)
        finally:
            transport.close()

    async def _until_answered(self, transport: asyncio.DatagramTransport, waiting: _Waiting, datagram: bytes) -> Packet:
        clock = asyncio.get_running_loop().time
        wait, over = self.timers.initial, clock() + self.timers.total
        for _ in range(self.timers.transmissions):
            transport.sendto(datagram)
            jittered = wait * random.uniform(0.9, 1.1)  # noqa: S311 - RFC 5080's RAND
            await asyncio.wait({waiting.reply}, timeout=max(0.0, min(jittered, over - clock())))
            if waiting.reply.done():
                return waiting.reply.result()
            wait = min(2 * wait, self.timers.max_wait)
        raise NoReply(
            f"no response from {self.host} port {self.port}: "
            "the server is not running, has another secret, or does not know this client"
        )


class _Waiting(asyncio.DatagramProtocol):
    """Waits for the authentic response to a request."""

    def __init__(self, identifier: int, authenticator: bytes, secret: bytes) -> None:
        self._identifier = identifier
        self._authenticator = authenticator
        self._secret = secret
        self.reply: asyncio.Future[Packet] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - the socket is connected
        try:
            packet = radius.decode(data)
        except MalformedPacket:
            return
        authentic = radius.verify_reply(packet, self._authenticator, self._secret)
        if packet.identifier == self._identifier and authentic and not self.reply.done():
            self.reply.set_result(packet)

    def error_received(self, exc: Exception) -> None:
        """Ignored: an ICMP error may be forged, or the server may be starting."""
