"""The numbers that calls come from: one, and exceptions by the country of the called number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from radius_voice.config.adapters import ProviderSection
from radius_voice.config.field_types import REGION, PhoneNumber
from radius_voice.login.deliveries.caller_numbers import CallerNumbers


class CallerNumbersSection(ProviderSection):
    """A provider whose calls come from a number of its account."""

    from_: PhoneNumber = Field(alias="from")
    """The caller's number, in quotes."""
    from_by_country: Mapping[Annotated[str, REGION], PhoneNumber] = Field(default_factory=dict)
    """Other numbers, by the country of the user's number."""

    @property
    def callers(self) -> CallerNumbers:
        """The caller's numbers."""
        return CallerNumbers(self.from_, self.from_by_country)
