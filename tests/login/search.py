"""Every order of events of one user's logins at one client entry, up to a depth, checked against the invariants.

Two people act: the owner, who logs in from home with the present or an earlier password, and an attacker elsewhere who
knows the earlier password, has recorded every packet, and so has every State and sends it from either client entry.
Provider and clock do what they like. `step` is pure, so a world is a value and no order has to be run twice: worlds
that differ only in the names of their logins, States and codes, or in how long ago something without effect was, are one.
"""

from collections import deque
from dataclasses import dataclass, replace

from radius_voice.events import Outcome, Reason
from radius_voice.login import challenge
from radius_voice.login.challenge import CallChanged, CallFailed, CallPlaced, First, LockedOut
from radius_voice.login.issued import REPEATED_FOR
from radius_voice.login.model import CallRef, CallStatus, Login
from tests.login.rows import LIFETIME, answered, blank

ACTORS = ((b"new", "home"), (b"old", "home"), (b"old", "elsewhere"))
PAUSES = (31.0, 100.0, 400.0)
KNOWN_STATES, KNOWN_CODES, KNOWN_REQUESTS = 4, 2, 2


class Violation(AssertionError):
    """What may never happen has happened; the text is the order of events that leads there."""


@dataclass(frozen=True, slots=True)
class World:
    """One reachable situation. All tuples hold the newest last; names are numbers in the order of their making."""

    row: Login | None = None
    now: float = 0.0
    made: int = 0
    states: tuple[tuple[int, int, tuple], ...] = ()  # state, login, actor that it was issued to
    codes: tuple[tuple[int, int], ...] = ()  # code, login
    requests: tuple[tuple[int, int, tuple], ...] = ()  # state, login, actor
    calls: tuple[tuple[int, int, float], ...] = ()  # login, number, until when it may live
    accepted: tuple[tuple[int, int, bytes, float], ...] = ()  # login, state, typed, when


def name(number):
    return b"%d" % number


def events(world):
    """Everything that may happen next, each as a label and a function of the world."""
    for actor in ACTORS:
        yield ("request", actor), lambda w, a=actor: request(w, a)
    for recorded in world.requests:
        yield ("recorded request", recorded), lambda w, r=recorded: replayed(w, r)
    codes = [name(code) for code, _ in world.codes]
    for state in world.states:
        for typed in (*codes, b"wrong", b"phone", b"new", b"old"):
            yield ("response", state, typed), lambda w, s=state, t=typed: response(w, s, t)
        for code in codes[-1:]:
            yield ("response at another client", state), lambda w, s=state, c=code: response(w, s, c, client="other")
        yield ("lock", state), lambda w, s=state: stopped(w, s, LockedOut(name(s[0]), b"x"))
        yield (
            ("user changed", state),
            lambda w, s=state: stopped(w, s, challenge.UserChanged(name(s[0]), b"x", Reason.DISABLED)),
        )
    for login, number, _ in world.calls[-2:]:
        for status in (CallStatus.ANSWERED, CallStatus.NO_ANSWER):
            yield (
                (status, login, number),
                lambda w, n=number, i=login, s=status: progress(w, CallChanged(str(i), n, s, LIFETIME)),
            )
        yield (
            ("placed", login, number),
            lambda w, n=number, i=login: progress(w, CallPlaced(str(i), n, w.row.call.phone, CallRef("p", f"{i}-{n}"))),
        )
        yield (
            ("failed", login, number),
            lambda w, n=number, i=login: progress(w, CallFailed(str(i), n, Reason.DELIVERY_FAILED, bypass=False)),
        )
    for seconds in PAUSES:
        yield ("pause", seconds), lambda w, s=seconds: replace(w, now=w.now + s)


def request(world, actor):
    login, state, code = (world.made + n for n in (1, 2, 3))
    new = blank(
        world.now,
        login=str(login),
        state=name(state),
        code=name(code),
        password=actor[0],
        source=actor[1],
        tries=2,
        redials=1,
    )
    world = replace(world, made=code)
    stepped, after = applied(world, First(new))
    must(stepped.outcome in {Outcome.CHALLENGE, Outcome.REJECT}, "a request is challenged or rejected")
    if stepped.hands_out:
        opened = int(after.row.id)
        must((after.row.password, after.row.source) == actor, "a State was issued to somebody else than who opened it")
        after = issued(after, state, opened, actor)
        after = replace(after, requests=(*after.requests, (state, opened, actor))[-KNOWN_REQUESTS:])
    if stepped.ring:
        after = replace(after, codes=(*after.codes, (code, int(after.row.id)))[-KNOWN_CODES:])
    return after


def replayed(world, recorded):
    state, login, actor = recorded
    stepped, after = applied(world, challenge.RecordedRequest(str(login), name(state), *actor))
    must(stepped.row is None and not stepped.ring, "a recorded request had a second effect")
    if stepped.hands_out:
        must(waits(world, login), "a recorded request joined another login")
        must((world.row.password, world.row.source) == actor, "a recorded request joined somebody else's login")
    return after


def response(world, state, typed, client="vpn"):
    number, login, actor = state
    new_state, new_code = world.made + 1, world.made + 2
    world = replace(world, made=new_code)
    phone = 0 if typed == b"phone" else None
    event = answered(
        name(number), typed, new_state=name(new_state), new_code=name(new_code), phone=phone, client=client
    )
    before = world.row
    stepped, after = applied(world, event)
    if stepped.outcome is Outcome.ACCEPT:
        return accepted(after, stepped, state, typed, client, before)
    if not waits(world, login) or client != "vpn":
        must(stepped.row is None or before.id == str(login), "a State had an effect in another login")
        must(not stepped.hands_out and not stepped.ring, "a State of another or ended login obtained a State or a call")
    if stepped.ring:
        after = replace(after, codes=(*after.codes, (new_code, login))[-KNOWN_CODES:])
    if stepped.hands_out and stepped.reason is not Reason.REPEATED:
        after = issued(after, new_state, login, actor)
    return after


def accepted(after, stepped, state, typed, client, before):
    number, login, _ = state
    must(client == "vpn", "accepted at another client entry")
    if stepped.reason is Reason.REPEATED:
        known = [each for each in after.accepted if each[:3] == (login, number, typed)]
        must(bool(known), "an Accept was repeated that was never given")
        must(after.now - known[-1][3] <= REPEATED_FOR, "an Accept was repeated too late")
        return after
    must(before is not None and before.id == str(login), "a State was accepted in another login")
    must(typed == before.code, "accepted without the newest code")
    must(all(each[0] != login for each in after.accepted), "a login was accepted twice")
    return replace(after, accepted=(*after.accepted, (login, number, typed, after.now)))


def stopped(world, state, event):
    before = world.row
    stepped, after = applied(world, event)
    must(stepped.outcome is Outcome.REJECT, "a stopped login is rejected")
    must(stepped.row is None or before.id == str(state[1]), "a State stopped another login")
    return after


def progress(world, event):
    before = world.row
    if before is None:
        return world
    stepped, after = applied(world, event)
    must(stepped.row is None or before.id == event.login, "a call changed another login")
    return after


def applied(world, event):
    """The step and the world after it, checked for what holds whatever the event."""
    before = world.row
    stepped = challenge.step(before, event, world.now)
    after = world if stepped.row is None else replace(world, row=stepped.row)
    row = after.row
    if stepped.hang_up is not None:
        login, number = (int(part) for part in stepped.hang_up.reference.split("-"))
        after = ended(after, login, number)
    if isinstance(event, CallChanged) and event.status.over:
        after = ended(after, int(event.login), event.number)
    if isinstance(event, CallFailed):
        after = ended(after, int(event.login), event.number)
    if stepped.ring:
        must(all(until <= after.now for _, _, until in after.calls), "two calls may live at once")
        call = (int(row.id), row.call.number, row.call.live_until)
        must(call[:2] not in [each[:2] for each in after.calls], "a call was placed twice")
        after = replace(after, calls=(*after.calls, call))
    if stepped.row is not None and before is not None:
        follows(before, row)
    if row is not None:
        must(row.code_until <= row.ends_at, "a code outlives its login")
        must(row.tries >= 0 and row.redials >= 0, "attempts or redials below none")
    return stepped, after


def follows(before, row):
    must(row.version > before.version, "a change kept its version")
    if row.id != before.id:
        return
    must(row.tries <= before.tries, "attempts were given back")
    must(row.redials <= before.redials, "redials were given back")
    must(before.verdict is None or before.verdict == row.verdict, "a result was reconsidered")
    must(row.ends_at == before.ends_at, "the end of a login moved")
    unused = {each.state for each in before.states if each.verdict is None}
    must(unused <= {each.state for each in row.states}, "an unused State was evicted")


def issued(world, state, login, actor):
    return replace(world, states=(*world.states, (state, login, actor))[-KNOWN_STATES:])


def ended(world, login, number):
    calls = tuple((i, n, 0.0 if (i, n) == (login, number) else until) for i, n, until in world.calls)
    return replace(world, calls=calls)


def waits(world, login):
    return world.row is not None and world.row.id == str(login) and world.row.open_at(world.now)


def must(holds, what):
    if not holds:
        raise Violation(what)


def canonical(world):
    """What two worlds must share to have the same future: names in the order of appearance, times from now on."""
    names = {}

    def named(number):
        return names.setdefault(int(number), len(names))

    def typed(answer):
        text = answer.removeprefix(b"answer:")
        return named(text) if text.isdigit() else text

    def after(at):
        return max(at - world.now, -1.0)

    def age(at):
        return min(world.now - at, REPEATED_FOR + 1)

    row = world.row
    key = [
        [(named(s), named(i), actor) for s, i, actor in world.states],
        [(named(c), named(i)) for c, i in world.codes],
        [(named(s), named(i), actor) for s, i, actor in world.requests],
        [(named(i), n, after(until)) for i, n, until in world.calls[-2:]],
        max((after(until) for _, _, until in world.calls), default=0.0) > 0,
        [(named(i), named(s), typed(t), age(at)) for i, s, t, at in world.accepted[-2:]],
    ]
    if row is not None:
        key += [
            named(row.id),
            (row.password, row.source, named(row.code), row.tries, row.redials),
            [
                (named(each.state), typed(each.answer), each.verdict and (each.verdict.outcome, age(each.verdict.at)))
                for each in row.states
            ],
            [(named(r.state), typed(r.answer), r.verdict.outcome, age(r.verdict.at)) for r in row.previous],
            (row.call.number, row.call.over, row.call.ref is None, row.call.answered_at is None),
            (after(row.call.live_until), after(row.code_until), after(row.ends_at)),
            row.verdict and row.verdict.outcome,
        ]
    return repr(key)


def search(depth):
    """The number of worlds that are reached by up to `depth` events. Raises Violation with the way there."""
    start = World()
    seen, waiting = {canonical(start)}, deque([(start, ())])
    while waiting:
        world, path = waiting.popleft()
        if len(path) == depth:
            continue
        for label, happens in events(world):
            try:
                after = happens(world)
            except Violation as problem:
                raise Violation("\n".join([str(problem), *map(str, (*path, label))])) from None
            key = canonical(after)
            if key not in seen:
                seen.add(key)
                waiting.append((after, (*path, label)))
    return len(seen)
