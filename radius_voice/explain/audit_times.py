"""Times of the audit log, and the times that an administrator writes to search it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from radius_voice.config import field_types

LAST_SECOND = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
DATE = re.compile(r"\d{4}-\d\d-\d\d")
FIX = "write how long ago it is, like 2h or 7d; a date, like 2026-11-26; or a time, like 2026-11-26T13:50 (UTC)"


def iso(at: float) -> str:
    """Wall-clock seconds as in `at` of a record. Times before 1970 and after 9999 are the first and the last moment."""
    return (
        datetime.fromtimestamp(min(max(at, 0.0), LAST_SECOND), UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


def seconds_of(at: str) -> float:
    """The wall-clock seconds of `at` of a record."""
    return datetime.fromisoformat(at).timestamp()


def moment(text: str, now: float, *, is_end: bool = False) -> str:
    """The time that an administrator wrote, as in `at` of a record. Raises ValueError with the fix.

    `text` is how long ago it is, a date, or a date and time, in UTC if it has no zone. A date is the beginning of the
    day, or with `is_end` its end.
    """
    try:
        if DATE.fullmatch(text):
            day = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
            return iso((day + timedelta(days=1)).timestamp() - 0.001 if is_end else day.timestamp())
        if text[:1].isdecimal() and "-" in text:
            written = datetime.fromisoformat(text)
            return iso((written if written.tzinfo else written.replace(tzinfo=UTC)).timestamp())
        return iso(now - field_types.seconds_of(text))
    except (ValueError, OverflowError):
        raise ValueError(FIX) from None
