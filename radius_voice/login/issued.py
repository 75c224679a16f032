"""The States that a session has issued, and what each got. Pure.

An unused State is never evicted: a session that has `MAX_UNUSED` of them issues no more. A used one stays known for
`REPEATED_FOR` seconds, so that a lost response can be repeated, and at most `MAX_USED` of them do.
"""

from __future__ import annotations

from hmac import compare_digest

from radius_voice.events import Outcome
from radius_voice.login.model import FinalResult, HandedOut, Login, Verdict

REPEATED_FOR = 30.0
MAX_UNUSED = 32
MAX_USED = 32

States = tuple[HandedOut, ...]


def find(states: States, state: bytes) -> HandedOut | None:
    """The issued State with that hash, the newest first, or None."""
    return next((each for each in reversed(states) if compare_digest(each.state, state)), None)


def is_unused(states: States, state: bytes) -> bool:
    """Whether that State was issued and has no result yet."""
    found = find(states, state)
    return found is not None and found.verdict is None


def is_full(states: States) -> bool:
    """Whether no further State may be issued."""
    return sum(each.verdict is None for each in states) >= MAX_UNUSED


def issue(states: States, state: bytes, now: float) -> States:
    """`states` with a new one, without those whose results can no longer be repeated."""
    used = [each for each in states if each.verdict is not None and now - each.verdict.at <= REPEATED_FOR]
    unused = [each for each in states if each.verdict is None]
    return (*used[-MAX_USED:], *unused, HandedOut(state))


def use(states: States, state: bytes, answer: bytes, verdict: Verdict) -> States:
    """`states` with the result of the response `answer` to `state`."""
    used = [HandedOut(each.state, answer, verdict) if compare_digest(each.state, state) else each for each in states]
    return tuple(used)


def results_to_keep(row: Login, now: float) -> tuple[FinalResult, ...]:
    """The final results of this session, and of those that it replaced, that may still be repeated."""
    own = [
        FinalResult(each.state, each.answer, each.verdict, row.client, row.id, row.name, row.call.phone, row.reply)
        for each in row.states
        if each.verdict is not None and each.verdict.outcome is not Outcome.CHALLENGE
    ]
    return tuple(each for each in (*row.previous, *own) if now - each.verdict.at <= REPEATED_FOR)
