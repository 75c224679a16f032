"""Polls the status of the calls that this process has placed, so that a user can log in again after a missed call.

One request every few seconds asks a provider for all of its calls.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass

from radius_voice.events import CallStatusRecord, Mode, Observer
from radius_voice.login.model import CallRef, CallStatus, Unavailable
from radius_voice.login.ports import CallControl


@dataclass(slots=True)
class _FollowedCall:
    """A call that may be live."""

    session_id: str
    until: float  # wall-clock time by which the call must have ended
    mode: Mode  # of the policy, for the records
    status: CallStatus = CallStatus.QUEUED


class CallFollower:
    """Polls providers for the status of calls, and calls `on_call_event` for every change.

    Providers in `by_callback` report changes by callbacks and are not polled. `now` is wall-clock seconds.
    """

    def __init__(
        self,
        call_controls: Mapping[str, CallControl],
        on_call_event: Callable[[CallRef, CallStatus], Awaitable[None]],
        observer: Observer,
        now: Callable[[], float],
        by_callback: Container[str] = (),
    ) -> None:
        self._call_controls = call_controls
        self._on_call_event = on_call_event
        self._observer = observer
        self._now = now
        self._by_callback = by_callback
        self._followed: dict[CallRef, _FollowedCall] = {}

    def __len__(self) -> int:
        return len(self._followed)

    def follow(self, ref: CallRef, session_id: str, until: float, mode: Mode) -> None:
        """Follow a call until it ends or the wall clock reaches `until`, unless its provider is not polled.

        `mode` is the policy's mode, for the records.
        """
        if ref.provider in self._call_controls and ref.provider not in self._by_callback:
            self._followed[ref] = _FollowedCall(session_id, until, mode)

    async def hang_up(self, ref: CallRef) -> None:
        """End a call. Raises Unavailable if it is not known whether it ended."""
        provider = self._call_controls.get(ref.provider)
        if provider is None:
            raise Unavailable(ref.provider, "is no longer configured")
        await provider.hang_up(ref)
        self._followed.pop(ref, None)

    async def poll(self) -> None:
        """Ask every provider once for the status of its calls. An unavailable one is asked again at the next poll."""
        calls: dict[str, list[CallRef]] = defaultdict(list)
        for ref, followed in list(self._followed.items()):
            if self._now() >= followed.until:
                del self._followed[ref]
            else:
                calls[ref.provider].append(ref)
        for provider, refs in calls.items():
            try:
                statuses = await self._call_controls[provider].progress(refs)
            except Unavailable:
                continue
            for ref, status in statuses.items():
                await self._on_status(ref, status)

    async def _on_status(self, ref: CallRef, status: CallStatus) -> None:
        followed = self._followed.get(ref)
        if followed is None or followed.status is status:
            return
        followed.status = status
        if status.over:
            del self._followed[ref]
        session_id, mode = followed.session_id, followed.mode
        self._observer(CallStatusRecord(self._now(), session_id, ref.provider, ref.reference, status.value, mode))
        await self._on_call_event(ref, status)
