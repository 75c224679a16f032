"""The address of a VPN's caller, which gateways put into an attribute of their requests. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from radius_voice.radius.copied import HEADER, VENDOR_ID_OCTETS, AttributeKey, selected
from radius_voice.radius.packet import CALLING_STATION_ID, Attribute

MAX_TAG = 0x1F
"""The maximum tag (RFC 2868 section 3.3). A greater first octet belongs to the text."""
WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}|\[([0-9A-Fa-f:.]+)\]:[0-9]{1,5}|([0-9A-Fa-f:.]+)\[[0-9]{1,5}\]")
"""`192.0.2.1:500`, `[2001:db8::1]:500`, and strongSwan's `192.0.2.1[500]` and `2001:db8::1[500]`."""


class AddressAttribute(NamedTuple):
    """An attribute that may contain an address."""

    key: AttributeKey
    is_text: bool  # the address is text; otherwise 4 or 16 octets
    is_tagged: bool = False  # a tag precedes the address

    def address(self, attributes: Iterable[Attribute]) -> IPv4Address | IPv6Address | None:
        """The address; None if the attribute is missing, occurs more than once, or contains no address.

        An IPv4-mapped IPv6 address is returned as IPv4. A port after the address is ignored.
        """
        found = [value for _, (_, value) in selected(attributes, {self.key})]
        if len(found) != 1:
            return None
        octets = found[0][VENDOR_ID_OCTETS + HEADER :] if self.key.vendor else found[0]
        if self.is_tagged and octets[:1] <= bytes((MAX_TAG,)):
            octets = octets[1:]
        address = _of_text(octets) if self.is_text else _of_octets(octets)
        return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


CALLING_STATION = AddressAttribute(AttributeKey(0, CALLING_STATION_ID), is_text=True)


def _of_text(octets: bytes) -> IPv4Address | IPv6Address | None:
    try:
        text = octets.decode("ascii")
        with_port = WITH_PORT.fullmatch(text)
        return ip_address(next(filter(None, with_port.groups())) if with_port else text)
    except ValueError:
        return None


def _of_octets(octets: bytes) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(octets)
    except ValueError:
        return None
