"""Follows calls that were placed, so that a missed call frees its person before the cap does.

All calls of a provider are asked for in one request, every few seconds, and only while there are any.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from radius_voice.events import Followed, Observer
from radius_voice.login.challenge import CallChanged
from radius_voice.login.model import CallRef, CallStatus, LoginKey, Unavailable
from radius_voice.login.ports import LiveCalls


@dataclass(slots=True)
class Watched:
    """A call that may live: the row and number it belongs to, and wall-clock `until` when it must be over."""

    key: LoginKey
    login: str
    number: int
    until: float
    lifetime: float
    status: CallStatus = CallStatus.QUEUED


class Follower:
    """Asks providers what became of calls, and tells `heard` of every change."""

    def __init__(
        self,
        live: Mapping[str, LiveCalls],
        heard: Callable[[LoginKey, CallChanged], Awaitable[None]],
        observer: Observer,
        now: Callable[[], float],
    ) -> None:
        self._live = live
        self._heard = heard
        self._observer = observer
        self._now = now
        self._watched: dict[CallRef, Watched] = {}

    def __len__(self) -> int:
        return len(self._watched)

    def watch(self, ref: CallRef, watched: Watched) -> None:
        """Follow a call, where its provider can be asked."""
        if ref.provider in self._live:
            self._watched[ref] = watched

    async def hang_up(self, ref: CallRef) -> None:
        """End a call. Raises Unavailable when nobody knows whether it ended."""
        provider = self._live.get(ref.provider)
        if provider is None:
            raise Unavailable(ref.provider, "is configured no more")
        await provider.hang_up(ref)
        self._watched.pop(ref, None)

    async def poll(self) -> None:
        """Ask every provider once for its calls. One that cannot be reached is asked again next time."""
        calls: dict[str, list[CallRef]] = defaultdict(list)
        for ref, watched in list(self._watched.items()):
            if self._now() >= watched.until:
                del self._watched[ref]
            else:
                calls[ref.provider].append(ref)
        for provider, refs in calls.items():
            try:
                statuses = await self._live[provider].progress(refs)
            except Unavailable:
                continue
            for ref, status in statuses.items():
                await self._note(ref, status)

    async def _note(self, ref: CallRef, status: CallStatus) -> None:
        watched = self._watched.get(ref)
        if watched is None or watched.status is status:
            return
        watched.status = status
        if status.over:
            del self._watched[ref]
        self._observer(Followed(self._now(), watched.login, ref.provider, ref.reference, status.value))
        await self._heard(watched.key, CallChanged(watched.login, watched.number, status, watched.lifetime))
