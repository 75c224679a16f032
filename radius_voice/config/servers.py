"""Servers that the configuration names, as `check --connect` connects to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ConfiguredServer:
    """A server. `tls`: TLS from the start, or with `start_tls` after the request of LDAP for it; it may have none.

    `ca_file` has the certificates to trust instead of the system's, or with `system_too` in addition to them, and
    `certificate` the one to show and its key. `http` servers are asked for their time. `proxy` is the URL of the proxy
    through which the program reaches the server.
    """

    host: str
    port: int
    tls: bool
    ca_file: Path | None = None
    system_too: bool = False
    verify: bool = True
    start_tls: bool = False
    certificate: tuple[Path, Path] | None = None
    http: bool = False
    proxy: str | None = None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def http_server(url: str, ca_file: Path | None = None, proxy: str | None = None) -> ConfiguredServer:
    """The server of a URL that is known to be valid."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    return ConfiguredServer(host, port, parts.scheme == "https", ca_file, http=True, proxy=proxy)
