"""The section of a provider of type `twilio-sms`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PlainSerializer, model_validator

from radius_voice.config.field_types import REGION
from radius_voice.config.section import Diagnostic, KeyProblem
from radius_voice.config.text_senders import NUMERIC_ONLY, TEXT_SENDER, is_alphanumeric, masked
from radius_voice.config.twilio_account import TEST_NUMBER, TwilioAccountSection
from radius_voice.login.model import Method

Sender = Annotated[str, TEXT_SENDER, PlainSerializer(masked)]
Country = Annotated[str, REGION]


class TwilioSmsSettings(TwilioAccountSection):
    """A Twilio account that sends text messages."""

    METHODS: ClassVar[tuple[Method, ...]] = (Method.SMS,)

    type: Literal["twilio-sms"]
    """The type of the provider."""
    from_: Sender | None = Field(None, alias="from")
    """The sender: a number of the account that can send text messages, or an alphanumeric sender."""
    messaging_service_sid: str | None = Field(
        None, pattern="^MG[0-9a-fA-F]{32}$", examples=["MG and 32 hexadecimal digits"]
    )
    """A messaging service of the account, which selects the sender; instead of from."""
    from_by_country: Mapping[Country, Sender] = Field(default_factory=dict)
    """Other senders, by the country of the user's number."""

    @model_validator(mode="after")
    def _has_one_sender(self) -> TwilioSmsSettings:
        if (self.from_ is None) is (self.messaging_service_sid is None):
            raise KeyProblem("write either from or messaging_service_sid")
        return self

    def warnings(self) -> Iterator[Diagnostic]:
        """Placeholders, and senders that networks refuse."""
        yield from super().warnings()
        if self.base_url is None and self.from_ == TEST_NUMBER:
            yield ("from",), "is a test number that sends no text messages; put one of your account's here"
        for country, sender in self.from_by_country.items():
            if country in NUMERIC_ONLY and is_alphanumeric(sender):
                yield ("from_by_country", country), f"{country} accepts no alphanumeric sender; write a number"
