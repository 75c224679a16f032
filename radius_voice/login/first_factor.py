"""The first factor of an initial request, behind the limits on wrong passwords.

A failure is charged before the password is verified and refunded if it was right, so that simultaneous guesses are
limited like successive ones. The same request is charged once and verified once at a time, whichever port it comes
from. A verification that has begun ends in its own time: it stays charged until its result is known, also when the
gateway no longer waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from radius_voice.events import Trace
from radius_voice.login import stations
from radius_voice.login.codes import Keys
from radius_voice.login.limits import Limits, acting
from radius_voice.login.model import Act, Attempt, Claim, Denied, Limited, Passed, Recorded, Spend, Unavailable
from radius_voice.login.policy import Policy
from radius_voice.login.ports import FirstFactor, Store
from radius_voice.login.records import Slot, is_charged


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of a first factor, and the slot in which its request is recorded.

    `returning`: the user has logged in from this Calling-Station-Id within a day. `reused`: another request had the
    same Request Authenticator.
    """

    slot: Slot
    result: Passed | Denied | Limited | Recorded | Unavailable
    returning: bool = False
    reused: bool = False

    def note(self, trace: Trace) -> None:
        """Add the steps of the check to the record of a packet."""
        if self.reused:
            trace.step("request_authenticator_reused")
        match self.result:
            case Limited(limit):
                trace.step("limited", limit.name)
            case Denied(password_right=right):
                trace.step("password", "right" if right else "wrong")
            case Passed():
                trace.step("password", "right")
            case _:
                pass


class FirstFactorChecks:
    """Verifies passwords for one generation of the configuration. `now` is wall clock, `clock` monotonic seconds."""

    def __init__(
        self,
        keys: Keys,
        limits: Limits,
        store: Store,
        supervise: Callable[[Coroutine[Any, Any, Checked]], asyncio.Task[Checked]],
        now: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self._keys = keys
        self._limits = limits
        self._store = store
        self._supervise = supervise
        self._now = now
        self._clock = clock
        self._running: dict[bytes, asyncio.Task[Checked]] = {}

    async def check(self, attempt: Attempt, policy: Policy) -> Checked:
        """The result for this request; raises Unavailable when it is not known while the gateway waits."""
        slot = self._keys.slot(attempt.client, attempt.packet, attempt.guess)
        if policy.first_factor is None:
            return Checked(slot, Passed())
        running = self._running.get(slot.fingerprint)
        if running is None:
            running = self._supervise(self._checked(attempt, policy, policy.first_factor, slot))
            self._running[slot.fingerprint] = running
            running.add_done_callback(lambda _: self._running.pop(slot.fingerprint))
        await asyncio.wait({running}, timeout=max(0.0, attempt.answer_by - self._clock()))
        if not running.done():
            raise Unavailable("password verification", "not done before the response is due")
        checked = running.result()
        if isinstance(checked.result, Unavailable):
            raise checked.result
        return checked

    async def remember_login(self, attempt: Attempt, policy: Policy) -> None:
        """Store that the user has logged in from this Calling-Station-Id, if the gateway sent one."""
        if policy.first_factor is None or not attempt.source:
            return
        name = self._keys.name(policy.first_factor_name, attempt.name)
        station, key = self._keys.calling_station(name, attempt.source), stations_key(name)
        with suppress(Unavailable):
            stored = await self._store.recall(key) or b""
            await self._store.remember(key, stations.with_login(stored, station, self._now()), stations.KEPT_SECONDS)

    async def _checked(self, attempt: Attempt, policy: Policy, first_factor: FirstFactor, slot: Slot) -> Checked:
        try:
            return await self._charged_and_verified(attempt, policy, first_factor, slot)
        except Unavailable as problem:
            return Checked(slot, problem)

    async def _charged_and_verified(
        self, attempt: Attempt, policy: Policy, first_factor: FirstFactor, slot: Slot
    ) -> Checked:
        name = self._keys.name(policy.first_factor_name, attempt.name)
        last_login = await self._last_login(name, attempt.source)
        returning = last_login is not None
        own, shared = self._costs(attempt, name, returning)
        charged = await self._store.spend((*acting(Act.PEEK, shared), *own), slot.charged())
        reused = isinstance(charged, Recorded) and not slot.holds(charged.value)
        if reused:
            slot = slot.alternative
            charged = await self._store.spend((*acting(Act.PEEK, shared), *own), slot.charged())
        if isinstance(charged, Limited):
            await self._store.spend((), slot.rejected(verified=False))
            return Checked(slot, charged, reused=reused)
        if isinstance(charged, Recorded) and not is_charged(charged.value):
            return Checked(slot, charged, reused=reused)
        refund = acting(Act.GIVE_BACK, own) if charged is None else ()
        queue = attempt.source or f"client {attempt.client}"
        try:
            verified = await first_factor.verify(
                Claim(attempt.name, attempt.password, queue, returning), attempt.answer_by
            )
        except Unavailable:
            await self._store.spend(refund, slot.dropped())
            raise
        await self._settle(verified, slot, refund, shared)
        recent = last_login is not None and self._now() - last_login < stations.RENEWED_AFTER_SECONDS
        return Checked(slot, verified, recent, reused)

    async def _settle(
        self, verified: Passed | Denied, slot: Slot, refund: tuple[Spend, ...], shared: tuple[Spend, ...]
    ) -> None:
        """Refund a right password; record a wrong one and charge it to all that share the gateway."""
        if isinstance(verified, Passed):
            await self._store.spend(refund)
        elif verified.password_right:
            await self._store.spend(refund, slot.rejected(verified=True))
        elif isinstance(await self._store.spend(shared, slot.rejected(verified=False)), Limited):
            await self._store.spend((), slot.rejected(verified=False))

    async def _last_login(self, name: str, calling_station: str) -> float | None:
        if not calling_station:
            return None
        stored = await self._store.recall(stations_key(name)) or b""
        return stations.last_login(stored, self._keys.calling_station(name, calling_station), self._now())

    def _costs(self, attempt: Attempt, name: str, returning: bool) -> tuple[tuple[Spend, ...], tuple[Spend, ...]]:
        """What a wrong password costs the user and station, and all that share the gateway.

        A returning user has an allowance of their own, which nobody at another Calling-Station-Id can use up.
        """
        if returning:
            station = self._keys.calling_station(name, attempt.source)
            return self._limits.for_password(pair_subject(name, station), ""), ()
        return self._limits.for_password(name, attempt.source), self._limits.for_wrong_password(attempt.client)


def stations_key(name: str) -> bytes:
    """Where the store keeps the Calling-Station-Ids of the user with that `Keys.name` subject."""
    return b"stations\0" + name.encode()


def pair_subject(name: str, station: bytes) -> str:
    """The subject of a returning user's own allowance of wrong passwords."""
    return f"{name}@{station.hex()}"


async def password_subjects(keys: Keys, store: Store, source: str, user_name: str) -> list[str]:
    """Every subject under which wrong passwords of a user at an identity source are counted. Raises Unavailable."""
    name = keys.name(source, user_name)
    stored = await store.recall(stations_key(name)) or b""
    return [name, *(pair_subject(name, station) for station in stations.stations_in(stored))]
