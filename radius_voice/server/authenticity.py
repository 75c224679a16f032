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
    """The source addresses of which something is known, in memory and in the store under `prefix`.

    The clients' `signer_keys` are the rest of the keys, so that a new shared secret forgets all addresses.
    """

    def __init__(self, store: KeyValueStore, prefix: bytes) -> None:
        self._store = store
        self._prefix = prefix
        self._known: set[tuple[bytes, str]] = set()

    def remembers(self, client: Client, address: str) -> bool:
        """Whether this process knows of the address."""
        return any((key, address) in self._known for key in client.signer_keys)

    async def has(self, client: Client, address: str) -> bool:
        """Whether the store has the address. Raises Unavailable."""
        for key in client.signer_keys:
            if address in await self._stored(key):
                self._known.add((key, address))
                return True
        return False

    async def add(self, key: bytes, address: str) -> None:
        """Store the address, if there is room. While the store is unavailable, nothing happens."""
        if (key, address) in self._known:
            return
        with suppress(Unavailable):  # the next login is stored
            stored = await self._stored(key)
            if address in stored:
                self._known.add((key, address))
            elif len(stored) < MAX_ADDRESSES:
                await self._store.put(self._prefix + key, "\n".join((*stored, address)).encode(), STORED_SECONDS)

    async def _stored(self, key: bytes) -> list[str]:
        return (await self._store.get(self._prefix + key) or b"").decode().splitlines()


class Authenticity:
    """Verifies requests, and stores for clients with `auto` what their addresses send.

    An address that sends a Message-Authenticator is a signer. One that sends no Proxy-State without
    Message-Authenticator is direct: it is no proxy that needs to be allowed to.
    """

    def __init__(self, store: KeyValueStore) -> None:
        self._signers = _Addresses(store, b"signers\0")
        self._direct = _Addresses(store, b"direct\0")

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
        if client.require is Require.AUTO and self._signers.remembers(client, address):
            return Discard.NO_MESSAGE_AUTHENTICATOR
        if _has_proxy_state(packet) and (
            client.limit_proxy_state is Require.YES
            or (client.limit_proxy_state is Require.AUTO and self._direct.remembers(client, address))
        ):
            return Discard.UNSIGNED_PROXY_STATE
        return 0

    async def problem(self, packet: Packet, client: Client, address: str) -> Discard | None:
        """Why a request of a client with `auto` is discarded by what the store knows of its address.

        Raises Unavailable if the store is needed for this and cannot be reached.
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
        """Store what an address sends, after a request from there had the right code.

        No other request is proof: a recorded one can be sent again from any address. A right code has this effect once.
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
