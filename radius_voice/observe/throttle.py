"""Limits floods of records: one per period, and a count of the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping


class Throttle:
    """Admits one record per key in `period` seconds, and counts the suppressed records by kind.

    Keys and kinds must come from bounded sets: keys are never removed. `now` is monotonic seconds.
    """

    def __init__(self, period: float, now: Callable[[], float]) -> None:
        self._period = period
        self._now = now
        self._next: dict[str, float] = {}
        self._suppressed: dict[str, dict[str, int]] = {}

    def admit(self, key: str, kind: str, count: int = 1) -> Mapping[str, int] | None:
        """None if this record is suppressed, else how many of each kind were suppressed since the last admitted one.

        `count` is the number of packets that this record represents.
        """
        now = self._now()
        if now < self._next.get(key, now):
            suppressed = self._suppressed.setdefault(key, {})
            suppressed[kind] = suppressed.get(kind, 0) + count
            return None
        self._next[key] = now + self._period
        return self._suppressed.pop(key, {})
