"""Types of values in the file: networks, addresses to listen on, servers and URLs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from radius_voice.config.context import LoadContext
from radius_voice.config.field_types import FieldType, require_text

Network: TypeAlias = IPv4Network | IPv6Network
MAX_PORT = 65535
URL_HOST = r"(?:[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.?|\[[0-9a-fA-F:.]+\])"
"""A host as a URL has it. A name with an empty label, or one of more than 63 characters, cannot be looked up."""


def _network(value: Any, _context: LoadContext) -> Network:
    text = require_text(value)
    try:
        network = ip_network(text)
    except ValueError:
        meant = _without_host_bits(text)
        raise ValueError(f"has host bits set; write {meant}, or the address without /{meant.prefixlen}") from None
    if isinstance(network.network_address, IPv6Address) and network.network_address.ipv4_mapped:
        raise ValueError("an IPv4 address in IPv6 form; write it as IPv4, like 192.0.2.10")
    return network


def _without_host_bits(text: str) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        fix = "write it like 192.0.2.10, 198.51.100.0/24 or 2001:db8::/32"
        several = ", and several as a list, like [192.0.2.10, 198.51.100.0/24]"
        raise ValueError(f"not an address or network; {fix}{several if re.search('[ ,]', text) else ''}") from None


NETWORK = FieldType(_network, {"type": "string", "examples": ["192.0.2.10", "198.51.100.0/24", "2001:db8::/32"]})
"""An address or network, IPv4 or IPv6; it becomes a network."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address to listen on. Port 0 takes a free one."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return ip_address(self.host).is_loopback

    def overlaps(self, other: Endpoint) -> bool:
        """Whether two sockets of one protocol cannot have both addresses. IPv6 sockets take no IPv4 (IPV6_V6ONLY)."""
        first, second = ip_address(self.host), ip_address(other.host)
        same = first == second or (first.version == second.version and (first.is_unspecified or second.is_unspecified))
        return same and self.port == other.port != 0

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def endpoint(scheme: str, usual_port: int) -> FieldType:
    """`SCHEMEADDRESS:PORT`, IPv6 in brackets; it becomes an Endpoint."""
    examples = [f"{scheme}127.0.0.1:{usual_port}", f"{scheme}[::1]:{usual_port}"]
    wrong = f"not an address and a port from 1 to {MAX_PORT}; write it like {' or '.join(examples)}"

    def read(value: Any, _context: LoadContext) -> Endpoint:
        found = re.fullmatch(rf"{scheme}(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{{1,5}})", require_text(value))
        if found is None or int(found[3]) > MAX_PORT:
            raise ValueError(wrong)
        host = found[1] or found[2]
        try:
            in_brackets = ip_address(host).version == 6  # noqa: PLR2004 - IPv6
        except ValueError:
            raise ValueError(wrong) from None
        if in_brackets is not bool(found[1]):
            raise ValueError(wrong)
        return Endpoint(host, int(found[3]))

    return FieldType(read, {"type": "string", "pattern": f"^{scheme}.+:[0-9]{{1,5}}$", "examples": examples})


@dataclass(frozen=True, slots=True)
class HostPort:
    """A server by name or address, and its port."""

    host: str
    port: int


def host_port(example: str, usual_port: int) -> FieldType:
    """`HOST:PORT`, IPv6 in brackets; it becomes a HostPort. `example` is a host."""
    examples = [f"{example}:{usual_port}", f"[2001:db8::1]:{usual_port}"]

    def read(value: Any, _context: LoadContext) -> HostPort:
        found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})", require_text(value))
        if found is None or not 1 <= int(found[3]) <= MAX_PORT:
            raise ValueError(f"not a server and a port from 1 to {MAX_PORT}; write it like {' or '.join(examples)}")
        return HostPort(found[1] or found[2], int(found[3]))

    return FieldType(read, {"type": "string", "pattern": ".+:[0-9]{1,5}$", "examples": examples})


def server_address(usual_port: int) -> FieldType:
    """`ADDRESS` or `ADDRESS:PORT`, IPv6 with a port in brackets; it becomes a HostPort."""
    examples = ["192.0.2.20", f"192.0.2.20:{usual_port}", f"[2001:db8::20]:{usual_port}"]
    wrong = f"not the address of a server; write it like {' or '.join(examples)}"

    def read(value: Any, _context: LoadContext) -> HostPort:
        text = require_text(value)
        found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})", text)
        host, port = (found[1] or found[2], int(found[3])) if found else (text, usual_port)
        try:
            address = ip_address(host)
        except ValueError:
            raise ValueError(wrong) from None
        if not 1 <= port <= MAX_PORT or address.is_unspecified or address.is_multicast:
            raise ValueError(wrong)
        return HostPort(str(address), port)

    return FieldType(read, {"type": "string", "minLength": 1, "examples": examples})


def _url(value: Any, _context: LoadContext) -> str:
    return _checked_url(value, "", "without a path")


def _base_url(value: Any, _context: LoadContext) -> str:
    return _checked_url(value, r"(/[A-Za-z0-9._~-]+)*", "and a path if there is one")


def _checked_url(value: Any, path: str, described: str) -> str:
    text = require_text(value)
    wrong = f"not a URL of a host; write http://HOST:PORT or https://HOST:PORT, {described}"
    if "@" in text:
        raise ValueError("a URL here carries no user name or password; write http://HOST:PORT or https://HOST:PORT")
    if not re.fullmatch(rf"https?://{URL_HOST}(:[0-9]{{1,5}})?{path}/?", text):
        raise ValueError(wrong)
    try:
        parts = urlsplit(text)
        fits = parts.port != 0 and bool(parts.hostname)
    except ValueError:
        raise ValueError(wrong) from None
    if not fits:
        raise ValueError(wrong)
    return text.removesuffix("/")


URL = FieldType(
    _url, {"type": "string", "pattern": "^https?://[^/@]+/?$", "examples": ["https://proxy.example.org:3128"]}
)
"""`http://HOST[:PORT]` or `https://HOST[:PORT]`, without path or credentials; it stays text."""
BASE_URL = FieldType(
    _base_url, {"type": "string", "pattern": "^https?://[^@?#]+$", "examples": ["https://twilio.example.org/api"]}
)
"""Like URL, with a path if there is one; it stays text."""
