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
MAX_ADDRESSES = 64
"""How many source addresses are stored for each secret of a client entry."""


class KeyValueStore(Protocol):
    """The part of the store that the server uses."""

    async def put(self, key: bytes, value: bytes, ttl: float) -> None: ...  # noqa: D102

    async def get(self, key: bytes) -> bytes | None: ...  # noqa: D102


class Authenticity:
    """Verifies requests, and stores for clients with `auto` which addresses send a Message-Authenticator."""

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store
        self._signers: set[tuple[bytes, str]] = set()

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
        if client.require is Require.AUTO and any((key, address) in self._signers for key in client.signer_keys):
            return Discard.NO_MESSAGE_AUTHENTICATOR
        return 0

    async def confirm(self, packet: Packet, client: Client, address: str) -> bool:
        """Whether a request of a client with `auto` may be processed; always true for other clients.

        Raises Unavailable if the store is needed for this and cannot be reached.
        """
        if client.require is not Require.AUTO or packet.message_authenticator:
            return True
        for key in client.signer_keys:
            if address in await self._stored(key):
                self._signers.add((key, address))
                return False
        return True

    async def login_completed(self, packet: Packet, client: Client, secret_index: int, address: str) -> None:
        """Store that an address sends a Message-Authenticator, after a request from there had the right code.

        No other request is proof: a recorded one can be sent again from any address. A right code has this effect once.
        """
        if client.require is not Require.AUTO or not packet.message_authenticator:
            return
        key = client.signer_keys[secret_index]
        if (key, address) in self._signers:
            return
        with suppress(Unavailable):  # the next login is stored
            stored = await self._stored(key)
            if address in stored:
                self._signers.add((key, address))
            elif len(stored) < MAX_ADDRESSES:
                await self._store.put(b"signers\0" + key, "\n".join((*stored, address)).encode(), STORED_SECONDS)

    async def _stored(self, key: bytes) -> list[str]:
        return (await self._store.get(b"signers\0" + key) or b"").decode().splitlines()
