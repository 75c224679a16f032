"""The hours of the week in which users may log in. Pure.

The local clock counts: a time that occurs twice when clocks are set back is allowed or not both times, and hours that
begin at a time that does not occur begin when clocks are set forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo

from radius_voice.login.policies.exemptions import RulePath

MINUTES_OF_HOUR = 60
DAYS_OF_WEEK = 7


@dataclass(frozen=True, slots=True)
class Hours:
    """From `start` until before `end` on each of `days`, in minutes of the day; 0 is Monday.

    If `end` is before `start`, they end on the following day.
    """

    days: frozenset[int]
    start: int
    end: int

    def include(self, day: int, minute: int) -> bool:
        """Whether they include that minute of that day of the week."""
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        day_before = (day - 1) % DAYS_OF_WEEK
        return (day in self.days and minute >= self.start) or (day_before in self.days and minute < self.end)


@dataclass(frozen=True, slots=True)
class AllowedHours:
    """All `hours` together, on the clock of a time zone. `rule` is where the configuration has them."""

    rule: RulePath
    time_zone: tzinfo
    hours: tuple[Hours, ...]

    def include(self, now: float) -> bool:
        """Whether they include that wall-clock time, in seconds since the epoch."""
        local = datetime.fromtimestamp(now, self.time_zone)
        minute = local.hour * MINUTES_OF_HOUR + local.minute
        return any(hours.include(local.weekday(), minute) for hours in self.hours)
