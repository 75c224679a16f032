"""Nested attributes: in Vendor-Specific, in TLVs, and of extended types (RFC 6929). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from radius_voice.radius.copied import HEADER, VENDOR_ID_OCTETS
from radius_voice.radius.dictionary_file import NO_VENDOR, DefinedAttribute, Definitions, Vendor
from radius_voice.radius.packet import MAX_VALUE_OCTETS, VENDOR_SPECIFIC, Attribute

MORE = 0x80
"""The flag that says that the value continues in the next attribute (RFC 6929 section 2.2)."""
LONG_HEADER = 2
"""The length of the extended type and the flags in an attribute of a long extended type, in octets."""
MAX_TLV_OCTETS = 0xFF - HEADER


# Encoding


def prefix_of(attribute: DefinedAttribute, octets: int) -> tuple[int, bytes]:
    """The type of the top-level attribute for `attribute`, and the octets before a value of length `octets` in it."""
    prefix = b""
    while attribute.parent is not None:
        prefix = _header(attribute, len(prefix) + octets) + prefix
        attribute = attribute.parent
    if attribute.vendor is NO_VENDOR:
        return attribute.code, prefix
    return VENDOR_SPECIFIC, _header(attribute, len(prefix) + octets) + prefix


def max_value_octets(attribute: DefinedAttribute) -> int:
    """The maximum length of a value in one top-level attribute."""
    return MAX_VALUE_OCTETS - len(prefix_of(attribute, 0)[1])


def wrapped(attribute: DefinedAttribute, value: bytes) -> list[Attribute]:
    """The top-level attributes that carry a value: several if it is too long for one and its type allows that.

    Raises ValueError if the value is too long.
    """
    if len(value) <= max_value_octets(attribute):
        code, prefix = prefix_of(attribute, len(value))
        return [(code, prefix + value)]
    outer, inner = attribute, value
    while outer.parent is not None and outer.parent.kind != "long-extended":
        inner = _header(outer, len(inner)) + inner
        outer = outer.parent
    if outer.parent is not None:
        return list(_long_extended(outer.parent.code, outer.code, inner))
    if attribute.vendor.continued and attribute.parent is None:
        return list(_continued(attribute, value))
    if attribute.concat and attribute.vendor is NO_VENDOR and attribute.parent is None:
        return [(attribute.code, part) for part in _parts(value, MAX_VALUE_OCTETS)]
    most = max_value_octets(attribute)
    raise ValueError(f"{attribute.name}: a value is 1 to {most} octets, this one has {len(value)}")


def in_tlvs(values: Sequence[tuple[DefinedAttribute, bytes]]) -> list[tuple[DefinedAttribute, bytes]]:
    """Put attributes into their TLVs. Adjacent attributes of the same TLV share one.

    Raises ValueError if a TLV becomes too long.
    """
    found = list(values)
    for depth in range(max((_tlvs(attribute) for attribute, _ in found), default=0), 0, -1):
        found = list(_joined(found, depth))
    return found


def _joined(values: Iterable[tuple[DefinedAttribute, bytes]], depth: int) -> Iterator[tuple[DefinedAttribute, bytes]]:
    """`values`, where attributes nested in `depth` TLVs are put into the innermost one."""
    opened: DefinedAttribute | None = None
    content = b""
    for attribute, value in values:
        inside = attribute.parent if _tlvs(attribute) == depth else None
        if opened is not None and inside is not opened:
            yield opened, content
            content = b""
        opened = inside
        if inside is None:
            yield attribute, value
        else:
            content += _header(attribute, len(value)) + value
    if opened is not None:
        yield opened, content


def _tlvs(attribute: DefinedAttribute) -> int:
    """The number of TLVs around an attribute."""
    depth = 0
    while (parent := attribute.parent) is not None:
        depth += parent.kind == "tlv"
        attribute = parent
    return depth


def _header(attribute: DefinedAttribute, octets: int) -> bytes:
    """The octets before a value of length `octets` in the attribute that directly contains `attribute`."""
    code, parent, vendor = attribute.code, attribute.parent, attribute.vendor
    if parent is None:
        return _vendor_header(vendor, code, octets)
    match parent.kind:
        case "tlv":
            if octets > MAX_TLV_OCTETS:
                raise ValueError(
                    f"{attribute.name}: in {parent.name} at most {MAX_TLV_OCTETS} octets fit, not {octets}"
                )
            return bytes((code, octets + HEADER))
        case "evs":
            return vendor.number.to_bytes(VENDOR_ID_OCTETS) + bytes((code,))
        case "long-extended":
            return bytes((code, 0))
    return bytes((code,))


def _vendor_header(vendor: Vendor, code: int, octets: int, flags: int = 0) -> bytes:
    header = vendor.number.to_bytes(VENDOR_ID_OCTETS) + code.to_bytes(vendor.type_octets)
    if vendor.length_octets:
        length = vendor.type_octets + vendor.length_octets + vendor.continued + octets
        header += length.to_bytes(vendor.length_octets)
    return header + bytes((flags,)) if vendor.continued else header


def _parts(value: bytes, size: int) -> list[bytes]:
    return [value[start : start + size] for start in range(0, len(value), size)]


def _long_extended(code: int, extended: int, value: bytes) -> Iterator[Attribute]:
    *parts, last = _parts(value, MAX_VALUE_OCTETS - LONG_HEADER)
    for part in parts:
        yield code, bytes((extended, MORE)) + part
    yield code, bytes((extended, 0)) + last


def _continued(attribute: DefinedAttribute, value: bytes) -> Iterator[Attribute]:
    *parts, last = _parts(value, max_value_octets(attribute))
    for part in parts:
        yield VENDOR_SPECIFIC, _vendor_header(attribute.vendor, attribute.code, len(part), MORE) + part
    yield VENDOR_SPECIFIC, _vendor_header(attribute.vendor, attribute.code, len(last)) + last


# Decoding


class FoundValue(NamedTuple):
    """A value in a packet."""

    attribute: DefinedAttribute | None  # None if the dictionary does not define it
    label: str  # the attribute's name, or its numbers
    octets: bytes
    more: bool = False  # the value continues in the next attribute
    is_malformed: bool = False  # the octets do not have the format of the attribute


def found_values(definitions: Definitions, attributes: Iterable[Attribute]) -> Iterator[FoundValue]:
    """The values in the attributes of a packet, in order. Values that were split are joined."""
    for found in _put_together(_outer_values(definitions, attributes)):
        yield from _inner_values(definitions, found)


def _put_together(values: Iterable[FoundValue]) -> Iterator[FoundValue]:
    last: FoundValue | None = None
    for value in values:
        if last is not None and last.more and (last.attribute, last.label) == (value.attribute, value.label):
            last = value._replace(octets=last.octets + value.octets)
            continue
        if last is not None:
            yield last
        last = value
    if last is not None:
        yield last


def _outer_values(definitions: Definitions, attributes: Iterable[Attribute]) -> Iterator[FoundValue]:
    """The values in top-level attributes, in attributes of an extended type, and in Vendor-Specific."""
    for code, octets in attributes:
        known = definitions.by_place.get((None, 0, code))
        if code == VENDOR_SPECIFIC:
            yield from _vendor_values(definitions, octets)
        elif known is None:
            yield FoundValue(None, f"Attr-{code}", octets)
        elif known.kind in ("extended", "long-extended"):
            yield _extended_value(definitions, known, octets)
        else:
            yield FoundValue(known, known.name, octets, known.concat)


def _extended_value(definitions: Definitions, outer: DefinedAttribute, octets: bytes) -> FoundValue:
    header = LONG_HEADER if outer.kind == "long-extended" else 1
    if len(octets) <= header:
        return FoundValue(outer, outer.name, octets, is_malformed=True)
    more = header == LONG_HEADER and bool(octets[1] & MORE)
    inner = definitions.by_place.get((outer, 0, octets[0]))
    label = inner.name if inner else f"Attr-{outer.code}.{octets[0]}"
    return FoundValue(inner, label, octets[header:], more)


def _vendor_values(definitions: Definitions, octets: bytes) -> Iterator[FoundValue]:
    number = int.from_bytes(octets[:VENDOR_ID_OCTETS])
    vendor = definitions.vendors.get(number)
    if vendor is None:
        yield FoundValue(None, "Vendor-Specific", octets)
        return
    found = _split(vendor, octets[VENDOR_ID_OCTETS:])
    if not found:
        yield FoundValue(None, f"Vendor-Specific of vendor {number}", octets, is_malformed=True)
    for code, more, value in found:
        known = definitions.by_place.get((None, number, code))
        yield FoundValue(known, known.name if known else f"Vendor-{number}-Attr-{code}", value, more)


def _split(vendor: Vendor, octets: bytes) -> list[tuple[int, bool, bytes]]:
    """The code, continuation flag and value of each vendor attribute; empty if they do not fit exactly."""
    found: list[tuple[int, bool, bytes]] = []
    types, header = vendor.type_octets, vendor.type_octets + vendor.length_octets + vendor.continued
    while octets:
        length = len(octets)
        if vendor.length_octets and length >= header:
            length = int.from_bytes(octets[types : types + vendor.length_octets])
        if not header <= length <= len(octets):
            return []
        more = vendor.continued and bool(octets[header - 1] & MORE)
        found.append((int.from_bytes(octets[:types]), more, octets[header:length]))
        octets = octets[length:]
    return found


def _inner_values(definitions: Definitions, found: FoundValue) -> Iterator[FoundValue]:
    """The values inside of a TLV or an extended vendor attribute; any other value itself."""
    attribute = found.attribute
    if attribute is None or attribute.kind not in ("tlv", "evs") or found.is_malformed:
        yield found
    elif attribute.kind == "evs":
        yield from _extended_vendor_value(definitions, attribute, found)
    else:
        parts = _split(NO_VENDOR, found.octets)
        if not parts:
            yield found._replace(is_malformed=True)
        for code, _, octets in parts:
            inner = definitions.by_place.get((attribute, 0, code))
            label = inner.name if inner else f"{attribute.name}.{code}"
            yield from _inner_values(definitions, FoundValue(inner, label, octets))


def _extended_vendor_value(
    definitions: Definitions, outer: DefinedAttribute, found: FoundValue
) -> Iterator[FoundValue]:
    octets = found.octets
    if len(octets) <= VENDOR_ID_OCTETS:
        yield found._replace(is_malformed=True)
        return
    number, code = int.from_bytes(octets[:VENDOR_ID_OCTETS]), octets[VENDOR_ID_OCTETS]
    inner = definitions.by_place.get((outer, number, code))
    label = inner.name if inner else f"{outer.name}.{number}.{code}"
    yield from _inner_values(definitions, FoundValue(inner, label, octets[VENDOR_ID_OCTETS + 1 :]))
