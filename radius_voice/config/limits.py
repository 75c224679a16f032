"""The section `limits`: rate limits."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field, model_validator

from radius_voice.config.field_types import REGION_OR_DOMAIN, Rate, duration, rate
from radius_voice.config.prices import BUDGET
from radius_voice.config.section import KeyProblem, Section, file_default, optional_section

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
    """For each country of the phone, or domain of a SIP address."""
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
    """For each country of the phone, or domain of a SIP address."""
    total: Limit = file_default("40 per 1m")
    """In total."""


class DailyCallLimitsSettings(Section):
    """Calls a day, which bound the cost of toll fraud."""

    user: DailyLimit = file_default("30 per 24h")
    """For each user."""
    country: DailyLimit = file_default("1000 per 24h")
    """For each country of the phone, or domain of a SIP address."""
    countries: dict[Annotated[str, REGION_OR_DOMAIN], DailyLimit] = Field(
        default_factory=dict, examples=[{"LV": "10 per 24h"}]
    )
    """For single countries and SIP domains, in place of `country`."""
    total: DailyLimit = file_default("2000 per 24h")
    """In total."""


class CostLimitsSettings(Section):
    """Money a UTC day, in delivery.currency."""

    user: Budget = file_default("off")
    """For each user."""
    country: Budget = file_default("off")
    """For each country of the phone, or domain of a SIP address."""
    countries: dict[Annotated[str, REGION_OR_DOMAIN], Budget] = Field(default_factory=dict, examples=[{"LV": 5.0}])
    """For single countries and SIP domains, in place of `country`."""
    total: Budget = file_default("off")
    """In total."""


class SuccessSettings(Section):
    """Rejects deliveries to a country while too few of them end in a right code, except to pinned phones."""

    floor: float = Field(0.2, ge=0.01, le=0.9)
    """The minimum share of deliveries that must end in a right code."""
    calls: int = Field(50, ge=10, le=1000)
    """Deliveries stop after this number without a right code, beyond those that the floor allows."""
    users: int = Field(10, ge=2, le=1000)
    """The minimum number of different users among them."""
    window: Annotated[float, duration(600, 86400)] = file_default("1h")
    """How long deliveries stop. After this time without a delivery, the count also begins again."""
    digits: int | None = Field(None, ge=1, le=10)
    """Count for each prefix of this many digits, with the country code, in place of each country."""

    @model_validator(mode="after")
    def _enough_deliveries(self) -> SuccessSettings:
        if self.users > self.calls:
            raise KeyProblem("must be at most limits.success.calls", "users")
        return self


class ApprovalLimitsSettings(Section):
    """Calls that ask for an approval and get none. At the limit, the user is not called again for the period."""

    unanswered: Limit = file_default("1 per 1m")
    """Calls that a user does not answer."""
    denied: Limit = file_default("1 per 10m")
    """Calls that a user answers without approving the login."""


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
    success: SuccessSettings | None = None
    """The minimum share of deliveries that end in a right code; by default there is none."""
    approvals: ApprovalLimitsSettings = optional_section()
    """Calls that ask for an approval."""
