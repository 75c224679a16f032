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
    """A verified request, and everything that its response needs."""

    packet: Packet
    client: Client
    secret_index: int  # of the secret in `client.secrets` that verified the packet
    peer: Peer
    id: RequestId
    send: Send
    arrived: float  # monotonic seconds
    at: float  # wall-clock time of arrival
    generation: Generation

    @property
    def secret(self) -> bytes:
        """The shared secret that verified the packet."""
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
    """The caller's address from the configured attribute, or else Calling-Station-Id; empty without either."""
    attribute = client.calling_station
    address = attribute.address(packet.attributes) if attribute else None
    return str(address) if address else decode_text(packet.first(radius.CALLING_STATION_ID) or b"")
