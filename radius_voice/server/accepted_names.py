"""The names of accepted users, so that accounting records contain only names of users that exist."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from radius_voice.login.model import Unavailable
from radius_voice.server.authenticity import KeyValueStore

KEPT_SECONDS = 30 * 86400.0
"""How long a name is kept after a login: longer than most VPN sessions."""


class AcceptedNames:
    """Keeps names in the store. `key_of` returns the key for a client's name and a user name as typed."""

    def __init__(self, store: KeyValueStore, key_of: Callable[[str, str], bytes]) -> None:
        self._store = store
        self._key_of = key_of

    async def add(self, client: str, typed: str, user: str) -> None:
        """Store that the user was accepted under the typed name, and under the name in the directory.

        Does nothing while the store is unavailable.
        """
        with suppress(Unavailable):
            for key in {self._key_of(client, name) for name in (typed, user)}:
                await self._store.put(key, user.encode(), KEPT_SECONDS)

    async def user(self, client: str, typed: str) -> str:
        """The user's name in the directory; empty if no such user was accepted or the store is unavailable."""
        with suppress(Unavailable):
            return (await self._store.get(self._key_of(client, typed)) or b"").decode()
        return ""
