"""Warnings that are repeated at most once a minute."""

from __future__ import annotations

from collections.abc import Callable

WARNING_SECONDS = 60.0


class ThrottledWarnings:
    """Reports a warning about a subject, unless the last one about it is less than a minute old.

    Subjects come from the configuration, so their number is bounded. `clock` is monotonic seconds.
    """

    def __init__(self, warn: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._warn = warn
        self._clock = clock
        self._next: dict[str, float] = {}

    def report(self, subject: str, text: str) -> None:
        """Warn about `subject`."""
        now = self._clock()
        if now >= self._next.get(subject, now):
            self._next[subject] = now + WARNING_SECONDS
            self._warn(text)
