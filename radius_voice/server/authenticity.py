"""Authenticity of requests: shared secrets, Message-Authenticator, and which clients must send one (CVE-2024-3596)."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol

from radius_voice.events import Discard
from radius_voice.login.model import Unavailable
from radius_voice.radius import packet as radius
from radius_voice.radius.packet import Packet
from radius_voice.server.clients import Client, Require

STORED_SECONDS = 10 * 365 * 86400.0


class KeyValueStore(Protocol):
    """The part of the store that the server uses."""

    async def put(self, key: bytes, value: bytes, ttl: float) -> None: ...  # noqa: D102

    async def get(self, key: bytes) -> bytes | None: ...  # noqa: D102


class Authenticity:
    """Verifies requests, and stores for clients with `auto` which addresses have sent a Message-Authenticator."""

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store
        self._signing: set[tuple[str, str]] = set()

    def secret_of(self, packet: Packet, client: Client, address: str) -> int | Discard:
        """The index in `client.secrets` of the secret that a request was made with, or why it is discarded.

        Without Message-Authenticator this is unknown, and the first is returned.
        """
        if packet.message_authenticator:
            for index, secret in enumerate(client.secrets):
                if radius.verify(packet, secret):
                    return index
            return Discard.BAD_MESSAGE_AUTHENTICATOR
        eap = packet.first(radius.EAP_MESSAGE) is not None
        if client.require is Require.YES or eap or packet.code == radius.STATUS_SERVER:
            return Discard.NO_MESSAGE_AUTHENTICATOR
        if client.require is Require.AUTO and (client.name, address) in self._signing:
            return Discard.NO_MESSAGE_AUTHENTICATOR
        return 0

    async def confirm(self, packet: Packet, client: Client, address: str) -> bool:
        """Whether a request of a client with `auto` may be processed; always true for other clients.

        An address that has sent a Message-Authenticator once, to any process, must always send one. Raises Unavailable
        if the store is needed for this and cannot be reached.
        """
        if client.require is not Require.AUTO or (client.name, address) in self._signing:
            return True
        key = f"signs\0{client.name}\0{address}".encode()
        if packet.message_authenticator:
            with suppress(Unavailable):  # the next request is stored; `on_unavailable` decides what this one gets
                await self._store.put(key, b"1", STORED_SECONDS)
                self._signing.add((client.name, address))
            return True
        if not await self._store.get(key):
            return True
        self._signing.add((client.name, address))
        return False
