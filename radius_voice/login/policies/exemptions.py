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
"""Where the configuration has a rule: its keys and indexes from the root of the file."""
ReadAddress: TypeAlias = Callable[[Sequence[RequestAttribute]], IPv4Address | IPv6Address | None]
"""Reads the caller's address from the attributes of a request; None if they hold no single one."""


@dataclass(frozen=True, slots=True)
class Exemption:
    """Applies to a request that fulfils each condition: `users`, `groups`, `networks`; an empty one is no condition.

    `users` are canonical names. `read_address` gives the address that must be in one of `networks`. `reason` is the
    administrator's text for the audit log.
    """

    rule: RulePath
    reason: str
    read_address: ReadAddress
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def applies(self, user: User, attributes: Sequence[RequestAttribute]) -> bool:
        """Whether it applies to a request of that user with these attributes."""
        if self.users and canonical_name(user.name) not in self.users:
            return False
        if self.groups and self.groups.isdisjoint(user.groups):
            return False
        return not self.networks or self._is_inside(attributes)

    def _is_inside(self, attributes: Sequence[RequestAttribute]) -> bool:
        address = self.read_address(attributes)
        return address is not None and any(address in network for network in self.networks)
