"""The first factor of an initial request, behind the limits on wrong passwords.

A failure is charged before the password is verified and refunded if the password is right, so that simultaneous guesses
are limited like successive ones. Copies of a request, from whatever port, are charged once and share one verification.
A verification that has started runs to its end: the charge stays until its result is known, also after the gateway's
deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from radius_voice.events import Reason
from radius_voice.login import calling_stations
from radius_voice.login.checked import Charge, Checked, Refused, VerifiedByGateway
from radius_voice.login.codes import Keys
from radius_voice.login.model import (
    AlreadyRecorded,
    Authenticated,
    AuthRequest,
    Denied,
    LimitAction,
    Limited,
    LimitOperation,
    Unavailable,
    Verification,
)
from radius_voice.login.names import canonical_name
from radius_voice.login.policy import Policy
from radius_voice.login.ports import FirstFactor, Store
from radius_voice.login.rate_limits import Limits, with_action
from radius_voice.login.replay import Slot, is_challenged, is_charged, is_refunded
from radius_voice.login.upstream import ChallengeRequired
from radius_voice.login.upstream_challenges import (
    ANSWER_SECONDS,
    MAX_CHALLENGES,
    PendingChallenge,
    PendingChallenges,
)


@dataclass(slots=True)
class _PendingCheck:
    """A check in progress, and how many copies of its request wait. If none does, the check applies its refund."""

    check: asyncio.Task[Checked]
    requests: int = 0


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
        self._pending: dict[bytes, _PendingCheck] = {}
        self._challenges = PendingChallenges(keys, store)

    async def check(self, request: AuthRequest, policy: Policy) -> Checked:
        """The result for this request; raises Unavailable when it is not known while the gateway waits."""
        slot = self._keys.slot(request.client, request.authenticator, request.encrypted_credentials)
        first_factor = policy.first_factor
        if first_factor is None:
            return Checked(slot, VerifiedByGateway(), Charge())
        return await self._result_of(
            slot, request, lambda: self._charged_and_verified(request, policy, first_factor, slot)
        )

    async def check_answer(self, request: AuthRequest, policy: Policy) -> Checked:
        """The result for a response to a challenge of the first factor. Raises as `check` does.

        Each State is answered once; the same response again gets the result that it had.
        """
        first_factor, state = policy.first_factor, request.state or b""
        slot = self._keys.answer_slot(request.client, state, request.credentials.text)
        pending = await self._challenges.get(request.client, state)
        if first_factor is None or pending is None or not pending.belongs_to(request, policy.first_factor_name):
            return Checked(slot, Refused(Reason.UNKNOWN_STATE), Charge())
        return await self._result_of(
            slot, request, lambda: self._answered(request, policy, first_factor, slot, pending)
        )

    async def keep_challenge(
        self, request: AuthRequest, policy: Policy, checked: Checked, challenge: ChallengeRequired | PendingChallenge
    ) -> ChallengeRequired | Refused:
        """The challenge of the first factor, once it is kept until it is answered; Refused after too many.

        The charge stays in both cases. Raises Unavailable.
        """
        if isinstance(challenge, PendingChallenge):
            return challenge.challenge
        now, before = self._now(), checked.answered
        left = MAX_CHALLENGES - 1 if before is None else before.left - 1
        if left < 0:
            await self._store.apply_limits((), checked.slot.rejected(verified=False))
            checked.charge.settled = True
            return Refused(Reason.NO_ATTEMPTS_LEFT)
        pending = PendingChallenge(
            source=policy.first_factor_name,
            name=canonical_name(request.user_name),
            calling_station_id=request.calling_station_id,
            challenge=challenge,
            returning=checked.returning,
            separate=checked.separate,
            left=left,
            expires_at=now + ANSWER_SECONDS if before is None else before.expires_at,
        )
        await self._challenges.put(request.client, checked.slot, pending, now)
        limited = await self._record_challenged(checked)
        checked.charge.settled = True
        return challenge if limited is None else Refused(limited.limit.reason)

    async def _result_of(
        self, slot: Slot, request: AuthRequest, check: Callable[[], Coroutine[Any, Any, Checked]]
    ) -> Checked:
        """The result of a check, which copies of the request share while it is made."""
        pending = self._pending.get(slot.fingerprint)
        if pending is None:
            pending = self._pending[slot.fingerprint] = _PendingCheck(self._supervise(self._checked(slot, check())))
            pending.check.add_done_callback(lambda _: self._pending.pop(slot.fingerprint))
        pending.requests += 1
        await asyncio.wait({pending.check}, timeout=max(0.0, request.deadline - self._clock()))
        pending.requests -= 1
        if not pending.check.done():
            raise Unavailable("password verification", "not finished before the response is due")
        checked = pending.check.result()
        if isinstance(checked.result, Unavailable):
            raise checked.result
        return checked

    async def record_rejected(self, checked: Checked) -> None:
        """Record that a request with the right password was rejected, and refund its charge."""
        await self._record_refused(checked.slot, checked.charge.refund)
        checked.charge.settled = True

    async def refund(self, checked: Checked) -> None:
        """Refund the charge of a request with the right password that had no effect."""
        if not checked.charge.settled:
            checked.charge.settled = True
            with suppress(Unavailable):
                await self._store.apply_limits(checked.charge.refund, checked.slot.refunded())

    async def remember_login(self, request: AuthRequest, policy: Policy) -> None:
        """Store that the user has logged in from this Calling-Station-Id, if the gateway sent one."""
        if policy.first_factor is None or not request.calling_station_id:
            return
        name = self._keys.name_subject(policy.first_factor_name, request.user_name)
        station, key = self._keys.calling_station(name, request.calling_station_id), stations_key(name)
        with suppress(Unavailable):
            stored = await self._store.get(key) or b""
            updated = calling_stations.with_login(stored, station, self._now())
            await self._store.put(key, updated, calling_stations.KEPT_SECONDS)

    async def _checked(self, slot: Slot, check: Coroutine[Any, Any, Checked]) -> Checked:
        try:
            checked = await check
            if not self._pending[slot.fingerprint].requests:
                await self.refund(checked)
        except Unavailable as problem:
            return Checked(slot, problem, Charge())
        return checked

    async def _charged_and_verified(
        self, request: AuthRequest, policy: Policy, first_factor: FirstFactor, slot: Slot
    ) -> Checked:
        name = self._keys.name_subject(policy.first_factor_name, request.user_name)
        last_login = await self._last_login(name, request.calling_station_id)
        returning = last_login is not None
        own, shared = self._charges(request, name, returning)
        charged = await self._store.apply_limits((*with_action(LimitAction.CHECK, shared), *own), slot.charged())
        reused = isinstance(charged, AlreadyRecorded) and not slot.holds(charged.value)
        if reused:
            slot = slot.alternative
            charged = await self._store.apply_limits((*with_action(LimitAction.CHECK, shared), *own), slot.charged())
        if isinstance(charged, Limited):
            await self._store.apply_limits((), slot.unless_charged.rejected(verified=False))
            return Checked(slot, charged, Charge(), reused=reused)
        if isinstance(charged, AlreadyRecorded) and not is_charged(charged.value):
            return Checked(slot, await self._result_before(request, slot, charged), Charge(), reused=reused)
        verified, charge = await self._verified(request, name, first_factor, slot, own, shared, returning)
        recent = last_login is not None and self._now() - last_login < calling_stations.RENEWED_AFTER_SECONDS
        return Checked(slot, verified, charge, recent, returning, reused)

    async def _answered(
        self, request: AuthRequest, policy: Policy, first_factor: FirstFactor, slot: Slot, pending: PendingChallenge
    ) -> Checked:
        name = self._keys.name_subject(policy.first_factor_name, request.user_name)
        own, shared = self._charges(request, name, pending.separate)
        recorded = await self._store.apply_limits((), slot.continued())
        if isinstance(recorded, AlreadyRecorded) and slot.holds(recorded.value) and is_refunded(recorded.value):
            recorded = await self._store.apply_limits((*with_action(LimitAction.CHECK, shared), *own), slot.charged())
        if isinstance(recorded, Limited):
            await self._store.apply_limits((), slot.unless_charged.rejected(verified=False))
            return Checked(slot, recorded, Charge())
        if isinstance(recorded, AlreadyRecorded):
            return Checked(slot, await self._answer_before(request, slot, recorded), Charge())
        context = pending.challenge.context
        verified, charge = await self._verified(
            request, name, first_factor, slot, own, shared, pending.separate, context
        )
        return Checked(slot, verified, charge, pending.returning, pending.separate, answered=pending)

    async def _answer_before(
        self, request: AuthRequest, slot: Slot, recorded: AlreadyRecorded
    ) -> PendingChallenge | AlreadyRecorded | Refused:
        """The result of a response to a challenge that has been answered before."""
        if not slot.holds(recorded.value):
            return Refused(Reason.USED_STATE)
        if is_charged(recorded.value):
            raise Unavailable("password verification", "another copy of the response is being verified")
        return await self._result_before(request, slot, recorded)

    async def _result_before(
        self, request: AuthRequest, slot: Slot, recorded: AlreadyRecorded
    ) -> PendingChallenge | AlreadyRecorded:
        """The challenge that a recorded request got, if it can still be answered."""
        if not is_challenged(recorded.value):
            return recorded
        return await self._challenges.of(request.client, slot) or recorded

    async def _verified(
        self,
        request: AuthRequest,
        name: str,
        first_factor: FirstFactor,
        slot: Slot,
        own: tuple[LimitOperation, ...],
        shared: tuple[LimitOperation, ...],
        returning: bool,
        context: bytes = b"",
    ) -> tuple[Authenticated | ChallengeRequired | Denied | Limited, Charge]:
        """Verify the credentials of a request that is charged, and record a rejection."""
        refund = with_action(LimitAction.REFUND, own)
        queue = request.calling_station_id or f"client {request.client}"
        # Instead of a name with a realm that is not listed, one that no user has: it takes as long as other names.
        user_name = f"no-such-user-{name}" if request.unlisted_realm else request.user_name
        verification = Verification(user_name, request.credentials, queue, returning, request.attributes, context)
        try:
            verified = await first_factor.verify(verification, request.deadline)
        except Unavailable:
            await self._store.apply_limits(refund, slot.refunded())
            raise
        if request.unlisted_realm:
            verified = Denied(Reason.UNKNOWN_USER)
        if not isinstance(verified, Denied):
            return verified, Charge(refund)
        if verified.password_correct:
            await self._record_refused(slot, refund)
            return verified, Charge()
        return await self._record_wrong(slot, own, shared) or verified, Charge()

    async def _record_challenged(self, checked: Checked) -> Limited | None:
        """Record that a request got a challenge; charge it again if another node has refunded it."""
        slot = checked.slot
        recorded = await self._store.apply_limits((), slot.challenged())
        if isinstance(recorded, AlreadyRecorded) and is_refunded(recorded.value):
            again = with_action(LimitAction.TAKE, checked.charge.refund)
            recorded = await self._store.apply_limits(again, slot.after(recorded.value).challenged())
        return recorded if isinstance(recorded, Limited) else None

    async def _record_refused(self, slot: Slot, refund: tuple[LimitOperation, ...]) -> None:
        """Record that a request with the right password was rejected; refund it unless another node has."""
        recorded = await self._store.apply_limits(refund, slot.rejected(verified=True))
        if isinstance(recorded, AlreadyRecorded) and is_refunded(recorded.value):
            await self._store.apply_limits((), slot.after(recorded.value).rejected(verified=True))

    async def _record_wrong(
        self, slot: Slot, own: tuple[LimitOperation, ...], shared: tuple[LimitOperation, ...]
    ) -> Limited | None:
        """Record a request with a wrong password, and charge all that share the gateway.

        If another node has refunded the request, because it did not verify the password, it is charged again. Where
        that is not possible, the result is that of the limit.
        """
        rejected = slot.rejected(verified=False)
        while True:
            recorded = await self._store.apply_limits(shared, rejected)
            if isinstance(recorded, Limited):
                recorded = await self._store.apply_limits((), rejected)
            if not isinstance(recorded, AlreadyRecorded) or not is_refunded(recorded.value):
                return None
            charged = await self._store.apply_limits(own, slot.charged())
            if isinstance(charged, Limited):
                await self._store.apply_limits((), slot.after(recorded.value).rejected(verified=False))
                return charged

    async def _last_login(self, name: str, calling_station_id: str) -> float | None:
        if not calling_station_id:
            return None
        stored = await self._store.get(stations_key(name)) or b""
        return calling_stations.last_login(stored, self._keys.calling_station(name, calling_station_id), self._now())

    def _charges(
        self, request: AuthRequest, name: str, returning: bool
    ) -> tuple[tuple[LimitOperation, ...], tuple[LimitOperation, ...]]:
        """The operations for a wrong password: on the limits of user and station, and on those of all users.

        A returning user has a separate allowance, which requests from another Calling-Station-Id cannot exhaust.
        """
        station = request.calling_station_id
        if returning:
            subject = pair_subject(name, self._keys.calling_station(name, station))
            return self._limits.for_password(subject, ""), ()
        return self._limits.for_password(name, station), self._limits.for_wrong_password(request.client)


def stations_key(name: str) -> bytes:
    """The key of the stored Calling-Station-Ids of the user with that `Keys.name_subject`."""
    return b"stations\0" + name.encode()


def pair_subject(name: str, station: bytes) -> str:
    """The subject of a returning user's separate allowance of wrong passwords."""
    return f"{name}@{station.hex()}"


async def password_subjects(keys: Keys, store: Store, identity_source: str, user_name: str) -> list[str]:
    """Every subject under which wrong passwords of a user at an identity source are counted. Raises Unavailable."""
    name = keys.name_subject(identity_source, user_name)
    stored = await store.get(stations_key(name)) or b""
    return [name, *(pair_subject(name, station) for station in calling_stations.stations_in(stored))]
