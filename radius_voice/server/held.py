"""Limits the number of requests that are held until their users approve them.

Held requests do not count in `admission`, because they wait for users and not for this server. A request is counted
before it is processed, so that no call is placed for a request that could not be held.
"""

from __future__ import annotations

from radius_voice.events import SecondFactorMode
from radius_voice.server.request import Request


class Held:
    """Counts the requests of clients with `second_factor: approve`, at most `limit`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_progress = 0

    def enter(self, request: Request) -> bool:
        """Whether the request may be processed. It counts until `leave`, which must be called in either case."""
        if not _may_be_held(request):
            return True
        self.in_progress += 1
        return self.in_progress <= self.limit

    def leave(self, request: Request) -> None:
        """Stop counting the request."""
        if _may_be_held(request):
            self.in_progress -= 1


def _may_be_held(request: Request) -> bool:
    return request.client.second_factor is SecondFactorMode.APPROVE
