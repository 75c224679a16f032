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


class _Addresses:
    """A set of source addresses of clients, in memory and in the store.

    The store keys are `prefix` and one of the client's `signer_keys`, so a new shared secret forgets all addresses.
    """

    def __init__(self, store: KeyValueStore, prefix: bytes) -> None:
        self._store = store
        self._prefix = prefix
        self._known: set[tuple[bytes, str]] = set()

    def remembers(self, client: Client, address: str) -> bool:
        """Whether the address is in this process's memory."""
        return any((key, address) in self._known for key in client.signer_keys)

    async def has(self, client: Client, address: str) -> bool:
        """Whether the store has the address. Raises Unavailable."""
        for key in client.signer_keys:
            if address in await self._stored(key):
                self._known.add((key, address))
                return True
        return False

    async def add(self, key: bytes, address: str) -> None:
        """Store the address, if there are not too many. Does nothing while the store is unavailable."""
        if (key, address) in self._known:
            return
        with suppress(Unavailable):  # the next login tries again
            stored = await self._stored(key)
            if address in stored:
                self._known.add((key, address))
            elif len(stored) < MAX_ADDRESSES:
                await self._store.put(self._prefix + key, "\n".join((*stored, address)).encode(), STORED_SECONDS)

    async def _stored(self, key: bytes) -> list[str]:
        return (await self._store.get(self._prefix + key) or b"").decode().splitlines()


class Authenticity:
    """Verifies requests, and stores for clients with `auto` what their addresses send.

    A signer is an address that sends a Message-Authenticator. A direct address does not send Proxy-State without a
    Message-Authenticator, so it is not a proxy that must be allowed to.
    """

    def __init__(self, store: KeyValueStore) -> None:
        self._signers = _Addresses(store, b"signers\0")
        self._direct = _Addresses(store, b"direct\0")

    def secret_of(self, packet: Packet, client: Client, address: str) -> int | Discard:
        """The index in `client.secrets` of the secret that a request was signed with, or why it is discarded.

        For an allowed request without Message-Authenticator, the index is 0.
        """
        if packet.message_authenticator:
            for index, secret in enumerate(client.secrets):
                if radius.verify(packet, secret):
                    return index
            return Discard.BAD_MESSAGE_AUTHENTICATOR
        eap = packet.first(radius.EAP_MESSAGE) is not None
        if client.require is Require.YES or eap or packet.code == radius.STATUS_SERVER:
            return Discard.NO_MESSAGE_AUTHENTICATOR
        if client.require is Require.AUTO and self._signers.remembers(client, address):
            return Discard.NO_MESSAGE_AUTHENTICATOR
        if _has_proxy_state(packet) and (
            client.limit_proxy_state is Require.YES
            or (client.limit_proxy_state is Require.AUTO and self._direct.remembers(client, address))
        ):
            return Discard.UNSIGNED_PROXY_STATE
        return 0

    async def problem(self, packet: Packet, client: Client, address: str) -> Discard | None:
        """Why a request of a client with `auto` is discarded, according to the stored addresses; None if it is not.

        Raises Unavailable if the store is needed and cannot be reached.
        """
        if packet.message_authenticator:
            return None
        if client.require is Require.AUTO and await self._signers.has(client, address):
            return Discard.NO_MESSAGE_AUTHENTICATOR
        limited = client.limit_proxy_state is Require.AUTO and _has_proxy_state(packet)
        if limited and await self._direct.has(client, address):
            return Discard.UNSIGNED_PROXY_STATE
        return None

    async def login_completed(self, packet: Packet, client: Client, secret_index: int, address: str) -> None:
        """Store what an address sends, after a request from there contained the correct code.

        Other requests prove nothing, because recorded ones can be sent from any address. A code is accepted only once.
        """
        if client.require is Require.YES:
            return
        key, is_signed = client.signer_keys[secret_index], bool(packet.message_authenticator)
        if client.require is Require.AUTO and is_signed:
            await self._signers.add(key, address)
        if client.limit_proxy_state is Require.AUTO and (is_signed or not _has_proxy_state(packet)):
            await self._direct.add(key, address)


def _has_proxy_state(packet: Packet) -> bool:
    return packet.first(radius.PROXY_STATE) is not None
