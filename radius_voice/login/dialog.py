"""The login, from top to bottom.

A first packet goes to `begin`, one that carries State to `answer`, a call's progress to `heard`.
Each loads the row, lets `challenge.step` decide, and swaps the new row in if no other process was faster.
The row with its code is in the store before a provider is asked: a crash in between leaves a row
that is answered or ends, never a ringing phone whose code cannot be checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from radius_voice.events import Outcome, Reason, Trace
from radius_voice.login import told
from radius_voice.login.calls import Calls, Ring
from radius_voice.login.challenge import (
    Answered,
    Charge,
    First,
    Fresh,
    Input,
    LockedOut,
    RecordedRequest,
    Step,
    UserChanged,
    decides,
    step,
)
from radius_voice.login.codes import key_in, new_login_id, tidy_code
from radius_voice.login.first_factor import Checked, FirstFactorChecks
from radius_voice.login.limits import acting, subjects_of
from radius_voice.login.model import (
    Act,
    Attempt,
    Call,
    Decision,
    Denied,
    HandedOut,
    Limited,
    Login,
    LoginKey,
    Record,
    Recorded,
    Spend,
    Swap,
    Unavailable,
    User,
)
from radius_voice.login.parts import Parts
from radius_voice.login.phone import Phone
from radius_voice.login.policy import Policy
from radius_voice.login.records import Slot, session_of
from radius_voice.login.supervisor import Supervisor

MOST_SWAPS = 16
REUSE_WARNING_SECONDS = 60.0
_PHONE_ASKED_FOR = re.compile(r"\s*phone([1-9]?)\s*", re.IGNORECASE)


class _AlreadyRecorded(Exception):
    """The request had an effect before; `value` is its record."""

    def __init__(self, value: bytes) -> None:
        super().__init__()
        self.value = value


class Dialog:
    """Logins of one generation of the configuration."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._supervisor = Supervisor(parts.warn)
        self._first_factor = FirstFactorChecks(
            parts.keys, parts.limits, parts.store, self._supervisor.run, parts.now, parts.clock
        )
        self._calls = Calls(parts, self._supervisor, self._settle_call)
        self.follower = self._calls.follower
        self.heard = self._calls.progress
        self.drain = self._supervisor.drain
        self._next_reuse_warning: dict[str, float] = {}

    async def begin(self, attempt: Attempt, trace: Trace) -> Decision:
        """A first packet: who is it, may they, ring."""
        policy = self._parts.policies[attempt.policy]
        try:
            checked = await self._first_factor.check(attempt, policy)
            checked.note(trace)
            if checked.reused:
                self._warn_of_reuse(attempt)
            return await self._decide(attempt, policy, checked, trace)
        except Unavailable as problem:
            return told.unavailable(policy.on_unavailable, problem, trace)

    async def answer(self, attempt: Attempt, trace: Trace) -> Decision:
        """A packet with State: the code, a wish for another call, or neither."""
        policy = self._parts.policies[attempt.policy]
        key = key_in(attempt.state or b"")
        if key is None:
            return told.refused(Reason.UNKNOWN_STATE)
        try:
            decision = await self._weigh(attempt, key, policy, trace)
            if decision.reason is Reason.CODE_RIGHT and decision.new_station:
                await self._first_factor.remember_login(attempt, policy)
        except Unavailable as problem:
            return told.unavailable(policy.on_unavailable, problem, trace)
        return decision

    # A first packet

    async def _decide(self, attempt: Attempt, policy: Policy, checked: Checked, trace: Trace) -> Decision:
        match checked.result:
            case Limited(limit):
                return told.refused(limit.reason, await self._name_of(attempt, policy))
            case Denied(reason, name):
                return told.refused(reason, name)
            case Recorded(value):
                return await self._join_recorded(attempt, checked.slot, value, trace)
            case _:
                pass
        user = await policy.directory.find(attempt.name, attempt.answer_by)
        refused = _refusal(policy, user)
        if user is None or refused is not None:
            await self._parts.store.spend((), checked.slot.rejected(verified=True))
            return told.refused(refused or Reason.UNKNOWN_USER, user.name if user else "")
        return await self._opened_or_joined(attempt, policy, user, checked, trace)

    async def _name_of(self, attempt: Attempt, policy: Policy) -> str:
        """The user's name in the directory, for the audit log; empty if no user has it or the directory is down."""
        try:
            user = await policy.directory.find(attempt.name, attempt.answer_by)
        except Unavailable:
            return ""
        return user.name if user else ""

    async def _opened_or_joined(
        self, attempt: Attempt, policy: Policy, user: User, checked: Checked, trace: Trace
    ) -> Decision:
        try:
            return await self._open(attempt, policy, user, checked, trace)
        except _AlreadyRecorded as recorded:
            if checked.slot.holds(recorded.value):
                return await self._join_recorded(attempt, checked.slot, recorded.value, trace)
        trace.step("request_authenticator_reused")
        self._warn_of_reuse(attempt)
        return await self._opened_or_joined(
            attempt, policy, user, replace(checked, slot=checked.slot.alternative), trace
        )

    def _warn_of_reuse(self, attempt: Attempt) -> None:
        """Report a Request Authenticator that was used for another name or password, once a minute for a client."""
        now = self._parts.clock()
        if now >= self._next_reuse_warning.get(attempt.client, now):
            self._next_reuse_warning[attempt.client] = now + REUSE_WARNING_SECONDS
            self._parts.warn(
                f"clients.{attempt.client}: two requests with the same Request Authenticator and another user name or "
                "password: an altered recording, or a faulty gateway (RFC 2865 section 3)"
            )

    async def _open(self, attempt: Attempt, policy: Policy, user: User, checked: Checked, trace: Trace) -> Decision:
        parts, slot = self._parts, checked.slot
        if parts.clock() >= attempt.answer_by:
            return Decision(Outcome.SILENCE, Reason.TOO_LATE, user=user.name)
        key = parts.keys.login(attempt.client, policy.person(user))
        code, state = parts.new_code(policy.digits), parts.keys.first_state(key, slot.fingerprint)
        blank = self._blank(key, code, state, attempt, policy, user, checked.returning)
        cost = self._call_cost(blank, blank.call.phone)
        row, stepped = await self._settle(key, First(blank), cost, record=slot.session)
        if stepped.outcome is Outcome.REJECT:
            await parts.store.spend((), slot.rejected(verified=True))
        trace.step("row", stepped.reason)
        if stepped.ring and row is not None:
            stepped = await self._calls.place(Ring(row, code, policy, attempt), stepped, trace)
        return told.decision(row, stepped, state, user.name, parts.friendly_name, parts.now())

    async def _join_recorded(self, attempt: Attempt, slot: Slot, value: bytes, trace: Trace) -> Decision:
        """A request that had its effect before: it may join its own session, as long as that is open."""
        parts, session = self._parts, session_of(value)
        if session is None:
            return told.refused(Reason.REPLAY)
        key, login = session
        state = parts.keys.first_state(key, slot.fingerprint)
        password = parts.keys.password(key, attempt.password)
        event = RecordedRequest(login, parts.keys.state(state), password, attempt.source)
        row, stepped = await self._settle(key, event)
        trace.step("row", stepped.reason)
        return told.decision(row, stepped, state, "", parts.friendly_name, parts.now())

    def _blank(
        self, key: LoginKey, code: str, state: bytes, attempt: Attempt, policy: Policy, user: User, returning: bool
    ) -> Login:
        keys, now = self._parts.keys, self._parts.now()
        phones = policy.phones_of(user)
        return Login(
            key=key,
            id=new_login_id(),
            client=attempt.client,
            person=policy.person(user),
            name=user.name,
            password=keys.password(key, attempt.password),
            source=attempt.source,
            code=keys.code(key, code),
            states=(HandedOut(keys.state(state)),),
            phones=phones,
            tries=policy.tries,
            redials=policy.redials,
            call=Call(1, phones[0], now, now + policy.live),
            opened_at=now,
            code_until=min(now + policy.live + policy.lifetime, now + policy.cap),
            ends_at=now + policy.cap,
            language=user.language,
            reply=policy.reply_to(user),
            returning=returning,
        )

    # An answer

    async def _weigh(self, attempt: Attempt, key: LoginKey, policy: Policy, trace: Trace) -> Decision:
        parts, keys = self._parts, self._parts.keys
        sent = attempt.state or b""
        code, state = parts.new_code(policy.digits), keys.next_state(key, sent, attempt.password)
        event = Answered(
            client=attempt.client,
            name=attempt.name,
            state=keys.state(sent),
            answer=keys.answer(key, attempt.password),
            code=keys.code(key, tidy_code(attempt.password)),
            password=keys.password(key, attempt.password),
            phone=_phone_asked_for(attempt.password),
            fresh=Fresh(keys.state(state), keys.code(key, code), policy.live, policy.lifetime),
        )
        row = await parts.store.load(key)
        checked: Answered | UserChanged = event
        cost: tuple[Spend, ...] = ()
        if row is not None and decides(row, event, parts.now()):
            checked = await self._checked_again(row, event, policy, attempt.answer_by)
            if isinstance(checked, Answered) and checked.phone is not None and checked.may_ring:
                cost = self._call_cost(row, row.phones[checked.phone])
        row, stepped = await self._settle(key, checked, cost, known=row)
        trace.step("answer", stepped.reason)
        if stepped.ring and row is not None:
            stepped = await self._calls.place(Ring(row, code, policy, attempt, stepped.hang_up), stepped, trace)
        elif stepped.hang_up is not None and row is not None:
            self._calls.end(row, stepped.hang_up)
        return told.decision(row, stepped, state, "", parts.friendly_name, parts.now())

    async def _checked_again(
        self, row: Login, event: Answered, policy: Policy, deadline: float
    ) -> Answered | UserChanged:
        """The event, if the directory still has the user, permits the login and knows the phone that was called."""
        user_id = policy.user_id(row.person)
        user = None if user_id is None else await policy.directory.get(user_id, deadline)
        refused = _refusal(policy, user)
        if refused is None and user is not None and row.call.phone not in policy.phones_of(user):
            refused = Reason.PHONE_CHANGED
        if user is None or refused is not None:
            return UserChanged(event.state, event.answer, refused or Reason.UNKNOWN_USER)
        if event.phone is None:
            return event
        known = event.phone < len(row.phones) and row.phones[event.phone] in policy.phones_of(user)
        return replace(event, may_ring=known)

    # Load, step, compare-and-swap

    async def _settle(
        self,
        key: LoginKey,
        event: Input,
        call_cost: tuple[Spend, ...] = (),
        known: Login | None = None,
        record: Callable[[Login], Record] | None = None,
    ) -> tuple[Login | None, Step]:
        """Load, step, swap, until no other process was faster. Returns the row as it now is and what became of it.

        `known` is the row as it was a moment ago: it is tried before anything is loaded. If it is old the swap says
        so; of what a call did, `step` changes nothing only where time alone decides. `record` makes the record of the
        request that is written with the row; raises _AlreadyRecorded if there is one.
        """
        store = self._parts.store
        for _ in range(MOST_SWAPS):
            row, known = known or await store.load(key), None
            stepped = step(row, event, self._parts.now())
            if stepped.row is None:
                return row, stepped
            spends = self._spends(stepped.charge, stepped.row, call_cost)
            swapped = await store.swap(row, stepped.row, spends, record(stepped.row) if record else None)
            if swapped is Swap.DONE:
                return stepped.row, stepped
            if swapped is Swap.STALE:
                continue
            if isinstance(swapped, Recorded):
                raise _AlreadyRecorded(swapped.value)
            reason = swapped.limit.reason if isinstance(swapped, Limited) else Reason.BUSY
            if not isinstance(event, Answered):
                return row, Step(None, Outcome.REJECT, reason)
            event = replace(event, may_ring=False) if stepped.ring else LockedOut(event.state, event.answer)
        raise Unavailable("store", "a row changed too often")

    async def _settle_call(self, key: LoginKey, event: Input, known: Login | None) -> tuple[Login | None, Step]:
        return await self._settle(key, event, known=known)

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

    def _call_cost(self, row: Login, phone: Phone) -> tuple[Spend, ...]:
        return self._parts.limits.for_call(subjects_of(row.person, phone, row.source, row.client))


def _refusal(policy: Policy, user: User | None) -> Reason | None:
    """Why this user may not log in, or None."""
    if user is None:
        return Reason.UNKNOWN_USER
    if user.disabled:
        return Reason.DISABLED
    if not user.phones:
        return Reason.NO_PHONE
    return None if policy.phones_of(user) else Reason.NUMBER_NOT_ALLOWED


def _phone_asked_for(typed: str) -> int | None:
    """The index of the phone that `phone`, `phone2` ... ask for instead of a code, or None."""
    asked = _PHONE_ASKED_FOR.fullmatch(typed)
    return int(asked[1] or 1) - 1 if asked else None
