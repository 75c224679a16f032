"""The limits to which wrong passwords are charged, and the Calling-Station-Ids from which a user has logged in.

Wrong passwords are counted by account id if the first factor finds it before it verifies, so that all names of a user
share one count, and otherwise by the canonical name.

A directory that locks accounts counts every wrong password that it gets. So fewer passwords are sent than its threshold
allows, and half of them are reserved for Calling-Station-Ids from which the user has logged in.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from radius_voice.events import Reason
from radius_voice.login.accounts import UNKNOWN_ACCOUNT, Account, LockoutRule
from radius_voice.login.codes.keys import Keys
from radius_voice.login.limits import calling_stations
from radius_voice.login.limits.configured import Limits, with_action
from radius_voice.login.model import (
    AuthRequest,
    Limit,
    LimitAction,
    LimitOperation,
    Unavailable,
    Verification,
)
from radius_voice.login.policies.policy import Policy
from radius_voice.login.ports import FirstFactor, Store

DIRECTORY_MARGIN_SECONDS = 60.0
"""Wrong passwords count this much longer here than at the directory, which gets them after they were charged."""


@dataclass(frozen=True, slots=True)
class Charges:
    """The operations for a wrong password."""

    own: tuple[LimitOperation, ...]  # on the limits of user and station; taken before the verification
    shared: tuple[LimitOperation, ...]  # on client and total; checked before it, taken after a wrong password
    forwarded: tuple[LimitOperation, ...]  # keep the directory from locking the account; taken before it
    counted: tuple[LimitOperation, ...]  # extend the limits of `forwarded` after a wrong password

    @property
    def before(self) -> tuple[LimitOperation, ...]:
        """The operations before the verification."""
        return (*with_action(LimitAction.CHECK, self.shared), *self.taken)

    @property
    def taken(self) -> tuple[LimitOperation, ...]:
        """The operations that take uses before the verification."""
        return (*self.own, *self.forwarded)

    @property
    def refund(self) -> tuple[LimitOperation, ...]:
        """The operations that refund everything, because the first factor did not count a wrong password."""
        return with_action(LimitAction.REFUND, self.taken)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A password to be verified, and its charges."""

    verification: Verification
    charges: Charges
    returning: bool  # the user has logged in from this Calling-Station-Id within 30 days
    recent: bool  # within a day


class _Station(NamedTuple):
    """The stored facts about a user and a Calling-Station-Id."""

    last_login: float | None  # wall-clock time of the user's last login from there
    any_known: bool  # the user has logged in from some station


class PasswordLimits:
    """Decides to which limits a password is charged. `now` is wall-clock seconds. Methods raise Unavailable."""

    def __init__(self, keys: Keys, limits: Limits, store: Store, now: Callable[[], float]) -> None:
        self._keys = keys
        self._limits = limits
        self._store = store
        self._now = now

    async def attempt(
        self,
        request: AuthRequest,
        policy: Policy,
        first_factor: FirstFactor,
        context: bytes = b"",
        separate: bool | None = None,
    ) -> Attempt:
        """The attempt of a request. For an answer to a challenge, `separate` is the decision of the first request."""
        name = self._keys.name_subject(policy.first_factor_name, request.user_name)
        stations = [await self._station(name, request.calling_station_id)]
        verification = _verification(request, name, stations[0].last_login is not None, context)
        account = await first_factor.account(verification, request.deadline)
        subject = name
        if account.id:
            subject = self._keys.account_subject(policy.first_factor_name, account.id)
            stations.append(await self._station(subject, request.calling_station_id))
        station = stations[-1]
        returning = station.last_login is not None if separate is None else separate
        return Attempt(
            _verification(request, name, stations[0].last_login is not None, context, account),
            self._charges(request, subject, account.lockout, returning, station.any_known),
            returning,
            all(self._is_recent(each.last_login) for each in stations),
        )

    async def remember_login(self, request: AuthRequest, policy: Policy, account_id: str) -> None:
        """Store that the user has logged in from this Calling-Station-Id, if the gateway sent one.

        `account_id` is the user's id at the first factor.
        """
        first_factor, source = policy.first_factor, policy.first_factor_name
        if first_factor is None or not request.calling_station_id:
            return
        subjects = [self._keys.name_subject(source, request.user_name)]
        if first_factor.finds_accounts:
            subjects.append(self._keys.account_subject(source, account_id))
        with suppress(Unavailable):
            for subject in subjects:
                station, key = self._keys.calling_station(subject, request.calling_station_id), stations_key(subject)
                stored = await self._store.get(key) or b""
                updated = calling_stations.with_login(stored, station, self._now())
                await self._store.put(key, updated, calling_stations.KEPT_SECONDS)

    async def _station(self, subject: str, calling_station_id: str) -> _Station:
        stored = await self._store.get(stations_key(subject)) or b""
        known = bool(calling_stations.stations_in(stored))
        if not calling_station_id:
            return _Station(None, known)
        station = self._keys.calling_station(subject, calling_station_id)
        return _Station(calling_stations.last_login(stored, station, self._now()), known)

    def _is_recent(self, last_login: float | None) -> bool:
        return last_login is not None and self._now() - last_login < calling_stations.RENEWED_AFTER_SECONDS

    def _charges(
        self, request: AuthRequest, subject: str, lockout: LockoutRule | None, returning: bool, any_known: bool
    ) -> Charges:
        """A returning user has a separate allowance, which requests from another Calling-Station-Id cannot exhaust."""
        station = request.calling_station_id
        pair = pair_subject(subject, self._keys.calling_station(subject, station)) if station else ""
        forwarded = forwarded_to(lockout, subject, reserved=any_known and not returning)
        counted = with_action(LimitAction.EXTEND, forwarded_to(lockout, subject, reserved=True))
        if returning:
            return Charges(self._limits.for_password_at_known_station(pair), (), forwarded, counted)
        own = self._limits.for_password(subject, station, pair)
        return Charges(own, self._limits.for_wrong_password(request.client), forwarded, counted)


def _verification(
    request: AuthRequest, name: str, returning: bool, context: bytes, account: Account = UNKNOWN_ACCOUNT
) -> Verification:
    """The credentials of a request. `name` is the hash of its user name.

    A name with an unlisted realm is replaced by a name that no user has, so that the verification takes as long.
    """
    user_name = f"no-such-user-{name}" if request.unlisted_realm else request.user_name
    queue = request.calling_station_id or f"client {request.client}"
    return Verification(user_name, request.credentials, queue, returning, request.attributes, context, account)


def forwarded_to(lockout: LockoutRule | None, subject: str, *, reserved: bool) -> tuple[LimitOperation, ...]:
    """The operations for a password that is sent to a directory with this lockout rule.

    With `reserved`, only half of the passwords below the threshold are available. The other half is for stations from
    which the user has logged in.
    """
    if lockout is None:
        return ()
    total = _directory_limit("directory_lockout.user", max(1, lockout.attempts - 1), lockout)
    if not reserved or total.burst == 1:
        return (LimitOperation(total, subject),)
    new = _directory_limit("directory_lockout.new_stations", total.burst // 2, lockout)
    return LimitOperation(new, subject), LimitOperation(total, subject)


def _directory_limit(name: str, burst: int, lockout: LockoutRule) -> Limit:
    return Limit(name, burst, lockout.window + DIRECTORY_MARGIN_SECONDS, Reason.LOCKED, resets=True)


def stations_key(subject: str) -> bytes:
    """The store key of the Calling-Station-Ids of the user with that subject."""
    return b"stations\0" + subject.encode()


def pair_subject(subject: str, station: bytes) -> str:
    """The subject of a user's wrong passwords from one Calling-Station-Id (its hash)."""
    return f"{subject}@{station.hex()}"


async def known_pairs(store: Store, subject: str) -> list[str]:
    """The `pair_subject` of each Calling-Station-Id from which the user has logged in."""
    stored = await store.get(stations_key(subject)) or b""
    return [pair_subject(subject, station) for station in calling_stations.stations_in(stored)]
