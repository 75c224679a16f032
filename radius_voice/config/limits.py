"""The section `limits`: rate limits."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from radius_voice.config.field_types import Rate, rate
from radius_voice.config.section import Section, section, written

Limit: TypeAlias = Annotated[Rate | None, rate("10 per 10m")]
DailyLimit: TypeAlias = Annotated[Rate | None, rate("30 per 24h", daily=True)]


class PasswordLimits(Section):
    """Wrong passwords."""

    user: Limit = written("10 per 10m")
    """For each user name."""
    calling_station: Limit = written("30 per 10m")
    """For each Calling-Station-Id."""
    client: Limit = written("off")
    """For each client."""
    total: Limit = written("off")
    """In total."""


class CodeLimits(Section):
    """Wrong codes."""

    user: Limit = written("10 per 24h")
    """For each user; a right code clears it."""
    phone: Limit = written("20 per 24h")
    """For each phone number; a right code clears it."""
    calling_station: Limit = written("30 per 10m")
    """For each Calling-Station-Id."""
    client: Limit = written("off")
    """For each client."""
    country: Limit = written("off")
    """For each country of the phone."""
    total: Limit = written("off")
    """In total."""


class CallLimits(Section):
    """Calls in a short period."""

    user: Limit = written("5 per 10m")
    """For each user."""
    phone: Limit = written("5 per 10m")
    """For each phone number."""
    calling_station: Limit = written("30 per 10m")
    """For each Calling-Station-Id."""
    client: Limit = written("30 per 1m")
    """For each client."""
    country: Limit = written("40 per 1m")
    """For each country of the phone."""
    total: Limit = written("40 per 1m")
    """In total."""


class DailyCallLimits(Section):
    """Calls a day, which bound the cost of toll fraud."""

    user: DailyLimit = written("30 per 24h")
    """For each user."""
    country: DailyLimit = written("1000 per 24h")
    """For each country of the phone."""
    total: DailyLimit = written("2000 per 24h")
    """In total."""


class Limits(Section):
    """Rate limits: N per DURATION, or off."""

    wrong_passwords: PasswordLimits = section()
    """Wrong passwords."""
    wrong_codes: CodeLimits = section()
    """Wrong codes."""
    calls: CallLimits = section()
    """Calls in a short period."""
    calls_per_day: DailyCallLimits = section()
    """Calls a day."""
