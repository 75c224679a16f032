"""All settings except those of adapters: name, type, bounds and default. Rules between settings are in rules.py.

Defaults are written as in the file. The docstring of a field is the text that an editor shows for it;
docs/settings.md has the details. Models are frozen, and their values are validated and of plain types.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import copy
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, Union

from pydantic import Discriminator, Field, PlainSerializer, Tag, ValidationInfo, create_model, model_validator

from radius_voice.config.adapters import AdapterSection, IdentitySection, ProviderSection, SectionTypes, StoreSection
from radius_voice.config.addresses import Endpoint, endpoint
from radius_voice.config.callbacks import CallbacksSettings
from radius_voice.config.client_settings import ClientSettings
from radius_voice.config.context import KEEP_VALID, context_of
from radius_voice.config.field_types import (
    COUNTRIES,
    NUMBER_PREFIX,
    PATH,
    SIP_DOMAIN,
    TIMESTAMP,
    OneOrMany,
    duration,
)
from radius_voice.config.limits import LimitsSettings
from radius_voice.config.messages_file import MESSAGES_FILE
from radius_voice.config.policy_settings import (
    REMEMBER,
    AllowedHoursSettings,
    ExemptionSettings,
    FriendlyName,
    ReportModeSettings,
    SpeechSettings,
)
from radius_voice.config.prices import PriceSettings
from radius_voice.config.reply_settings import ReplyRuleSettings, WhenSettings
from radius_voice.config.report_settings import AdminSettings, AuditSettings, LogSettings
from radius_voice.config.secrets import Secret
from radius_voice.config.section import KeyProblem, Section, file_default, optional_section
from radius_voice.config.strict_yaml import Path as KeyPath
from radius_voice.login.deliveries.code_message import MAX_SPEECH_SECONDS
from radius_voice.login.model import Method
from radius_voice.login.policies.policy import PROVIDER_SECONDS
from radius_voice.messages import SHIPPED, Catalog

Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
NO_FIRST_FACTOR = "none"
"""The value of `first_factor` for gateways that verify passwords themselves."""
CALL_BESIDES_RINGING = PROVIDER_SECONDS + MAX_SPEECH_SECONDS
Model = TypeVar("Model", bound=Section)


class ServerSettings(Section):
    """The RADIUS server of this node."""

    listen: Annotated[tuple[Annotated[Endpoint, endpoint("udp://", 1812)], ...], Field(strict=False, min_length=1)] = (
        file_default(["udp://0.0.0.0:1812"])
    )
    """Addresses that receive requests: udp://ADDRESS:PORT, IPv6 in brackets."""
    accounting: Annotated[tuple[Annotated[Endpoint, endpoint("udp://", 1813)], ...], Field(strict=False)] = (
        file_default([], examples=[["udp://0.0.0.0:1813"]])
    )
    """Addresses that receive Accounting-Requests, like udp://0.0.0.0:1813; by default none."""
    state: Annotated[Path, PATH] = file_default("state")
    """The directory of server.key and of data that must survive a restart; by default $STATE_DIRECTORY if set."""
    workers: int = Field(1, ge=1, le=64)
    """The number of processes; more than one needs Linux and a store of type sqlite or redis."""
    key: Annotated[tuple[Secret, ...], Field(strict=False, min_length=1, max_length=2), OneOrMany()] | None = Field(
        None, examples=[[{"file": "new.key"}, {"file": "old.key"}]]
    )
    """Encrypts the key of the store's hashes; a list of two while it is being changed, the new one first.

    Required when nodes share a store; otherwise created at the first start.
    """
    reject_delay: Annotated[float, duration(0, 5)] = file_default("1s")
    """How long after its request an Access-Reject is sent."""
    duplicate_window: Annotated[float, duration(5, 30)] = file_default("10s")
    """How long a response is kept for retransmissions of its request."""
    max_concurrent: int = Field(256, ge=1, le=65536)
    """How many requests are processed at once."""
    max_queued: int = Field(1024, ge=0, le=65536)
    """How many more requests may wait; beyond that, requests are discarded."""
    max_held: int = Field(1000, ge=1, le=65536)
    """How many requests may wait until their users approve them; beyond that, requests are discarded."""
    status_server: bool = True
    """Whether to respond to Status-Server (RFC 5997)."""

    @model_validator(mode="before")
    @classmethod
    def _state_of_systemd(cls, data: Any, info: ValidationInfo) -> Any:
        # systemd separates several directories by colons; the first is the unit's own.
        directory = context_of(info).environment.get("STATE_DIRECTORY", "").split(":")[0]
        return {"state": directory, **data} if directory and isinstance(data, dict) else data


class ChallengeSettings(Section):
    """The code, and the calls that deliver it."""

    digits: int = Field(6, ge=4, le=10)
    """Number of digits of a code."""
    code_lifetime: Annotated[float, duration(30, 600)] = file_default("2m")
    """How long a code is valid after the call is answered."""
    attempts: int = Field(3, ge=1, le=10)
    """How many codes may be entered in one login."""
    redials: int = Field(2, ge=0, le=5)
    """How many more calls a user may request in one login."""
    ring_timeout: Annotated[float, duration(10, 120)] = file_default("30s")
    """How long the phone rings."""
    session_timeout: Annotated[float, duration(40, 3600)] = file_default("6m")
    """The longest duration of a login; at least ring_timeout plus code_lifetime, and ring_timeout plus 110s."""

    @model_validator(mode="after")
    def _session_holds_a_call(self) -> ChallengeSettings:
        least = self.ring_timeout + max(self.code_lifetime, CALL_BESIDES_RINGING)
        if self.session_timeout < least:
            rest = max(self.code_lifetime, CALL_BESIDES_RINGING)
            why = (
                "code_lifetime"
                if rest == self.code_lifetime
                else "placing and speaking, which last longer than code_lifetime"
            )
            raise KeyProblem(
                f"must be at least {least:g}s: ring_timeout ({self.ring_timeout:g}s) + {rest:g}s ({why})",
                "session_timeout",
            )
        return self


class BypassSettings(Section):
    """Accepts users without a call for a limited time."""

    bypass_until: Annotated[float, TIMESTAMP]
    """When it ends, with a zone; at most 240 minutes ahead."""


def _word_or_mapping(value: Any) -> str:
    return "word" if isinstance(value, str) else "mapping"


class UserRulesSettings(Section):
    """The rules of a policy that apply once the user is known."""

    methods: Annotated[tuple[Literal["voice", "sms"], ...], Field(strict=False, min_length=1)] = file_default(["voice"])
    """How codes are delivered: the first, unless the user asks for another one or no provider can deliver by it."""
    voicemail: Literal["off", "press", "detect"] = "off"
    """How a call keeps its code out of a voicemail box: by a pressed key, or by machine detection."""
    challenge: ChallengeSettings = optional_section()
    """The code, and the deliveries that carry it."""
    friendly_name: FriendlyName | None = None
    """The name of the service that these users hear and read; by default delivery.friendly_name."""
    speech: SpeechSettings = optional_section()
    """How calls speak."""
    countries: Annotated[frozenset[str] | None, COUNTRIES] = file_default("any")
    """Countries that may be called."""
    allow_numbers: Annotated[tuple[Annotated[str, NUMBER_PREFIX], ...], Field(strict=False)] = file_default(
        [], examples=[["+4915", "+12025550123"]]
    )
    """Numbers and prefixes that may be called whatever their type and country."""
    reject_numbers: Annotated[tuple[Annotated[str, NUMBER_PREFIX], ...], Field(strict=False)] = file_default(
        [], examples=[["+37127", "+12025550124"]]
    )
    """Numbers and prefixes that are not called; where allow_numbers has one too, the longer one applies."""
    sip_domains: Annotated[tuple[Annotated[str, SIP_DOMAIN], ...], Field(strict=False)] = file_default(
        [], examples=[["pbx.example.org"]]
    )
    """Hosts of SIP addresses that may be called; a SIP address of another host is not called."""
    first_phone: Literal["trust", "verified"] = "trust"
    """Whether the phones that the directory has at a user's first login are called, or only verified ones."""
    changed_phone: Literal["refuse", "alarm", "allow"] = "refuse"
    """What happens in a login of a user who has a phone in the directory that is not pinned."""
    on_delivery_failure: Annotated[
        Annotated[Literal["reject"], Tag("word")] | Annotated[BypassSettings, Tag("mapping")],
        Discriminator(_word_or_mapping),
    ] = "reject"
    """What the gateway gets when no provider can place the call."""
    reply: Annotated[tuple[ReplyRuleSettings, ...], Field(strict=False)] = file_default(
        [], examples=[[{"set": {"Class": "VPN"}}]]
    )
    """Attributes that an Access-Accept carries."""
    exemptions: Annotated[tuple[ExemptionSettings, ...], Field(strict=False)] = file_default(
        [], examples=[[{"groups": ["operators"], "networks": ["192.0.2.0/24"], "reason": "control room"}]]
    )
    """Users who are accepted without a call, after the right password."""
    remember: Annotated[float | None, REMEMBER] = file_default("off")
    """How long after a right code the right password is sufficient, at the same client and Calling-Station-Id."""
    allowed_hours: AllowedHoursSettings | None = None
    """When users may log in; by default always."""
    grace_until: Annotated[float, TIMESTAMP] | None = None
    """Until then, with a zone and at most 90 days ahead, users without a phone are accepted without a call."""

    @model_validator(mode="after")
    def _calls_verified_phones_only(self) -> UserRulesSettings:
        if self.first_phone == "verified" and self.changed_phone != "refuse":
            text = "would call phones that are not verified; write refuse, or first_phone: trust"
            raise KeyProblem(text, "changed_phone")
        return self


class GroupRuleSettings(UserRulesSettings):
    """Rules for the members of a group. Once loaded, it also has the policy's rules that it does not override."""

    when: WhenSettings
    """The users that it applies to."""

    @model_validator(mode="before")
    @classmethod
    def _user_is_known(cls, data: Any) -> Any:
        for key in ("first_factor", "directory", "on_unavailable", "gateway_checks_password", "decoys"):
            if isinstance(data, dict) and key in data:
                raise KeyProblem("applies before the user is known, so it belongs to the policy; remove it here", key)
        if isinstance(data, dict) and "mode" in data:
            raise KeyProblem("belongs to the policy, where pilot_groups names groups; remove it here", "mode")
        return data


class PolicySettings(UserRulesSettings):
    """How users log in. Once loaded, `first_factor` and `directory` are never empty."""

    first_factor: str = Field(default_factory=str)
    """The identity source that verifies passwords, or none if the gateway has verified the password."""
    directory: str = Field(default_factory=str)
    """The identity source of users and their phones."""
    on_unavailable: Literal["no_response", "reject"] = "no_response"
    """What the gateway gets while an identity source or the store is unavailable."""
    gateway_checks_password: bool = False
    """With first_factor none: the gateway rejects wrong passwords, so that settings may accept users without a call."""
    decoys: bool = False
    """With first_factor none: challenge users who cannot log in like others, without a call, and reject every code."""
    mode: Annotated[
        Annotated[Literal["enforce"], Tag("word")] | Annotated[ReportModeSettings, Tag("mapping")],
        Discriminator(_word_or_mapping),
    ] = "enforce"
    """Whether decisions are carried out, or only recorded until a date."""
    group_rules: Annotated[tuple[GroupRuleSettings, ...], Field(strict=False)] = file_default(
        [], examples=[[{"when": {"group": "contractors"}, "countries": ["US"]}]]
    )
    """Other rules for members of groups; the first one that applies to a user replaces those of the policy."""

    def rules_of(self, groups: Collection[str]) -> UserRulesSettings:
        """The rules for a user who is a member of `groups`."""
        return next((rule for rule in self.group_rules if rule.when.group in groups), self)

    def rules_with_paths(self) -> Iterator[tuple[KeyPath, UserRulesSettings]]:
        """The policy's own rules and those of its groups, each with the path from the policy to them."""
        yield (), self
        for index, rule in enumerate(self.group_rules):
            yield ("group_rules", index), rule


class DeliverySettings(PriceSettings):
    """How codes are delivered to phones."""

    friendly_name: FriendlyName
    """The name of the service that users log in to, as they hear and read it."""
    messages: Annotated[Catalog, MESSAGES_FILE, PlainSerializer(attrgetter("languages"))] = Field(
        default_factory=lambda: SHIPPED, examples=["messages.yaml"]
    )
    """A file with texts that replace those of radius-voice, or that add a language."""
    voice: Annotated[tuple[str, ...], Field(strict=False)] | None = Field(None, examples=[["twilio"]])
    """Providers that place calls, in the order of failover; by default all that can."""
    sms: Annotated[tuple[str, ...], Field(strict=False)] | None = Field(None, examples=[["twilio-texts"]])
    """Providers that send text messages, in the order of failover; by default all that can."""
    providers: dict[Name, ProviderSection] = Field(min_length=1)
    """The providers."""

    def order_of(self, method: Method) -> tuple[str, ...]:
        """The names of the providers that deliver codes by that method, in the order of failover."""
        written = {Method.VOICE: self.voice, Method.SMS: self.sms}[method]
        if written is not None:
            return written
        return tuple(name for name, provider in self.providers.items() if method in provider.methods)


class Settings(Section):
    """The configuration file."""

    development: bool = False
    """Allows settings that are unsafe in production: providers on loopback, a fixed code, port 0."""
    server: Annotated[ServerSettings, KEEP_VALID] = optional_section()
    """The RADIUS server of this node."""
    clients: dict[Name, Annotated[ClientSettings, KEEP_VALID]] = Field(min_length=1)
    """The gateways that may send requests."""
    identity: dict[Name, IdentitySection] = Field(min_length=1)
    """The sources of users: passwords, phones, or both."""
    policies: dict[Name, Annotated[PolicySettings, KEEP_VALID]] = Field(default_factory=dict)
    """How users log in; with one identity source, the policy default exists even if it is not written."""
    delivery: DeliverySettings
    """How codes are delivered to phones."""
    limits: LimitsSettings = optional_section()
    """Rate limits."""
    store: StoreSection = file_default({"type": "sqlite"})
    """Where logins and limits are kept."""
    audit: Annotated[AuditSettings, KEEP_VALID] = optional_section()
    """The audit log: every decision and its reason."""
    admin: Annotated[AdminSettings, KEEP_VALID] = optional_section()
    """Metrics and health."""
    callbacks: Annotated[CallbacksSettings, KEEP_VALID] | None = None
    """Requests of providers about their calls; by default providers are asked about calls."""
    log: LogSettings = optional_section()
    """The log on standard error."""

    @property
    def user_rules(self) -> Iterator[UserRulesSettings]:
        """The rules of all policies and of their groups."""
        return (rules for policy in self.policies.values() for _, rules in policy.rules_with_paths())


@cache
def settings_type(sections: SectionTypes) -> type[Settings]:
    """The type of the settings with the sections of these adapters."""
    delivery = _with(DeliverySettings, providers=dict[Name, _one_of(sections.providers)])  # type: ignore[misc]
    return _with(
        Settings,
        identity=dict[Name, _one_of(sections.identity)],  # type: ignore[misc]
        delivery=delivery,
        store=_one_of(sections.stores),
    )


def _one_of(sections: Sequence[type[AdapterSection]]) -> Any:
    """The type of a section that is one of several, chosen by its `type`."""
    union: Any = Union[tuple(sections)]  # noqa: UP007 - the members are known at run time only
    return Annotated[union, Discriminator("type"), KEEP_VALID] if len(sections) > 1 else Annotated[union, KEEP_VALID]


def _with(model: type[Model], **types: Any) -> type[Model]:
    """The model with other types for some of its fields."""
    fields: dict[str, Any] = {name: (each, copy(model.model_fields[name])) for name, each in types.items()}
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, __module__=model.__module__, **fields)


@cache
def json_schema(settings: type[Settings]) -> Mapping[str, Any]:
    """The JSON Schema of the configuration file, for editors and for the names and examples in error messages."""
    schema = settings.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "radius-voice.yaml"}
