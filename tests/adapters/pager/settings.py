"""The section of a provider that only tests have."""

from typing import Literal

from pydantic import Field

from radius_voice.config.adapters import ProviderSection


class PagerSettings(ProviderSection):
    """Sends codes to pagers."""

    type: Literal["pager"]
    """The type of the provider."""
    channel: int = Field(ge=1, le=9)
    """The channel."""

    def errors(self, context):
        if self.channel == 9 and not context.development:
            yield ("channel",), "9 is for development: true only; write another one"

    def warnings(self):
        if self.channel == 1:
            yield ("channel",), "is used by all users; another one is quieter"
