"""The rules of one row, and nothing else: `step(row, event, now)` says what becomes of it. Pure.

Everything that changes a row is here. Nothing here knows a clock, a store, a network, or a code:
what is compared are keyed hashes. What may never happen, whatever the order of events:

- an Accept without the right code of the present call (a written, timed bypass aside);
- a second Accept decision on a row; only its verdict may be repeated, for `REPEATED_FOR` seconds;
- a new call while the old one may live, unless the old one is hung up first - also when its row has ended;
- an effect, a State or an attempt in another session than the one that a State was issued for;
- a row that stays open past `ends_at`.
"""

from __future__ import annotations

from enum import Enum
from hmac import compare_digest
from typing import Any, NamedTuple

from radius_voice.events import Outcome, Reason
from radius_voice.login import issued
from radius_voice.login.issued import REPEATED_FOR
from radius_voice.login.model import Call, CallRef, CallStatus, FinalResult, HandedOut, Login, Verdict
from radius_voice.login.names import canonical_name
from radius_voice.login.phone import Phone
from radius_voice.nouns import noun


@noun
class First:
    """A first packet whose first factor holds. `blank` is the row to open if none is to be joined."""

    blank: Login


@noun
class RecordedRequest:
    """An initial request that is recorded for the session `login`: it may join that one and has no other effect.

    `state` is the hash of the State that it was issued; `password` and `source` must be those of the session.
    """

    login: str
    state: bytes
    password: bytes
    source: str


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
class UserChanged:
    """The directory no longer permits the login that waits for its code; `reason` says why."""

    state: bytes
    answer: bytes
    reason: Reason


@noun
class CallPlaced:
    """A provider took call `number` of that login to that phone, or may have taken it: then `ref` is None.

    `refused` is True if a provider had refused it before for another reason than an outage.
    """

    login: str
    number: int
    phone: Phone
    ref: CallRef | None
    refused: bool = False


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


Input = First | RecordedRequest | Answered | LockedOut | UserChanged | CallPlaced | CallFailed | CallChanged


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
    to be placed, after hanging up `hang_up` where there is one. `previous` is the result of a replaced
    session that is repeated.
    """

    row: Login | None
    outcome: Outcome
    reason: Reason
    hands_out: bool = False
    ring: bool = False
    hang_up: CallRef | None = None
    charge: Charge = Charge.NOTHING
    previous: FinalResult | None = None


def step(row: Login | None, event: Input, now: float) -> Step:
    """What `event` makes of `row` at wall-clock time `now`."""
    if isinstance(event, First):
        return _first(row, event.blank, now)
    if isinstance(event, RecordedRequest):
        return _recorded(row, event, now)
    if isinstance(event, CallPlaced | CallFailed | CallChanged):
        return _of_call(row, event, now)
    if row is None:
        return Step(None, Outcome.REJECT, Reason.UNKNOWN_STATE)
    if isinstance(event, LockedOut | UserChanged):
        return _stopped(row, event, now)
    return _answered(row, event, now)


def decides(row: Login | None, event: Answered, now: float) -> bool:
    """Whether `step` would compare the code or place a call for that response, instead of repeating or refusing it."""
    if row is None or not row.open_at(now) or not _belongs(row, event.client, event.name):
        return False
    return issued.is_unused(row.states, event.state)


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
    same = _same(row, blank.password, blank.source)
    if row.live_at(now):
        if not same:
            return Step(None, Outcome.REJECT, Reason.BUSY)
        return _join(row, blank.states[0].state, now)
    if not same:
        return _open(row, blank, now)
    live = blank.call.live_until - blank.call.at
    fresh = Fresh(blank.states[0].state, blank.code, live, blank.code_until - blank.call.live_until)
    if not _may_redial(row, fresh, now):
        return Step(None, Outcome.REJECT, Reason.NO_REDIALS)
    joined = _join(row, fresh.state, now)
    if joined.row is None:
        return joined
    return _redialled(joined.row._replace(phones=blank.phones), blank.call.phone, fresh, now)


def _join(row: Login, state: bytes, now: float) -> Step:
    """Join the session with a State of its own."""
    if issued.is_full(row.states):
        return Step(None, Outcome.REJECT, Reason.JOIN_LIMIT)
    joined = _next(row, states=issued.issue(row.states, state, now))
    return Step(joined, Outcome.CHALLENGE, Reason.JOINED, hands_out=True)


def _recorded(row: Login | None, event: RecordedRequest, now: float) -> Step:
    """A recorded request joins its own session with the State that it was issued, if that is still unused."""
    own = row is not None and row.id == event.login and row.open_at(now) and _same(row, event.password, event.source)
    if row is None or not own or not issued.is_unused(row.states, event.state):
        return Step(None, Outcome.REJECT, Reason.REPLAY)
    return Step(None, Outcome.CHALLENGE, Reason.JOINED, hands_out=True)


def _same(row: Login, password: bytes, source: str) -> bool:
    """Whether a request comes from whoever opened the session."""
    return compare_digest(row.password, password) and row.source == source


def _open(row: Login | None, blank: Login, now: float) -> Step:
    """Open a session; final results of the one before stay known while they may be repeated."""
    if row is not None:
        blank = blank._replace(previous=issued.results_to_keep(row, now), version=row.version + 1)
    return Step(blank, Outcome.CHALLENGE, Reason.CALLED, hands_out=True, ring=True, charge=Charge.CALL)


def _answered(row: Login, event: Answered, now: float) -> Step:
    handed = issued.find(row.states, event.state)
    if handed is None or not _belongs(row, event.client, event.name):
        return _of_previous(row, event, now)
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


def _belongs(known: Login | FinalResult, client: str, name: str) -> bool:
    """Whether a response comes from the client entry and the user that the session is for."""
    return known.client == client and canonical_name(known.name) == canonical_name(name)


def _of_previous(row: Login, event: Answered, now: float) -> Step:
    """The final result of a replaced session is repeated; a State of it has no effect in this session."""
    known = next((each for each in row.previous if compare_digest(each.state, event.state)), None)
    if known is None or not _belongs(known, event.client, event.name):
        return Step(None, Outcome.REJECT, Reason.UNKNOWN_STATE)
    if not compare_digest(known.answer, event.answer) or now - known.verdict.at > REPEATED_FOR:
        return Step(None, Outcome.REJECT, Reason.USED_STATE)
    return Step(None, known.verdict.outcome, Reason.REPEATED, previous=known)


def _repeat(row: Login, handed: HandedOut, verdict: Verdict, event: Answered, now: float) -> Step:
    """A verdict is repeated, not reconsidered; any other use of a used State is refused."""
    if not compare_digest(handed.answer, event.answer) or now - verdict.at > REPEATED_FOR:
        return Step(None, Outcome.REJECT, Reason.USED_STATE)
    if verdict.outcome is not Outcome.CHALLENGE:
        return Step(None, verdict.outcome, Reason.REPEATED)
    if not row.open_at(now):
        return Step(None, Outcome.REJECT, Reason.USED_STATE)
    return Step(None, Outcome.CHALLENGE, Reason.REPEATED, hands_out=True)


def _accept(row: Login, event: Answered, now: float) -> Step:
    verdict = Verdict(Outcome.ACCEPT, Reason.CODE_RIGHT, now)
    states = issued.use(row.states, event.state, event.answer, verdict)
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
    used = issued.use(row.states, event.state, event.answer, Verdict(Outcome.CHALLENGE, reason, now))
    return _next(row, states=issued.issue(used, event.fresh.state, now))


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
    ended = _next(row, states=issued.use(row.states, state, answer, verdict), verdict=verdict)
    return Step(ended, Outcome.REJECT, reason, hang_up=_live_ref(row, now), charge=charge)


def _stopped(row: Login, event: LockedOut | UserChanged, now: float) -> Step:
    reason = event.reason if isinstance(event, UserChanged) else Reason.LOCKED
    if not row.open_at(now) or not issued.is_unused(row.states, event.state):
        return Step(None, Outcome.REJECT, reason)
    return _end(row, event.state, event.answer, reason, now)


def _placed(row: Login, event: CallPlaced, now: float) -> Step:
    if not row.open_at(now):
        return Step(None, Outcome.SILENCE, Reason.CALLED, hang_up=event.ref)
    call = row.call._replace(phone=event.phone, ref=event.ref)
    allowed = row.bypass_allowed and not event.refused
    return Step(_next(row, call=call, bypass_allowed=allowed), Outcome.CHALLENGE, Reason.CALLED)


def _failed(row: Login, event: CallFailed, now: float) -> Step:
    if row.call.over:
        return Step(None, Outcome.SILENCE, event.reason)
    over = row.call._replace(over=True)
    if not row.open_at(now):
        return Step(_next(row, call=over), Outcome.SILENCE, event.reason, charge=Charge.CALL_BACK)
    verdict = Verdict(Outcome.REJECT, event.reason, now)
    if event.bypass and row.bypass_allowed:
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
