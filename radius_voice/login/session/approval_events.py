"""Events of a session whose call asks the user for an approval: a part of `state_machine.step`. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from radius_voice.events import Outcome, Reason
from radius_voice.login.inputs import ApprovalEvent, ApprovalKey, Charge, Transition
from radius_voice.login.model import CallStatus, Method, Result, Session
from radius_voice.login.session.session_versions import live_ref, next_version
from radius_voice.login.voicemail import Voicemail

APPROVES, REPORTS_FRAUD = "#", "9"
"""The keys that have an effect."""
_ANSWERED = (CallStatus.ANSWERED, CallStatus.COMPLETED)


def for_approval(session: Session, seconds: float) -> Session:
    """The new session, changed so that a call asks for an approval within `seconds`. It has no code and no State.

    It ends only when its call must have ended, so that the user is not called again before.
    """
    until = session.opened_at + seconds
    return replace(
        session,
        approval=True,
        code=b"",
        states=(),
        delivery=replace(session.delivery, method=Method.VOICE, voicemail=Voicemail.OFF),
        attempts_left=0,
        redials_left=0,
        code_until=until,
        ends_at=max(until, session.delivery.live_until),
    )


def takes_keys(session: Session, now: float) -> bool:
    """Whether a pressed key has an effect: the session and its call are live, and the time has not passed."""
    return session.open_at(now) and not session.delivery.over and now < session.code_until


def of_approval(session: Session | None, event: ApprovalEvent, now: float) -> Transition:
    """Process a pressed key, or the end of the time for one. It counts only for the current call of an open session."""
    nothing = Transition(None, Outcome.NO_RESPONSE, Reason.AWAITING_APPROVAL)
    if session is None or event.session_id != session.id or event.number != session.delivery.number:
        return nothing
    if not session.approval or not session.open_at(now):
        return nothing
    if isinstance(event, ApprovalKey):
        return _pressed(session, event, now)
    if event.reason is None:
        return not_approved(session, now)
    return _rejected(session, event.reason, Charge.NOTHING, now)


def not_approved(session: Session, now: float) -> Transition:
    """Reject the login of a user who pressed no key, or did not answer."""
    delivery = session.delivery
    if delivery.answered_at is not None or delivery.status in _ANSWERED:
        return _rejected(session, Reason.NOT_APPROVED, Charge.APPROVAL_DENIED, now)
    return _rejected(session, Reason.NOT_ANSWERED, Charge.APPROVAL_UNANSWERED, now)


def _pressed(session: Session, event: ApprovalKey, now: float) -> Transition:
    """Process a key of the current call. After a key with an effect, the response to the callback ends the call."""
    if session.delivery.ref not in (None, event.ref) or not takes_keys(session, now):
        return Transition(None, Outcome.NO_RESPONSE, Reason.AWAITING_APPROVAL)
    session = replace(session, delivery=replace(session.delivery, ref=event.ref))
    if event.key == APPROVES:
        ended = next_version(session, result=Result(Outcome.ACCEPT, Reason.APPROVED, now))
        return Transition(ended, Outcome.ACCEPT, Reason.APPROVED, charge=Charge.APPROVAL)
    if event.key == REPORTS_FRAUD:
        return replace(_rejected(session, Reason.FRAUD_REPORTED, Charge.FRAUD_REPORT, now), hang_up=None)
    return Transition(None, Outcome.NO_RESPONSE, Reason.AWAITING_APPROVAL)


def _rejected(session: Session, reason: Reason, charge: Charge, now: float) -> Transition:
    ended = next_version(session, result=Result(Outcome.REJECT, reason, now))
    return Transition(ended, Outcome.REJECT, reason, hang_up=live_ref(session, now), charge=charge)
