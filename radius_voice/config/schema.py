"""Every setting there is: its name, kind, bounds and default. Rules between settings are in rules.py.

Defaults stand as the file would write them. The text under a field is what an editor shows for it;
docs/settings.md says more. Models are frozen; what they hold is checked and in plain types.
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
    """The RADIUS side of this node."""

    listen: Annotated[tuple[Annotated[Endpoint, endpoint("udp://", 1812)], ...], Field(strict=False, min_length=1)] = (
        written(["udp://0.0.0.0:1812"])
    )
    """Where requests are taken: udp://ADDRESS:PORT, IPv6 in brackets."""
    state: Annotated[Path, PATH] = written("state")
    """The folder of server.key and what must survive a restart; $STATE_DIRECTORY if that is set."""
    workers: int = Field(1, ge=1, le=64)
    """How many processes serve; more than one needs a store they can share."""
    key: Secret | None = None
    """Keys the hashes of what is stored. Needed when nodes share a store; made at first start otherwise."""
    reject_delay: Annotated[float, duration(0, 5)] = written("1s")
    """How long after its request an Access-Reject is sent."""
    duplicate_window: Annotated[float, duration(5, 30)] = written("10s")
    """How long an answer is kept for retransmissions."""
    max_in_flight: int = Field(256, ge=1, le=65536)
    """How many requests are worked on at once."""
    max_waiting: int = Field(1024, ge=0, le=65536)
    """How many more requests may wait; what comes then is dropped."""
    status_server: bool = True
    """Whether Status-Server (RFC 5997) is answered."""

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
    """An address, a network, or a list of them; the longest prefix decides."""
    secret: Annotated[tuple[Secret, ...], Field(strict=False, min_length=1, max_length=2), OrMany()] = Field(
        ..., examples=[[{"file": "old.secret"}, {"file": "new.secret"}]]
    )
    """The shared secret; a list of two while it is being changed."""
    require_message_authenticator: Literal["yes", "auto", "no"] = "yes"
    """Whether requests must carry a Message-Authenticator (CVE-2024-3596); auto: once one did."""
    profile: Literal["generic"] = "generic"
    """What kind of gateway it is."""
    policy: str = "default"
    """Which policy holds for its people."""
    answer_within: Annotated[float, duration(0.2, 60)] = written("2.5s")
    """When the first answer goes out at the latest; less than the gateway waits."""


class UsersFile(Section):
    """People in a YAML file."""

    type: Literal["users_file"]
    """What kind of source it is."""
    path: Annotated[Path, PATH]
    """The users file, relative to this one."""


class Challenge(Section):
    """The code and its life."""

    digits: int = Field(6, ge=4, le=10)
    """How many digits a code has."""
    lifetime: Annotated[float, duration(30, 600)] = written("2m")
    """How long a code lives once the call was answered."""
    tries: int = Field(3, ge=1, le=10)
    """How many codes may be typed in one login."""
    redials: int = Field(2, ge=0, le=5)
    """How often the phone may be rung again in one login."""
    ring: Annotated[float, duration(10, 120)] = written("30s")
    """How long the phone rings."""
    cap: Annotated[float, duration(40, 3600)] = written("6m")
    """When a login ends whatever happens; at least ring and lifetime (110s at least) together."""

    @model_validator(mode="after")
    def _cap_holds_a_call(self) -> Challenge:
        least = self.ring + max(self.lifetime, CALL_BESIDES_RINGING)
        if self.cap < least:
            rest = max(self.lifetime, CALL_BESIDES_RINGING)
            why = "lifetime" if rest == self.lifetime else "placing and speaking, which last longer than lifetime"
            raise KeyProblem(f"must be at least {least:g}s: ring ({self.ring:g}s) + {rest:g}s ({why})", "cap")
        return self


class Bypass(Section):
    """Lets people in without a call, for a while."""

    bypass_until: Annotated[float, TIMESTAMP]
    """When it ends, with a zone; at most 240 minutes ahead."""


class When(Section):
    """Whom a reply rule is for."""

    group: str = Field(min_length=1)
    """Members of this group."""


class ReplyRule(Section):
    """Attributes that an Access-Accept carries."""

    when: When | None = None
    """Whom it is for; everybody when left out."""
    set: dict[AttributeName, Annotated[str | int, ATTRIBUTE_VALUE]] = Field(min_length=1)
    """RADIUS attributes by name."""


def _word_or_mapping(value: Any) -> str:
    return "word" if isinstance(value, str) else "mapping"


class Policy(Section):
    """What is asked of a person. Once loaded, `first_factor` and `directory` are never empty."""

    first_factor: str = Field(default_factory=str)
    """Who checks passwords: an identity source, or none when the gateway has done it."""
    directory: str = Field(default_factory=str)
    """Who knows people and their phones: an identity source."""
    methods: Annotated[tuple[Literal["voice"], ...], Field(strict=False, min_length=1, max_length=1)] = written(
        ["voice"]
    )
    """How codes are brought."""
    challenge: Challenge = section()
    """The code and its life."""
    countries: Annotated[frozenset[str] | None, COUNTRIES] = written("any")
    """Which countries may be called."""
    allow_numbers: Annotated[tuple[Annotated[str, NUMBER_PREFIX], ...], Field(strict=False)] = written(
        [], examples=[["+4915", "+12025550123"]]
    )
    """Numbers and prefixes that may be called whatever their kind and country."""
    on_unavailable: Literal["silence", "reject"] = "silence"
    """What the gateway gets while an identity source or the store is out of reach."""
    on_delivery_failure: Annotated[
        Annotated[Literal["reject"], Tag("word")] | Annotated[Bypass, Tag("mapping")], Discriminator(_word_or_mapping)
    ] = "reject"
    """What the gateway gets when no provider can place the call."""
    reply: Annotated[tuple[ReplyRule, ...], Field(strict=False)] = written([], examples=[[{"set": {"Class": "VPN"}}]])
    """Attributes that an Access-Accept carries."""


class TwilioVoice(Section):
    """A Twilio account that places calls."""

    type: Literal["twilio-voice"]
    """What kind of provider it is."""
    account_sid: str = Field(pattern="^AC[0-9a-fA-F]{32}$", examples=["AC and 32 hexadecimal digits"])
    """The account, from the Twilio console."""
    auth_token: Secret | None = None
    """The account's auth token; or else api_key and api_secret."""
    api_key: str | None = Field(None, pattern="^SK[0-9a-fA-F]{32}$", examples=["SK and 32 hexadecimal digits"])
    """An API key, which may be restricted to calls."""
    api_secret: Secret | None = None
    """The API key's secret."""
    from_: Annotated[Phone, PHONE] = Field(alias="from")
    """The number that calls: one of the account's, in quotes."""
    region: str | None = Field(None, pattern="^[a-z0-9-]{1,32}$", examples=["ie1"])
    """Twilio's region; together with edge."""
    edge: str | None = Field(None, pattern="^[a-z0-9-]{1,32}$", examples=["dublin"])
    """Twilio's edge; together with region."""
    base_url: Annotated[str, URL] | None = None
    """Where Twilio's API is, if not at twilio.com."""
    proxy: Annotated[str, URL] | None = None
    """An HTTP proxy on the way to Twilio."""
    ca_file: Annotated[Path, PATH] | None = None
    """Certificates to trust instead of the system's, in PEM."""
    connect_timeout: Annotated[float, duration(0.1, 30)] = written("2s")
    """How long connecting may take."""
    timeout: Annotated[float, duration(0.5, 60)] = written("10s")
    """How long one request may take."""

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
    """Calls nobody: the code is always the same. For measuring, under development: true alone."""

    type: Literal["fixed"]
    """What kind of provider it is."""
    code: str = Field(pattern="^[0-9]{4,10}$", repr=False, examples=["123456"])
    """The code, in quotes."""


Identity: TypeAlias = UsersFile
Provider: TypeAlias = Annotated[TwilioVoice | Fixed, Discriminator("type")]


class Delivery(Section):
    """How codes reach phones."""

    friendly_name: str = Field(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]*$", examples=["ACME VPN"])
    """Whose login it is, as people hear and read it."""
    voice: Annotated[tuple[str, ...], Field(strict=False)] = Field(default_factory=tuple, examples=[["twilio"]])
    """Providers that call, in the order of failover; all of them when left out."""
    providers: dict[Name, Provider] = Field(min_length=1)
    """Who places calls."""


class Syslog(Section):
    """A syslog server that gets a copy of the audit log."""

    server: Annotated[HostPort, host_port("syslog.example.org", 6514)]
    """Where it is: HOST:PORT."""
    tls: bool = True
    """Whether the connection is encrypted, and the server's certificate checked."""
    ca_file: Annotated[Path, PATH] | None = None
    """Certificates to trust instead of the system's, in PEM."""


class Audit(Section):
    """The record of what was decided and why."""

    path: Annotated[Path | None, PATH_OR_STDOUT] = written("audit.jsonl")
    """The file, relative to this one; - is standard output (None once loaded)."""
    syslog: Syslog | None = None
    """A syslog server that gets a copy."""


class Admin(Section):
    """Metrics and health."""

    listen: Annotated[Endpoint, endpoint("", 9812)] = written("127.0.0.1:9812")
    """Where /metrics, /healthz and /readyz are served: ADDRESS:PORT."""
    hosts: Annotated[tuple[HostName, ...], Field(strict=False)] = written([])
    """Host names by which it may be asked, besides IP addresses and localhost."""


class Log(Section):
    """What is told on standard error."""

    level: Literal["debug", "info", "warning"] = "info"
    """The least important kind of line to write."""
    format: Literal["text", "json"] = "text"
    """How lines are written."""


class Settings(Section):
    """The whole file."""

    development: bool = False
    """Allows what a real service must not have: providers on loopback, a fixed code, port 0."""
    server: Server = section()
    """The RADIUS side of this node."""
    clients: dict[Name, Client] = Field(min_length=1)
    """Gateways that may ask."""
    identity: dict[Name, Identity] = Field(min_length=1)
    """Who people are: passwords, phones, or both."""
    policies: dict[Name, Policy] = Field(default_factory=dict)
    """What is asked of a person; default exists without being written when there is one identity source."""
    delivery: Delivery
    """How codes reach phones."""
    limits: Limits = section()
    """How often what may happen."""
    store: Store = written({"type": "sqlite"})
    """Where logins and limits are kept."""
    audit: Audit = section()
    """The record of what was decided and why."""
    admin: Admin = section()
    """Metrics and health."""
    log: Log = section()
    """What is told on standard error."""

    @model_validator(mode="after")
    def _workers_share_a_store(self) -> Settings:
        if self.server.workers > 1 and not sys.platform.startswith("linux"):
            raise KeyProblem("more than one needs Linux; leave it out here", "server", "workers")
        if self.server.workers > 1 and isinstance(self.store, MemoryStore):
            text = "more than one cannot share a store of type memory; use sqlite or redis"
            raise KeyProblem(text, "server", "workers")
        return self


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the file as it is written, for editors."""
    schema = Settings.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "radius-voice.yaml"}
