"""Load a session, run `state_machine.step`, compare-and-swap the new one; retry if another process was faster."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from radius_voice.events import Outcome, Reason
from radius_voice.login.inputs import ChallengeResponse, Charge, Input, Lockout, Transition
from radius_voice.login.model import (
    AlreadyRecorded,
    LimitAction,
    Limited,
    LimitOperation,
    ReplayRecord,
    Session,
    SessionKey,
    SwapResult,
    Unavailable,
)
from radius_voice.login.ports import Store
from radius_voice.login.rate_limits import Limits, subjects_of, with_action
from radius_voice.login.state_machine import step

MAX_CAS_RETRIES = 16


class RequestRecorded(Exception):
    """The request had an effect before; `value` is its record."""

    def __init__(self, value: bytes) -> None:
        super().__init__()
        self.value = value


class Sessions:
    """Applies inputs to stored sessions, together with the limits that they change. `now` is wall-clock seconds."""

    def __init__(self, store: Store, limits: Limits, now: Callable[[], float]) -> None:
        self._store = store
        self._limits = limits
        self._now = now

    async def apply(
        self,
        key: SessionKey,
        event: Input,
        *,
        known: Session | None = None,
        operations: tuple[LimitOperation, ...] = (),
        record: Callable[[Session], ReplayRecord] | None = None,
    ) -> tuple[Session | None, Transition]:
        """The session after `event`, and the transition.

        `known` is the session as loaded before; it is tried first, without loading. `operations` are applied,
        and the record that `record` makes of the request is written, if the session changes. Raises RequestRecorded if
        the request has a record already, and Unavailable.
        """
        for _ in range(MAX_CAS_RETRIES):
            session, known = known or await self._store.load(key), None
            transition = step(session, event, self._now())
            new = transition.session
            if new is None:
                return session, transition
            limits = (*self._operations(transition.charge, new), *operations)
            swapped = await self._store.compare_and_swap(session, new, limits, record(new) if record else None)
            if swapped is SwapResult.DONE:
                return new, transition
            if swapped is SwapResult.STALE:
                continue
            if isinstance(swapped, AlreadyRecorded):
                raise RequestRecorded(swapped.value)
            reason = swapped.limit.reason if isinstance(swapped, Limited) else Reason.BUSY
            if not isinstance(event, ChallengeResponse):
                return session, Transition(None, Outcome.REJECT, reason)
            event = _refused(event, transition)
        raise Unavailable("store", "a session changed too often")

    def _operations(self, charge: Charge, session: Session) -> tuple[LimitOperation, ...]:
        if charge is Charge.NOTHING:
            return ()
        limits = self._limits
        subjects = subjects_of(session.user_key, session.delivery.phone, session.calling_station_id, session.client)
        match charge:
            case Charge.CALL:
                return (*limits.for_code(subjects, LimitAction.CHECK), *limits.for_call(subjects))
            case Charge.CALL_REFUND:
                return with_action(LimitAction.REFUND, limits.for_call(subjects))
            case Charge.WRONG_CODE:
                return limits.for_code(subjects)
            case _:  # CORRECT_CODE
                return limits.for_correct_code(subjects)


def _refused(event: ChallengeResponse, transition: Transition) -> ChallengeResponse | Lockout:
    """The input to try next, after a limit or another live call forbade the transition of a response."""
    if transition.places_call:
        return replace(event, redial_allowed=False)
    return Lockout(event.state, event.answer)
