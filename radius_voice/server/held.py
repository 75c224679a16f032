"""Counts the requests that are held until their users approve them, at most `limit`.

They wait for people and not for this server, so they take none of the places of `admission` meanwhile. A place is taken
before a request is processed, so that no call is placed for one that could not be held.
"""

from __future__ import annotations

from radius_voice.events import SecondFactorMode
from radius_voice.server.request import Request


class Held:
    """The held requests of clients with `second_factor: approve`; other requests are not counted."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_progress = 0

    def enter(self, request: Request) -> bool:
        """Whether the request may be processed; if so, it is counted until `leave`."""
        if not _may_be_held(request):
            return True
        self.in_progress += 1
        return self.in_progress <= self.limit

    def leave(self, request: Request) -> None:
        """Count the request no longer."""
        if _may_be_held(request):
            self.in_progress -= 1


def _may_be_held(request: Request) -> bool:
    return request.client.second_factor is SecondFactorMode.APPROVE
