"""The section of `clients`. Rules between clients are in rules.py, realms.py and second_factors.py."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, model_validator

from radius_voice.config.addresses import NETWORK, Network
from radius_voice.config.field_types import OneOrMany, duration, duration_text, seconds_of
from radius_voice.config.policy_settings import AttributeName, FriendlyName
from radius_voice.config.profiles import PROFILES, Profile, ProfileName
from radius_voice.config.secrets import Secret, readable_text
from radius_voice.config.section import KeyProblem, Section, file_default
from radius_voice.login.texts.prompts import MAX_REPLY_MESSAGE_BYTES

DELIMITER = ","
RESPONSE_TIMEOUT = 2.5
SHARE_OF_GATEWAY_TIMEOUT = 0.8
"""A challenge is sent within this fraction of the gateway's timeout; the rest is for the network."""
APPROVAL_TIMEOUT = 45.0
MIN_APPROVAL_TIMEOUT, MAX_RESPONSE_TIMEOUT = 20.0, 60.0
APPROVAL_MARGIN = 5.0
"""Seconds between the response to an approval login and the end of the gateway's timeout."""
MIN_PROBE_CHARACTERS = 16
RealmName: TypeAlias = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]


class RealmSettings(Section):
    """A realm of user names."""

    policy: str = Field(default_factory=str)
    """The policy for its users; by default that of the client."""
    strip: bool = True
    """Whether the realm is removed from the name before passwords are verified and users are looked up."""


class ProbeSettings(Section):
    """The user of a gateway's health checks."""

    user: str = Field(pattern=r"^[^\x00-\x1f\x7f]{1,63}$", examples=["health-check"])
    """The user name of the checks."""
    response: Literal["accept", "reject"] = "reject"
    """What the checks get; a reject tells most gateways too that this server responds."""
    password: Secret | None = None
    """With response: accept, the password; a user who has it is accepted without a second factor."""

    @model_validator(mode="after")
    def _accepts_with_a_long_password(self) -> ProbeSettings:
        if self.response == "reject":
            if self.password is not None:
                raise KeyProblem("has an effect only with response: accept; remove it", "password")
            return self
        if self.password is None:
            raise KeyProblem("is missing; response: accept needs one, for example of: openssl rand -hex 16", "password")
        text = readable_text(self.password)
        if text is not None and len(text) < MIN_PROBE_CHARACTERS:
            text = f"must have at least {MIN_PROBE_CHARACTERS} characters; make one with: openssl rand -hex 16"
            raise KeyProblem(text, "password")
        return self


class ClientSettings(Section):
    """A gateway, or several that share a secret."""

    address: Annotated[tuple[Annotated[Network, NETWORK], ...], Field(strict=False, min_length=1), OneOrMany()] = Field(
        ..., examples=[["192.0.2.10", "198.51.100.0/24"]]
    )
    """An address, a network, or a list of them; the longest prefix applies."""
    secret: Annotated[tuple[Secret, ...], Field(strict=False, min_length=1, max_length=2), OneOrMany()] = Field(
        ..., examples=[[{"file": "old.secret"}, {"file": "new.secret"}]]
    )
    """The shared secret; a list of two while it is being changed."""
    require_message_authenticator: Literal["yes", "auto", "no"] = "yes"
    """Whether requests must have a Message-Authenticator (CVE-2024-3596); auto: from addresses that have sent one."""
    limit_proxy_state: Literal["yes", "auto", "no"] = "auto"
    """Whether requests with Proxy-State must have a Message-Authenticator; auto: from addresses that are no proxy."""
    profile: ProfileName | None = None
    """The kind of gateway, which gives the defaults of other keys."""
    policy: str = "default"
    """The policy for users of this client."""
    response_timeout: Annotated[float, duration(0.2, MAX_RESPONSE_TIMEOUT)] = file_default(
        duration_text(RESPONSE_TIMEOUT)
    )
    """The challenge is sent within this time; keep it below the gateway's timeout."""
    second_factor: Literal["challenge", "two_pass", "approve"] = "challenge"
    """What users do: enter a code at an Access-Challenge, or in a second login; or approve the login by a key."""
    friendly_name: FriendlyName | None = None
    """With second_factor: approve, how calls name this gateway; by default the name of the client."""
    password_required: bool = True
    """Whether requests must have a User-Password; no only with second_factor: approve, where the gateway checks it."""
    delimiter: str = Field(DELIMITER, pattern=r"^[!-,/:-@\[-`{-~]$", examples=["+"])
    """What separates password and code in two_pass: an ASCII punctuation character other than - and the full stop."""
    charset: Literal["ascii", "utf-8"] = "utf-8"
    """The characters that the gateway can show; with ascii, texts are written in ASCII letters or else in English."""
    prompt_length: int = Field(MAX_REPLY_MESSAGE_BYTES, ge=40, le=MAX_REPLY_MESSAGE_BYTES)
    """How many octets of a text the gateway can show; longer texts are shortened."""
    calling_station_attribute: AttributeName | None = Field(None, examples=["Calling-Station-Id"])
    """The attribute with the caller's address; by default Calling-Station-Id, with any text."""
    gateway_timeout: Annotated[float, duration(0.3, 300)] | None = None
    """How long the gateway waits for a response before it sends the request again, or gives up."""
    gateway_requests: int | None = Field(None, ge=1, le=20)
    """How often the gateway sends a request in all when there is no response."""
    gateway_input_timeout: Annotated[float, duration(5, 3600)] | None = None
    """How long the gateway lets a user type after it has shown a challenge."""
    gateway_max_challenges: int | None = Field(None, ge=1, le=100)
    """How many challenges the gateway shows in one login."""
    realms: dict[RealmName, RealmSettings] = Field(
        default_factory=dict, min_length=1, examples=[{"CORP": {}, "corp.example": {"policy": "staff"}}]
    )
    """The realms that user names may have, before a backslash or after an @; by default, names stay as typed."""
    probe: ProbeSettings | None = Field(None, examples=[{"user": "health-check", "response": "reject"}])
    """A user for the gateway's health checks, which is answered without a login."""

    @model_validator(mode="before")
    @classmethod
    def _with_profile(cls, data: Any) -> Any:
        return with_profile(data) if isinstance(data, dict) else data

    @property
    def profile_values(self) -> Profile:
        """The facts about the gateway; none without a profile."""
        return Profile() if self.profile is None else PROFILES[self.profile]

    @property
    def gateway_wait(self) -> float | None:
        """How long the gateway waits in all for a response, in seconds; None if unknown."""
        return None if self.gateway_timeout is None else self.gateway_timeout * (self.gateway_requests or 1)

    @property
    def policies(self) -> frozenset[str]:
        """The policies of its users."""
        return frozenset((self.policy, *(realm.policy or self.policy for realm in self.realms.values())))


def with_profile(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry of a client with the values of its profile, and with a response_timeout below the gateway's timeout.

    Keys of the entry itself take precedence.
    """
    name = entry.get("profile")
    profile = PROFILES.get(name) if isinstance(name, str) else None  # type: ignore[call-overload]
    merged = {**(profile.keys if profile else {}), **entry}
    if "response_timeout" not in merged and (profile or "gateway_timeout" in entry):
        with suppress(ValueError, TypeError):  # an invalid value is reported where it is
            merged["response_timeout"] = duration_text(_response_timeout(merged))
    return merged


def _response_timeout(entry: dict[str, Any]) -> float:
    timeout = seconds_of(entry["gateway_timeout"]) if "gateway_timeout" in entry else None
    if entry.get("second_factor") == "approve":
        wait = timeout * entry.get("gateway_requests", 1) - APPROVAL_MARGIN if timeout else APPROVAL_TIMEOUT
        return min(wait, MAX_RESPONSE_TIMEOUT) if wait >= MIN_APPROVAL_TIMEOUT else APPROVAL_TIMEOUT
    return min(RESPONSE_TIMEOUT, timeout * SHARE_OF_GATEWAY_TIMEOUT) if timeout else RESPONSE_TIMEOUT
