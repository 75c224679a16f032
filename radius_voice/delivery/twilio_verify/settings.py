"""The section of a provider of type `twilio-verify`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from radius_voice.config.section import KeyProblem, file_default
from radius_voice.config.twilio_account import TwilioAccountSection
from radius_voice.login.model import Method


class TwilioVerifySettings(TwilioAccountSection):
    """A Verify service of a Twilio account, which places calls and sends text messages."""

    API: ClassVar[str] = "verify"
    METHODS: ClassVar[tuple[Method, ...]] = (Method.VOICE, Method.SMS)

    type: Literal["twilio-verify"]
    """The type of the provider."""
    service_sid: str = Field(pattern="^VA[0-9a-fA-F]{32}$", examples=["VA and 32 hexadecimal digits"])
    """The Verify service, from the Twilio console."""
    delivers: Annotated[tuple[Literal["voice", "sms"], ...], Field(strict=False, min_length=1)] = file_default(
        ["voice", "sms"], alias="methods", examples=[["sms"]]
    )
    """What the service is used for: [voice] places calls, [sms] sends text messages; or both."""
    custom_code: bool = False
    """Whether radius-voice creates the codes; Twilio must enable it for the service. Otherwise Verify creates them."""
    dtmf_input_required: bool = False
    """Whether the service speaks a code only after a pressed key, as `voicemail: press` needs it."""

    @model_validator(mode="after")
    def _lists_each_method_once(self) -> TwilioVerifySettings:
        if len(set(self.delivers)) < len(self.delivers):
            raise KeyProblem("a method is listed twice; remove one", "methods")
        return self

    @property
    def methods(self) -> tuple[Method, ...]:
        """How this provider delivers codes."""
        return tuple(method for method in self.METHODS if method.value in self.delivers)

    @property
    def asks_for_key(self) -> bool:
        """Whether the service asks for a key before it speaks a code."""
        return self.dtmf_input_required
