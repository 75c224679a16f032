"""A verified request, and the values that its transport provides."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from radius_voice.radius import packet as radius
from radius_voice.radius.packet import Packet
from radius_voice.radius.password import decode_text
from radius_voice.server.clients import Client
from radius_voice.server.duplicates import RequestId
from radius_voice.server.generation import Generation

Peer = tuple[str, int]
"""Address and port of a RADIUS client."""
Send = Callable[[bytes], None]
"""Sends a response to the peer that a request came from. Never raises."""


class Request(Struct, frozen=True):
    """A verified packet and what a response needs. `secret_index` is the index of its secret in `client.secrets`.

    `arrived` is monotonic seconds, `at` wall-clock seconds.
    """

    packet: Packet
    client: Client
    secret_index: int
    peer: Peer
    id: RequestId
    send: Send
    arrived: float
    at: float
    generation: Generation

    @property
    def secret(self) -> bytes:
        """The shared secret that the packet was made with."""
        return self.client.secrets[self.secret_index]

    @property
    def client_address(self) -> str:
        """The source address of the packet."""
        return self.peer[0]

    @property
    def calling_station_id(self) -> str:
        """See `calling_station_of`."""
        return calling_station_of(self.packet, self.client)


def calling_station_of(packet: Packet, client: Client) -> str:
    """The caller's address, or Calling-Station-Id where the packet has none; empty if it has neither."""
    attribute = client.calling_station
    address = attribute.address(packet.attributes) if attribute else None
    return str(address) if address else decode_text(packet.first(radius.CALLING_STATION_ID) or b"")
