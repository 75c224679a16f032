"""Remembered logins: for some hours after a correct code, the right password is sufficient at the same place.

A place is a client and a Calling-Station-Id. For a user and a place, the store keeps a fingerprint of the facts that
must not change: the password, the phones and the groups of the user (`fingerprints`). If the first factor cannot tell
when a password was changed, the fingerprint contains 16 bits of a hash of the typed password, too few to find it.

To forget a user's logins, a new random id of the user is stored: logins that were remembered with another id no longer
count. A time instead of the id would depend on clocks, which differ between nodes and can be set back.
"""

from __future__ import annotations

import secrets
import struct
from contextlib import suppress
from hmac import compare_digest

import msgspec

from radius_voice.events import Reason, SharedStationRecord
from radius_voice.login.codes.keys import Keys
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.first_factor.checked import Checked
from radius_voice.login.first_factor.fingerprints import to_remember
from radius_voice.login.inputs import Charge, Transition
from radius_voice.login.limits.configured import Limits
from radius_voice.login.limits.rate_limits import remaining
from radius_voice.login.model import (
    CLOCK_STEP_SECONDS,
    AuthRequest,
    Limit,
    Session,
    SessionKey,
    Unavailable,
    User,
)
from radius_voice.login.policies.policy import Policy
from radius_voice.login.ports import Store
from radius_voice.login.second_factor.users import find_user

MAX_SECONDS = 30 * 86400.0
"""The maximum time that a login may be remembered."""
MAX_USERS_OF_A_STATION = 10
"""More users than this with one Calling-Station-Id are probably behind NAT, or a proxy that sends its own address."""
WARN_SECONDS = 3600.0
FORGET_ID_OCTETS = 16
LOCKS = (Reason.DISABLED, Reason.DIRECTORY_LOCKED, Reason.LOCKED, Reason.FRAUD_REPORTED)
_TIME = struct.Struct(">d")
_USER = struct.Struct(">8sd")
"""A user of a station: the start of the user's keyed hash, and the wall-clock end of the remembered login."""


class RememberedLogin(msgspec.Struct, frozen=True):
    """A remembered login, as it is stored."""

    fingerprint: bytes  # see `fingerprints`
    at: float  # wall-clock time of the login
    forget_id: bytes = b""  # the user's random id at that time; empty if there was none


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(RememberedLogin).decode


async def remembered_login(
    keys: Keys, store: Store, key: SessionKey, user_key: str, calling_station_id: str, seconds: float, now: float
) -> RememberedLogin | None:
    """The remembered login of a session's user and client from a Calling-Station-Id, at wall-clock time `now`.

    None if there is none or it was forgotten. `seconds` is how long logins are remembered. Raises Unavailable.
    """
    stored = await store.get(keys.remembered_at(key, calling_station_id)) if calling_station_id else None
    if stored is None:
        return None
    login = _decode(stored)
    if not login.at - CLOCK_STEP_SECONDS <= now < login.at + seconds:
        return None
    forget_id = await _forget_id(keys, store, user_key)
    return login if forget_id in (b"", login.forget_id) else None


async def wrong_codes_left(limits: Limits, store: Store, user_key: str, now: float) -> list[tuple[Limit, int]]:
    """The limits of a user's wrong codes, with the uses left at wall-clock time `now`. Raises Unavailable."""
    operations = limits.for_code({"user": user_key})
    stored = await store.arrival_times(operations)
    return [(each.limit, remaining(stored[each], each.limit, now)) for each in operations]


def are_counted(left: list[tuple[Limit, int]]) -> bool:
    """Whether some wrong codes still count; meanwhile no remembered login is used."""
    return any(number < limit.burst for limit, number in left)


async def forget(keys: Keys, store: Store, user_key: str) -> None:
    """Forget all remembered logins of this user, at all clients. Raises Unavailable."""
    await store.put(_forgotten_key(keys, user_key), secrets.token_bytes(FORGET_ID_OCTETS), MAX_SECONDS)


def _forgotten_key(keys: Keys, user_key: str) -> bytes:
    return b"forgotten\0" + keys.user(user_key)


async def _forget_id(keys: Keys, store: Store, user_key: str) -> bytes:
    """The user's random id, which is stored for longer than any login before it; empty if there is none."""
    return await store.get(_forgotten_key(keys, user_key)) or b""


class RememberedLogins:
    """The remembered logins of one generation of the configuration."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._keys = dependencies.keys
        self._store = dependencies.store
        rules = (each for policy in dependencies.policies.values() for each in policy.all_rules)
        self._is_configured = any(each.remember is not None for each in rules)
        self._next_warning: dict[str, float] = {}

    async def has(self, request: AuthRequest, policy: Policy, user: User, checked: Checked) -> bool:
        """Whether a remembered login makes a call unnecessary for this request, whose password is right.

        False while wrong codes of the user count. Raises Unavailable.
        """
        remember = policy.rules_of(policy.group_of(user)).remember
        if remember is None:
            return False
        user_key = policy.user_key(user)
        key = self._keys.session_key(request.client, user_key)
        fingerprint = to_remember(self._keys, key, request, policy, user, checked)
        if not fingerprint:
            return False
        station, now = request.calling_station_id, self._dependencies.now()
        login = await remembered_login(self._keys, self._store, key, user_key, station, remember.seconds, now)
        if login is None or not compare_digest(login.fingerprint, fingerprint):
            return False
        return not are_counted(await self._wrong_codes_left(user_key))

    async def after_response(self, session: Session, transition: Transition, policy: Policy) -> None:
        """Remember the login after a correct code; forget the user's logins after too many wrong codes."""
        if transition.reason in (Reason.CODE_CORRECT, Reason.APPROVED) and session.remember:
            with suppress(Unavailable):
                await self._remember(session, policy)
        reason = transition.reason
        if transition.charge is Charge.WRONG_CODE and self._is_configured and await self._is_locked(session.user_key):
            reason = Reason.LOCKED
        await self.after_reject(session.user_key, reason)

    async def after_reject(self, user_key: str, reason: Reason) -> None:
        """Forget the user's logins if the reject means that the user is locked or disabled."""
        if reason in LOCKS and self._is_configured:
            with suppress(Unavailable):
                await forget(self._keys, self._store, user_key)

    async def after_denial(self, request: AuthRequest, policy: Policy, reason: Reason) -> None:
        """As `after_reject`, for a user whom the first factor rejects."""
        if reason in LOCKS and self._is_configured:
            with suppress(Unavailable):
                user = await find_user(request, policy)
                await self.after_reject(policy.user_key(user) if user else "", reason)

    async def _remember(self, session: Session, policy: Policy) -> None:
        remember = policy.rules_of(session.group).remember
        if remember is None:
            return
        forget_id = await _forget_id(self._keys, self._store, session.user_key)
        login = RememberedLogin(session.remember, self._dependencies.now(), forget_id)
        key = self._keys.remembered_at(session.key, session.calling_station_id)
        await self._store.put(key, _encode(login), remember.seconds)
        await self._count_user(session, remember.seconds)

    async def _count_user(self, session: Session, seconds: float) -> None:
        """Count the user for the Calling-Station-Id, and warn if it has more than MAX_USERS_OF_A_STATION users."""
        now, key = self._dependencies.now(), self._keys.users_of_station(session.client, session.calling_station_id)
        stored = await self._store.get(key) or b""
        users = {user: until for user, until in _USER.iter_unpack(stored) if now < until <= now + MAX_SECONDS}
        users[self._keys.user(session.user_key)[:8]] = now + seconds
        newest = sorted(users.items(), key=lambda each: each[1])[-MAX_USERS_OF_A_STATION - 1 :]
        await self._store.put(key, b"".join(_USER.pack(*each) for each in newest), MAX_SECONDS)
        if len(newest) > MAX_USERS_OF_A_STATION:
            await self._store.put(self._keys.shared_station(session.client), _TIME.pack(now), seconds)
            self._warn(session.client, now)

    def _warn(self, client: str, now: float) -> None:
        self._dependencies.observer(SharedStationRecord(now, client))
        if now >= self._next_warning.get(client, now):
            self._next_warning[client] = now + WARN_SECONDS
            self._dependencies.warn(shared_station_text(client))

    async def _is_locked(self, user_key: str) -> bool:
        """Whether wrong codes have locked the user; False if the store is unavailable."""
        try:
            return any(left == 0 for _, left in await self._wrong_codes_left(user_key))
        except Unavailable:
            return False

    async def _wrong_codes_left(self, user_key: str) -> list[tuple[Limit, int]]:
        return await wrong_codes_left(self._dependencies.limits, self._store, user_key, self._dependencies.now())


def shared_station_text(client: str) -> str:
    """The warning about a client with a Calling-Station-Id that many users share."""
    return (
        f"clients.{client}: more than {MAX_USERS_OF_A_STATION} users have remembered logins from one "
        "Calling-Station-Id: a NAT gateway, or a proxy that sends its own address; callers behind it need only a "
        "user's password; let the gateway send each caller's address, or remove remember from the policy"
    )


async def shared_clients(keys: Keys, store: Store, clients: list[str]) -> list[str]:
    """The `clients` for which a shared Calling-Station-Id was found. Raises Unavailable."""
    return [client for client in clients if await store.get(keys.shared_station(client)) is not None]
