"""Events of a call: a part of `state_machine.step`. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from radius_voice.events import Outcome, Reason
from radius_voice.login.inputs import (
    CallProgress,
    CallQueued,
    Charge,
    CodeCreated,
    DeliveryEvent,
    DeliveryFailed,
    DeliveryPlaced,
    Transition,
)
from radius_voice.login.model import CallRef, CallStatus, Method, Result, Session
from radius_voice.login.session.approval_events import not_approved
from radius_voice.login.session.session_versions import next_version
from radius_voice.login.voicemail import Voicemail


def of_call(session: Session | None, event: DeliveryEvent, now: float) -> Transition:
    """Process an event of a call. A newly placed call that is not the session's current call is hung up."""
    if session is None or event.session_id != session.id or event.number != session.delivery.number:
        late = event.ref if isinstance(event, DeliveryPlaced) else None
        return Transition(None, Outcome.NO_RESPONSE, Reason.CALL_PLACED, hang_up=late)
    match event:
        case CallQueued():
            return _queued(session, event, now)
        case DeliveryPlaced():
            return _placed(session, event, now)
        case DeliveryFailed():
            return _failed(session, event, now)
        case CodeCreated():
            return _code_created(session, event, now)
        case _:
            return _progressed(session, event, now)


def _queued(session: Session, event: CallQueued, now: float) -> Transition:
    """The call is delayed by `event.wait`, so the session stays live and its code valid for that much longer."""
    delivery = session.delivery
    if not (session.open_at(now) and session.live_at(now)) or delivery.ref is not None:
        return Transition(None, Outcome.NO_RESPONSE, Reason.DELIVERY_QUEUED)
    live_until, until = delivery.live_until + event.wait, min(session.code_until + event.wait, session.ends_at)
    queued = next_version(
        session, delivery=replace(delivery, due_at=now + event.wait, live_until=live_until), code_until=until
    )
    return Transition(queued, Outcome.CHALLENGE, Reason.DELIVERY_QUEUED)


def _placed(session: Session, event: DeliveryPlaced, now: float) -> Transition:
    delivery = session.delivery
    over = delivery.over or event.over
    if not session.open_at(now):
        ended = next_version(session, delivery=replace(delivery, over=True)) if over and not delivery.over else None
        return Transition(ended, Outcome.NO_RESPONSE, Reason.CALL_PLACED, hang_up=event.ref)
    delivery = replace(
        delivery,
        phone=event.phone,
        method=event.method,
        ref=event.ref or delivery.ref,
        over=over,
        verification=event.verification or delivery.verification,
    )
    allowed, until = session.bypass_allowed and not event.refused, session.code_until
    if event.method is Method.SMS:
        until = min(now + event.code_lifetime, session.ends_at)
    code = b"" if event.keeps_code else session.code
    placed = next_version(session, code=code, delivery=delivery, bypass_allowed=allowed, code_until=until)
    return Transition(placed, Outcome.CHALLENGE, delivery_reason(event.method))


def _failed(session: Session, event: DeliveryFailed, now: float) -> Transition:
    if session.delivery.over:
        return Transition(None, Outcome.NO_RESPONSE, event.reason)
    over = replace(session.delivery, over=True, phone=event.phone or session.delivery.phone)
    charge = Charge.CALL_REFUND if event.refund else Charge.NOTHING
    if not session.open_at(now):
        return Transition(next_version(session, delivery=over), Outcome.NO_RESPONSE, event.reason, charge=charge)
    result = Result(Outcome.REJECT, event.reason, now)
    if event.bypass and session.bypass_allowed:
        result = Result(Outcome.ACCEPT, Reason.BYPASS, now)
    ended = next_version(session, delivery=over, result=result)
    return Transition(ended, result.outcome, result.reason, charge=charge)


def _progressed(session: Session, event: CallProgress, now: float) -> Transition:
    """Process a status. Each status counts once. After the end of the session, only the end of the call counts."""
    delivery, status = session.delivery, event.status
    counts = not delivery.over and status.follows(delivery.status) and (status.over or session.open_at(now))
    if _is_of_another_call(session, event.ref) or not counts:
        return Transition(None, Outcome.NO_RESPONSE, Reason.CALL_PLACED)
    delivery = replace(delivery, status=status, over=status.over, ref=delivery.ref or event.ref)
    progressed = next_version(session, delivery=delivery)
    if status.over and session.approval and session.open_at(now):
        return not_approved(progressed, now)
    if status is CallStatus.ANSWERED and delivery.answered_at is None:
        until = min(now + event.code_lifetime, session.ends_at) if session.code else session.code_until
        progressed = replace(progressed, delivery=replace(delivery, answered_at=now), code_until=until)
    return Transition(progressed, Outcome.NO_RESPONSE, Reason.CALL_PLACED)


def _code_created(session: Session, event: CodeCreated, now: float) -> Transition:
    """Store the code of a call that was placed without one. Only the first code counts."""
    delivery = session.delivery
    if _is_of_another_call(session, event.ref) or not waits_for_code(session, now):
        return Transition(None, Outcome.NO_RESPONSE, Reason.CALL_PLACED)
    created = next_version(
        session,
        code=event.code,
        code_until=min(now + event.code_lifetime, session.ends_at),
        delivery=replace(delivery, ref=delivery.ref or event.ref),
    )
    return Transition(created, Outcome.NO_RESPONSE, Reason.CALL_PLACED)


def waits_for_code(session: Session, now: float) -> bool:
    """Whether the session's call was placed without a code, may be live, and has no code yet."""
    delivery = session.delivery
    if delivery.voicemail is Voicemail.OFF or delivery.verification is not None or session.code:
        return False
    return not delivery.over and session.open_at(now)


def _is_of_another_call(session: Session, ref: CallRef | None) -> bool:
    return None not in (session.delivery.ref, ref) and session.delivery.ref != ref


def delivery_reason(method: Method) -> Reason:
    """The reason of the challenge after a delivery by that method."""
    return Reason.TEXT_SENT if method is Method.SMS else Reason.CALL_PLACED
