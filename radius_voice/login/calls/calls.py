"""Delivers the codes of sessions by calls and text messages, and ends calls.

A placement continues in the background after its request was answered.
"""

from __future__ import annotations

import asyncio
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from radius_voice.events import DeliveryOutcome, Outcome, Reason
from radius_voice.login.calls.call_codes import CallCodes, code_message, rules_of
from radius_voice.login.calls.call_follower import CallFollower
from radius_voice.login.calls.placement import Ask, PlacementResult, Report, deliver
from radius_voice.login.calls.provider_requests import ProviderRequests
from radius_voice.login.calls.queued_calls import QueuedCall
from radius_voice.login.calls.remote_codes import RemoteCodes
from radius_voice.login.calls.reservations import PlacementReservation
from radius_voice.login.deliveries.callbacks import delivery_id_of
from radius_voice.login.deliveries.delivery_records import placement_record
from radius_voice.login.deliveries.requests import (
    DeliveryRequest,
    DeliveryResult,
)
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.inputs import (
    CallProgress,
    CodeCreated,
    DeliveryEvent,
    DeliveryFailed,
    DeliveryPlaced,
    Reservation,
    Transition,
)
from radius_voice.login.model import AuthRequest, CallRef, CallStatus, Method, Session, Unavailable
from radius_voice.login.policies.policy import PROVIDER_SECONDS, Policy, UserRules
from radius_voice.login.second_factor.users import current_phones
from radius_voice.login.session.call_events import delivery_reason
from radius_voice.login.session.decoys import decoy_call, end_of_decoy_call
from radius_voice.login.session.sessions import Sessions
from radius_voice.login.supervisor import Supervisor
from radius_voice.login.voicemail import Voicemail
from radius_voice.trace import Trace

_EFFECTIVE = frozenset(CallStatus) - {CallStatus.QUEUED, CallStatus.RINGING}
"""The statuses that change the session of a polled call."""


class PendingDelivery(Struct, frozen=True):
    """A delivery that is stored in its session and must now be made."""

    session: Session
    code: str  # the session has only its hash
    policy: Policy
    rules: UserRules
    request: AuthRequest
    hang_up: CallRef | None = None  # an earlier call to end first

    def __repr__(self) -> str:
        return f"PendingDelivery({self.session.id})"


class Calls:
    """The calls and text messages of one generation of the configuration."""

    def __init__(
        self, dependencies: Dependencies, supervisor: Supervisor, sessions: Sessions, remote_codes: RemoteCodes
    ) -> None:
        self._dependencies = dependencies
        self._supervisor = supervisor
        self._sessions = sessions
        self._requests = ProviderRequests(dependencies)
        self._codes = CallCodes(dependencies, sessions)
        self._remote_codes = remote_codes
        self._hurry = asyncio.Event()
        self.follower = CallFollower(
            dependencies.call_controls,
            self.on_call_event,
            dependencies.observer,
            dependencies.now,
            dependencies.callback_receivers,
        )

    async def on_call_event(self, ref: CallRef, status: CallStatus) -> None:
        """Apply a reported status to the session of the call, which any process or node may have placed.

        If the store is unavailable, the status is lost and the session ends at its timeout.
        """
        try:
            session = await self._dependencies.store.session_of_call(ref) if status in _EFFECTIVE else None
            if session is not None:
                await self._on_status(session, ref, status)
        except Unavailable as problem:
            self._dependencies.warn(f"the status of a call was lost: {problem}")

    async def _on_status(self, session: Session, ref: CallRef, status: CallStatus) -> None:
        if status is CallStatus.HUMAN:
            script = await self._codes.create(session, ref)
            if script is not None:
                await self._dependencies.call_speakers[ref.provider].speak(ref, script)
        elif status is not CallStatus.MACHINE or await self._hang_up(ref):
            rules = rules_of(self._dependencies, session)
            code_lifetime = rules.code_lifetime if rules is not None else 0.0
            await self._apply(session, CallProgress(session.id, session.delivery.number, status, code_lifetime))

    async def place(self, call: PendingDelivery, opened: Transition, trace: Trace) -> Transition:
        """Make a delivery, and wait for the provider's answer until the gateway's deadline.

        Returns the transition for the response, with the session as it is after the answer. The delivery of a decoy is
        only stored.
        """
        if call.session.is_decoy:
            await self._apply(call.session, decoy_call(call.session, call.rules.code_lifetime))
            return opened
        queued = self._queued(call, opened)
        task = self._supervisor.run(self._place(call, opened, queued))
        await asyncio.sleep(0)  # a placement that ends at once needs no timer
        if not task.done():
            left = max(0.0, call.request.deadline - self._dependencies.clock())
            await asyncio.wait({task, queued.announced}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        transition = _transition_now(task, queued, opened)
        trace.step("delivery", transition.reason)
        return transition

    def start(self, call: PendingDelivery, opened: Transition) -> asyncio.Task[Transition]:
        """Start a delivery in the background."""
        return self._supervisor.run(self._place(call, opened, self._queued(call, opened)))

    def place_waiting(self) -> None:
        """Place all queued calls now, because this process is about to end."""
        self._hurry.set()

    def _queued(self, call: PendingDelivery, opened: Transition) -> QueuedCall:
        rules = call.rules
        return QueuedCall(self._dependencies, self._sessions, call.session, rules.call_seconds, opened, self._hurry)

    async def end(self, session: Session, ref: CallRef) -> None:
        """Hang up the call of a session that has ended. The user is not called again before the call has ended."""
        if session.is_decoy:
            await self._apply(session, end_of_decoy_call(session))
        else:
            self._supervisor.run(self._end(session, ref))

    async def _place(self, call: PendingDelivery, opened: Transition, queued: QueuedCall) -> Transition:
        if call.hang_up is not None and not await self._hang_up(call.hang_up):
            return replace(opened, reason=Reason.DELIVERY_INDETERMINATE)
        dependencies, call_seconds = self._dependencies, call.rules.call_seconds - PROVIDER_SECONDS
        reservation = PlacementReservation(dependencies.store, dependencies.limits, call.session, call_seconds)
        placement = await self._delivered(call, reservation, partial(self._requests.ask, queued))
        return await self._on_placement(call, placement, opened, reservation)

    async def _delivered(self, call: PendingDelivery, reservation: PlacementReservation, ask: Ask) -> PlacementResult:
        """Make the delivery by the methods of the policy.

        After a call without a code has failed, the code is stored before another method is tried. After a delivery with
        a code has failed, methods whose calls are placed without a code are not tried.
        """
        methods, session = call.rules.methods, call.session
        request = self._request(call)
        if session.approval:
            return await self._deliver(call, request, (), reservation, ask)
        others = tuple(method for method in methods if method is not request.method)
        if session.delivery.voicemail is Voicemail.OFF:
            safe = tuple(method for method in others if call.rules.voicemail_of(method) is Voicemail.OFF)
            return await self._deliver(call, request, safe, reservation, ask)
        placed = await self._deliver(call, request, (), reservation, ask)
        if placed.result in (DeliveryOutcome.PLACED, DeliveryOutcome.INDETERMINATE) or not others:
            return placed
        return await self._deliver_with_code(call, request, others, placed, reservation, ask)

    async def _deliver_with_code(
        self,
        call: PendingDelivery,
        request: DeliveryRequest,
        methods: tuple[Method, ...],
        failed: PlacementResult,
        reservation: PlacementReservation,
        ask: Ask,
    ) -> PlacementResult:
        """After a call without a code was not placed: store the code, and deliver it by other methods."""
        session, code = call.session, self._dependencies.keys.code(call.session.key, call.code)
        message = replace(request.message, code=call.code)
        other = replace(request, method=methods[0], message=message, voicemail=Voicemail.OFF)
        if not await reservation.move(other, counted=failed.counted):
            return failed
        created = CodeCreated(session.id, session.delivery.number, code, call.rules.code_lifetime)
        if (await self._apply(session, created)).session is None:
            return failed
        placed = await self._deliver(call, other, methods, reservation, ask)
        return replace(placed, refused=failed.refused or placed.refused, counted=failed.counted or placed.counted)

    def _request(self, call: PendingDelivery) -> DeliveryRequest:
        """The request for the session's current delivery. It has no code if the call is placed without one."""
        session, dependencies = call.session, self._dependencies
        voicemail = session.delivery.voicemail
        code = call.code if voicemail is Voicemail.OFF else ""
        return DeliveryRequest(
            session.delivery.phone,
            code_message(dependencies, call.rules, session.language, code),
            call.rules.ring_timeout,
            session.delivery.method,
            dependencies.public_url,
            str(delivery_id_of(session)),
            voicemail,
            dependencies.approval_question(session) if session.approval else None,
        )

    async def _deliver(
        self,
        call: PendingDelivery,
        request: DeliveryRequest,
        others: tuple[Method, ...],
        reservation: PlacementReservation,
        ask: Ask,
    ) -> PlacementResult:
        dependencies = self._dependencies
        by_keys = {Method.VOICE: dependencies.approval_providers}
        return await deliver(
            request,
            call.session.phones,
            others,
            by_keys if call.session.approval else dependencies.providers,
            reservation.move,
            self._reporter(call.session, call.request.arrived),
            dependencies.clock() + PROVIDER_SECONDS,
            ask,
        )

    async def _on_placement(
        self, call: PendingDelivery, placement: PlacementResult, opened: Transition, reservation: PlacementReservation
    ) -> Transition:
        """Store the result of a placement, and return the transition for the response to the gateway."""
        match placement.result:
            case DeliveryOutcome.PLACED:
                placed = await self._on_placed(call, placement, reservation.reserved)
                reason = opened.reason if opened.reason is Reason.REDIAL else delivery_reason(placement.method)
                return replace(opened, session=placed or opened.session, reason=reason)
            case DeliveryOutcome.INDETERMINATE:
                stored = opened.session
                if placement.refused or placement.verification or placement.method is not Method.VOICE:
                    transition = await self._store_placed(call, placement, reservation.reserved)
                    stored = transition.session or stored
                return replace(opened, session=stored, reason=Reason.DELIVERY_INDETERMINATE)
            case _:
                return await self._on_failure(call, placement, reservation)

    async def _on_failure(
        self, call: PendingDelivery, placement: PlacementResult, reservation: PlacementReservation
    ) -> Transition:
        session, dependencies = call.session, self._dependencies
        rejected = placement.result is DeliveryOutcome.NUMBER_REJECTED
        reason = Reason.NUMBER_REJECTED if rejected else Reason.DELIVERY_FAILED
        gateway_waits = dependencies.clock() < call.request.deadline
        bypass = not placement.refused and gateway_waits and dependencies.now() < call.rules.bypass_until
        changed = await self._changed_user(call) if bypass else None
        if changed is not None:
            reason, bypass = changed, False
        failed = DeliveryFailed(
            session.id,
            session.delivery.number,
            reason,
            bypass,
            refund=not placement.counted,
            phone=reservation.phone,
            reserved=reservation.reserved,
        )
        return await self._apply(session, failed)

    async def _changed_user(self, call: PendingDelivery) -> Reason | None:
        """Why the user may no longer log in, because something changed after the password was verified; else None."""
        keys, deadline = self._dependencies.keys, call.request.deadline
        try:
            current = await current_phones(call.session, call.policy, keys, deadline)
        except Unavailable as problem:
            self._dependencies.warn(f"the bypass was not used: {problem}")
            return Reason.IDENTITY_UNAVAILABLE
        return current if isinstance(current, Reason) else None

    async def _on_placed(
        self, call: PendingDelivery, placement: PlacementResult, reserved: Reservation | None
    ) -> Session | None:
        """The session after a provider accepted the delivery; None if it has not changed."""
        session = call.session
        transition = await self._store_placed(call, placement, reserved)
        if transition.hang_up is not None:
            await self._end(session, transition.hang_up)
        elif placement.ref is not None:
            mode = self._dependencies.mode_of(session.policy)
            live_until = (transition.session or session).delivery.live_until
            self.follower.follow(placement.ref, session.id, live_until, mode)
        return transition.session

    async def _store_placed(
        self, call: PendingDelivery, placement: PlacementResult, reserved: Reservation | None
    ) -> Transition:
        """Store a delivery that was or may have been made. If the session has ended, also end its verification."""
        transition = await self._apply(call.session, _placed(call, placement, reserved))
        if placement.verification is not None and transition.outcome is Outcome.NO_RESPONSE:
            self._remote_codes.end(placement.verification, placement.phone)
        return transition

    def _reporter(self, session: Session, arrived: float) -> Report:
        dependencies = self._dependencies

        def report(provider: str, request: DeliveryRequest, answer: DeliveryResult) -> None:
            at, seconds = dependencies.now(), dependencies.clock() - arrived
            mode = dependencies.mode_of(session.policy)
            dependencies.observer(placement_record(at, seconds, session.id, provider, request, answer, mode))

        return report

    async def _hang_up(self, ref: CallRef) -> bool:
        """End a call. False if it is unknown whether the call ended."""
        try:
            await self.follower.hang_up(ref)
        except Unavailable as problem:
            self._dependencies.warn(f"a call could not be ended: {problem}")
            return False
        return True

    async def _end(self, session: Session, ref: CallRef) -> None:
        if not await self._hang_up(ref):
            return
        try:
            await self._apply(session, CallProgress(session.id, session.delivery.number, CallStatus.COMPLETED, 0.0))
        except Unavailable as problem:
            self._dependencies.warn(f"the end of a call was lost: {problem}")

    async def _apply(self, session: Session, event: DeliveryEvent) -> Transition:
        _, transition = await self._sessions.apply(session.key, event, known=session)
        return transition


def _transition_now(task: asyncio.Task[Transition], queued: QueuedCall, opened: Transition) -> Transition:
    """The transition for the response: after the provider's answer, or else for a queued or a pending delivery."""
    if not task.done():
        pending = replace(opened, reason=Reason.DELIVERY_PENDING)
        return queued.announced.result() if queued.announced.done() else pending
    return replace(opened, reason=Reason.DELIVERY_INDETERMINATE) if task.exception() is not None else task.result()


def _placed(call: PendingDelivery, placement: PlacementResult, reserved: Reservation | None) -> DeliveryPlaced:
    """The event for a delivery that was or may have been made. Text messages have no call that may be live."""
    session = call.session
    over = placement.method is Method.SMS or (placement.result is DeliveryOutcome.PLACED and not placement.live)
    return DeliveryPlaced(
        session.id,
        session.delivery.number,
        placement.phone,
        placement.ref,
        placement.refused,
        placement.method,
        over,
        call.rules.code_lifetime,
        reserved,
        placement.verification,
        placement.keeps_code,
    )
