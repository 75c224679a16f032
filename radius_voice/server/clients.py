"""RADIUS client entries, and the look-up by the source address of a packet (longest prefix)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from radius_voice.events import SecondFactorMode
from radius_voice.login.first_factor.realms import Realm
from radius_voice.login.texts.prompts import PromptFormat
from radius_voice.radius.caller_address import AddressAttribute

Network = IPv4Network | IPv6Network


class Require(Enum):
    """Whether requests must carry a Message-Authenticator (CVE-2024-3596). `auto`: once an address has sent one."""

    YES = "yes"
    AUTO = "auto"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Probe:
    """The user of a gateway's health checks."""

    user: str  # the canonical name
    password: bytes = field(default=b"", repr=False)  # gets an Access-Accept; if empty, every request is rejected


@dataclass(frozen=True, slots=True)
class Client:
    """A client entry."""

    name: str
    secrets: tuple[bytes, ...] = field(repr=False)  # two during a rotation
    require: Require  # a Message-Authenticator
    policy: str
    response_timeout: float  # seconds
    signer_keys: tuple[bytes, ...]  # one store key for each secret, for `Authenticity`
    realms: Mapping[str, Realm] = field(default_factory=dict, hash=False)  # by canonical name; empty: ignore realms
    second_factor: SecondFactorMode = SecondFactorMode.CHALLENGE
    delimiter: str = ","  # separates password and code in two passes
    password_required: bool = True  # reject requests without User-Password
    prompts: PromptFormat = field(default_factory=PromptFormat)  # which texts the client can show
    probe: Probe | None = None  # the user of health checks
    limit_proxy_state: Require = Require.AUTO  # require a Message-Authenticator with Proxy-State
    calling_station: AddressAttribute | None = None  # has the caller's address; None: use Calling-Station-Id as text


class Clients:
    """The client entries of one configuration. `find` returns the entry for a source address, or None."""

    def __init__(self, entries: Iterable[tuple[Network, Client]]) -> None:
        self._by_prefix: dict[tuple[int, int], dict[int, Client]] = {}
        for network, client in entries:
            bits = network.max_prefixlen - network.prefixlen
            prefixes = self._by_prefix.setdefault((network.version, bits), {})
            prefixes[int(network.network_address) >> bits] = client
        self._longest_first = sorted(self._by_prefix, key=lambda each: each[1])
        self.find = lru_cache(maxsize=4096)(self._find)

    def _find(self, source_address: str) -> Client | None:
        """The entry for a source address as the socket reports it, or None."""
        address = ip_address(source_address.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        for version, bits in self._longest_first:
            if version == address.version:
                client = self._by_prefix[version, bits].get(int(address) >> bits)
                if client is not None:
                    return client
        return None
