"""Selects attributes to copy from one packet to another. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from radius_voice.radius.packet import VENDOR_SPECIFIC, Attribute

VENDOR_ID_OCTETS = 4
HEADER = 2
"""The length of an attribute's type and length fields, in octets."""


class AttributeKey(NamedTuple):
    """Identifies a type of attributes."""

    vendor: int  # the vendor's number; 0 for the attributes of the RFCs
    code: int


def selected(
    attributes: Iterable[Attribute], keys: Collection[AttributeKey]
) -> Iterator[tuple[AttributeKey, Attribute]]:
    """The attributes with one of the `keys`, in order. Each vendor attribute gets its own Vendor-Specific.

    Vendor-Specific attributes that are not in the recommended format of RFC 2865 section 5.26 are left out.
    """
    for code, value in attributes:
        if code != VENDOR_SPECIFIC:
            key = AttributeKey(0, code)
            if key in keys:
                yield key, (code, value)
            continue
        vendor_id = value[:VENDOR_ID_OCTETS]
        for part in vendor_attributes(value[VENDOR_ID_OCTETS:]):
            key = AttributeKey(int.from_bytes(vendor_id), part[0])
            if key in keys:
                yield key, (code, vendor_id + part)


def vendor_attributes(octets: bytes) -> list[bytes]:
    """Split octets into vendor attributes, each with type and length; empty if they do not fit exactly."""
    parts = []
    while octets:
        length = octets[1] if len(octets) >= HEADER else 0
        if not HEADER <= length <= len(octets):
            return []
        parts.append(octets[:length])
        octets = octets[length:]
    return parts
