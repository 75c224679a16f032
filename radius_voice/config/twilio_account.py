"""The account settings that all providers with a Twilio account have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from radius_voice.config.adapters import RuleContext
from radius_voice.config.addresses import BASE_URL
from radius_voice.config.http_section import HttpProviderSection
from radius_voice.config.secrets import Secret, is_placeholder
from radius_voice.config.section import Diagnostic, KeyProblem

PLACEHOLDER_SID = "AC" + "0" * 32
TEST_NUMBER = "+15005550006"
"""The number that Twilio's test credentials send from. `init` writes it as a placeholder."""
TWILIO_SID = "AC[0-9a-fA-F]{32}"
UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


class TwilioAccountSection(HttpProviderSection):
    """A Twilio account, or one at a service with the same API."""

    API: ClassVar[str] = "api"
    """The first label of the host of Twilio's API."""
    TEST_NUMBERS: ClassVar[tuple[str, ...]] = ("+1500555",)

    account_sid: str = Field(pattern=f"^({TWILIO_SID}|{UUID})$", examples=["AC and 32 hexadecimal digits"])
    """The account SID, from the Twilio console; with base_url, the UUID of a project or account of another service."""
    auth_token: Secret | None = None
    """The account's auth token: instead of api_key and api_secret, or beside them for callbacks."""
    api_key: str | None = Field(None, pattern="^SK[0-9a-fA-F]{32}$", examples=["SK and 32 hexadecimal digits"])
    """An API key, which can be restricted to what the provider needs."""
    api_secret: Secret | None = None
    """The API key's secret."""
    region: str | None = Field(None, pattern="^[a-z0-9-]{1,32}$", examples=["ie1"])
    """Twilio's region; requires edge."""
    edge: str | None = Field(None, pattern="^[a-z0-9-]{1,32}$", examples=["dublin"])
    """Twilio's edge; requires region."""
    base_url: Annotated[str, BASE_URL] | None = None
    """Another host with Twilio's API."""

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        key, secret = self.api_key is not None, self.api_secret is not None
        if key is not secret or not (key or self.auth_token):
            written_keys = ("api_key",) if key else ("api_secret",) if secret else ()
            raise KeyProblem("write either auth_token, or api_key and api_secret together", *written_keys)
        if (self.region is None) is not (self.edge is None):
            raise KeyProblem("region and edge belong together; write both or none", "edge" if self.edge else "region")
        if self.base_url is not None and self.region is not None:
            raise KeyProblem("replaces the host that region and edge select; remove it, or both of them", "base_url")
        if self.base_url is None and not self.account_sid.startswith("AC"):
            raise KeyProblem("is not a Twilio account SID; write AC and 32 hexadecimal digits", "account_sid")
        return self

    def errors(self, context: RuleContext) -> Iterator[Diagnostic]:
        """The auth token beside an API key: required for callbacks, which Twilio signs with it, and otherwise wrong."""
        yield from super().errors(context)
        if not (context.callbacks and self.MAKES_CALLBACKS):
            if self.auth_token is not None and self.api_key is not None:
                yield ("api_key",), "write either auth_token, or api_key and api_secret together"
        elif self.auth_token is None:
            yield (
                (),
                "callbacks need auth_token beside the API key, because Twilio signs them with it; add auth_token",
            )

    def urls(self) -> Mapping[str, str]:
        """The host that is used instead of Twilio's."""
        return {"base_url": self.base_url} if self.base_url else {}

    @property
    def server_url(self) -> str:
        """The URL of Twilio's API in the configured region, or of the host that is used instead."""
        place = f".{self.edge}.{self.region}" if self.region else ""
        return self.base_url or f"https://{self.API}{place}.twilio.com"

    def warnings(self) -> Iterator[Diagnostic]:
        """Placeholders of the sample configuration."""
        if self.base_url:
            return
        if self.account_sid == PLACEHOLDER_SID:
            yield ("account_sid",), "is still the placeholder; write your account SID from the Twilio console"
        for key, secret in (("auth_token", self.auth_token), ("api_secret", self.api_secret)):
            if secret and is_placeholder(secret):
                yield (key,), "is still the placeholder; write the value from the Twilio console"
