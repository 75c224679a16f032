"""Calls that wait for a slot of their provider (`pacing`). The challenge is sent first and says how long they wait."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from msgspec.structs import replace

from radius_voice.events import Reason
from radius_voice.login.calls.pacing import FAILOVER_SECONDS, MAX_WAIT_SECONDS
from radius_voice.login.deliveries.requests import DeliveryRequest
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.inputs import CallQueued, Transition
from radius_voice.login.model import Session, Unavailable
from radius_voice.login.session.sessions import Sessions

SHORT_WAIT_SECONDS = 2.0
"""A wait up to this long is not announced to the user."""


class QueuedCall:
    """The waits of one delivery, whose call lasts at most `call_seconds`. Setting `hurry` ends all waits.

    `announced` is resolved with the transition for the gateway once the first long wait is stored in the session.
    `announced_seconds` is the sum of the announced waits.
    """

    def __init__(
        self,
        dependencies: Dependencies,
        sessions: Sessions,
        session: Session,
        call_seconds: float,
        opened: Transition,
        hurry: asyncio.Event,
    ) -> None:
        self._dependencies = dependencies
        self._sessions = sessions
        self._session = session
        self._ends_by = session.ends_at - call_seconds
        self._opened = opened
        self._hurry = hurry
        self._has_ended = False
        self.announced: asyncio.Future[Transition] = asyncio.get_running_loop().create_future()
        self.announced_seconds = 0.0

    @property
    def max_wait(self) -> float:
        """How long the call may wait, so that it ends before the session does.

        A call that asks for an approval may wait for half of the time that the gateway still waits.
        """
        session, now = self._session, self._dependencies.now()
        if session.approval:
            return min(FAILOVER_SECONDS, max(0.0, session.code_until - now) / 2)
        return max(SHORT_WAIT_SECONDS, min(MAX_WAIT_SECONDS, self._ends_by - now))

    async def wait(self, seconds: float, request: DeliveryRequest) -> bool:
        """Wait before the request is sent. False if it must not be sent because the login has ended.

        The session counts as live during the wait, so no other login of the user begins. Raises Unavailable.
        """
        if seconds > SHORT_WAIT_SECONDS and not self._has_ended and not self._session.approval:
            await self._announce(seconds, request)
        if seconds > 0 and not self._has_ended:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._hurry.wait()
        if seconds > SHORT_WAIT_SECONDS and not self._has_ended:
            self._has_ended = not await self._is_waited_for()
        return not self._has_ended

    async def _announce(self, seconds: float, request: DeliveryRequest) -> None:
        """Store the wait, then let the challenge be sent."""
        session = self._session
        event = CallQueued(session.id, session.delivery.number, seconds)
        _, transition = await self._sessions.apply(session.key, event, known=session)
        if transition.session is None:
            self._has_ended = True
            return
        self.announced_seconds += seconds
        if not self.announced.done():
            delivery = replace(transition.session.delivery, phone=request.phone, method=request.method)
            shown = replace(transition.session, delivery=delivery)
            self.announced.set_result(replace(self._opened, session=shown, reason=Reason.DELIVERY_QUEUED))

    async def _is_waited_for(self) -> bool:
        """Whether the session still waits for this call; True if the store is unavailable."""
        session, dependencies = self._session, self._dependencies
        try:
            current = await dependencies.store.load(session.key)
        except Unavailable:
            return True
        same = current is not None and (current.id, current.delivery.number) == (session.id, session.delivery.number)
        return same and current is not None and current.open_at(dependencies.now())
