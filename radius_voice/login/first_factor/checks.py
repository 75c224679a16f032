"""Verifies the first factor of an initial request, within the limits on wrong passwords.

A failure is charged before the password is verified and refunded if the password is right, so that parallel guesses are
limited like successive ones. Copies of a request, from any port, are charged once and share one verification. A
verification that has started runs to its end, even after the gateway's deadline; the charge stays until then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from radius_voice.events import Reason, SecondFactorMode
from radius_voice.login.deliveries.adapter_reports import PossiblyForwarded
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.first_factor.checked import Charge, Checked, Refused, VerifiedByGateway
from radius_voice.login.first_factor.password_limits import Attempt, Charges, PasswordLimits
from radius_voice.login.first_factor.upstream_challenges import (
    ANSWER_SECONDS,
    MAX_CHALLENGES,
    PendingChallenge,
    PendingChallenges,
)
from radius_voice.login.limits.configured import with_action
from radius_voice.login.model import (
    AlreadyRecorded,
    Authenticated,
    AuthRequest,
    Denied,
    LimitAction,
    Limited,
    LimitOperation,
    Unavailable,
)
from radius_voice.login.names import canonical_name
from radius_voice.login.policies.policy import Policy
from radius_voice.login.ports import FirstFactor
from radius_voice.login.replay import Slot, is_challenged, is_charged, is_refunded
from radius_voice.login.upstream import ChallengeRequired

Verified: TypeAlias = Authenticated | ChallengeRequired | Denied | Limited
"""The result of a verification; Limited if a limit forbids the verification."""


@dataclass(slots=True)
class _PendingCheck:
    """A check in progress."""

    check: asyncio.Task[Checked]
    requests: int = 0  # how many copies of the request wait for it; if none does, the check applies its refund


class FirstFactorChecks:
    """Verifies passwords for one generation of the configuration. `supervise` starts a background task."""

    def __init__(
        self, dependencies: Dependencies, supervise: Callable[[Coroutine[Any, Any, Checked]], asyncio.Task[Checked]]
    ) -> None:
        keys, store, self._now = dependencies.keys, dependencies.store, dependencies.now
        self._keys = keys
        self._store = store
        self._supervise = supervise
        self._clock = dependencies.clock
        self._pending: dict[bytes, _PendingCheck] = {}
        self._challenges = PendingChallenges(keys, store)
        self._passwords = PasswordLimits(keys, dependencies.limits, store, self._now)
        self.remember_login = self._passwords.remember_login

    async def check(self, request: AuthRequest, policy: Policy) -> Checked:
        """The result for this request. Raises Unavailable if there is none before the request's deadline."""
        slot = self._keys.slot(request.client, request.authenticator, request.encrypted_credentials)
        first_factor = policy.first_factor
        if first_factor is None:
            return Checked(slot, VerifiedByGateway(), Charge())
        return await self._result_of(
            slot, request, lambda: self._charged_and_verified(request, policy, first_factor, slot)
        )

    async def check_answer(self, request: AuthRequest, policy: Policy) -> Checked:
        """The result for a response to a challenge of the first factor. Raises as `check` does.

        Each State can be answered once. The same response again gets the same result.
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
        """Store the challenge of the first factor until it is answered, and return it.

        Refused after too many challenges, and if the gateway cannot show one. The charge stays in all cases. Raises
        Unavailable.
        """
        if request.second_factor is not SecondFactorMode.CHALLENGE:
            return await self._refuse_challenge(checked, Reason.UPSTREAM_CHALLENGE)
        if isinstance(challenge, PendingChallenge):
            return challenge.challenge
        now, before = self._now(), checked.answered
        left = MAX_CHALLENGES - 1 if before is None else before.left - 1
        if left < 0:
            return await self._refuse_challenge(checked, Reason.NO_ATTEMPTS_LEFT)
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

    async def _refuse_challenge(self, checked: Checked, reason: Reason) -> Refused:
        await self._store.apply_limits((), checked.slot.rejected(verified=False))
        checked.charge.settled = True
        return Refused(reason)

    async def _result_of(
        self, slot: Slot, request: AuthRequest, check: Callable[[], Coroutine[Any, Any, Checked]]
    ) -> Checked:
        """The result of `check`. Copies of the request that arrive meanwhile share it."""
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

    async def record_rejected(self, checked: Checked) -> bool:
        """Record that a request with the right password was rejected, and refund its charge.

        Returns False if the same request was recorded before.
        """
        slot = checked.slot
        recorded = await self._record_refused(slot, checked.charge.refund)
        if recorded is not None and not slot.holds(recorded.value):
            recorded = await self._record_refused(slot.alternative, checked.charge.refund)
        checked.charge.settled = True
        return recorded is None

    async def refund(self, checked: Checked) -> None:
        """Refund the charge of a request with the right password that gets no response."""
        if not checked.charge.settled:
            checked.charge.settled = True
            with suppress(Unavailable):
                await self._store.apply_limits(checked.charge.refund, checked.slot.refunded())

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
        attempt = await self._passwords.attempt(request, policy, first_factor)
        charges = attempt.charges
        charged = await self._store.apply_limits(charges.before, slot.charged())
        reused = isinstance(charged, AlreadyRecorded) and not slot.holds(charged.value)
        if reused:
            slot = slot.alternative
            charged = await self._store.apply_limits(charges.before, slot.charged())
        if isinstance(charged, Limited):
            await self._store.apply_limits((), slot.unless_charged.rejected(verified=False))
            return Checked(slot, charged, Charge(), reused=reused)
        if isinstance(charged, AlreadyRecorded) and not is_charged(charged.value):
            return Checked(slot, await self._result_before(request, slot, charged), Charge(), reused=reused)
        is_copy = isinstance(charged, AlreadyRecorded) and charges.forwarded
        verify = self._verified_again if is_copy else self._verified
        verified, charge = await verify(request, first_factor, slot, attempt)
        return Checked(slot, verified, charge, attempt.recent, attempt.returning, reused)

    async def _answered(
        self, request: AuthRequest, policy: Policy, first_factor: FirstFactor, slot: Slot, pending: PendingChallenge
    ) -> Checked:
        context = pending.challenge.context
        attempt = await self._passwords.attempt(request, policy, first_factor, context, pending.separate)
        recorded = await self._store.apply_limits((), slot.continued())
        if isinstance(recorded, AlreadyRecorded) and slot.holds(recorded.value) and is_refunded(recorded.value):
            recorded = await self._store.apply_limits(attempt.charges.before, slot.charged())
        if isinstance(recorded, Limited):
            await self._store.apply_limits((), slot.unless_charged.rejected(verified=False))
            return Checked(slot, recorded, Charge())
        if isinstance(recorded, AlreadyRecorded):
            return Checked(slot, await self._answer_before(request, slot, recorded), Charge())
        verified, charge = await self._verified(request, first_factor, slot, attempt)
        return Checked(slot, verified, charge, pending.returning, pending.separate, answered=pending)

    async def _answer_before(
        self, request: AuthRequest, slot: Slot, recorded: AlreadyRecorded
    ) -> PendingChallenge | AlreadyRecorded | Refused:
        """The result for a response to a challenge that was answered already."""
        if not slot.holds(recorded.value):
            return Refused(Reason.USED_STATE)
        if is_charged(recorded.value):
            raise Unavailable("password verification", "another copy of the response is being verified")
        return await self._result_before(request, slot, recorded)

    async def _result_before(
        self, request: AuthRequest, slot: Slot, recorded: AlreadyRecorded
    ) -> PendingChallenge | AlreadyRecorded:
        """The challenge that a recorded request got, if it can still be answered; else its record."""
        if not is_challenged(recorded.value):
            return recorded
        return await self._challenges.of(request.client, slot) or recorded

    async def _verified(
        self,
        request: AuthRequest,
        first_factor: FirstFactor,
        slot: Slot,
        attempt: Attempt,
    ) -> tuple[Verified, Charge]:
        """Verify the credentials of a charged request, and record it if it is rejected."""
        charges = attempt.charges
        try:
            verified = await first_factor.verify(attempt.verification, request.deadline)
        except PossiblyForwarded:
            await self._count_forwarded(charges)
            await self._store.apply_limits(with_action(LimitAction.REFUND, charges.own), slot.refunded())
            raise
        except Unavailable:
            await self._store.apply_limits(charges.refund, slot.refunded())
            raise
        if request.unlisted_realm:
            verified = Denied(Reason.UNKNOWN_USER)
        if not isinstance(verified, Denied):
            return verified, Charge(charges.refund)
        if verified.password_correct:
            await self._record_refused(slot, charges.refund)
            return verified, Charge()
        limited = await self._record_wrong(slot, charges)
        await self._count_forwarded(charges)
        return limited or verified, Charge()

    async def _count_forwarded(self, charges: Charges) -> None:
        """Count a wrong password from now on, because the directory does so too."""
        if charges.counted:
            await self._store.apply_limits(charges.counted)

    async def _verified_again(
        self, request: AuthRequest, first_factor: FirstFactor, slot: Slot, attempt: Attempt
    ) -> tuple[Verified, Charge]:
        """Verify a copy of a request that another process has charged. The directory counts the password twice."""
        forwarded = attempt.charges.forwarded
        limited = await self._store.apply_limits(forwarded)
        if isinstance(limited, Limited):
            return limited, Charge()
        verified, charge = await self._verified(request, first_factor, slot, attempt)
        if not _is_wrong(verified):
            await self._store.apply_limits(with_action(LimitAction.REFUND, forwarded))
        return verified, charge

    async def _record_challenged(self, checked: Checked) -> Limited | None:
        """Record that a request got a challenge, and charge it again if another node has refunded it."""
        slot = checked.slot
        recorded = await self._store.apply_limits((), slot.challenged())
        if isinstance(recorded, AlreadyRecorded) and is_refunded(recorded.value):
            again = with_action(LimitAction.TAKE, checked.charge.refund)
            recorded = await self._store.apply_limits(again, slot.after(recorded.value).challenged())
        return recorded if isinstance(recorded, Limited) else None

    async def _record_refused(self, slot: Slot, refund: tuple[LimitOperation, ...]) -> AlreadyRecorded | None:
        """Record that a request with the right password was rejected, and refund it unless another node has done so.

        Returns the existing record if it prevented that.
        """
        recorded = await self._store.apply_limits(refund, slot.rejected(verified=True))
        if isinstance(recorded, AlreadyRecorded) and is_refunded(recorded.value):
            recorded = await self._store.apply_limits((), slot.after(recorded.value).rejected(verified=True))
        return recorded if isinstance(recorded, AlreadyRecorded) else None

    async def _record_wrong(self, slot: Slot, charges: Charges) -> Limited | None:
        """Record a request with a wrong password, and charge the limits of client and total.

        If another node has refunded the request, because it did not verify the password, the request is charged again.
        Returns the limit that prevents this, or None.
        """
        rejected = slot.rejected(verified=False)
        while True:
            recorded = await self._store.apply_limits(charges.shared, rejected)
            if isinstance(recorded, Limited):
                recorded = await self._store.apply_limits((), rejected)
            if not isinstance(recorded, AlreadyRecorded) or not is_refunded(recorded.value):
                return None
            charged = await self._store.apply_limits(charges.taken, slot.charged())
            if isinstance(charged, Limited):
                await self._store.apply_limits((), slot.after(recorded.value).rejected(verified=False))
                return charged


def _is_wrong(verified: Verified) -> bool:
    """Whether the verified password was wrong. Limited means that too (see `_record_wrong`)."""
    return isinstance(verified, Limited) or (isinstance(verified, Denied) and not verified.password_correct)
