"""Loads a session, runs `state_machine.step`, and swaps in the new one; retries if another process was faster."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from msgspec.structs import replace

from radius_voice.events import CostRecord, Observer, Outcome, Reason
from radius_voice.login.codes.issued_codes import one_use
from radius_voice.login.codes.issued_states import REPEAT_SECONDS
from radius_voice.login.codes.pins import covers, pins_key
from radius_voice.login.durable import DurableExists, DurableWrite
from radius_voice.login.inputs import (
    ApprovalEnded,
    ApprovalKey,
    CallProgress,
    ChallengeResponse,
    Charge,
    DeliveryPlaced,
    InitialRequest,
    Input,
    Lockout,
    Transition,
    UserChanged,
)
from radius_voice.login.limits.configured import Limits, rule_of, subjects_of, with_action
from radius_voice.login.limits.costs import UNITS
from radius_voice.login.model import (
    AlreadyRecorded,
    LimitAction,
    Limited,
    LimitOperation,
    Session,
    SessionKey,
    SwapResult,
    Unavailable,
)
from radius_voice.login.ports import Store
from radius_voice.login.replay import ReplayRecord
from radius_voice.login.session.decoys import decoy_operations
from radius_voice.login.session.state_machine import step

MAX_CAS_RETRIES = 16
MAX_RECALLED = 5_000
"""The maximum number of sessions that are kept in memory."""

CORRECT = (Charge.CORRECT_CODE, Charge.APPROVAL)
"""The charges of an Accept that proves that the user has the phone."""
FOR_LATER = (Charge.APPROVAL_UNANSWERED, Charge.APPROVAL_DENIED, Charge.FRAUD_REPORT)
"""The charges that only limit later logins: the transition is stored even if the limit is used up."""
Record = Callable[[Session], ReplayRecord]


class RequestRecorded(Exception):
    """The request already had an effect; `value` is its replay record."""

    def __init__(self, value: bytes) -> None:
        super().__init__()
        self.value = value


class SessionOutdated(Exception):
    """The recalled session may differ from the stored one: load it."""


class Sessions:
    """Applies inputs to stored sessions, together with the limits that they change. `now` is wall-clock seconds.

    It keeps the sessions that it has stored in memory ("recalls" them), so that most inputs need no loading. Another
    process may have changed them, so a transition has an effect only after its swap has succeeded. `on_end` is called
    with a session whose current delivery has ended or was replaced.
    """

    def __init__(
        self,
        store: Store,
        limits: Limits,
        now: Callable[[], float],
        observer: Observer = lambda _record: None,
        on_end: Callable[[Session], None] | None = None,
    ) -> None:
        self._store = store
        self._observer = observer
        self._on_end = on_end
        self._limits = limits
        self._now = now
        self._recalled: dict[SessionKey, Session] = {}
        self._watched: dict[str, asyncio.Event] = {}

    @contextmanager
    def watch(self, session_id: str) -> Iterator[asyncio.Event]:
        """An event that is set when this process stores a result of that session."""
        self._watched[session_id] = asyncio.Event()
        try:
            yield self._watched[session_id]
        finally:
            del self._watched[session_id]

    def wake(self) -> None:
        """Set the events of all watched sessions."""
        for event in self._watched.values():
            event.set()

    def recalled(self, key: SessionKey) -> Session | None:
        """The session as this process last stored it; None if it is not in memory or no longer stored."""
        session = self._recalled.get(key)
        return session if session is not None and self._now() < session.ends_at + REPEAT_SECONDS else None

    async def apply(
        self,
        key: SessionKey,
        event: Input,
        *,
        known: Session | None = None,
        operations: tuple[LimitOperation, ...] = (),
        record: Record | None = None,
    ) -> tuple[Session | None, Transition]:
        """The session after `event`, and the transition.

        `known` is the session as loaded before, which is tried first. If the session changes, the same transaction
        applies `operations` and writes the replay record that `record` returns for the new session. Raises
        RequestRecorded if the request already has a record, and Unavailable.
        """
        recalled = self.recalled(key) if known is None else None
        if recalled is not None or (known is None and isinstance(event, InitialRequest)):
            with suppress(SessionOutdated):
                return await self.apply_unloaded(recalled, event, operations, record)
        rule = ""
        for _ in range(MAX_CAS_RETRIES):
            session, known = known or await self._store.load(key), None
            transition = self._step(session, event)
            if rule:
                transition = replace(transition, rule=rule)
            if transition.session is None:
                return session, transition
            swapped = await self._swap(session, transition.session, transition, operations, record)
            if swapped is SwapResult.DONE:
                self._report_end(session, event, transition.session)
                return transition.session, transition
            if swapped is SwapResult.STALE:
                continue
            reason, rule = _refusal(swapped)
            instead = _instead_of(event, transition, reason)
            if instead is None:
                return session, Transition(None, Outcome.REJECT, reason, rule=rule)
            event = instead
        raise Unavailable("store", "a session changed too often")

    async def apply_unloaded(
        self,
        session: Session | None,
        event: Input,
        operations: tuple[LimitOperation, ...] = (),
        record: Record | None = None,
    ) -> tuple[Session, Transition]:
        """As `apply`, for a recalled session. Raises SessionOutdated unless the swap succeeded.

        `session` is None for an initial request without a recalled session: the store rarely has one then.
        """
        transition = self._step(session, event)
        new = transition.session
        if new is None or SwapResult.DONE is not await self._swap(session, new, transition, operations, record):
            raise SessionOutdated
        self._report_end(session, event, new)
        return new, transition

    def _report_end(self, old: Session | None, event: Input, new: Session) -> None:
        """Call `on_end` for a delivery that has ended or was replaced, if it was certainly made."""
        if self._on_end is None or old is None or old.delivery.over:
            return
        if (old.id, old.delivery.number) != (new.id, new.delivery.number):
            if old.delivery.ref is not None:
                self._on_end(old)
        elif new.delivery.over and isinstance(event, DeliveryPlaced | CallProgress):
            self._on_end(new)

    async def would_call(self, session: Session, event: ChallengeResponse) -> tuple[bool, str]:
        """Whether `event` would make a delivery now, and the limit that forbids it, if one does.

        Changes nothing. Raises Unavailable.
        """
        transition = self._step(session, event)
        if transition.session is None or not transition.places_call:
            return False, ""
        taken = [
            each for each in self._limits_of(transition.session, transition) if each.action is not LimitAction.REFUND
        ]
        limited = await self._store.apply_limits(with_action(LimitAction.CHECK, taken))
        return limited is None, rule_of(limited.limit) if isinstance(limited, Limited) else ""

    def _step(self, session: Session | None, event: Input) -> Transition:
        """The transition; a changed session has a new `write_id`."""
        now, costs = self._now(), self._limits.costs
        transition = step(session, event, now)
        if transition.session is None:
            return transition
        new = replace(transition.session, write_id=secrets.randbits(32))
        transition = replace(transition, session=new)
        return transition if costs is None else costs.accounted(session, new, transition, event, now)

    async def _swap(
        self,
        old: Session | None,
        new: Session,
        transition: Transition,
        operations: tuple[LimitOperation, ...],
        record: Record | None,
    ) -> SwapResult | Limited | DurableExists:
        charge, cost = transition.charge, transition.cost
        limits = (*self._limits_of(new, transition), *operations)
        recorded = record(new) if record else None
        pins = DurableWrite(pins_key(new.user_key), new.pins) if new.pins and charge in CORRECT else None
        swapped = await self._store.compare_and_swap(old, new, limits, recorded, pins)
        if isinstance(swapped, DurableExists) and covers(swapped.value, new.pins):  # pinned by another login meanwhile
            swapped = await self._store.compare_and_swap(old, new, limits, recorded)
        if isinstance(swapped, Limited) and charge in FOR_LATER:
            swapped = await self._store.compare_and_swap(old, new, cost.operations if cost is not None else ())
        if isinstance(swapped, AlreadyRecorded):
            raise RequestRecorded(swapped.value)
        if swapped is SwapResult.DONE:
            self._recalled.pop(new.key, None)
            self._recalled[new.key] = new
            if new.result is not None and new.id in self._watched:
                self._watched[new.id].set()
            if len(self._recalled) > MAX_RECALLED:
                del self._recalled[next(iter(self._recalled))]
            if cost is not None:
                self._observer(CostRecord(self._now(), cost.method.value, cost.reserved / UNITS, cost.settled / UNITS))
        return swapped

    def _limits_of(self, new: Session, transition: Transition) -> tuple[LimitOperation, ...]:
        """The operations on limits for a transition to the session `new`."""
        of_charge = self._operations(transition.charge, new)
        limits = decoy_operations(of_charge) if new.is_decoy else of_charge
        return limits if transition.cost is None else (*limits, *transition.cost.operations)

    def _operations(self, charge: Charge, session: Session) -> tuple[LimitOperation, ...]:
        if charge is Charge.NOTHING:
            return ()
        limits = self._limits
        subjects = subjects_of(session.user_key, session.delivery.phone, session.calling_station_id, session.client)
        match charge:
            case Charge.CALL:
                success = limits.success.check(session, session.delivery.phone) if limits.success else ()
                approval = limits.for_approval(subjects, LimitAction.CHECK) if session.approval else ()
                return (*limits.for_code(subjects, LimitAction.CHECK), *success, *approval, *limits.for_call(subjects))
            case Charge.CALL_REFUND:
                return with_action(LimitAction.REFUND, limits.for_call(subjects))
            case Charge.WRONG_CODE:
                return limits.for_code(subjects)
            case Charge.CODE_CHECK:
                return limits.for_code(subjects, LimitAction.CHECK)
            case Charge.ISSUED_CODE_USE:
                return (*limits.for_correct_code(subjects), one_use(session))
            case Charge.CORRECT_CODE:
                success = limits.success.refund(session) if limits.success else ()
                return (*limits.for_correct_code(subjects), *success)
            case _:
                return self._of_approval(charge, session, subjects)

    def _of_approval(self, charge: Charge, session: Session, subjects: Mapping[str, str]) -> tuple[LimitOperation, ...]:
        limits = self._limits
        match charge:
            case Charge.APPROVAL_UNANSWERED:
                return limits.for_approval(subjects, LimitAction.TAKE, "unanswered")
            case Charge.APPROVAL_DENIED:
                return limits.for_approval(subjects, LimitAction.TAKE, "denied")
            case Charge.FRAUD_REPORT:
                return limits.for_fraud_report(subjects)
            case _:  # APPROVAL
                success = limits.success.refund(session) if limits.success else ()
                return (*limits.for_code(subjects, LimitAction.CHECK), *success)


def _refusal(swapped: SwapResult | Limited | DurableExists) -> tuple[Reason, str]:
    """Why the store did not swap a session, and the limit that forbade it."""
    if isinstance(swapped, Limited):
        return swapped.limit.reason, rule_of(swapped.limit)
    return Reason.PHONE_NOT_CONFIRMED if isinstance(swapped, DurableExists) else Reason.BUSY, ""


def _instead_of(event: Input, transition: Transition, reason: Reason) -> Input | None:
    """The input to apply instead, after the transition of `event` was forbidden; None to reject the request."""
    match event:
        case ApprovalKey(session_id, number):
            return ApprovalEnded(session_id, number, reason)
        case ChallengeResponse(state=state, answer=answer) if reason is Reason.PHONE_NOT_CONFIRMED:
            return UserChanged(state, answer, reason)
        case ChallengeResponse() if transition.places_call:
            return replace(event, redial_allowed=False)
        case ChallengeResponse(state=state, answer=answer):
            return Lockout(state, answer)
        case _:
            return None
