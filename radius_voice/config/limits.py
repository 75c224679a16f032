"""The section `limits`: how often what may happen."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from radius_voice.config.kinds import Rate, rate
from radius_voice.config.section import Section, section, written

Limit: TypeAlias = Annotated[Rate | None, rate("10 per 10m")]
DailyLimit: TypeAlias = Annotated[Rate | None, rate("30 per 24h", daily=True)]


class PasswordLimits(Section):
    """Wrong passwords."""

    person: Limit = written("10 per 10m")
    """By the name that was typed."""
    source: Limit = written("30 per 10m")
    """By where the person's device is (Calling-Station-Id)."""
    client: Limit = written("off")
    """By gateway."""
    all: Limit = written("off")
    """All wrong passwords."""


class CodeLimits(Section):
    """Wrong codes."""

    person: Limit = written("10 per 24h")
    """By person; a right code clears it."""
    phone: Limit = written("20 per 24h")
    """By phone number; a right code clears it."""
    source: Limit = written("30 per 10m")
    """By where the person's device is (Calling-Station-Id)."""
    client: Limit = written("off")
    """By gateway."""
    country: Limit = written("off")
    """By the phone's country."""
    all: Limit = written("off")
    """All wrong codes."""


class CallLimits(Section):
    """Calls in a short time."""

    person: Limit = written("5 per 10m")
    """By person."""
    phone: Limit = written("5 per 10m")
    """By phone number."""
    source: Limit = written("30 per 10m")
    """By where the person's device is (Calling-Station-Id)."""
    client: Limit = written("30 per 1m")
    """By gateway."""
    country: Limit = written("40 per 1m")
    """By the phone's country."""
    all: Limit = written("40 per 1m")
    """All calls."""


class DailyCallLimits(Section):
    """Calls a day: what toll fraud can cost at most."""

    person: DailyLimit = written("30 per 24h")
    """By person."""
    country: DailyLimit = written("1000 per 24h")
    """By the phone's country."""
    all: DailyLimit = written("2000 per 24h")
    """All calls."""


class Limits(Section):
    """How often what may happen: N per DURATION, or off."""

    wrong_passwords: PasswordLimits = section()
    """Wrong passwords."""
    wrong_codes: CodeLimits = section()
    """Wrong codes."""
    calls: CallLimits = section()
    """Calls in a short time."""
    calls_a_day: DailyCallLimits = section()
    """Calls a day."""
