"""Challenges of the first factor, such as an upstream's request for a new password, that wait for an answer.

The gateway gets a State of another kind than for a session. The context of the challenge is stored, encrypted, until
`ANSWER_SECONDS` after the initial request. A login has at most `MAX_CHALLENGES` such challenges.
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
    """A challenge of the first factor that was sent to the gateway."""

    source: str  # the name of the first factor
    name: str  # the canonical user name
    calling_station_id: str
    challenge: ChallengeRequired
    returning: bool  # as in `Checked`
    separate: bool  # as in `Checked`
    left: int  # how many further challenges are allowed
    expires_at: float  # wall-clock seconds

    def __repr__(self) -> str:
        return "PendingChallenge()"  # a user may type a password as the name

    def belongs_to(self, request: AuthRequest, source: str) -> bool:
        """Whether the response comes from the same user and Calling-Station-Id, and `source` is the same."""
        where = request.calling_station_id == self.calling_station_id
        return self.source == source and where and canonical_name(request.user_name) == self.name


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(PendingChallenge).decode


class PendingChallenges:
    """The stored challenges of first factors. Methods raise Unavailable."""

    def __init__(self, keys: Keys, store: Store) -> None:
        self._keys = keys
        self._store = store

    async def put(self, client: str, slot: Slot, pending: PendingChallenge, now: float) -> None:
        """Store the challenge that the request recorded at `slot` gets."""
        key = self._keys.pending_key(client, self._keys.upstream_state(slot.fingerprint))
        await self._store.put(key, self._keys.seal_pending(key, _encode(pending)), pending.expires_at - now)

    async def get(self, client: str, state: bytes) -> PendingChallenge | None:
        """The challenge with that State; None if it has expired or belongs to another client entry."""
        key = self._keys.pending_key(client, state)
        sealed = await self._store.get(key)
        octets = None if sealed is None else self._keys.unseal_pending(key, sealed)
        return None if octets is None else _decode(octets)

    async def of(self, client: str, slot: Slot) -> PendingChallenge | None:
        """The challenge that the request recorded at `slot` got, or None."""
        return await self.get(client, self._keys.upstream_state(slot.fingerprint))
