"""All settings: name, type, bounds and default. Rules between settings are in rules.py.

Defaults are written as in the file. The docstring of a field is the text that an editor shows for it;
docs/settings.md has the details. Models are frozen, and their values are validated and of plain types.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag, ValidationInfo, model_validator

from radius_voice.config.kinds import (
    ATTRIBUTE_VALUE,
    COUNTRIES,
    NETWORK,
    NUMBER_PREFIX,
    PATH,
    PATH_OR_STDOUT,
    PHONE,
    TIMESTAMP,
    URL,
    Endpoint,
    HostPort,
    Network,
    OrMany,
    duration,
    endpoint,
    host_port,
    place_of,
)
from radius_voice.config.limits import Limits
from radius_voice.config.secrets import Secret
from radius_voice.config.section import KeyProblem, Section, section, written
from radius_voice.config.stores import MemoryStore, Store
from radius_voice.login.phone import Phone
from radius_voice.login.policy import PROVIDER_SECONDS
from radius_voice.login.script import SCRIPT_SECONDS

Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
HostName: TypeAlias = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?$", examples=["metrics.example.org"])
]
CALL_BESIDES_RINGING = PROVIDER_SECONDS + SCRIPT_SECONDS
AttributeName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]


class Server(Section):
    """The RADIUS server of this node."""

    listen: Annotated[tuple[Annotated[Endpoint, endpoint("udp://", 1812)], ...], Field(strict=False, min_length=1)] = (
        written(["udp://0.0.0.0:1812"])
    )
    """Addresses that receive requests: udp://ADDRESS:PORT, IPv6 in brackets."""
    state: Annotated[Path, PATH] = written("state")
    """The directory of server.key and of data that must survive a restart; by default $STATE_DIRECTORY if set."""
    workers: int = Field(1, ge=1, le=64)
    """The number of processes; more than one needs Linux and a store of type sqlite or redis."""
    key: Secret | None = None
    """The key of the hashes in the store. Required when nodes share a store; otherwise created at the first start."""
    reject_delay: Annotated[float, duration(0, 5)] = written("1s")
    """How long after its request an Access-Reject is sent."""
    duplicate_window: Annotated[float, duration(5, 30)] = written("10s")
    """How long a response is kept for retransmissions of its request."""
    max_in_flight: int = Field(256, ge=1, le=65536)
    """How many requests are processed at once."""
    max_waiting: int = Field(1024, ge=0, le=65536)
    """How many more requests may wait; beyond that, requests are discarded."""
    status_server: bool = True
    """Whether to respond to Status-Server (RFC 5997)."""

    @model_validator(mode="before")
    @classmethod
    def _state_of_systemd(cls, data: Any, info: ValidationInfo) -> Any:
        # systemd separates several directories by colons; the first is the unit's own.
        directory = place_of(info).environment.get("STATE_DIRECTORY", "").split(":")[0]
        return {"state": directory, **data} if directory and isinstance(data, dict) else data


class Client(Section):
    """A gateway, or several that share a secret."""

    address: Annotated[tuple[Annotated[Network, NETWORK], ...], Field(strict=False, min_length=1), OrMany()] = Field(
        ..., examples=[["192.0.2.10", "198.51.100.0/24"]]
    )
    """An address, a network, or a list of them; the longest prefix applies."""
    secret: Annotated[tuple[Secret, ...], Field(strict=False, min_length=1, max_length=2), OrMany()] = Field(
        ..., examples=[[{"file": "old.secret"}, {"file": "new.secret"}]]
    )
    """The shared secret; a list of two while it is being changed."""
    require_message_authenticator: Literal["yes", "auto", "no"] = "yes"
    """Whether requests must have a Message-Authenticator (CVE-2024-3596); auto: from addresses that have sent one."""
    profile: Literal["generic"] = "generic"
    """The kind of gateway."""
    policy: str = "default"
    """The policy for users of this client."""
    answer_within: Annotated[float, duration(0.2, 60)] = written("2.5s")
    """The challenge is sent within this time; keep it below the gateway's timeout."""


class UsersFile(Section):
    """Users in a YAML file."""

    type: Literal["users_file"]
    """The type of the source."""
    path: Annotated[Path, PATH]
    """The users file, relative to this file."""


class Challenge(Section):
    """The code, and the calls that deliver it."""

    digits: int = Field(6, ge=4, le=10)
    """Number of digits of a code."""
    lifetime: Annotated[float, duration(30, 600)] = written("2m")
    """How long a code is valid after the call is answered."""
    tries: int = Field(3, ge=1, le=10)
    """How many codes may be entered in one login."""
    redials: int = Field(2, ge=0, le=5)
    """How many more calls a user may request in one login."""
    ring: Annotated[float, duration(10, 120)] = written("30s")
    """How long the phone rings."""
    cap: Annotated[float, duration(40, 3600)] = written("6m")
    """The longest duration of a login; at least ring plus lifetime, and ring plus 110s."""

    @model_validator(mode="after")
    def _cap_holds_a_call(self) -> Challenge:
        least = self.ring + max(self.lifetime, CALL_BESIDES_RINGING)
        if self.cap < least:
            rest = max(self.lifetime, CALL_BESIDES_RINGING)
            why = "lifetime" if rest == self.lifetime else "placing and speaking, which last longer than lifetime"
            raise KeyProblem(f"must be at least {least:g}s: ring ({self.ring:g}s) + {rest:g}s ({why})", "cap")
        return self


class Bypass(Section):
    """Accepts users without a call for a limited time."""

    bypass_until: Annotated[float, TIMESTAMP]
    """When it ends, with a zone; at most 240 minutes ahead."""


class When(Section):
    """The users that a reply rule applies to."""

    group: str = Field(min_length=1)
    """Members of this group."""


class ReplyRule(Section):
    """Attributes that an Access-Accept carries."""

    when: When | None = None
    """The users that it applies to; by default all."""
    set: dict[AttributeName, Annotated[str | int, ATTRIBUTE_VALUE]] = Field(min_length=1)
    """RADIUS attributes by name."""


def _word_or_mapping(value: Any) -> str:
    return "word" if isinstance(value, str) else "mapping"


class Policy(Section):
    """How users log in. Once loaded, `first_factor` and `directory` are never empty."""

    first_factor: str = Field(default_factory=str)
    """The identity source that verifies passwords, or none if the gateway has verified the password."""
    directory: str = Field(default_factory=str)
    """The identity source of users and their phones."""
    methods: Annotated[tuple[Literal["voice"], ...], Field(strict=False, min_length=1, max_length=1)] = written(
        ["voice"]
    )
    """How codes are delivered."""
    challenge: Challenge = section()
    """The code, and the calls that deliver it."""
    countries: Annotated[frozenset[str] | None, COUNTRIES] = written("any")
    """Countries that may be called."""
    allow_numbers: Annotated[tuple[Annotated[str, NUMBER_PREFIX], ...], Field(strict=False)] = written(
        [], examples=[["+4915", "+12025550123"]]
    )
    """Numbers and prefixes that may be called whatever their type and country."""
    on_unavailable: Literal["silence", "reject"] = "silence"
    """What the gateway gets while an identity source or the store is unavailable; silence: no response."""
    on_delivery_failure: Annotated[
        Annotated[Literal["reject"], Tag("word")] | Annotated[Bypass, Tag("mapping")], Discriminator(_word_or_mapping)
    ] = "reject"
    """What the gateway gets when no provider can place the call."""
    reply: Annotated[tuple[ReplyRule, ...], Field(strict=False)] = written([], examples=[[{"set": {"Class": "VPN"}}]])
    """Attributes that an Access-Accept carries."""


class TwilioVoice(Section):
    """A Twilio account that places calls."""

    type: Literal["twilio-voice"]
    """The type of the provider."""
    account_sid: str = Field(pattern="^AC[0-9a-fA-F]{32}$", examples=["AC and 32 hexadecimal digits"])
    """The account SID, from the Twilio console."""
    auth_token: Secret | None = None
    """The account's auth token, unless api_key and api_secret are used."""
    api_key: str | None = Field(None, pattern="^SK[0-9a-fA-F]{32}$", examples=["SK and 32 hexadecimal digits"])
    """An API key, which can be restricted to calls."""
    api_secret: Secret | None = None
    """The API key's secret."""
    from_: Annotated[Phone, PHONE] = Field(alias="from")
    """The caller's number: a number or verified caller ID of the account, in quotes."""
    region: str | None = Field(None, pattern="^[a-z0-9-]{1,32}$", examples=["ie1"])
    """Twilio's region; requires edge."""
    edge: str | None = Field(None, pattern="^[a-z0-9-]{1,32}$", examples=["dublin"])
    """Twilio's edge; requires region."""
    base_url: Annotated[str, URL] | None = None
    """Another host with Twilio's API."""
    proxy: Annotated[str, URL] | None = None
    """An HTTP proxy for requests to Twilio."""
    ca_file: Annotated[Path, PATH] | None = None
    """Certificates to trust instead of the system's, in PEM."""
    connect_timeout: Annotated[float, duration(0.1, 30)] = written("2s")
    """Timeout for connecting."""
    timeout: Annotated[float, duration(0.5, 60)] = written("10s")
    """Timeout for one request."""

    @model_validator(mode="after")
    def _belongs_together(self) -> TwilioVoice:
        by_token = self.auth_token is not None
        key, secret = self.api_key is not None, self.api_secret is not None
        if key is not secret or by_token is key:
            written_keys = ("api_key",) if key else ("api_secret",) if secret else ()
            raise KeyProblem("write either auth_token, or api_key and api_secret together", *written_keys)
        if (self.region is None) is not (self.edge is None):
            raise KeyProblem("region and edge belong together; write both or none", "edge" if self.edge else "region")
        if self.base_url is not None and self.region is not None:
            raise KeyProblem("names the whole host; remove region and edge, or base_url", "base_url")
        return self


class Fixed(Section):
    """Places no calls; the code is always the same. For measuring, under development: true only."""

    type: Literal["fixed"]
    """The type of the provider."""
    code: str = Field(pattern="^[0-9]{4,10}$", repr=False, examples=["123456"])
    """The code, in quotes."""


Identity: TypeAlias = UsersFile
Provider: TypeAlias = Annotated[TwilioVoice | Fixed, Discriminator("type")]


class Delivery(Section):
    """How codes are delivered to phones."""

    friendly_name: str = Field(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]*$", examples=["ACME VPN"])
    """The name of the service that users log in to, as they hear and read it."""
    voice: Annotated[tuple[str, ...], Field(strict=False)] = Field(default_factory=tuple, examples=[["twilio"]])
    """Providers that place calls, in the order of failover; by default all."""
    providers: dict[Name, Provider] = Field(min_length=1)
    """The providers."""


class Syslog(Section):
    """A syslog server that receives a copy of the audit log."""

    server: Annotated[HostPort, host_port("syslog.example.org", 6514)]
    """The syslog server: HOST:PORT."""
    tls: bool = True
    """Whether to use TLS and verify the server's certificate."""
    ca_file: Annotated[Path, PATH] | None = None
    """Certificates to trust instead of the system's, in PEM."""


class Audit(Section):
    """The audit log: every decision and its reason."""

    path: Annotated[Path | None, PATH_OR_STDOUT] = written("audit.jsonl")
    """The path, relative to this file; - is standard output (None once loaded)."""
    syslog: Syslog | None = None
    """A syslog server that receives a copy."""


class Admin(Section):
    """Metrics and health."""

    listen: Annotated[Endpoint, endpoint("", 9812)] = written("127.0.0.1:9812")
    """The address of /metrics, /healthz and /readyz: ADDRESS:PORT."""
    hosts: Annotated[tuple[HostName, ...], Field(strict=False)] = written([])
    """Host names that requests may use, besides IP addresses and localhost."""


class Log(Section):
    """The log on standard error."""

    level: Literal["debug", "info", "warning"] = "info"
    """The lowest level of messages to write."""
    format: Literal["text", "json"] = "text"
    """The format of log lines."""


class Settings(Section):
    """The whole file."""

    development: bool = False
    """Allows what is unsafe in production: providers on loopback, a fixed code, port 0."""
    server: Server = section()
    """The RADIUS server of this node."""
    clients: dict[Name, Client] = Field(min_length=1)
    """The gateways that may send requests."""
    identity: dict[Name, Identity] = Field(min_length=1)
    """The sources of users: passwords, phones, or both."""
    policies: dict[Name, Policy] = Field(default_factory=dict)
    """How users log in; with one identity source, the policy default exists even if it is not written."""
    delivery: Delivery
    """How codes are delivered to phones."""
    limits: Limits = section()
    """Rate limits."""
    store: Store = written({"type": "sqlite"})
    """Where logins and limits are kept."""
    audit: Audit = section()
    """The audit log: every decision and its reason."""
    admin: Admin = section()
    """Metrics and health."""
    log: Log = section()
    """The log on standard error."""

    @model_validator(mode="after")
    def _workers_share_a_store(self) -> Settings:
        if self.server.workers > 1 and not sys.platform.startswith("linux"):
            raise KeyProblem("more than one needs Linux; leave it out here", "server", "workers")
        if self.server.workers > 1 and isinstance(self.store, MemoryStore):
            text = "more than one cannot share a store of type memory; use sqlite or redis"
            raise KeyProblem(text, "server", "workers")
        return self


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the configuration file, for editors."""
    schema = Settings.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "radius-voice.yaml"}
