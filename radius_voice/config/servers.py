"""Servers that the configuration names, as `check --connect` connects to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ConfiguredServer:
    """A server, and how the program connects to it."""

    host: str
    port: int
    tls: bool
    """Whether the connection uses TLS: from its start, or with `start_tls` after LDAP's StartTLS request."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""
    system_too: bool = False
    """Whether the system's certificates are trusted too."""
    verify: bool = True
    start_tls: bool = False
    certificate: tuple[Path, Path] | None = None
    """The client certificate to send, and its key."""
    http: bool = False
    """Whether the server is asked for its time, by the Date header."""
    proxy: str | None = None
    """The URL of the HTTP proxy to the server."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def http_server(url: str, ca_file: Path | None = None, proxy: str | None = None) -> ConfiguredServer:
    """The server of a URL that is known to be valid."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    return ConfiguredServer(host, port, parts.scheme == "https", ca_file, http=True, proxy=proxy)
