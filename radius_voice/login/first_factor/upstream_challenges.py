"""Challenges of a first factor itself, such as an upstream's request for a new password, that wait for their answer.

The State that the gateway gets is of another kind than that of a session. What continues the challenge waits in the
store, encrypted, for `ANSWER_SECONDS` after the initial request and for `MAX_CHALLENGES` challenges at most.
"""

from __future__ import annotations

import msgspec

from radius_voice.login.codes.keys import Keys
from radius_voice.login.model import AuthRequest
from radius_voice.login.names import canonical_name
from radius_voice.login.ports import Store
from radius_voice.login.replay import Slot
from radius_voice.login.upstream import ChallengeRequired

ANSWER_SECONDS = 300.0
MAX_CHALLENGES = 5


class PendingChallenge(msgspec.Struct, frozen=True):
    """A challenge of the first factor `source` that was relayed to the gateway.

    `name` is the canonical user name, `returning` and `separate` are as in Checked, `left` is how many challenges may
    follow, and `expires_at` wall-clock seconds.
    """

    source: str
    name: str
    calling_station_id: str
    challenge: ChallengeRequired
    returning: bool
    separate: bool
    left: int
    expires_at: float

    def __repr__(self) -> str:
        return "PendingChallenge()"  # a user may type a password as the name

    def belongs_to(self, request: AuthRequest, source: str) -> bool:
        """Whether the response is of the same user at the same Calling-Station-Id."""
        where = request.calling_station_id == self.calling_station_id
        return self.source == source and where and canonical_name(request.user_name) == self.name


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(PendingChallenge).decode


class PendingChallenges:
    """Keeps challenges of first factors in the store. Raises Unavailable."""

    def __init__(self, keys: Keys, store: Store) -> None:
        self._keys = keys
        self._store = store

    async def put(self, client: str, slot: Slot, pending: PendingChallenge, now: float) -> None:
        """Keep the challenge that the request of `slot` got."""
        key = self._keys.pending_key(client, self._keys.upstream_state(slot.fingerprint))
        await self._store.put(key, self._keys.seal_pending(key, _encode(pending)), pending.expires_at - now)

    async def get(self, client: str, state: bytes) -> PendingChallenge | None:
        """The challenge with that State, unless it has expired or is of another client entry."""
        key = self._keys.pending_key(client, state)
        sealed = await self._store.get(key)
        octets = None if sealed is None else self._keys.unseal_pending(key, sealed)
        return None if octets is None else _decode(octets)

    async def of(self, client: str, slot: Slot) -> PendingChallenge | None:
        """The challenge that the request of `slot` got."""
        return await self.get(client, self._keys.upstream_state(slot.fingerprint))
