"""Placing and ending the calls of sessions, under supervision: a call goes on whatever becomes of its request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import field

from radius_voice.events import Called, CallResult, Reason, Trace
from radius_voice.login.challenge import CallChanged, CallFailed, CallPlaced, Input, Step
from radius_voice.login.follow import Follower, Watched
from radius_voice.login.model import (
    Attempt,
    CallRef,
    CallStatus,
    Login,
    LoginKey,
    Order,
    Script,
    Unavailable,
)
from radius_voice.login.parts import Parts
from radius_voice.login.phone import Phone
from radius_voice.login.policy import PROVIDER_SECONDS, Policy
from radius_voice.login.ring import Rung, place_call
from radius_voice.login.supervisor import Supervisor
from radius_voice.nouns import noun

Settle = Callable[[LoginKey, Input, Login | None], Awaitable[tuple[Login | None, Step]]]
"""Applies an event to a session; the last argument is the session as it was a moment ago."""


@noun
class Ring:
    """A row whose present call is to be placed, and the only copy of the code that will be spoken."""

    row: Login
    code: str = field(repr=False)
    policy: Policy
    attempt: Attempt
    hang_up: CallRef | None = None


class Calls:
    """Calls of one generation of the configuration. `settle` raises Unavailable."""

    def __init__(self, parts: Parts, supervisor: Supervisor, settle: Settle) -> None:
        self._parts = parts
        self._supervisor = supervisor
        self._settle = settle
        self.follower = Follower(parts.live, self.progress, parts.observer, parts.now)

    async def progress(self, key: LoginKey, event: Input, known: Login | None = None) -> None:
        """Apply what a provider reported. It is lost if the store is out of reach: sessions end by their cap."""
        try:
            await self._settle(key, event, known)
        except Unavailable as problem:
            self._parts.warn(f"a call's progress was lost: {problem}")

    async def place(self, ring: Ring, opened: Step, trace: Trace) -> Step:
        """Place a call, and wait for the provider's answer while the gateway waits."""
        task = self._supervisor.run(self._ring(ring, opened))
        await asyncio.sleep(0)  # a ring that ends at once needs no timer
        if not task.done():
            await asyncio.wait({task}, timeout=max(0.0, ring.attempt.answer_by - self._parts.clock()))
        if not task.done():
            trace.step("ring", Reason.CALLING)
            return opened._replace(reason=Reason.CALLING)
        stepped = task.result() if task.exception() is None else opened._replace(reason=Reason.CALL_UNKNOWN)
        trace.step("ring", stepped.reason)
        return stepped

    def end(self, row: Login, ref: CallRef) -> None:
        """Hang up the call of a session that has ended; only then its user may be called again."""
        self._supervisor.run(self._end(row, ref))

    async def _ring(self, ring: Ring, opened: Step) -> Step:
        row, parts = ring.row, self._parts
        if ring.hang_up is not None and not await self._hang_up(ring.hang_up):
            return opened._replace(reason=Reason.CALL_UNKNOWN)
        order = Order(row.call.phone, Script(row.language, parts.friendly_name, ring.code), ring.policy.ring, row.id)
        rung = await place_call(
            order,
            row.phones,
            parts.voice,
            self._may_ring,
            self._reporter(row, ring.attempt.arrived),
            parts.clock() + PROVIDER_SECONDS,
        )
        return await self._rung(ring, rung, opened)

    async def _rung(self, ring: Ring, rung: Rung, opened: Step) -> Step:
        """Store how the ring ended; what the gateway gets follows from it."""
        row = ring.row
        match rung.result:
            case CallResult.PLACED:
                await self._placed(ring, rung)
                return opened
            case CallResult.UNKNOWN:
                if rung.refused:
                    await self._settle(row.key, CallPlaced(row.id, row.call.number, rung.phone, None, True), row)
                return opened._replace(reason=Reason.CALL_UNKNOWN)
            case _:
                return await self._failed(ring, rung)

    async def _failed(self, ring: Ring, rung: Rung) -> Step:
        row, parts = ring.row, self._parts
        reason = Reason.NUMBER_REFUSED if rung.result is CallResult.NUMBER_REFUSED else Reason.DELIVERY_FAILED
        waited_for = parts.clock() < ring.attempt.answer_by
        bypass = not rung.refused and waited_for and parts.now() < ring.policy.bypass_until
        _, stepped = await self._settle(row.key, CallFailed(row.id, row.call.number, reason, bypass), row)
        return stepped

    async def _placed(self, ring: Ring, rung: Rung) -> None:
        row, ref = ring.row, rung.ref
        if ref is None:
            await self._settle(row.key, CallChanged(row.id, row.call.number, CallStatus.COMPLETED, 0.0), row)
            return
        placed = CallPlaced(row.id, row.call.number, rung.phone, ref, rung.refused)
        _, stepped = await self._settle(row.key, placed, row)
        if stepped.hang_up is not None:
            await self._end(row, stepped.hang_up)
        else:
            watched = Watched(row.key, row.id, row.call.number, row.call.live_until, ring.policy.lifetime)
            self.follower.watch(ref, watched)

    async def _may_ring(self, phone: Phone) -> bool:
        return await self._parts.store.spend(self._parts.limits.for_phone(phone)) is None

    def _reporter(self, row: Login, arrived: float) -> Callable[[str, Phone, CallResult, str, str, bool], None]:
        def report(provider: str, phone: Phone, result: CallResult, reference: str, detail: str, alarm: bool) -> None:
            parts = self._parts
            seconds = parts.clock() - arrived
            parts.observer(
                Called(parts.now(), seconds, row.id, provider, phone.masked, result, reference, detail, alarm)
            )

        return report

    async def _hang_up(self, ref: CallRef) -> bool:
        """End a call; False when it is not known whether it ended."""
        try:
            await self.follower.hang_up(ref)
        except Unavailable as problem:
            self._parts.warn(f"a call could not be ended: {problem}")
            return False
        return True

    async def _end(self, row: Login, ref: CallRef) -> None:
        if await self._hang_up(ref):
            await self.progress(row.key, CallChanged(row.id, row.call.number, CallStatus.COMPLETED, 0.0), row)
