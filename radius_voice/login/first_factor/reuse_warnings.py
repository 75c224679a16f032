"""Warnings about Request Authenticators that were used again."""

from __future__ import annotations

from collections.abc import Callable

from radius_voice.login.first_factor.throttled_warnings import ThrottledWarnings


class ReuseWarnings:
    """Reports that a Request Authenticator was used for another name or password, once a minute for a client.

    `clock` is monotonic seconds.
    """

    def __init__(self, warn: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._warnings = ThrottledWarnings(warn, clock)

    def report(self, client: str) -> None:
        """Warn about that client entry, unless the last warning about it is less than a minute old."""
        self._warnings.report(
            client,
            f"clients.{client}: two requests with the same Request Authenticator and another user name or "
            "password: an altered recording, or a faulty gateway (RFC 2865 section 3)",
        )
