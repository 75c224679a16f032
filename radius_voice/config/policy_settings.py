"""Sections of `policies` about when a call is made. Rules between them and other settings are in policy_rules.py."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, model_validator

from radius_voice.config.addresses import NETWORK, Network
from radius_voice.config.context import LoadContext
from radius_voice.config.field_types import DURATION, TIMESTAMP, FieldType, duration
from radius_voice.config.hours import HOURS, TIME_ZONE
from radius_voice.config.section import KeyProblem, Section
from radius_voice.login.policies.allowed_hours import Hours

AttributeName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Names: TypeAlias = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False, min_length=1)]
CALLING_STATION_ID = "Calling-Station-Id"


_LENGTH = duration(60, 30 * 86400)


def _remember(value: Any, context: LoadContext) -> float | None:
    return None if value == "off" else _LENGTH.read(value, context)


REMEMBER = FieldType(_remember, {"type": "string", "pattern": f"^({DURATION}|off)$", "examples": ["12h", "off"]})


LanguageTag: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$")]
VoiceName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9.-]{0,49}$", examples=["Polly.Joanna"])]
FriendlyName: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]*$", examples=["ACME VPN"])
]


class SpeechSettings(Section):
    """How calls speak."""

    voices: dict[LanguageTag, VoiceName] = Field(
        default_factory=dict, min_length=1, examples=[{"en": "Polly.Joanna", "de": "Polly.Vicki"}]
    )
    """Names of the provider's voices by language; by default the provider chooses them."""
    speed: Literal["slow", "normal", "fast"] = "normal"
    """The pause before each digit: 2 s, 1 s or none."""
    repetitions: int = Field(3, ge=1, le=5)
    """How often a call speaks the code."""


class AllowedHoursSettings(Section):
    """When users may log in."""

    time_zone: Annotated[str, TIME_ZONE]
    """The time zone of hours, by its name in the IANA database."""
    hours: Annotated[tuple[Annotated[Hours, HOURS], ...], Field(strict=False, min_length=1)] = Field(
        ..., examples=[["mon-fri 07:00-19:00"]]
    )
    """Days and times: DAYS HH:MM-HH:MM."""


class ReportModeSettings(Section):
    """Records decisions without calling or rejecting users."""

    report_until: Annotated[float, TIMESTAMP]
    """When it ends, with a zone; at most 90 days ahead. Then the policy is enforced."""
    pilot_groups: Names | None = None
    """Groups whose members are called and rejected all the same."""


class ExemptionSettings(Section):
    """Users who are accepted without a call, after the right password. All keys must apply."""

    users: Names | None = None
    """Names of users in the directory."""
    groups: Names | None = None
    """Members of any of these groups."""
    networks: Annotated[tuple[Annotated[Network, NETWORK], ...], Field(strict=False, min_length=1)] | None = None
    """Addresses and networks of callers."""
    address_attribute: AttributeName = CALLING_STATION_ID
    """The attribute in which the gateway sends the caller's address; for networks."""
    reason: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", examples=["on-call team"])
    """Why, for the audit log."""

    @model_validator(mode="before")
    @classmethod
    def _has_a_condition(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.keys() & {"users", "groups", "networks"}:
            raise KeyProblem("applies to no user; add users, groups or networks")
        if isinstance(data, dict) and "address_attribute" in data and "networks" not in data:
            raise KeyProblem("has an effect only with networks; add networks or remove this key", "address_attribute")
        return data
