"""The section of an identity source of type `radius`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, model_validator

from radius_voice.config.adapters import IdentitySection, LockoutSettings, RuleContext
from radius_voice.config.addresses import HostPort, server_address
from radius_voice.config.field_types import OneOrMany, duration
from radius_voice.config.secrets import Secret, readable_text
from radius_voice.config.section import Diagnostic, KeyProblem, file_default

MIN_SECRET_CHARACTERS = 16
FORWARDED = (
    "NAS-IP-Address",
    "NAS-Identifier",
    "NAS-Port-Type",
    "Called-Station-Id",
    "Calling-Station-Id",
    "Service-Type",
)
AttributeNames: TypeAlias = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")], ...], Field(strict=False)
]


class RadiusSettings(IdentitySection):
    """Another RADIUS server verifies passwords."""

    IS_DIRECTORY: ClassVar[bool] = False
    UPSTREAM: ClassVar[bool] = True
    TIMERS: ClassVar[tuple[str, ...]] = ("initial_timeout", "max_timeout")

    type: Literal["radius"]
    """The type of the source."""
    servers: Annotated[
        tuple[Annotated[HostPort, server_address(1812)], ...],
        Field(strict=False, min_length=1, max_length=8),
        OneOrMany(),
    ] = Field(..., examples=[["192.0.2.20", "192.0.2.21:1812"]])
    """ADDRESS or ADDRESS:PORT of the servers, in the order of failover."""
    secret: Secret
    """The shared secret of all these servers."""
    require_message_authenticator: Literal["yes", "no"] = "yes"
    """Whether responses must have a Message-Authenticator (CVE-2024-3596)."""
    forward: AttributeNames = file_default(list(FORWARDED), examples=[["NAS-Identifier", "Calling-Station-Id"]])
    """Attributes of the gateway's request that the server gets too."""
    reply: AttributeNames = file_default([], examples=[["Class", "Filter-Id"]])
    """Attributes of the server's Access-Accept that the gateway gets with the final one."""
    initial_timeout: Annotated[float, duration(0.1, 10)] = file_default("2s")
    """How long a response is waited for before the request is sent again, and to the next server too."""
    max_timeout: Annotated[float, duration(0.1, 60)] = file_default("16s")
    """The longest time between two transmissions to one server."""
    probe_interval: Annotated[float, duration(1, 300)] = file_default("10s")
    """How often a server that does not respond gets a Status-Server."""

    lockout: LockoutSettings | None = None
    """When the directory behind the servers locks an account."""

    @model_validator(mode="after")
    def _belongs_together(self) -> RadiusSettings:
        if len(set(self.servers)) < len(self.servers):
            raise KeyProblem("has a server that is listed twice; remove one", "servers")
        if self.max_timeout < self.initial_timeout:
            raise KeyProblem("is shorter than initial_timeout; make it longer", "max_timeout")
        return self

    @property
    def failover_key(self) -> str:
        """The timer after which the next server is asked; empty if there is only one server."""
        return "initial_timeout" if len(self.servers) > 1 else ""

    def errors(self, context: RuleContext) -> Iterator[Diagnostic]:
        """Attributes must exist, and must be allowed in another packet."""
        for index, name in enumerate(self.forward):
            if problem := context.attribute_problem(name):
                yield ("forward", index), f"{name}: {problem}"
        for index, name in enumerate(self.reply):
            if problem := context.attribute_problem(name, salted=True):
                yield ("reply", index), f"{name}: {problem}"

    def warnings(self) -> Iterator[Diagnostic]:
        """A short secret can be guessed, and responses without Message-Authenticator can be forged."""
        text = readable_text(self.secret)
        if text is not None and len(text) < MIN_SECRET_CHARACTERS:
            message = f"is shorter than {MIN_SECRET_CHARACTERS} characters and can be guessed from one packet"
            yield ("secret",), f"{message}; make it longer"
        if self.require_message_authenticator == "no":
            message = "no lets an attacker between the servers forge an Access-Accept (CVE-2024-3596); yes is safer"
            yield ("require_message_authenticator",), message
