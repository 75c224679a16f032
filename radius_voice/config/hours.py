"""Types of values in the file: time zones, and hours of the week."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from radius_voice.config.context import LoadContext
from radius_voice.config.field_types import FieldType, require_text
from radius_voice.config.suggestions import suggestion
from radius_voice.login.policies.allowed_hours import DAYS_OF_WEEK, MINUTES_OF_HOUR, Hours

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = f"(?:{'|'.join(DAYS)})"
SPAN = rf"{DAY}(?:-{DAY})?"
TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
HOURS_PATTERN = rf"({SPAN}(?:,{SPAN})*) ({TIME})-({TIME}|24:00)"


def _time_zone(value: Any, _context: LoadContext) -> str:
    name = require_text(value)
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # not a name, a directory, or not in the database
        known = available_timezones()
        if not known:
            fix = "install the operating system's package tzdata, or the Python package tzdata"
            raise ValueError(f"this machine has no time zone database; {fix}") from None
        fix = suggestion(name, known) or "; write a name like Europe/Berlin or America/New_York"
        raise ValueError(f"there is no such time zone{fix}") from None
    return name


TIME_ZONE = FieldType(_time_zone, {"type": "string", "minLength": 1, "examples": ["Europe/Berlin"]})
"""The name of a time zone in the IANA database; it stays text."""


def _hours(value: Any, _context: LoadContext) -> Hours:
    found = re.fullmatch(HOURS_PATTERN, require_text(value))
    if found is None:
        raise ValueError("not hours of the week; write them like 'mon-fri 07:00-19:00' or 'sat,sun 10:00-14:30'")
    start, end = _minute(found[2]), _minute(found[3])
    if start == end:
        raise ValueError("begin and end at the same time; write 00:00-24:00 for whole days")
    return Hours(frozenset(day for span in found[1].split(",") for day in _days(span)), start, end)


def _days(span: str) -> list[int]:
    """The days of `mon` or `fri-mon`, in which the week may end."""
    first, _, last = span.partition("-")
    start = DAYS.index(first)
    length = (DAYS.index(last or first) - start) % DAYS_OF_WEEK + 1
    return [(start + offset) % DAYS_OF_WEEK for offset in range(length)]


def _minute(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * MINUTES_OF_HOUR + int(minute)


HOURS = FieldType(_hours, {"type": "string", "pattern": f"^{HOURS_PATTERN}$", "examples": ["mon-fri 07:00-19:00"]})
"""`DAYS HH:MM-HH:MM`, which becomes Hours. An end before the start is on the following day."""
