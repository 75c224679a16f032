"""Warnings about reused Request Authenticators."""

from __future__ import annotations

from collections.abc import Callable

from radius_voice.login.first_factor.throttled_warnings import ThrottledWarnings


class ReuseWarnings:
    """Warns that a Request Authenticator was used with another name or password, once a minute for each client.

    `clock` is monotonic seconds.
    """

    def __init__(self, warn: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._warnings = ThrottledWarnings(warn, clock)

    def report(self, client: str) -> None:
        """Warn about that client entry, unless it was warned about within the last minute."""
        self._warnings.report(
            client,
            f"clients.{client}: two requests with the same Request Authenticator and another user name or "
            "password: an altered recording, or a faulty gateway (RFC 2865 section 3)",
        )
