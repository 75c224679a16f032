"""The section of a provider of type `twilio-voice`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from radius_voice.config.caller_numbers import CallerNumbersSection
from radius_voice.config.field_types import CALLS_PER_SECOND, PhoneNumber
from radius_voice.config.secrets import Secret, is_placeholder
from radius_voice.config.section import Diagnostic, KeyProblem, file_default
from radius_voice.config.twilio_account import TEST_NUMBER, TwilioAccountSection


class TwilioVoiceSettings(CallerNumbersSection, TwilioAccountSection):
    """A Twilio account that places calls."""

    MAKES_CALLBACKS: ClassVar[bool] = True
    VOICEMAIL: ClassVar[frozenset[str]] = frozenset({"press", "detect"})

    type: Literal["twilio-voice"]
    """The type of the provider."""
    from_: PhoneNumber = Field(alias="from")
    """The caller's number: a number or verified caller ID of the account, in quotes."""
    calls_per_second: Annotated[float | None, CALLS_PER_SECOND] = file_default(1)
    """How many calls are requested in a second at most, as many as the account allows; off: as many as there are."""
    sip_auth_username: str | None = Field(None, pattern=r"^[!-~]{1,128}$", examples=["radius-voice"])
    """The user name for calls to SIP addresses, if the PBX asks for one; requires sip_auth_password."""
    sip_auth_password: Secret | None = None
    """The password of sip_auth_username."""

    @model_validator(mode="after")
    def _has_both_credentials(self) -> Self:
        if (self.sip_auth_username is None) is not (self.sip_auth_password is None):
            written = "sip_auth_username" if self.sip_auth_username is not None else "sip_auth_password"
            raise KeyProblem("sip_auth_username and sip_auth_password belong together; write both or none", written)
        return self

    def warnings(self) -> Iterator[Diagnostic]:
        """Placeholders of the sample configuration."""
        yield from super().warnings()
        if self.sip_auth_password is not None and is_placeholder(self.sip_auth_password):
            yield ("sip_auth_password",), "is still the placeholder; put the password that the PBX expects here"
        exceptions = [(("from_by_country", country), number) for country, number in self.from_by_country.items()]
        for path, number in ((("from",), self.from_), *exceptions):
            if self.base_url is None and number.address == TEST_NUMBER:
                yield path, "is a test number that places no calls; put one of your account's here"

    @property
    def max_calls_per_second(self) -> float | None:
        """The configured number."""
        return self.calls_per_second
