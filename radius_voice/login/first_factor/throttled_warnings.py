"""Warnings that are repeated at most once a minute for each subject."""

from __future__ import annotations

from collections.abc import Callable

WARNING_SECONDS = 60.0


class ThrottledWarnings:
    """Passes on a warning about a subject, unless there was one within the last minute.

    Subjects are names from the configuration, so their number is bounded. `clock` is monotonic seconds.
    """

    def __init__(self, warn: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._warn = warn
        self._clock = clock
        self._next: dict[str, float] = {}

    def report(self, subject: str, text: str) -> None:
        """Warn about `subject` with `text`."""
        now = self._clock()
        if now >= self._next.get(subject, now):
            self._next[subject] = now + WARNING_SECONDS
            self._warn(text)
