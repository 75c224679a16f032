"""Limits: the generic cell rate algorithm. Pure.

For each subject and limit, the store has one number, which doubles represent exactly:

- by default, the theoretical arrival time (`tat`) at which the subject has its full allowance again (ITU-T I.371,
  virtual scheduling);
- for a limit that `resets`, the time of the reset in whole seconds, plus the uses so far in units of 1 / `MAX_USES`;
- for a limit that `counts`, the uses so far, plus `COUNT_LIMIT` times the day on which the store may delete the number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import ceil, floor

from radius_voice.login.model import Limit, LimitAction, Limited, LimitOperation

MIN_USE_SECONDS = 120.0
"""A use of a limit that resets counts for at least this long, so that it still counts when the verification extends it.

A verification begins within `response_timeout` (at most 60 s) and takes at most the `timeout` of the source (30 s).
"""
MAX_USES = 1024
"""A limit that resets has fewer uses than this."""
COUNT_LIMIT = 2**36
"""A limit that counts has fewer uses than this. Every stored number from here on belongs to such a limit."""
DAY_SECONDS = 86400
KEPT_DAYS = 2
"""The uses of a limit that counts are kept this many days after the last change: longer than any call."""


def arrival_time(tat: float, limit: Limit, action: LimitAction, now: float, amount: int = 1) -> float | None:
    """The number to store after `action`, or None if the limit forbids the action. `tat` is the stored number.

    A `tat` in the past means a full allowance. So does one too far in the future, which dates from before the clock was
    set back.
    """
    if limit.resets:
        return _reset_time(tat, limit, action, now, amount)
    if limit.counts:
        return _count(tat, limit, action, now, amount)
    period = limit.period
    interval = period / limit.burst
    base = tat if 0 < tat - now <= period + interval else now
    if action is LimitAction.RESET:
        return now
    if action is LimitAction.REFUND:
        return max(base - amount * interval, now)
    if action is LimitAction.EXTEND:
        return base
    taken = base + amount * interval
    if taken - now > period + interval * 1e-6:
        return None
    return taken if action is LimitAction.TAKE else base


def _reset_time(stored: float, limit: Limit, action: LimitAction, now: float, amount: int) -> float | None:
    """`arrival_time` of a limit that resets."""
    ends, used = _uses(stored, limit, now)
    if action is LimitAction.RESET:
        return now
    if action is LimitAction.REFUND:
        return ends + (used - amount) / MAX_USES if used > amount else now
    if action is LimitAction.EXTEND:
        return max(ends, ceil(now + limit.period)) + used / MAX_USES if used else now
    if used + amount > limit.burst:
        return None
    if action is LimitAction.CHECK:
        return stored
    seconds = min(limit.period, MIN_USE_SECONDS) if used else limit.period
    return max(ends, ceil(now + seconds)) + (used + amount) / MAX_USES


def _count(stored: float, limit: Limit, action: LimitAction, now: float, amount: int) -> float | None:
    """`arrival_time` of a limit that counts."""
    used = _counted(stored)
    match action:
        case LimitAction.RESET:
            return now
        case LimitAction.REFUND:
            used = max(0, used - amount)
        case LimitAction.TAKE | LimitAction.CHECK:
            used += amount
            if used > limit.burst:
                return None
        case _:  # EXTEND
            return stored
    return (now // DAY_SECONDS + 1 + KEPT_DAYS) * COUNT_LIMIT + used


def _counted(stored: float) -> int:
    """The uses that the number of a limit that counts has."""
    return int(stored % COUNT_LIMIT) if stored >= COUNT_LIMIT else 0


def expiry(stored: float) -> float:
    """The wall-clock time until which a store must keep the number of a limit."""
    return stored // COUNT_LIMIT * DAY_SECONDS if stored >= COUNT_LIMIT else stored


def _uses(stored: float, limit: Limit, now: float) -> tuple[int, int]:
    """When a limit that resets will do so, and its uses so far. A time too far in the future counts as past."""
    ends = floor(stored)
    if not 0 < ends - now <= limit.period + 1:
        return 0, 0
    return ends, floor((stored - ends) * MAX_USES + 0.5)


def apply_operations(
    operations: Iterable[LimitOperation], read: Callable[[str], float | None], now: float
) -> dict[str, float] | Limited:
    """The numbers to write for `operations` by storage key, or the first limit that forbids an operation.

    `read` returns the stored number for a storage key, or None. A limit whose allowance was full and stays full is not
    written.
    """
    written: dict[str, float] = {}
    for operation in operations:
        limit, key = operation.limit, storage_key(operation)
        before = written[key] if key in written else read(key) or 0.0
        after = arrival_time(before, limit, operation.action, now, operation.amount)
        if after is None:
            return Limited(limit, _retry_after(before, operation, now))
        if operation.action is not LimitAction.CHECK and (after > now or before > now):
            written[key] = after
    return written


def _retry_after(tat: float, operation: LimitOperation, now: float) -> float:
    limit = operation.limit
    if limit.resets:
        return floor(tat) - now
    if limit.counts:
        return (now // DAY_SECONDS + 1) * DAY_SECONDS - now
    return max(tat, now) + operation.amount * (limit.period / limit.burst) - limit.period - now


def storage_key(operation: LimitOperation) -> str:
    """The name under which a store keeps the number of a limit for a subject."""
    return f"{operation.subject}:{operation.limit.name}"


def remaining(tat: float, limit: Limit, now: float) -> int:
    """How many uses are left of a limit whose stored number is `tat`."""
    if limit.resets:
        return max(0, limit.burst - _uses(tat, limit, now)[1])
    if limit.counts:
        return max(0, limit.burst - _counted(tat))
    interval = limit.period / limit.burst
    base = now if tat - now > limit.period + interval else max(tat, now)
    return min(limit.burst, floor((now + limit.period - base) / interval + 1e-6))


def of_country(
    limits: Mapping[str, Limit], by_country: Mapping[str, Limit | None], subjects: Mapping[str, str]
) -> Mapping[str, Limit]:
    """`limits` by scope, where the limit of the subjects' country replaces the scope `country`."""
    country = subjects.get("country", "")
    if country not in by_country:
        return limits
    limit, others = by_country[country], {scope: limit for scope, limit in limits.items() if scope != "country"}
    return others if limit is None else {**others, "country": limit}
