"""Warnings about Request Authenticators that were used again."""

from __future__ import annotations

from collections.abc import Callable

REUSE_WARNING_SECONDS = 60.0


class ReuseWarnings:
    """Reports that a Request Authenticator was used for another name or password, once a minute for a client.

    `clock` is monotonic seconds.
    """

    def __init__(self, warn: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._warn = warn
        self._clock = clock
        self._next: dict[str, float] = {}

    def report(self, client: str) -> None:
        """Warn about that client entry, unless the last warning about it is less than a minute old."""
        now = self._clock()
        if now >= self._next.get(client, now):
            self._next[client] = now + REUSE_WARNING_SECONDS
            self._warn(
                f"clients.{client}: two requests with the same Request Authenticator and another user name or "
                "password: an altered recording, or a faulty gateway (RFC 2865 section 3)"
            )
