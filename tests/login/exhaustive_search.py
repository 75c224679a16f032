"""Every order of events of one user's logins at one client entry, up to a depth, checked against the invariants.

Two users act: the owner, who logs in from home with the current or an earlier password, and an attacker elsewhere who
knows the earlier password, has recorded every packet and therefore every State, and sends it from either client entry.
Provider events and clock steps are arbitrary. The provider of a delivery may keep the code: then a response comes with
the answer of that provider about the typed code, or with the end of its verification, for the present delivery or
another one. `step` is pure, so a situation is a value and no order runs twice:
situations that differ only in the names of sessions, States and codes, or in the age of events without effect, are equal.
"""

from collections import deque

from msgspec import Struct
from msgspec.structs import replace

from radius_voice.events import Outcome, Reason
from radius_voice.login.codes.issued_states import REPEAT_SECONDS
from radius_voice.login.inputs import (
    ApprovalEnded,
    ApprovalKey,
    CallProgress,
    CallQueued,
    DeliveryFailed,
    DeliveryPlaced,
    InitialRequest,
    Lockout,
    RecordedRequest,
    RemoteCheck,
    UserChanged,
)
from radius_voice.login.model import CallRef, CallStatus, Session
from radius_voice.login.session import state_machine
from radius_voice.login.session.approval_events import for_approval
from tests.login.sessions import LIFETIME, PHONES, challenge_response, session_row

ACTORS = ((b"new", "home"), (b"old", "home"), (b"old", "elsewhere"))
PAUSES = (31.0, 100.0, 400.0)
APPROVAL_SECONDS = 45.0
WAIT = 50.0
KNOWN_STATES, KNOWN_CODES, KNOWN_REQUESTS = 4, 2, 2


class Violation(AssertionError):
    """A broken invariant. The text is the order of events that leads to it."""


class Situation(Struct, frozen=True):
    """One reachable situation. All tuples hold the newest last; names are numbers in the order of creation."""

    session: Session | None = None
    now: float = 0.0
    made: int = 0
    states: tuple[tuple[int, int, tuple[bytes, str]], ...] = ()  # state, login, actor that it was issued to
    codes: tuple[tuple[int, int], ...] = ()  # code, login
    requests: tuple[tuple[int, int, tuple[bytes, str]], ...] = ()  # state, login, actor
    calls: tuple[tuple[int, int, float], ...] = ()  # login, number, time until which it may be live
    accepted: tuple[tuple[int, int, bytes, float], ...] = ()  # login, state, typed, when
    kept: tuple[tuple[int, int], ...] = ()  # login, number of a delivery whose provider keeps the code


def name(number):
    return b"%d" % number


def events(situation):
    """All possible next events, each as a label and a function of the situation."""
    for actor in ACTORS:
        yield ("request", actor), lambda w, a=actor: request(w, a)
        yield ("request for approval", actor), lambda w, a=actor: request_for_approval(w, a)
    for recorded in situation.requests:
        yield ("recorded request", recorded), lambda w, r=recorded: recorded_request(w, r)
    codes = [name(code) for code, _ in situation.codes]
    for state in situation.states:
        for typed in (*codes, b"wrong", b"phone", b"new", b"old"):
            yield ("response", state, typed), lambda w, s=state, t=typed: response(w, s, t)
        for number in (1, 2) if situation.kept else ():
            for correct in (True, False):
                check = RemoteCheck(number, correct)
                yield ("checked response", state, check), lambda w, s=state, c=check: response(w, s, b"code", remote=c)
            yield ("redial", state, number), lambda w, s=state, n=number: response(w, s, b"phone", canceled=n)
        for code in codes[-1:]:
            yield ("response at another client", state), lambda w, s=state, c=code: response(w, s, c, client="other")
        yield ("lock", state), lambda w, s=state: stop(w, s, Lockout(name(s[0]), b"x"))
        yield (
            ("user changed", state),
            lambda w, s=state: stop(w, s, UserChanged(name(s[0]), b"x", Reason.DISABLED)),
        )
    for login, number, _ in situation.calls[-2:]:
        for status in (CallStatus.ANSWERED, CallStatus.NO_ANSWER):
            yield (
                (status, login, number),
                lambda w, n=number, i=login, s=status: call_event(w, CallProgress(str(i), n, s, LIFETIME)),
            )
        yield (
            ("placed", login, number),
            lambda w, n=number, i=login: call_event(
                w, DeliveryPlaced(str(i), n, w.session.delivery.phone, CallRef("p", f"{i}-{n}"))
            ),
        )
        for key in ("#", "9", "1"):
            yield ("key", key, login, number), lambda w, n=number, i=login, k=key: key_pressed(w, i, n, k)
        yield (
            ("approval ended", login, number),
            lambda w, n=number, i=login: call_event(w, ApprovalEnded(str(i), n)),
        )
        if not situation.session.approval:  # a provider that keeps codes asks for no approval, which waits unannounced
            yield ("queued", login, number), lambda w, n=number, i=login: call_event(w, CallQueued(str(i), n, WAIT))
            yield ("kept", login, number), lambda w, n=number, i=login: placed_at_verify(w, i, n)
        yield (
            ("failed", login, number),
            lambda w, n=number, i=login: call_event(
                w, DeliveryFailed(str(i), n, Reason.DELIVERY_FAILED, bypass=False, refund=True)
            ),
        )
    for seconds in PAUSES:
        yield ("pause", seconds), lambda w, s=seconds: replace(w, now=w.now + s)


def request(situation, actor):
    login, state, code = (situation.made + n for n in (1, 2, 3))
    new = session_row(
        situation.now,
        login=str(login),
        state=name(state),
        code=name(code),
        password=actor[0],
        calling_station_id=actor[1],
        attempts_left=2,
        redials_left=1,
    )
    situation = replace(situation, made=code)
    transition, after = apply(situation, InitialRequest(new))
    require(transition.outcome in {Outcome.CHALLENGE, Outcome.REJECT}, "a request is challenged or rejected")
    if transition.issues_state:
        opened = int(after.session.id)
        require(
            (after.session.password, after.session.calling_station_id) == actor,
            "a State was issued to another actor than the one that opened the session",
        )
        after = with_issued_state(after, state, opened, actor)
        after = replace(after, requests=(*after.requests, (state, opened, actor))[-KNOWN_REQUESTS:])
    if transition.places_call:
        after = replace(after, codes=(*after.codes, (code, int(after.session.id)))[-KNOWN_CODES:])
    return after


def request_for_approval(situation, actor):
    login = situation.made + 1
    new = session_row(situation.now, login=str(login), password=actor[0], calling_station_id=actor[1])
    situation = replace(situation, made=login)
    transition, after = apply(situation, InitialRequest(for_approval(new, APPROVAL_SECONDS)))
    require(transition.outcome in {Outcome.NO_RESPONSE, Outcome.REJECT}, "a request for approval was answered")
    require(not transition.issues_state, "a request for approval got a State")
    require(not transition.places_call or after.session.id == str(login), "a request joined an approval")
    if transition.places_call:
        after = replace(after, requests=(*after.requests, (0, login, actor))[-KNOWN_REQUESTS:])
    return after


def key_pressed(situation, login, number, key):
    before = situation.session
    if before is None:
        return situation
    event = ApprovalKey(str(login), number, key, CallRef("p", f"{login}-{number}"))
    transition, after = apply(situation, event)
    require(transition.session is None or before.id == str(login), "a key changed another login")
    if transition.outcome is not Outcome.ACCEPT:
        return after
    require(key == "#", "accepted by another key")
    require(before.approval and before.result is None, "accepted twice, or without a request for approval")
    require(number == before.delivery.number and situation.now < before.code_until, "accepted by a late key")
    require(all(each[0] != login for each in after.accepted), "a login was accepted twice")
    return replace(after, accepted=(*after.accepted, (login, 0, b"#", situation.now)))


def recorded_request(situation, recorded):
    state, login, actor = recorded
    transition, after = apply(situation, RecordedRequest(str(login), name(state), *actor))
    require(transition.session is None and not transition.places_call, "a recorded request had a second effect")
    if transition.issues_state:
        require(session_is_open(situation, login), "a recorded request joined another login")
        require(
            (situation.session.password, situation.session.calling_station_id) == actor,
            "a recorded request joined the session of another actor",
        )
    return after


def placed_at_verify(situation, login, number):
    phone, verification = PHONES[0], CallRef("v", f"{login}-{number}")
    placed = DeliveryPlaced(str(login), number, phone, None, over=True, verification=verification, keeps_code=True)
    after = call_event(situation, placed)
    return replace(after, kept=(*[each for each in after.kept if each != (login, number)], (login, number)))


def response(situation, state, typed, client="vpn", *, remote=None, canceled=0):
    number, login, actor = state
    new_state, new_code = situation.made + 1, situation.made + 2
    situation = replace(situation, made=new_code)
    phone = 0 if typed == b"phone" else None
    event = challenge_response(
        name(number),
        typed,
        new_state=name(new_state),
        new_code=name(new_code),
        phone=phone,
        client=client,
        remote=remote,
        canceled=canceled,
    )
    before = situation.session
    transition, after = apply(situation, event)
    if transition.outcome is Outcome.ACCEPT:
        return accepted(after, transition, state, typed, client, before, remote)
    if not session_is_open(situation, login) or client != "vpn":
        require(transition.session is None or before.id == str(login), "a State had an effect in another login")
        require(
            not transition.issues_state and not transition.places_call,
            "a State of another or ended login obtained a State or a call",
        )
    if transition.places_call:
        after = replace(after, codes=(*after.codes, (new_code, login))[-KNOWN_CODES:])
        is_kept = (login, before.delivery.number) in after.kept
        require(not is_kept or canceled == before.delivery.number, "a redial left the old verification pending")
    if transition.issues_state and transition.reason is not Reason.REPEATED:
        after = with_issued_state(after, new_state, login, actor)
    return after


def accepted(after, transition, state, typed, client, before, remote):
    number, login, _ = state
    require(client == "vpn", "accepted at another client entry")
    if transition.reason is Reason.REPEATED:
        known = [each for each in after.accepted if each[:3] == (login, number, typed)]
        require(bool(known), "an Accept was repeated that was never sent")
        require(after.now - known[-1][3] <= REPEAT_SECONDS, "an Accept was repeated too late")
        return after
    require(before is not None and before.id == str(login), "a State was accepted in another login")
    if (login, before.delivery.number) in after.kept:
        correct = remote is not None and remote.correct and remote.number == before.delivery.number
        require(correct, "accepted without the provider's answer about the present delivery")
    else:
        require(typed == before.code, "accepted without the newest code")
    require(all(each[0] != login for each in after.accepted), "a login was accepted twice")
    return replace(after, accepted=(*after.accepted, (login, number, typed, after.now)))


def stop(situation, state, event):
    before = situation.session
    transition, after = apply(situation, event)
    require(transition.outcome is Outcome.REJECT, "a stopped login is rejected")
    require(transition.session is None or before.id == str(state[1]), "a State stopped another login")
    return after


def call_event(situation, event):
    before = situation.session
    if before is None:
        return situation
    transition, after = apply(situation, event)
    require(transition.session is None or before.id == event.session_id, "a call changed another login")
    return after


def apply(situation, event):
    """The step and the situation after it, checked against the invariants of every event."""
    before = situation.session
    transition = state_machine.step(before, event, situation.now)
    after = situation if transition.session is None else replace(situation, session=transition.session)
    session = after.session
    if transition.hang_up is not None:
        login, number = (int(part) for part in transition.hang_up.reference.split("-"))
        after = with_ended_call(after, login, number)
    if isinstance(event, CallProgress) and event.status.over:
        after = with_ended_call(after, int(event.session_id), event.number)
    if isinstance(event, DeliveryFailed) or (isinstance(event, DeliveryPlaced) and event.over):
        after = with_ended_call(after, int(event.session_id), event.number)
    if isinstance(event, CallQueued) and transition.session is not None:
        after = with_live_call(after, int(event.session_id), event.number, session.delivery.live_until)
    if transition.places_call:
        require(all(until <= after.now for _, _, until in after.calls), "two calls may live at once")
        call = (int(session.id), session.delivery.number, session.delivery.live_until)
        require(call[:2] not in [each[:2] for each in after.calls], "a call was placed twice")
        after = replace(after, calls=(*after.calls, call))
    if transition.session is not None and before is not None:
        check_transition(before, session)
    if session is not None:
        require(session.code_until <= session.ends_at, "a code outlives its login")
        require(session.attempts_left >= 0 and session.redials_left >= 0, "attempts or redials below none")
    return transition, after


def check_transition(before, session):
    require(session.version > before.version, "a change kept its version")
    if session.id != before.id:
        return
    require(session.attempts_left <= before.attempts_left, "attempts were refunded")
    require(session.redials_left <= before.redials_left, "redials were refunded")
    require(before.result is None or before.result == session.result, "a result was changed")
    require(session.ends_at == before.ends_at, "the end of a login moved")
    unused = {each.state for each in before.states if each.result is None}
    require(unused <= {each.state for each in session.states}, "an unused State was evicted")


def with_issued_state(situation, state, login, actor):
    return replace(situation, states=(*situation.states, (state, login, actor))[-KNOWN_STATES:])


def with_ended_call(situation, login, number):
    return with_live_call(situation, login, number, 0.0)


def with_live_call(situation, login, number, live_until):
    calls = tuple((i, n, live_until if (i, n) == (login, number) else until) for i, n, until in situation.calls)
    return replace(situation, calls=calls)


def session_is_open(situation, login):
    return (
        situation.session is not None
        and situation.session.id == str(login)
        and situation.session.open_at(situation.now)
    )


def require(holds, what):
    if not holds:
        raise Violation(what)


def canonical_key(situation):
    """Equal for situations with the same future: names in the order of appearance, times relative to now."""
    names: dict[int, int] = {}

    def named(number):
        return names.setdefault(int(number), len(names))

    def typed(answer):
        text = answer.removeprefix(b"answer:")
        return named(text) if text.isdigit() else text

    def after(at):
        return max(at - situation.now, -1.0)

    def age(at):
        return min(situation.now - at, REPEAT_SECONDS + 1)

    session = situation.session
    key = [
        [(named(s), named(i), actor) for s, i, actor in situation.states],
        [(named(c), named(i)) for c, i in situation.codes],
        [(named(s), named(i), actor) for s, i, actor in situation.requests],
        [(named(i), n, after(until)) for i, n, until in situation.calls[-2:]],
        [(named(i), n) for i, n in situation.kept],
        max((after(until) for _, _, until in situation.calls), default=0.0) > 0,
        [(named(i), named(s), typed(t), age(at)) for i, s, t, at in situation.accepted[-2:]],
    ]
    if session is not None:
        key += [
            named(session.id),
            (
                session.password,
                session.calling_station_id,
                named(session.code) if session.code else "",
                session.approval,
                session.attempts_left,
                session.redials_left,
            ),
            [
                (named(each.state), typed(each.answer), each.result and (each.result.outcome, age(each.result.at)))
                for each in session.states
            ],
            [(named(r.state), typed(r.answer), r.result.outcome, age(r.result.at)) for r in session.previous],
            (
                session.delivery.number,
                session.delivery.over,
                session.delivery.ref is None,
                session.delivery.answered_at is None,
                session.delivery.verification is None,
            ),
            (after(session.delivery.live_until), after(session.code_until), after(session.ends_at)),
            session.result and session.result.outcome,
        ]
    return repr(key)


def search(depth):
    """The number of events checked in orders of up to `depth`. Raises Violation with the events that lead to it."""
    start = Situation()
    seen = {canonical_key(start)}
    waiting: deque[tuple[Situation, tuple[object, ...]]] = deque([(start, ())])
    checked = 0
    while waiting:
        situation, path = waiting.popleft()
        for label, transition in events(situation):
            try:
                after = transition(situation)
            except Violation as problem:
                raise Violation("\n".join([str(problem), *map(str, (*path, label))])) from None
            checked += 1
            if len(path) + 1 == depth:
                continue  # no event follows: whether another order leads to the same situation makes no difference
            key = canonical_key(after)
            if key not in seen:
                seen.add(key)
                waiting.append((after, (*path, label)))
    return checked
