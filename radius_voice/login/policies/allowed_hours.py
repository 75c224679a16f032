"""The hours of the week in which users may log in. Pure.

Hours are compared with the local time. A time that occurs twice when clocks are set back is treated the same both
times. Hours that begin at a time that clocks skip begin when the clocks are set forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo

from radius_voice.login.policies.exemptions import RulePath

MINUTES_OF_HOUR = 60
DAYS_OF_WEEK = 7


@dataclass(frozen=True, slots=True)
class Hours:
    """A period on some days of the week."""

    days: frozenset[int]  # 0 is Monday
    start: int  # minute of the day, included
    end: int  # minute of the day, not included; on the following day if not after `start`

    def include(self, day: int, minute: int) -> bool:
        """Whether the period includes that minute of that day of the week."""
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        day_before = (day - 1) % DAYS_OF_WEEK
        return (day in self.days and minute >= self.start) or (day_before in self.days and minute < self.end)


@dataclass(frozen=True, slots=True)
class AllowedHours:
    """The hours in which users may log in. `rule` is their path in the configuration."""

    rule: RulePath
    time_zone: tzinfo
    hours: tuple[Hours, ...]

    def include(self, now: float) -> bool:
        """Whether the hours include that wall-clock time (seconds since the epoch)."""
        local = datetime.fromtimestamp(now, self.time_zone)
        minute = local.hour * MINUTES_OF_HOUR + local.minute
        return any(hours.include(local.weekday(), minute) for hours in self.hours)
