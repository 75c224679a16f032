"""Addresses of gateways and servers as other programs write them."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network, summarize_address_range

from radius_voice.config.addresses import MAX_PORT, Network
from radius_voice.importing.words import readable_word


def networks_of(text: str) -> list[Network]:
    """The networks of an address, of one with a prefix length or mask, or of a range `FIRST-LAST`.

    Raises ValueError with the reason if it is none of them.
    """
    try:
        if "-" in text and "/" not in text:
            first, last = (ip_address(part.strip()) for part in text.split("-", 1))
            return [*summarize_address_range(first, last)]
        network = ip_network(text, strict=False)
    except (ValueError, TypeError):
        raise ValueError(f"{readable_word(text)} is not an address; write the address of the host") from None
    return [_without_mapping(network)]


def _without_mapping(network: Network) -> Network:
    """The IPv4 network, if it is written as IPv6."""
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped and network.prefixlen >= 96:  # noqa: PLR2004
        return IPv4Network((network.network_address.ipv4_mapped, network.prefixlen - 96))
    return network


def written(network: Network) -> str:
    """A network as the configuration writes it."""
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


def endpoint(address: str, port: int) -> str:
    """The value for server.listen. Raises ValueError with the reason."""
    host = ip_address(address)
    if not 1 <= port <= MAX_PORT:
        raise ValueError(f"{port} is not a port")
    return f"udp://{host}:{port}" if isinstance(host, IPv4Address) else f"udp://[{host}]:{port}"


def not_overlapping(endpoints: Iterable[str]) -> list[str]:
    """The endpoints without those that a preceding or an unspecified address on the same port includes."""
    listed = list(dict.fromkeys(endpoints))
    all_ipv4 = {each.rpartition(":")[2] for each in listed if each.startswith("udp://0.0.0.0:")}
    all_ipv6 = {each.rpartition(":")[2] for each in listed if each.startswith("udp://[::]:")}

    def included(each: str) -> bool:
        rest, _, port = each.rpartition(":")
        return port in (all_ipv6 if "[" in rest else all_ipv4) and rest not in {"udp://0.0.0.0", "udp://[::]"}

    return [each for each in listed if not included(each)]
