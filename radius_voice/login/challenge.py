"""The rules of one row, and nothing else: `step(row, event, now)` says what becomes of it. Pure.

Everything that changes a row is here. Nothing here knows a clock, a store, a network, or a code:
what is compared are keyed hashes. What may never happen, whatever the order of events:

- an Accept without the right code of the present call (a written, timed bypass aside);
- a second Accept decision on a row; only its verdict may be repeated, for `REPEATED_FOR` seconds;
- a new call while the old one may live, unless the old one is hung up first - also when its row has ended;
- a row that stays open past `ends_at`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from hmac import compare_digest
from typing import Any, NamedTuple

from radius_voice.events import Outcome, Reason
from radius_voice.login.codes import fold
from radius_voice.login.model import Call, CallRef, CallStatus, HandedOut, Login, Verdict
from radius_voice.login.phone import Phone
from radius_voice.nouns import noun

REPEATED_FOR = 30.0
MOST_STATES = 32


@noun
class First:
    """A first packet whose first factor holds. `blank` is the row to open if none is to be joined."""

    blank: Login


@noun
class Fresh:
    """What an answer may need: hashes of a new State and a new code; `live` seconds a call may last."""

    state: bytes
    code: bytes
    live: float
    lifetime: float


@noun
class Answered:
    """What was typed into a challenge, as hashes: the answer itself, and read as a code and as the password.

    `phone` is the index of the phone asked for instead of a code; `may_ring` is False when
    limits or another live call forbid a redial. An answer counts at the client entry and under
    the name of its row alone.
    """

    client: str
    name: str
    state: bytes
    answer: bytes
    code: bytes
    password: bytes
    phone: int | None
    fresh: Fresh
    may_ring: bool = True


@noun
class LockedOut:
    """The person has typed too many wrong codes."""

    state: bytes
    answer: bytes


@noun
class CallPlaced:
    """A provider took call `number` of that login to that phone."""

    login: str
    number: int
    phone: Phone
    ref: CallRef


@noun
class CallFailed:
    """Nobody placed call `number` of that login. `bypass` is True while a written, timed bypass lets people in."""

    login: str
    number: int
    reason: Reason
    bypass: bool


@noun
class CallChanged:
    """The provider reports call `number` of that login; `lifetime` is how long a code lives once heard."""

    login: str
    number: int
    status: CallStatus
    lifetime: float


Input = First | Answered | LockedOut | CallPlaced | CallFailed | CallChanged


class Charge(Enum):
    """Which limits a step touches together with the row."""

    NOTHING = "nothing"
    CALL = "call"
    CALL_BACK = "call_back"
    WRONG_CODE = "wrong_code"
    RIGHT_CODE = "right_code"


class Step(NamedTuple):
    """What becomes of a row: the new row (None: nothing changes), what the gateway is told, and what is done.

    `hands_out` says that the event's fresh State is given out; `ring` that the new row's call is
    to be placed, after hanging up `hang_up` where there is one.
    """

    row: Login | None
    outcome: Outcome
    reason: Reason
    hands_out: bool = False
    ring: bool = False
    hang_up: CallRef | None = None
    charge: Charge = Charge.NOTHING


def step(row: Login | None, event: Input, now: float) -> Step:
    """What `event` makes of `row` at wall-clock time `now`."""
    if isinstance(event, First):
        return _first(row, event.blank, now)
    if isinstance(event, CallPlaced | CallFailed | CallChanged):
        return _of_call(row, event, now)
    if row is None:
        return Step(None, Outcome.REJECT, Reason.UNKNOWN_STATE)
    if isinstance(event, LockedOut):
        return _locked(row, event, now)
    return _answered(row, event, now)


def _of_call(row: Login | None, event: CallPlaced | CallFailed | CallChanged, now: float) -> Step:
    """What a call's fate means, if it is the present call of the row; one that came too late is hung up."""
    if row is None or event.login != row.id or event.number != row.call.number:
        late = event.ref if isinstance(event, CallPlaced) else None
        return Step(None, Outcome.SILENCE, Reason.CALLED, hang_up=late)
    match event:
        case CallPlaced():
            return _placed(row, event, now)
        case CallFailed():
            return _failed(row, event, now)
        case _:
            return _changed(row, event, now)


def _first(row: Login | None, blank: Login, now: float) -> Step:
    if row is None:
        return _open(None, blank, now)
    if not row.open_at(now):
        return Step(None, Outcome.REJECT, Reason.BUSY) if row.live_at(now) else _open(row, blank, now)
    same = compare_digest(row.password, blank.password) and row.source == blank.source
    if row.live_at(now):
        if not same:
            return Step(None, Outcome.REJECT, Reason.BUSY)
        joined = _next(row, states=_hand_out(row.states, blank.states[0].state, now))
        return Step(joined, Outcome.CHALLENGE, Reason.JOINED, hands_out=True)
    if not same:
        return _open(row, blank, now)
    live = blank.call.live_until - blank.call.at
    fresh = Fresh(blank.states[0].state, blank.code, live, blank.code_until - blank.call.live_until)
    if not _may_redial(row, fresh, now):
        return Step(None, Outcome.REJECT, Reason.NO_REDIALS)
    states = _hand_out(row.states, fresh.state, now)
    return _redialled(_next(row, states=states), blank.call.phone, fresh, now)


def _open(row: Login | None, blank: Login, now: float) -> Step:
    """Open a row; verdicts of the one before stay known until nobody can ask for them again."""
    if row is not None:
        used = [handed for handed in row.states if handed.verdict]
        states = _hand_out(used, blank.states[0].state, now)
        blank = blank._replace(states=states, version=row.version + 1)
    return Step(blank, Outcome.CHALLENGE, Reason.CALLED, hands_out=True, ring=True, charge=Charge.CALL)


def _answered(row: Login, event: Answered, now: float) -> Step:
    newest_first = reversed(row.states)
    handed = next((each for each in newest_first if compare_digest(each.state, event.state)), None)
    if handed is None or row.client != event.client or fold(row.name) != fold(event.name):
        return Step(None, Outcome.REJECT, Reason.UNKNOWN_STATE)
    if handed.verdict is not None:
        return _repeat(row, handed, handed.verdict, event, now)
    if row.verdict is not None:
        return Step(None, Outcome.REJECT, Reason.USED_STATE)
    if not row.open_at(now):
        return _end(row, event.state, event.answer, Reason.EXPIRED, now)
    if event.phone is not None:
        return _redial(row, event, event.phone, now)
    right = compare_digest(row.code, event.code)
    if not right and compare_digest(row.password, event.password):
        return _again(row, event, Reason.PASSWORD_AGAIN, now)
    if now >= row.code_until:
        return _end(row, event.state, event.answer, Reason.EXPIRED, now)
    if right:
        return _accept(row, event, now)
    return _wrong(row, event, now)


def _repeat(row: Login, handed: HandedOut, verdict: Verdict, event: Answered, now: float) -> Step:
    """A verdict is repeated, not reconsidered; any other use of a used State is refused."""
    if not compare_digest(handed.answer, event.answer) or now - verdict.at > REPEATED_FOR:
        return Step(None, Outcome.REJECT, Reason.USED_STATE)
    if verdict.outcome is not Outcome.CHALLENGE:
        return Step(None, verdict.outcome, Reason.REPEATED)
    if not row.open_at(now):
        return Step(None, Outcome.REJECT, Reason.USED_STATE)
    states = _hand_out(row.states, event.fresh.state, now)
    return Step(_next(row, states=states), Outcome.CHALLENGE, Reason.REPEATED, hands_out=True)


def _accept(row: Login, event: Answered, now: float) -> Step:
    verdict = Verdict(Outcome.ACCEPT, Reason.CODE_RIGHT, now)
    states = _use(row.states, event.state, event.answer, verdict)
    ended = _next(row, states=states, verdict=verdict)
    return Step(ended, Outcome.ACCEPT, Reason.CODE_RIGHT, hang_up=_live_ref(row, now), charge=Charge.RIGHT_CODE)


def _wrong(row: Login, event: Answered, now: float) -> Step:
    if row.tries <= 1:
        none_left = _next(row, tries=0)
        return _end(none_left, event.state, event.answer, Reason.NO_TRIES, now, Charge.WRONG_CODE)
    return _again(_next(row, tries=row.tries - 1), event, Reason.WRONG_CODE, now, Charge.WRONG_CODE)


def _again(row: Login, event: Answered, reason: Reason, now: float, charge: Charge = Charge.NOTHING) -> Step:
    """The same challenge under a new State."""
    return Step(_next_state(row, event, reason, now), Outcome.CHALLENGE, reason, hands_out=True, charge=charge)


def _next_state(row: Login, event: Answered, reason: Reason, now: float) -> Login:
    used = _use(row.states, event.state, event.answer, Verdict(Outcome.CHALLENGE, reason, now))
    return _next(row, states=_hand_out(used, event.fresh.state, now))


def _redial(row: Login, event: Answered, phone: int, now: float) -> Step:
    """`phone`, `phone2` typed instead of a code. A call that lives is hung up first; if nobody knows it, it stays."""
    live = row.live_at(now)
    possible = event.may_ring and phone < len(row.phones) and _may_redial(row, event.fresh, now)
    if not possible or (live and row.call.ref is None):
        return _again(row, event, Reason.CANNOT_REDIAL, now)
    asked = _next_state(row, event, Reason.REDIALLED, now)
    return _redialled(asked, row.phones[phone], event.fresh, now, _live_ref(row, now))


def _may_redial(row: Login, fresh: Fresh, now: float) -> bool:
    return row.redials > 0 and now + fresh.live <= row.ends_at


def _redialled(row: Login, phone: Phone, fresh: Fresh, now: float, hang_up: CallRef | None = None) -> Step:
    """A new code for a new call kills the old one. Tries, the cap and the wrong codes so far stay."""
    called = _next(
        row,
        code=fresh.code,
        redials=row.redials - 1,
        call=Call(row.call.number + 1, phone, now, now + fresh.live),
        code_until=min(now + fresh.live + fresh.lifetime, row.ends_at),
    )
    return Step(
        called, Outcome.CHALLENGE, Reason.REDIALLED, hands_out=True, ring=True, hang_up=hang_up, charge=Charge.CALL
    )


def _end(row: Login, state: bytes, answer: bytes, reason: Reason, now: float, charge: Charge = Charge.NOTHING) -> Step:
    verdict = Verdict(Outcome.REJECT, reason, now)
    ended = _next(row, states=_use(row.states, state, answer, verdict), verdict=verdict)
    return Step(ended, Outcome.REJECT, reason, hang_up=_live_ref(row, now), charge=charge)


def _locked(row: Login, event: LockedOut, now: float) -> Step:
    if not row.open_at(now):
        return Step(None, Outcome.REJECT, Reason.LOCKED)
    return _end(row, event.state, event.answer, Reason.LOCKED, now)


def _placed(row: Login, event: CallPlaced, now: float) -> Step:
    if not row.open_at(now):
        return Step(None, Outcome.SILENCE, Reason.CALLED, hang_up=event.ref)
    call = row.call._replace(phone=event.phone, ref=event.ref)
    return Step(_next(row, call=call), Outcome.CHALLENGE, Reason.CALLED)


def _failed(row: Login, event: CallFailed, now: float) -> Step:
    if row.call.over:
        return Step(None, Outcome.SILENCE, event.reason)
    over = row.call._replace(over=True)
    if not row.open_at(now):
        return Step(_next(row, call=over), Outcome.SILENCE, event.reason, charge=Charge.CALL_BACK)
    verdict = Verdict(Outcome.REJECT, event.reason, now)
    if event.bypass:
        verdict = Verdict(Outcome.ACCEPT, Reason.BYPASSED, now)
    ended = _next(row, call=over, verdict=verdict)
    return Step(ended, verdict.outcome, verdict.reason, charge=Charge.CALL_BACK)


def _changed(row: Login, event: CallChanged, now: float) -> Step:
    call = row.call
    if not call.over and event.status.over:
        return Step(_next(row, call=call._replace(over=True)), Outcome.SILENCE, Reason.CALLED)
    if row.open_at(now) and not call.over and event.status is CallStatus.ANSWERED and call.answered_at is None:
        until = min(now + event.lifetime, row.ends_at)
        return Step(_next(row, call=call._replace(answered_at=now), code_until=until), Outcome.SILENCE, Reason.CALLED)
    return Step(None, Outcome.SILENCE, Reason.CALLED)


def _next(row: Login, **changes: Any) -> Login:
    """The row's next version."""
    return row._replace(version=row.version + 1, **changes)


def _live_ref(row: Login, now: float) -> CallRef | None:
    return row.call.ref if row.live_at(now) else None


def _use(states: tuple[HandedOut, ...], state: bytes, answer: bytes, verdict: Verdict) -> tuple[HandedOut, ...]:
    used = [HandedOut(each.state, answer, verdict) if compare_digest(each.state, state) else each for each in states]
    return tuple(used)


def _hand_out(states: Iterable[HandedOut], state: bytes, now: float) -> tuple[HandedOut, ...]:
    """`states` and a new one, without those whose verdict nobody may ask for any more, 32 at most."""
    known = [each for each in states if each.verdict is None or now - each.verdict.at <= REPEATED_FOR]
    return (*known[1 - MOST_STATES :], HandedOut(state))
