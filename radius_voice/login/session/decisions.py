"""Decisions: the response to the gateway and fields of the audit record, made from a transition. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import ceil

from msgspec import Struct
from msgspec.structs import replace

from radius_voice.events import Mode, Outcome, Reason
from radius_voice.login.deliveries.verifications import VerifierUnavailable
from radius_voice.login.inputs import Transition
from radius_voice.login.model import CallStatus, Method, PreviousResult, ReplyAttribute, Session, Unavailable
from radius_voice.login.texts import reply_message
from radius_voice.login.texts.reply_message import Wording
from radius_voice.login.upstream import ChallengeRequired, HiddenAttribute
from radius_voice.trace import Trace


class Decision(Struct, frozen=True):
    """The response to the gateway, and fields of the audit record."""

    outcome: Outcome
    reason: Reason
    state: bytes = b""  # of a challenge
    text: str = ""  # for Reply-Message
    reply: tuple[ReplyAttribute | HiddenAttribute, ...] = ()  # of an Access-Accept
    user: str = ""  # the name in the directory; empty if no user has the typed name
    session: str = ""  # the session's id
    phone: str = ""  # masked
    login_seconds: float = 0.0  # of an Access-Accept: the duration of the login
    sealed_reply: bytes = b""  # attributes of an Access-Accept that are still encrypted
    echo: bool = True  # whether the gateway may show the response to the challenge while the user types it
    rule: str = ""  # the path of the rule that decided without a call
    rule_reason: str = ""  # the administrator's text of the rule
    not_before: float = 0.0  # send the response at this monotonic time; 0: at once
    mode: Mode = Mode.ENFORCE  # of the policy
    would_outcome: Outcome | None = None  # the decision that report mode only records
    would_reason: Reason | None = None
    held: Callable[[], Awaitable[Decision]] | None = None  # await this for the decision; the request is held meanwhile

    def __repr__(self) -> str:
        return f"Decision({self.outcome}, {self.reason})"


_MISSED = {
    CallStatus.BUSY: "busy",
    CallStatus.NO_ANSWER: "no_answer",
    CallStatus.FAILED: "failed",
    CallStatus.MACHINE: "machine",
}
"""The texts (fields of `messages.CallEnded`) about calls that ended with these statuses."""

CODE_CORRECT = (Reason.CODE_CORRECT, Reason.ISSUED_CODE_CORRECT, Reason.APPROVED)
"""Reasons of an Accept that completes a login with a correct code or an approval."""


def decision(
    session: Session | None,
    transition: Transition,
    state: bytes,
    name: str,
    wording: Wording,
    now: float,
    *,
    response: bool = False,
    asked: Method | None = None,
    delimiter: str = "",
    describes_call: bool = False,
) -> Decision:
    """The decision for a transition. `state` is for a challenge. `name` is the user's name, used without a session.

    `response`: the request carried a State; only then may a reject be in the user's language. `asked`: the method of
    another delivery that the request asked for. `delimiter`: if not empty, the challenge asks for a second login with
    password and code, and has no State. `describes_call`: a challenge may say that a call did not reach the user, or
    in how many seconds a queued call will be placed.
    """
    if session is None:
        decided = rejected(transition.reason, name)
    elif transition.previous is not None:
        decided = _repeated(transition.previous, wording)
    elif transition.outcome is Outcome.ACCEPT:
        decided = _accepted(session, transition.reason, now)
    elif transition.outcome is Outcome.CHALLENGE:
        missed, wait = (_missed(session, now), _wait(session, now)) if describes_call else ("", 0)
        decided = _challenged(session, transition.reason, state, wording, asked, delimiter, missed, wait)
    elif transition.outcome is Outcome.NO_RESPONSE:
        decided = Decision(Outcome.NO_RESPONSE, transition.reason, user=session.name, session=session.id)
    else:
        decided = _rejected(session, transition.reason, wording, response=response)
    return replace(decided, rule=transition.rule) if transition.rule else decided


def _accepted(session: Session, reason: Reason, now: float) -> Decision:
    return Decision(
        Outcome.ACCEPT,
        reason,
        reply=session.reply,
        user=session.name,
        session=session.id,
        phone=session.delivery.phone.masked,
        login_seconds=now - session.opened_at if reason in CODE_CORRECT else 0.0,
        sealed_reply=session.sealed_reply,
    )


def _missed(session: Session, now: float) -> str:
    """The name of the text about a call that did not speak its code; empty if no other call is possible."""
    delivery = session.delivery
    redial = session.redials_left > 0 and session.open_at(now)
    if not redial or not delivery.over or delivery.method is not Method.VOICE:
        return ""
    return _MISSED.get(delivery.status, "" if session.code else "no_code")


def _wait(session: Session, now: float) -> int:
    """The seconds until the session's queued call; 0 if it is not queued."""
    delivery = session.delivery
    return 0 if delivery.method is not Method.VOICE or delivery.over else max(0, ceil(delivery.due_at - now))


def _challenged(
    session: Session,
    reason: Reason,
    state: bytes,
    wording: Wording,
    asked: Method | None,
    delimiter: str,
    missed: str,
    wait: int,
) -> Decision:
    phone, method = session.delivery.phone, session.delivery.method
    text = reply_message.challenge(
        reason,
        wording,
        phone.ending,
        session.attempts_left,
        method,
        asked=asked,
        delimiter=delimiter,
        missed=missed,
        wait=wait,
    )
    sent = b"" if delimiter else state
    return Decision(Outcome.CHALLENGE, reason, sent, text, (), session.name, session.id, phone.masked)


def _rejected(session: Session, reason: Reason, wording: Wording, *, response: bool) -> Decision:
    to_the_user = response and reason is not Reason.UNKNOWN_STATE  # the State was issued to this user
    text = reply_message.rejected(wording.texts) if to_the_user else ""
    phone = session.delivery.phone.masked
    return Decision(Outcome.REJECT, reason, text=text, user=session.name, session=session.id, phone=phone)


def _repeated(known: PreviousResult, wording: Wording) -> Decision:
    """The decision that repeats the result of a session that a newer one replaced."""
    outcome, accepted = known.result.outcome, known.result.outcome is Outcome.ACCEPT
    text, reply = ("", known.reply) if accepted else (reply_message.rejected(wording.texts), ())
    return Decision(
        outcome,
        Reason.REPEATED,
        text=text,
        reply=reply,
        user=known.name,
        session=known.session_id,
        phone=known.phone.masked,
        sealed_reply=known.sealed_reply if accepted else b"",
    )


def relayed(challenge: ChallengeRequired, state: bytes, name: str) -> Decision:
    """The decision to send a challenge of the first factor. `name` is the user's name; empty for an unknown user."""
    text = reply_message.fitting(challenge.text)
    return Decision(Outcome.CHALLENGE, Reason.UPSTREAM_CHALLENGE, state, text, user=name, echo=challenge.echo)


def rejected(reason: Reason, name: str = "", text: str = "", rule: str = "") -> Decision:
    """A reject. `name` is the user's name; empty for an unknown user. Without `text`, the usual text is used."""
    return Decision(Outcome.REJECT, reason, text=text, user=name, rule=rule)


def session_step(transition: Transition) -> str:
    """The detail of the trace step `session`: `opened` for a new session, else the reason of the transition."""
    opened = transition.places_call and transition.reason in (Reason.CALL_PLACED, Reason.TEXT_SENT)
    return "opened" if opened else transition.reason


def unavailable(outcome: Outcome, problem: Unavailable, trace: Trace) -> Decision:
    """The decision while a component is unavailable. `outcome` is the policy's: no response, or a reject."""
    trace.step("unavailable", str(problem))
    reason = Reason.STORE_UNAVAILABLE if problem.component == "store" else Reason.IDENTITY_UNAVAILABLE
    if isinstance(problem, VerifierUnavailable):
        reason = Reason.VERIFIER_UNAVAILABLE
    return Decision(outcome, reason)
