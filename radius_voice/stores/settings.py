"""The sections `store` for each type of store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from radius_voice.config.adapters import StoreSection
from radius_voice.config.addresses import HostPort, host_port
from radius_voice.config.checks import is_loopback
from radius_voice.config.field_types import PATH, duration
from radius_voice.config.secrets import Secret
from radius_voice.config.section import Diagnostic, KeyProblem, file_default
from radius_voice.config.servers import ConfiguredServer

SUFFIXES = ("", "-wal", "-shm", ".lock")
"""The suffixes of the files of a SQLite store: the database, its journals, and the lock for opening it."""


class SqliteSettings(StoreSection):
    """Logins and limits in one file, which survives a restart."""

    type: Literal["sqlite"]
    """The type of the store."""
    path: Annotated[Path, PATH] | None = None
    """The file; by default state.db in server.state."""

    def data_path(self, state: Path) -> Path:
        """The database."""
        return self.path or state / "state.db"

    def data_files(self, state: Path) -> list[Path]:
        """The database, its journals and its lock. For a symbolic link, SQLite keeps the journals beside its target."""
        path = self.data_path(state).resolve()
        return [file for suffix in SUFFIXES if (file := path.with_name(path.name + suffix)).exists()]


class MemorySettings(StoreSection):
    """Logins and limits in the process; lost when it ends."""

    SHARED_BY_WORKERS: ClassVar[bool] = False

    type: Literal["memory"]
    """The type of the store."""


class RedisSettings(StoreSection):
    """Logins and limits in Redis or Valkey, which several nodes share."""

    EXTRA: ClassVar[str] = "redis"
    SHARED_BY_NODES: ClassVar[bool] = True

    type: Literal["redis"]
    """The type of the store."""
    servers: Annotated[
        tuple[Annotated[HostPort, host_port("redis.example.org", 6379)], ...], Field(strict=False, min_length=1)
    ] = Field(..., examples=[["redis.example.org:6379"]])
    """HOST:PORT of the server; with mode: sentinel of the Sentinels, with mode: cluster of some nodes."""
    mode: Literal["standalone", "sentinel", "cluster"] = "standalone"
    """How the server that holds the data is found."""
    service: str | None = Field(None, min_length=1, examples=["mymaster"])
    """The Sentinels' name of the master; with mode: sentinel only."""
    username: str | None = Field(None, min_length=1, examples=["radius-voice"])
    """The Redis user (ACL); requires password."""
    password: Secret | None = None
    """The password; it is not sent to Sentinels."""
    tls: bool = False
    """Whether to use TLS; the certificate and its name are verified."""
    ca_file: Annotated[Path, PATH] | None = None
    """Certificates to trust in addition to the system's, in PEM."""
    timeout: Annotated[float, duration(0.05, 10)] = file_default("0.5s")
    """Timeout for one operation, including connecting."""
    replicas: int = Field(0, ge=0, le=10)
    """How many replicas must confirm a change that starts or ends a login or places a call."""
    prefix: str = Field("radius-voice", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", examples=["radius-voice"])
    """The prefix of all keys, in braces."""

    @model_validator(mode="after")
    def _belongs_together(self) -> RedisSettings:
        if (self.mode == "sentinel") is not (self.service is not None):
            text = "service, the master's name, belongs to mode: sentinel; write both or none"
            raise KeyProblem(text, "service" if self.service is not None else "mode")
        if self.mode == "standalone" and len(self.servers) > 1:
            text = "standalone is one server; remove the others, or write mode: sentinel or mode: cluster"
            raise KeyProblem(text, "servers")
        if self.username is not None and self.password is None:
            raise KeyProblem("needs a password; add it", "username")
        if self.ca_file is not None and not self.tls:
            raise KeyProblem("is for TLS; write tls: true too", "ca_file")
        return self

    def certificate_files(self) -> Mapping[str, Path]:
        """The certificates to trust in addition to the system's."""
        return {"ca_file": self.ca_file} if self.ca_file else {}

    def servers_to_check(self) -> Iterator[ConfiguredServer]:
        """The servers, if they have TLS."""
        if self.tls:
            for each in self.servers:
                yield ConfiguredServer(each.host, each.port, tls=True, ca_file=self.ca_file, system_too=True)

    def warnings(self) -> Iterator[Diagnostic]:
        """Warn about a server on another machine without TLS."""
        if not self.tls and not all(is_loopback(each.host) for each in self.servers):
            yield (), "sessions and the password are sent in clear text; write tls: true"
