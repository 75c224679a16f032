"""Exemptions: which users are accepted without a call, after the right password. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

from radius_voice.login.model import User
from radius_voice.login.names import canonical_name
from radius_voice.login.upstream import RequestAttribute

RulePath: TypeAlias = tuple[str | int, ...]
"""The path of a rule in the configuration: keys and list indexes, from the root."""
ReadAddress: TypeAlias = Callable[[Sequence[RequestAttribute]], IPv4Address | IPv6Address | None]
"""Reads the caller's address from the attributes of a request; None if they contain none or several."""


@dataclass(frozen=True, slots=True)
class Exemption:
    """An exemption. It applies to requests that fulfil all of its conditions: `users`, `groups` and `networks`."""

    rule: RulePath
    reason: str  # the administrator's text for the audit log
    read_address: ReadAddress
    users: frozenset[str] = frozenset()  # canonical names; empty: all users
    groups: frozenset[str] = frozenset()  # one of them is required; empty: no condition
    networks: tuple[IPv4Network | IPv6Network, ...] = ()  # for the caller's address; empty: no condition

    def applies(self, user: User, attributes: Sequence[RequestAttribute]) -> bool:
        """Whether the exemption applies to a request of that user with these attributes."""
        if self.users and canonical_name(user.name) not in self.users:
            return False
        if self.groups and self.groups.isdisjoint(user.groups):
            return False
        return not self.networks or self._is_inside(attributes)

    def _is_inside(self, attributes: Sequence[RequestAttribute]) -> bool:
        address = self.read_address(attributes)
        return address is not None and any(address in network for network in self.networks)
