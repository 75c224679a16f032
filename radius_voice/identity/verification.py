"""Verifies a password against a stored hash, and decides why a user is denied."""

from __future__ import annotations

from typing import NamedTuple

from radius_voice.events import Reason
from radius_voice.identity.decoys import Decoys
from radius_voice.identity.passwords import Hasher, Turn
from radius_voice.login.model import Denied, StoredUser, User, Verification
from radius_voice.login.names import canonical_name


class Verified(NamedTuple):
    """An enabled user with the right password, and the encoded hash that it was verified against."""

    user: User
    hashed: str


async def verify_stored(
    stored: StoredUser | None, verification: Verification, hasher: Hasher, decoys: Decoys, deadline: float
) -> Verified | Denied:
    """Verify a password for `stored`, which is None if no user has the name. `deadline` is monotonic seconds.

    Every result costs one verification, so that timing does not reveal which users exist. Raises Unavailable.
    """
    hashed = stored.password if stored else None
    tried = hashed or decoys.of(canonical_name(verification.user_name))
    turn = Turn(verification.queue, verification.returning)
    correct = await hasher.verify(tried, verification.credentials.text, deadline, turn)
    if stored is None:
        return Denied(Reason.UNKNOWN_USER)
    if hashed is None:
        return Denied(Reason.NO_PASSWORD, stored.user.name)
    if not verification.credentials.text or not correct:
        return Denied(Reason.WRONG_PASSWORD, stored.user.name)
    if stored.user.disabled:
        return Denied(Reason.DISABLED, stored.user.name, password_correct=True)
    return Verified(stored.user, hashed)
