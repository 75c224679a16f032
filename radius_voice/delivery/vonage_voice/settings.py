"""The section of a provider of type `vonage-voice`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from radius_voice.config.addresses import URL
from radius_voice.config.caller_numbers import CallerNumbersSection
from radius_voice.config.field_types import CALLS_PER_SECOND, PhoneNumber
from radius_voice.config.http_section import HttpProviderSection
from radius_voice.config.private_keys import PrivateKey
from radius_voice.config.section import file_default

UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


class VonageVoiceSettings(CallerNumbersSection, HttpProviderSection):
    """A Vonage application that places calls."""

    type: Literal["vonage-voice"]
    """The type of the provider."""
    application_id: str = Field(pattern=f"^{UUID}$", examples=["00000000-0000-0000-0000-000000000000"])
    """The id of an application with the capability Voice, from the Vonage dashboard."""
    private_key: PrivateKey
    """The private key of the application."""
    from_: PhoneNumber = Field(alias="from")
    """The caller's number: a number that is linked to the application, in quotes."""
    calls_per_second: Annotated[float | None, CALLS_PER_SECOND] = file_default(3)
    """How many calls are requested in a second at most, as many as the account allows; off: as many as there are."""
    base_url: Annotated[str, URL] | None = None
    """Another host with Vonage's API, such as that of a region."""

    def urls(self) -> Mapping[str, str]:
        """The host that is used instead of api.nexmo.com."""
        return {"base_url": self.base_url} if self.base_url else {}

    @property
    def server_url(self) -> str:
        """The URL of Vonage's API, or of the host that is used instead."""
        return self.base_url or "https://api.nexmo.com"

    @property
    def max_calls_per_second(self) -> float | None:
        """The configured number."""
        return self.calls_per_second
