"""The States that a session has issued, and their results. Pure.

Unused States are never removed: a session with `MAX_UNUSED` of them cannot issue another. Used States are kept for
`REPEAT_SECONDS` seconds, so that a lost response can be repeated, and at most `MAX_USED` of them.
"""

from __future__ import annotations

from hmac import compare_digest

from radius_voice.events import Outcome
from radius_voice.login.model import IssuedState, PreviousResult, Result, Session

REPEAT_SECONDS = 30.0
MAX_UNUSED = 32
MAX_USED = 32

States = tuple[IssuedState, ...]


def find(states: States, state: bytes) -> IssuedState | None:
    """The issued State with that keyed hash, or None."""
    return next((each for each in reversed(states) if compare_digest(each.state, state)), None)


def is_unused(states: States, state: bytes) -> bool:
    """Whether the State was issued and has no result yet."""
    found = find(states, state)
    return found is not None and found.result is None


def is_full(states: States) -> bool:
    """Whether no further State may be issued."""
    return sum(each.result is None for each in states) >= MAX_UNUSED


def issue(states: States, state: bytes, now: float) -> States:
    """`states` with a new State, and without used ones that can no longer be repeated."""
    used = [each for each in states if each.result is not None and now - each.result.at <= REPEAT_SECONDS]
    unused = [each for each in states if each.result is None]
    return (*used[-MAX_USED:], *unused, IssuedState(state))


def use(states: States, state: bytes, answer: bytes, result: Result) -> States:
    """`states` with the result of the response `answer` to `state`."""
    used = [IssuedState(each.state, answer, result) if compare_digest(each.state, state) else each for each in states]
    return tuple(used)


def results_to_keep(session: Session, now: float) -> tuple[PreviousResult, ...]:
    """The final results of this session and of the sessions that it replaced, as far as they may still be repeated."""
    own = [
        PreviousResult(
            each.state,
            each.answer,
            each.result,
            session.client,
            session.id,
            session.name,
            session.delivery.phone,
            session.reply,
            session.sealed_reply,
        )
        for each in session.states
        if each.result is not None and each.result.outcome is not Outcome.CHALLENGE
    ]
    return tuple(each for each in (*session.previous, *own) if now - each.result.at <= REPEAT_SECONDS)
