"""The section of a provider of type `twilio-voice`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from radius_voice.config.field_types import PhoneNumber
from radius_voice.config.section import Diagnostic
from radius_voice.config.twilio_account import TEST_NUMBER, TwilioAccountSection


class TwilioVoiceSettings(TwilioAccountSection):
    """A Twilio account that places calls."""

    MAKES_CALLBACKS: ClassVar[bool] = True
    VOICEMAIL: ClassVar[frozenset[str]] = frozenset({"press", "detect"})

    type: Literal["twilio-voice"]
    """The type of the provider."""
    from_: PhoneNumber = Field(alias="from")
    """The caller's number: a number or verified caller ID of the account, in quotes."""

    def warnings(self) -> Iterator[Diagnostic]:
        """Placeholders of the sample configuration."""
        yield from super().warnings()
        if self.base_url is None and self.from_.e164 == TEST_NUMBER:
            yield ("from",), "is a test number that places no calls; put one of your account's here"
