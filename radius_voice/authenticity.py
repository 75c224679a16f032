"""Authenticity of requests: shared secrets, Message-Authenticator, and which clients must send one (CVE-2024-3596)."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol

from radius_voice.clients import Client, Require
from radius_voice.events import Discard
from radius_voice.login.model import Unavailable
from radius_voice.radius import packet as radius
from radius_voice.radius.packet import Packet

REMEMBERED_FOR = 10 * 365 * 86400.0


class Memory(Protocol):
    """What is asked of the store."""

    async def remember(self, key: bytes, value: bytes, ttl: float) -> None: ...  # noqa: D102

    async def recall(self, key: bytes) -> bytes | None: ...  # noqa: D102


class Authenticity:
    """Checks requests, and remembers for clients of `auto` which addresses have sent a Message-Authenticator."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._signs: set[tuple[str, str]] = set()

    def secret_of(self, packet: Packet, client: Client, source: str) -> int | Discard:
        """The index in `client.secrets` of the secret that a request was made with, or why it is discarded.

        Without Message-Authenticator this is not known: the first is taken.
        """
        if packet.message_authenticator:
            for index, secret in enumerate(client.secrets):
                if radius.verify(packet, secret):
                    return index
            return Discard.BAD_MESSAGE_AUTHENTICATOR
        eap = packet.first(radius.EAP_MESSAGE) is not None
        if client.require is Require.YES or eap or packet.code == radius.STATUS_SERVER:
            return Discard.NO_MESSAGE_AUTHENTICATOR
        if client.require is Require.AUTO and (client.name, source) in self._signs:
            return Discard.NO_MESSAGE_AUTHENTICATOR
        return 0

    async def settled(self, packet: Packet, client: Client, source: str) -> bool:
        """With `auto`: remember for good that a source signs; False for what such a source did not sign.

        Raises Unavailable when the store cannot tell whether it does.
        """
        if client.require is not Require.AUTO or (client.name, source) in self._signs:
            return True
        key = f"signs\0{client.name}\0{source}".encode()
        if packet.message_authenticator:
            with suppress(Unavailable):  # the next one is remembered; what this one gets is for the policy to say
                await self._memory.remember(key, b"1", REMEMBERED_FOR)
                self._signs.add((client.name, source))
            return True
        if not await self._memory.recall(key):
            return True
        self._signs.add((client.name, source))
        return False
