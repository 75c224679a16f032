"""Repeats results for used States, instead of deciding again: a part of `state_machine.step`. Pure."""

from __future__ import annotations

from hmac import compare_digest

from radius_voice.events import Outcome, Reason
from radius_voice.login.codes.issued_states import REPEAT_SECONDS
from radius_voice.login.inputs import ChallengeResponse, Transition
from radius_voice.login.model import IssuedState, PreviousResult, Result, Session
from radius_voice.login.names import canonical_name


def belongs(known: Session | PreviousResult, client: str, name: str) -> bool:
    """Whether a response comes from the client entry and the user of the session."""
    return known.client == client and canonical_name(known.name) == canonical_name(name)


def of_previous(session: Session, event: ChallengeResponse, now: float) -> Transition:
    """Repeat the final result of a replaced session. Its States have no effect in this session."""
    known = next((each for each in session.previous if compare_digest(each.state, event.state)), None)
    if known is None or not belongs(known, event.client, event.name):
        return Transition(None, Outcome.REJECT, Reason.UNKNOWN_STATE)
    if not compare_digest(known.answer, event.answer) or now - known.result.at > REPEAT_SECONDS:
        return Transition(None, Outcome.REJECT, Reason.USED_STATE)
    return Transition(None, known.result.outcome, Reason.REPEATED, previous=known)


def repeat(session: Session, issued: IssuedState, result: Result, event: ChallengeResponse, now: float) -> Transition:
    """Repeat the result of a used State for the same response. Any other use of the State is rejected."""
    if not compare_digest(issued.answer, event.answer) or now - result.at > REPEAT_SECONDS:
        return Transition(None, Outcome.REJECT, Reason.USED_STATE)
    if result.outcome is not Outcome.CHALLENGE:
        return Transition(None, result.outcome, Reason.REPEATED)
    if not session.open_at(now):
        return Transition(None, Outcome.REJECT, Reason.USED_STATE)
    return Transition(None, Outcome.CHALLENGE, Reason.REPEATED, issues_state=True)
