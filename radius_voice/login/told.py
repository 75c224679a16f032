"""What the gateway is told of a step, and what the record says of it. Pure."""

from __future__ import annotations

from radius_voice.events import Outcome, Reason, Trace
from radius_voice.login import prompts
from radius_voice.login.challenge import Step
from radius_voice.login.model import Decision, FinalResult, Login, Unavailable


def decision(row: Login | None, stepped: Step, state: bytes, name: str, friendly_name: str, now: float) -> Decision:
    """What a step comes to. `state` is sent with a challenge; `name` is the user's where there is no row."""
    if row is None:
        return refused(stepped.reason, name)
    if stepped.previous is not None:
        return _repeated(stepped.previous)
    reason, called = stepped.reason, row.call.phone
    match stepped.outcome:
        case Outcome.ACCEPT:
            seconds = now - row.opened_at if reason is Reason.CODE_RIGHT else 0.0
            return Decision(
                Outcome.ACCEPT,
                reason,
                reply=row.reply,
                user=row.name,
                login=row.id,
                phone=called.masked,
                login_seconds=seconds,
                new_station=not row.returning,
            )
        case Outcome.CHALLENGE:
            text = prompts.challenge(reason, row.language, friendly_name, called.ending, row.tries)
            return Decision(Outcome.CHALLENGE, reason, state, text, (), row.name, row.id, called.masked)
        case _:
            return Decision(
                Outcome.REJECT, reason, text=prompts.REFUSED, user=row.name, login=row.id, phone=called.masked
            )


def _repeated(known: FinalResult) -> Decision:
    """The result of a session that a newer one replaced, as it was."""
    outcome, accepted = known.verdict.outcome, known.verdict.outcome is Outcome.ACCEPT
    text, reply = ("", known.reply) if accepted else (prompts.REFUSED, ())
    return Decision(outcome, Reason.REPEATED, b"", text, reply, known.name, known.login, known.phone.masked)


def refused(reason: Reason, name: str = "") -> Decision:
    """A refusal; its text is the same for every reason. `name` is the user's, empty if no user has it."""
    return Decision(Outcome.REJECT, reason, text=prompts.REFUSED, user=name)


def unavailable(outcome: Outcome, problem: Unavailable, trace: Trace) -> Decision:
    """What is told while a part is out of reach: silence or a refusal, as the policy says."""
    trace.step("unavailable", str(problem))
    reason = Reason.STORE_UNAVAILABLE if problem.part == "store" else Reason.IDENTITY_UNAVAILABLE
    return Decision(outcome, reason, text=prompts.REFUSED if outcome is Outcome.REJECT else "")
