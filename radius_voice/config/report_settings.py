"""Sections about what the service reports: audit log, metrics and health, log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from radius_voice.config.addresses import Endpoint, HostPort, endpoint, host_port
from radius_voice.config.field_types import PATH, PATH_OR_STDOUT, duration
from radius_voice.config.section import KeyProblem, Section, file_default

HostName: TypeAlias = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?$", examples=["metrics.example.org"])
]


class SyslogSettings(Section):
    """A syslog server that receives a copy of the audit log."""

    server: Annotated[HostPort, host_port("syslog.example.org", 6514)]
    """The syslog server: HOST:PORT."""
    tls: bool = True
    """Whether to use TLS and verify the server's certificate."""
    ca_file: Annotated[Path, PATH] | None = None
    """Certificates to trust instead of the system's, in PEM."""


class AuditSettings(Section):
    """The audit log: every decision and its reason."""

    path: Annotated[Path | None, PATH_OR_STDOUT] = file_default("audit.jsonl")
    """The path, relative to this file; - is standard output (None once loaded)."""
    keep: Annotated[float, duration(86400, 3650 * 86400)] | None = None
    """Rename the file each day, and delete files whose last record is older than this."""
    syslog: SyslogSettings | None = None
    """A syslog server that receives a copy."""

    @model_validator(mode="after")
    def _daily_files_have_a_name(self) -> AuditSettings:
        if self.keep is not None and self.path is None:
            raise KeyProblem("standard output has no daily files; name a file in audit.path, or remove keep", "keep")
        return self


class AdminSettings(Section):
    """Metrics and health."""

    listen: Annotated[Endpoint, endpoint("", 9812)] = file_default("127.0.0.1:9812")
    """The address of /metrics, /healthz and /readyz: ADDRESS:PORT."""
    hosts: Annotated[tuple[HostName, ...], Field(strict=False)] = file_default([])
    """Host names that requests may use, besides IP addresses and localhost."""


class LogSettings(Section):
    """The log on standard error."""

    level: Literal["debug", "info", "warning"] = "info"
    """The lowest level of messages to write."""
    format: Literal["text", "json"] = "text"
    """The format of log lines."""
