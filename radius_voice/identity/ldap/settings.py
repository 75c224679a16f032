"""The section of an identity source of type `ldap`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from radius_voice.config.adapters import IdentitySection, LockoutSettings, RuleContext
from radius_voice.config.addresses import MAX_PORT
from radius_voice.config.checks import is_loopback
from radius_voice.config.context import LoadContext
from radius_voice.config.field_types import PATH, REGION, FieldType, duration, require_text
from radius_voice.config.secrets import Secret
from radius_voice.config.section import Diagnostic, KeyProblem, file_default
from radius_voice.config.servers import ConfiguredServer

ATTRIBUTE = r"^[A-Za-z][A-Za-z0-9-]*$"
MAX_TEXT_BYTES = 253
"""What fits into one Reply-Message (RFC 2865 section 5.18)."""
PORTS = {"ldap": 389, "ldaps": 636}


@dataclass(frozen=True, slots=True)
class LdapServer:
    """A server of the directory. `tls`: TLS from the start (ldaps)."""

    host: str
    port: int
    tls: bool


def _server(value: Any, _context: LoadContext) -> LdapServer:
    found = re.fullmatch(
        r"(ldaps?)://(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?/?", require_text(value)
    )
    if found is None or not 1 <= int(found[4] or PORTS[found[1]]) <= MAX_PORT:
        raise ValueError("not a server; write ldaps://HOST, ldap://HOST, or one of them with :PORT")
    return LdapServer(found[2] or found[3], int(found[4] or PORTS[found[1]]), found[1] == "ldaps")


SERVER = FieldType(
    _server, {"type": "string", "pattern": "^ldaps?://[^/]+/?$", "examples": ["ldaps://dc1.example.org"]}
)


def _template(value: Any, _context: LoadContext) -> str:
    text = require_text(value)
    if text.count("{user}") != 1:
        raise ValueError("must have {user} once, in place of the user's name")
    return text


TEMPLATE = FieldType(_template, {"type": "string", "pattern": "\\{user\\}", "examples": ["{user}@corp.example"]})


def _filter(value: Any, _context: LoadContext) -> str:
    text = require_text(value)
    if "{user}" not in text:
        raise ValueError("must have {user} in place of the user's name, like (uid={user})")
    if not text.startswith("(") or not text.endswith(")") or text.count("(") != text.count(")"):
        raise ValueError("not a filter; write it in parentheses, like (uid={user})")
    return text


FILTER = FieldType(_filter, {"type": "string", "pattern": "^\\(.*\\{user\\}.*\\)$", "examples": ["(uid={user})"]})


def _reject_text(value: Any, _context: LoadContext) -> str:
    text = require_text(value)
    if not text.isprintable() or not 1 <= len(text.encode()) <= MAX_TEXT_BYTES:
        raise ValueError(f"must be one line of 1 to {MAX_TEXT_BYTES} octets in UTF-8")
    return text


REJECT_TEXT = FieldType(
    _reject_text,
    {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_TEXT_BYTES,
        "examples": ["Your password has expired. Change it at https://password.example.org"],
    },
)


class LdapSettings(IdentitySection):
    """Users in an LDAP directory."""

    EXTRA: ClassVar[str] = "ldap"
    TIMERS: ClassVar[tuple[str, ...]] = ("timeout",)

    type: Literal["ldap"]
    """The type of the source."""
    servers: Annotated[tuple[Annotated[LdapServer, SERVER], ...], Field(strict=False, min_length=1)] = Field(
        ..., examples=[["ldaps://dc1.example.org"]]
    )
    """ldaps://HOST or ldap://HOST of each server, in order of preference."""
    server_type: Literal["openldap", "active_directory"] = "openldap"
    """The kind of directory; it determines the defaults below and how nested groups are found."""
    start_tls: bool = False
    """Whether to use StartTLS on ldap:// servers."""
    verify_certificate: bool = True
    """Whether to verify the servers' certificates and their names."""
    ca_file: Annotated[Path, PATH] | None = None
    """Certificates to trust instead of the system's, in PEM."""
    client_certificate: Annotated[Path, PATH] | None = None
    """The certificate to show to the servers, in PEM; requires client_key."""
    client_key: Annotated[Path, PATH] | None = None
    """The key of client_certificate, in PEM, without a passphrase."""
    bind_dn: str | None = Field(None, min_length=1, examples=["cn=radius-voice,ou=services,dc=example,dc=org"])
    """The service account for searches: a DN or, for Active Directory, also a UPN. Without it they are anonymous."""
    bind_password: Secret | None = None
    """The password of bind_dn."""
    base: str = Field(..., min_length=1, examples=["dc=example,dc=org"])
    """The DN below which users are searched."""
    user_filter: Annotated[str, FILTER] | None = None
    """The filter that finds a user by the name as typed."""
    bind_template: Annotated[str, TEMPLATE] | None = None
    """The name to bind users with, instead of the DN that the search finds."""
    name_attribute: str | None = Field(None, pattern=ATTRIBUTE, examples=["uid"])
    """The attribute with the user's name, for the audit log."""
    id_attribute: str | None = Field(None, pattern=ATTRIBUTE, examples=["entryUUID"])
    """The attribute that identifies a user permanently."""
    phones: Annotated[
        tuple[Annotated[str, Field(pattern=ATTRIBUTE, examples=["mobile"])], ...], Field(strict=False, min_length=1)
    ] = file_default(["mobile", "telephoneNumber"])
    """The attributes with phone numbers, in order of preference."""
    default_region: Annotated[str, REGION] | None = None
    """The country of numbers that are written without a country code."""
    language_attribute: str | None = Field(None, pattern=ATTRIBUTE, examples=["preferredLanguage"])
    """The attribute with the user's language."""
    group_base: str | None = Field(None, min_length=1, examples=["ou=groups,dc=example,dc=org"])
    """The DN below which groups count; by default base."""
    nested_groups: bool = True
    """Whether members of a group also are members of the groups that it is in."""
    expired_password_text: Annotated[str, REJECT_TEXT] | None = None
    """What a user reads whose password is right but has expired or must be changed."""
    lockout: LockoutSettings | None = None
    """When the directory locks an account; by default read from Active Directory."""
    connections: int = Field(8, ge=1, le=64)
    """How many requests one process sends to a server at once."""
    timeout: Annotated[float, duration(0.1, 30)] = file_default("1s")
    """How long one server may take for a request before the next one is asked."""

    @model_validator(mode="after")
    def _belongs_together(self) -> LdapSettings:
        for first, second in (("bind_dn", "bind_password"), ("client_certificate", "client_key")):
            absent = [key for key in (first, second) if getattr(self, key) is None]
            if len(absent) == 1:
                raise KeyProblem(f"needs {absent[0]}; write both or none", second if absent[0] == first else first)
        if self.start_tls and all(server.tls for server in self.servers):
            raise KeyProblem("is for ldap:// servers; ldaps:// servers use TLS from the start", "start_tls")
        return self

    @property
    def failover_key(self) -> str:
        """The timer after which the next server is asked; empty if there is only one server."""
        return "timeout" if len(self.servers) > 1 else ""

    def files(self) -> Mapping[str, Path]:
        """The key of the client certificate."""
        return {"client_key": self.client_key} if self.client_key else {}

    def certificate_files(self) -> Mapping[str, Path]:
        """The certificates to trust, and the one to show."""
        files = {"ca_file": self.ca_file, "client_certificate": self.client_certificate}
        return {key: file for key, file in files.items() if file is not None}

    def servers_to_check(self) -> Iterator[ConfiguredServer]:
        """The servers with TLS."""
        certificate = (
            (self.client_certificate, self.client_key) if self.client_certificate and self.client_key else None
        )
        for server in self.servers:
            if server.tls or self.start_tls:
                yield ConfiguredServer(
                    server.host,
                    server.port,
                    tls=True,
                    ca_file=self.ca_file,
                    verify=self.verify_certificate,
                    start_tls=not server.tls,
                    certificate=certificate,
                )

    def errors(self, context: RuleContext) -> Iterator[Diagnostic]:
        """Passwords in clear text, except on this machine or under `development: true`."""
        for index, server in enumerate(self.servers):
            if not (server.tls or self.start_tls or context.development or is_loopback(server.host)):
                yield ("servers", index), "would get passwords in clear text; write ldaps://, or start_tls: true"

    def warnings(self) -> Iterator[Diagnostic]:
        """Without verification another host can take the place of a server; an unknown lockout can be reached."""
        if not self.verify_certificate:
            yield ("verify_certificate",), "false: another host can pose as a server and read passwords; set ca_file"
        if self.server_type == "active_directory" and self.bind_dn is None and self.lockout is None:
            why = "without bind_dn the lockout threshold of the domain cannot be read, so guesses can lock accounts"
            yield ("lockout",), f"{why}; write {{attempts: N, window: DURATION}}"
