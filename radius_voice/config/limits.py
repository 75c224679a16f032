"""The section `limits`: rate limits."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from radius_voice.config.field_types import REGION, Rate, rate
from radius_voice.config.prices import BUDGET
from radius_voice.config.section import Section, file_default, optional_section

Limit: TypeAlias = Annotated[Rate | None, rate("10 per 10m")]
Budget: TypeAlias = Annotated[int | None, BUDGET]
DailyLimit: TypeAlias = Annotated[Rate | None, rate("30 per 24h", daily=True)]


class PasswordLimitsSettings(Section):
    """Wrong passwords."""

    user: Limit = file_default("10 per 10m")
    """For each user."""
    user_at_station: Limit = file_default("5 per 10m")
    """For each user at each Calling-Station-Id."""
    calling_station: Limit = file_default("30 per 10m")
    """For each Calling-Station-Id."""
    client: Limit = file_default("off")
    """For each client."""
    total: Limit = file_default("off")
    """In total."""


class CodeLimitsSettings(Section):
    """Wrong codes."""

    user: Limit = file_default("10 per 24h")
    """For each user; a right code clears it."""
    phone: Limit = file_default("20 per 24h")
    """For each phone number; a right code clears it."""
    calling_station: Limit = file_default("30 per 10m")
    """For each Calling-Station-Id."""
    client: Limit = file_default("off")
    """For each client."""
    country: Limit = file_default("off")
    """For each country of the phone."""
    total: Limit = file_default("off")
    """In total."""


class CallLimitsSettings(Section):
    """Calls in a short period."""

    user: Limit = file_default("5 per 10m")
    """For each user."""
    phone: Limit = file_default("5 per 10m")
    """For each phone number."""
    calling_station: Limit = file_default("30 per 10m")
    """For each Calling-Station-Id."""
    client: Limit = file_default("30 per 1m")
    """For each client."""
    country: Limit = file_default("40 per 1m")
    """For each country of the phone."""
    total: Limit = file_default("40 per 1m")
    """In total."""


class DailyCallLimitsSettings(Section):
    """Calls a day, which bound the cost of toll fraud."""

    user: DailyLimit = file_default("30 per 24h")
    """For each user."""
    country: DailyLimit = file_default("1000 per 24h")
    """For each country of the phone."""
    countries: dict[Annotated[str, REGION], DailyLimit] = Field(default_factory=dict, examples=[{"LV": "10 per 24h"}])
    """For single countries, in place of `country`."""
    total: DailyLimit = file_default("2000 per 24h")
    """In total."""


class CostLimitsSettings(Section):
    """Money a UTC day, in delivery.currency."""

    user: Budget = file_default("off")
    """For each user."""
    country: Budget = file_default("off")
    """For each country of the phone."""
    countries: dict[Annotated[str, REGION], Budget] = Field(default_factory=dict, examples=[{"LV": 5.0}])
    """For single countries, in place of `country`."""
    total: Budget = file_default("off")
    """In total."""


class LimitsSettings(Section):
    """Rate limits: N per DURATION, or off."""

    wrong_passwords: PasswordLimitsSettings = optional_section()
    """Wrong passwords."""
    wrong_codes: CodeLimitsSettings = optional_section()
    """Wrong codes."""
    calls: CallLimitsSettings = optional_section()
    """Calls in a short period."""
    calls_per_day: DailyCallLimitsSettings = optional_section()
    """Calls a day."""
    cost_per_day: CostLimitsSettings = optional_section()
    """Money a UTC day, in delivery.currency: an amount, or off."""
