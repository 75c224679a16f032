"""RADIUS client entries, found by the source address of a packet, longest prefix first."""

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
    """Whether requests must carry a Message-Authenticator (CVE-2024-3596): all, or those with Proxy-State."""

    YES = "yes"
    AUTO = "auto"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Probe:
    """The user of a gateway's health checks, by the canonical name.

    The right password gets an Access-Accept. If `password` is empty, every request gets an Access-Reject.
    """

    user: str
    password: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Client:
    """A client entry. `secrets` holds two during a rotation; `response_timeout` is in seconds.

    `prompts` says which texts the client can show. `calling_station` is the attribute with the caller's address.
    Without it, the text of Calling-Station-Id is used.

    `realms` are those that user names may have, by canonical name; without any, names stay as typed. With `auto`, the
    store keeps what addresses send under `signer_keys`, one key for each secret: a new secret forgets it.
    `limit_proxy_state` is for requests with Proxy-State, where `require` allows them without Message-Authenticator.
    `delimiter` separates password and code in two passes. `password_required`: a request without User-Password is
    rejected. `probe` is None if health checks have no user of their own.
    """

    name: str
    secrets: tuple[bytes, ...] = field(repr=False)
    require: Require
    policy: str
    response_timeout: float
    signer_keys: tuple[bytes, ...]
    realms: Mapping[str, Realm] = field(default_factory=dict, hash=False)
    second_factor: SecondFactorMode = SecondFactorMode.CHALLENGE
    delimiter: str = ","
    password_required: bool = True
    prompts: PromptFormat = field(default_factory=PromptFormat)
    probe: Probe | None = None
    limit_proxy_state: Require = Require.AUTO
    calling_station: AddressAttribute | None = None


class Clients:
    """The client entries of one configuration."""

    def __init__(self, entries: Iterable[tuple[Network, Client]]) -> None:
        self._by_prefix: dict[tuple[int, int], dict[int, Client]] = {}
        for network, client in entries:
            bits = network.max_prefixlen - network.prefixlen
            prefixes = self._by_prefix.setdefault((network.version, bits), {})
            prefixes[int(network.network_address) >> bits] = client
        self._longest_first = sorted(self._by_prefix, key=lambda each: each[1])
        self.find = lru_cache(maxsize=4096)(self._find)

    def _find(self, source_address: str) -> Client | None:
        """The entry for a source address, as the socket reports it, or None."""
        address = ip_address(source_address.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        for version, bits in self._longest_first:
            if version == address.version:
                client = self._by_prefix[version, bits].get(int(address) >> bits)
                if client is not None:
                    return client
        return None
