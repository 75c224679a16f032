"""The login, from top to bottom.

A first packet goes to `begin`, one that carries State to `answer`, a call's progress to `heard`.
Each loads the row, lets `challenge.step` decide, and swaps the new row in if nobody else did.
The row with its code is in the store before a provider is asked: a crash in between leaves a row
that is answered or ends, never a ringing phone whose code nobody knows.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from radius_voice.events import Called, CallResult, Lifecycle, Observer, Outcome, Reason, Trace
from radius_voice.login import told
from radius_voice.login.challenge import (
    Answered,
    CallChanged,
    CallFailed,
    CallPlaced,
    Charge,
    First,
    Fresh,
    Input,
    LockedOut,
    Step,
    step,
)
from radius_voice.login.codes import Keys, States, key_in, new_code, tidy_code
from radius_voice.login.follow import Follower, Watched
from radius_voice.login.identify import identify
from radius_voice.login.limits import Limits, acting, subjects_of
from radius_voice.login.model import (
    Act,
    Attempt,
    Call,
    CallRef,
    CallStatus,
    Decision,
    HandedOut,
    Limited,
    Login,
    LoginKey,
    Order,
    Script,
    Spend,
    Swap,
    Unavailable,
    User,
)
from radius_voice.login.phone import Phone
from radius_voice.login.policy import PROVIDER_SECONDS, Policy
from radius_voice.login.ports import Delivery, LiveCalls, Store
from radius_voice.login.ring import Rung, place_call
from radius_voice.nouns import noun

MOST_SWAPS = 16
_PHONE_ASKED_FOR = re.compile(r"\s*phone([1-9]?)\s*", re.IGNORECASE)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a dialog works with. `now` is wall clock, `clock` monotonic; `voice` is in order of failover."""

    keys: Keys
    store: Store
    limits: Limits
    policies: Mapping[str, Policy]
    voice: Mapping[str, Delivery]
    live: Mapping[str, LiveCalls]
    friendly_name: str
    observer: Observer
    now: Callable[[], float]
    clock: Callable[[], float]
    new_code: Callable[[int], str] = field(default=new_code)


@noun
class _Ring:
    """A row whose present call is to be placed, and the only copy of the code that will be spoken."""

    row: Login
    code: str = field(repr=False)
    policy: Policy
    attempt: Attempt
    hang_up: CallRef | None


class Dialog:
    """Logins of one generation of the configuration."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._states = States()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.follower = Follower(parts.live, self.heard, parts.observer, parts.now)

    async def begin(self, attempt: Attempt, trace: Trace) -> Decision:
        """A first packet: who is it, may they, ring."""
        policy = self._parts.policies[attempt.policy]
        try:
            user = await identify(attempt, policy, self._parts.keys, self._parts.limits, self._parts.store, trace)
            if isinstance(user, Decision):
                return user
            phones = policy.phones_of(user)
            if isinstance(phones, Reason):
                return told.refused(phones, attempt.name)
            return await self._open(attempt, policy, user, phones, trace)
        except Unavailable as problem:
            return told.unavailable(policy.on_unavailable, problem, trace)

    async def answer(self, attempt: Attempt, trace: Trace) -> Decision:
        """A packet with State: the code, a wish for another call, or neither."""
        policy = self._parts.policies[attempt.policy]
        key = key_in(attempt.state or b"")
        if key is None:
            return told.refused(Reason.UNKNOWN_STATE)
        try:
            return await self._weigh(attempt, key, policy, trace)
        except Unavailable as problem:
            return told.unavailable(policy.on_unavailable, problem, trace)

    async def heard(self, key: LoginKey, event: Input, known: Login | None = None) -> None:
        """Something about a call reached us. A store out of reach loses it: rows end by their cap."""
        try:
            await self._settle(key, event, known=known)
        except Unavailable as problem:
            self._warn(f"a call's progress was lost: {problem}")

    async def drain(self) -> None:
        """Wait until every ring and every call being ended has come to its end."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    # Opening a row, or joining it

    async def _open(
        self, attempt: Attempt, policy: Policy, user: User, phones: tuple[Phone, ...], trace: Trace
    ) -> Decision:
        parts = self._parts
        if parts.clock() >= attempt.answer_by:
            return Decision(Outcome.SILENCE, Reason.TOO_LATE, user=attempt.name)
        key = parts.keys.login(attempt.client, policy.person(user))
        code, state = parts.new_code(policy.digits), self._states.new(key)
        blank = self._blank(key, code, state, attempt, policy, user, phones)
        row, stepped = await self._settle(key, First(blank), self._cost(blank, phones[0], attempt))
        trace.step("row", stepped.reason)
        if stepped.ring and row is not None:
            stepped = await self._wait_for(_Ring(row, code, policy, attempt, None), stepped, trace)
        return told.decision(row, stepped, state, attempt.name, parts.friendly_name, parts.now())

    def _blank(
        self,
        key: LoginKey,
        code: str,
        state: bytes,
        attempt: Attempt,
        policy: Policy,
        user: User,
        phones: tuple[Phone, ...],
    ) -> Login:
        keys, now = self._parts.keys, self._parts.now()
        state_hash = keys.state(state)
        live = policy.live
        return Login(
            key=key,
            id=state_hash.hex()[:16],
            client=attempt.client,
            person=policy.person(user),
            name=attempt.name,
            password=keys.password(key, attempt.password),
            source=attempt.source,
            code=keys.code(key, code),
            states=(HandedOut(state_hash),),
            phones=phones,
            tries=policy.tries,
            redials=policy.redials,
            call=Call(1, phones[0], now, now + live),
            opened_at=now,
            code_until=min(now + live + policy.lifetime, now + policy.cap),
            ends_at=now + policy.cap,
            language=user.language,
            reply=policy.reply_to(user),
        )

    # An answer

    async def _weigh(self, attempt: Attempt, key: LoginKey, policy: Policy, trace: Trace) -> Decision:
        parts, keys = self._parts, self._parts.keys
        code, state = parts.new_code(policy.digits), self._states.new(key)
        asked = _PHONE_ASKED_FOR.fullmatch(attempt.password)
        phone = int(asked[1] or 1) - 1 if asked else None
        event = Answered(
            client=attempt.client,
            name=attempt.name,
            state=keys.state(attempt.state or b""),
            answer=keys.answer(key, attempt.password),
            code=keys.code(key, tidy_code(attempt.password)),
            password=keys.password(key, attempt.password),
            phone=phone,
            fresh=Fresh(keys.state(state), keys.code(key, code), policy.live, policy.lifetime),
        )
        cost: tuple[Spend, ...] = ()
        if phone is not None:
            row = await parts.store.load(key)
            if row is not None and phone < len(row.phones):
                cost = self._cost(row, row.phones[phone], attempt)
        row, stepped = await self._settle(key, event, cost)
        trace.step("answer", stepped.reason)
        if stepped.ring and row is not None:
            ring = _Ring(row, code, policy, attempt, stepped.hang_up)
            stepped = await self._wait_for(ring, stepped, trace)
        elif stepped.hang_up is not None and row is not None:
            self._supervise(self._end_call(row, stepped.hang_up))
        return told.decision(row, stepped, state, "", parts.friendly_name, parts.now())

    # The small thing that all three are

    async def _settle(
        self, key: LoginKey, event: Input, call_cost: tuple[Spend, ...] = (), known: Login | None = None
    ) -> tuple[Login | None, Step]:
        """Load, step, swap, until nobody was faster. Returns the row as it now is and what became of it.

        `known` is the row as it was a moment ago: it is tried before anything is loaded. If it is old the swap says
        so; of what a call did, `step` changes nothing only where time alone decides.
        """
        store = self._parts.store
        for _ in range(MOST_SWAPS):
            row, known = known or await store.load(key), None
            stepped = step(row, event, self._parts.now())
            if stepped.row is None:
                return row, stepped
            swapped = await store.swap(row, stepped.row, self._spends(stepped.charge, stepped.row, call_cost))
            if swapped is Swap.DONE:
                return stepped.row, stepped
            if swapped is Swap.STALE:
                continue
            reason = swapped.limit.reason if isinstance(swapped, Limited) else Reason.BUSY
            if not isinstance(event, Answered):
                return row, Step(None, Outcome.REJECT, reason)
            event = replace(event, may_ring=False) if stepped.ring else LockedOut(event.state, event.answer)
        raise Unavailable("store", "a row changed too often")

    def _spends(self, charge: Charge, row: Login, call_cost: tuple[Spend, ...]) -> tuple[Spend, ...]:
        if charge is Charge.NOTHING:
            return ()
        limits = self._parts.limits
        subjects = subjects_of(row.person, row.call.phone, row.source, row.client)
        match charge:
            case Charge.CALL:
                return limits.for_code(subjects, Act.PEEK) + call_cost
            case Charge.CALL_BACK:
                return acting(Act.GIVE_BACK, limits.for_call(subjects))
            case Charge.WRONG_CODE:
                return limits.for_code(subjects)
            case _:  # RIGHT_CODE
                return limits.for_right_code(subjects)

    def _cost(self, row: Login, phone: Phone, attempt: Attempt) -> tuple[Spend, ...]:
        limits = self._parts.limits
        subjects = subjects_of(row.person, phone, row.source, row.client)
        return (*limits.for_packet(attempt.client, attempt.packet), *limits.for_call(subjects))

    # The ring

    async def _wait_for(self, ring: _Ring, opened: Step, trace: Trace) -> Step:
        """Ring under supervision, and wait for its end as long as the gateway waits for us."""
        task = self._supervise(self._ring(ring, opened))
        await asyncio.sleep(0)  # a ring that ends at once needs no timer
        if not task.done():
            await asyncio.wait({task}, timeout=max(0.0, ring.attempt.answer_by - self._parts.clock()))
        if not task.done():
            trace.step("ring", Reason.CALLING)
            return opened._replace(reason=Reason.CALLING)
        stepped = task.result() if task.exception() is None else opened._replace(reason=Reason.CALL_UNKNOWN)
        trace.step("ring", stepped.reason)
        return stepped

    async def _ring(self, ring: _Ring, opened: Step) -> Step:
        row, policy, parts = ring.row, ring.policy, self._parts
        if ring.hang_up is not None and not await self._hang_up(ring.hang_up):
            return opened._replace(reason=Reason.CALL_UNKNOWN)
        order = Order(row.call.phone, Script(row.language, parts.friendly_name, ring.code), policy.ring, row.id)
        rung = await place_call(
            order,
            row.phones,
            parts.voice,
            self._may_ring,
            self._reporter(row, ring.attempt.arrived),
            parts.clock() + PROVIDER_SECONDS,
        )
        return await self._rung(ring, rung, opened)

    async def _rung(self, ring: _Ring, rung: Rung, opened: Step) -> Step:
        """Write down how the ring ended; what the gateway is told follows from it."""
        row, parts = ring.row, self._parts
        if rung.result is CallResult.UNKNOWN:
            return opened._replace(reason=Reason.CALL_UNKNOWN)
        if rung.result is CallResult.PLACED:
            await self._placed(ring, rung)
            return opened
        reason = Reason.NUMBER_REFUSED if rung.result is CallResult.NUMBER_REFUSED else Reason.DELIVERY_FAILED
        failed = reason is Reason.DELIVERY_FAILED and not rung.paced
        waited_for = parts.clock() < ring.attempt.answer_by
        bypass = failed and waited_for and parts.now() < ring.policy.bypass_until
        _, stepped = await self._settle(row.key, CallFailed(row.id, row.call.number, reason, bypass), known=row)
        return stepped

    async def _placed(self, ring: _Ring, rung: Rung) -> None:
        row, ref = ring.row, rung.ref
        if ref is None:
            await self._settle(row.key, CallChanged(row.id, row.call.number, CallStatus.COMPLETED, 0.0), known=row)
            return
        _, stepped = await self._settle(row.key, CallPlaced(row.id, row.call.number, rung.phone, ref), known=row)
        if stepped.hang_up is not None:
            await self._end_call(row, stepped.hang_up)
        else:
            watched = Watched(row.key, row.id, row.call.number, row.call.live_until, ring.policy.lifetime)
            self.follower.watch(ref, watched)

    async def _may_ring(self, phone: Phone) -> bool:
        return await self._parts.store.spend(self._parts.limits.for_phone(phone)) is None

    def _reporter(self, row: Login, arrived: float) -> Callable[[str, Phone, CallResult, str, str, bool], None]:
        def report(provider: str, phone: Phone, result: CallResult, reference: str, detail: str, alarm: bool) -> None:
            parts = self._parts
            seconds = parts.clock() - arrived
            parts.observer(
                Called(parts.now(), seconds, row.id, provider, phone.masked, result, reference, detail, alarm)
            )

        return report

    async def _hang_up(self, ref: CallRef) -> bool:
        """End a call; False when nobody knows whether it ended."""
        try:
            await self.follower.hang_up(ref)
        except Unavailable as problem:
            self._warn(f"a call could not be ended: {problem}")
            return False
        return True

    async def _end_call(self, row: Login, ref: CallRef) -> None:
        """Hang up the call of a row that has ended; only then its person may be called again."""
        if await self._hang_up(ref):
            await self.heard(row.key, CallChanged(row.id, row.call.number, CallStatus.COMPLETED, 0.0), row)

    def _supervise(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Run `work` to its end whatever becomes of the packet that began it; a failure is never silent."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._warn(f"a ring failed: {type(task.exception()).__name__}")

    def _warn(self, detail: str) -> None:
        self._parts.observer(Lifecycle(self._parts.now(), "warning", detail))
