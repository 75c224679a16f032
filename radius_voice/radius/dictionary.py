"""The attribute dictionary: encodes a policy's reply attributes and prints packets for `--debug`.

Dictionaries are in FreeRADIUS syntax and are read by pyrad. No decision about a packet depends on them.
"""

from __future__ import annotations

import difflib
import ipaddress
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pyrad import tools
from pyrad.dictionary import Dictionary

from radius_voice.radius.caller_address import AddressAttribute
from radius_voice.radius.copied import HEADER, VENDOR_ID_OCTETS, AttributeKey, vendor_attributes
from radius_voice.radius.packet import MAX_VALUE_OCTETS, VENDOR_SPECIFIC

MAX_VENDOR_VALUE_OCTETS = MAX_VALUE_OCTETS - 6  # vendor id, vendor type, vendor length (RFC 2865 section 5.26)
SALTED = 2
MAX_TAG = 0x1F  # RFC 2868 section 3.1
TAGGED_BITS = 24  # the tag takes the first of an integer's four octets

REFUSED = {
    "User-Password": "passwords never leave the server",
    "CHAP-Password": "passwords never leave the server",
    "State": "the server makes it",
    "Proxy-State": "the server echoes it",
    "Message-Authenticator": "the server makes it",
    "EAP-Message": "EAP is not supported",
    "Reply-Message": "the server writes it",
}
NOT_COPIED = {
    *REFUSED,
    "CHAP-Challenge",
    "Prompt",
    "User-Name",
}
"""Attributes that belong to one exchange of packets."""
HIDDEN = {
    "ARAP-Challenge-Response",
    "ARAP-Password",
    "ARAP-Security-Data",
    "CHAP-Challenge",
    "CHAP-Password",
    "Configuration-Token",
    "EAP-Message",
    "MS-New-ARAP-Password",
    "MS-Old-ARAP-Password",
    "Tunnel-Password",
    "User-Password",
}
SHIPPED = "RFC 2865, 2866, 2868, 2869 and 3162, and Microsoft"
VENDORS = {
    "ASA": "cisco.asa",
    "Aruba": "aruba",
    "Ascend": "ascend",
    "CP": "checkpoint",
    "CVPN3000": "cisco.vpn3000",
    "Cisco": "cisco",
    "Citrix": "citrix",
    "Clavister": "clavister",
    "ERX": "erx",
    "F5": "f5",
    "Fortinet": "fortinet",
    "H3C": "h3c",
    "HP": "hp",
    "Hillstone": "hillstone",
    "Huawei": "huawei",
    "Juniper": "juniper",
    "LCS": "lancom",
    "Mikrotik": "mikrotik",
    "NS": "netscreen",
    "PaloAlto": "paloalto",
    "Ruckus": "ruckus",
    "SonicWall": "sonicwall",
    "WISPr": "wispr",
    "Zyxel": "zyxel",
    "pfSense": "pfsense",
}
"""Prefix of a vendor's attribute names -> suffix of its FreeRADIUS dictionary (`cisco`: dictionary.cisco)."""
MAX_INTEGER_DIGITS = 20  # decimal digits of a 64-bit integer
BITS = {"byte": 8, "short": 16, "integer": 32, "date": 32, "integer64": 64}
EXAMPLES = {
    "ipaddr": "an IPv4 address, like 192.0.2.1",
    "ipv6addr": "an IPv6 address, like 2001:db8::1",
    "ipv6prefix": "an IPv6 prefix, like 2001:db8::/32",
    "ifid": "an interface identifier, like 200:5eff:fe00:5301",
    "ether": "a hardware address, like 00:00:5e:00:53:01",
}
KINDS = {"string", "octets", *BITS, *EXAMPLES}
ADDRESS_KINDS = {"string", "ipaddr", "ipv6addr"}


@dataclass(frozen=True, slots=True)
class _Attribute:
    """A dictionary entry.

    `vendor` is 0 for attributes of the RFCs; `values` maps the names of values to numbers. `encryption` is FreeRADIUS's
    number: 0 for none, 1 as in User-Password, SALTED for a salt-encrypted value.
    """

    name: str
    vendor: int
    code: int
    kind: str
    tagged: bool
    encryption: int
    values: Mapping[str, int]

    @property
    def hidden(self) -> bool:
        return bool(self.encryption) or self.name in HIDDEN or self.name.startswith("MS-CHAP")


class AttributeDictionary:
    """The attributes in the file `dictionary` of `folder`, and in the files that it includes.

    Raises OSError or pyrad's ParseError when the dictionary cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        read = Dictionary(str(folder / "dictionary"))
        self._by_name = {
            name: _Attribute(
                name,
                read.vendors.GetForward(found.vendor),
                found.code,
                found.type,
                found.has_tag,
                found.encrypt,
                {word: int.from_bytes(octets) for word, octets in found.values.forward.items()},
            )
            for name, found in read.attributes.items()
            if found.type in KINDS and not found.is_sub_attribute
        }
        self._by_code = {(known.vendor, known.code): known for known in self._by_name.values()}
        self._vendors = {known.vendor for known in self._by_name.values()} - {0}

    def encode(self, name: str, value: str | int | bytes) -> tuple[int, bytes]:
        """Encode an attribute of an Access-Accept; returns its type and the octets of its value.

        `name` may end in `:TAG`, 0 to 31, for attributes of RFC 2868. A vendor's attribute is wrapped in
        Vendor-Specific. Octets are written as text, or as `0x` and hexadecimal digits. Raises ValueError, with the
        fix, for an attribute that is unknown or not allowed and for a value that is invalid or too long.
        """
        plain, _, tag = name.partition(":")
        known = self._by_name.get(plain)
        if known is None:
            raise ValueError(f"{plain}: {self._unknown(plain)}")
        if plain in REFUSED:
            raise ValueError(f"{plain}: not for reply rules, {REFUSED[plain]}; remove it")
        if known.encryption:
            raise ValueError(f"{plain}: encrypted attributes cannot be set by reply rules; remove it")
        octets = _with_tag(known, tag, value) if known.tagged else _untagged(known, tag, value)
        max_octets = MAX_VENDOR_VALUE_OCTETS if known.vendor else MAX_VALUE_OCTETS
        if not 0 < len(octets) <= max_octets:
            raise ValueError(f"{plain}: a value is 1 to {max_octets} octets, this one has {len(octets)}")
        if known.vendor:
            return VENDOR_SPECIFIC, struct.pack("!IBB", known.vendor, known.code, len(octets) + 2) + octets
        return known.code, octets

    def key(self, name: str, *, salted: bool = False) -> AttributeKey:
        """The key of an attribute that may be copied to another packet. Raises ValueError with the fix.

        `salted` allows a salt-encrypted attribute, for a copy from one Access-Accept to another.
        """
        known = self._by_name.get(name)
        if known is None:
            raise ValueError(f"{name}: {self._unknown(name)}")
        if name in NOT_COPIED or name.startswith("MS-CHAP"):
            raise ValueError(f"{name}: is never copied to another packet; remove it")
        if known.encryption and not (salted and known.encryption == SALTED):
            raise ValueError(f"{name}: is encrypted and cannot be copied to another packet here; remove it")
        return AttributeKey(known.vendor, known.code)

    def address_attribute(self, name: str) -> AddressAttribute:
        """An attribute of requests that may hold an address. Raises ValueError with the fix."""
        known = self._by_name.get(name)
        if known is None:
            raise ValueError(f"{name}: {self._unknown(name)}")
        if known.hidden or known.kind not in ADDRESS_KINDS:
            raise ValueError(f"{name}: holds no address; name an attribute like Calling-Station-Id")
        return AddressAttribute(AttributeKey(known.vendor, known.code), known.kind == "string", known.tagged)

    def salt_offset(self, key: AttributeKey) -> int | None:
        """How many octets of the attribute's value precede the salt; None if the attribute is not salt-encrypted."""
        known = self._by_code[key]
        return int(known.tagged) if known.encryption == SALTED else None

    def _unknown(self, name: str) -> str:
        prefix = name.partition("-")[0]
        vendor = VENDORS.get(prefix)
        if vendor and not any(known.startswith(f"{prefix}-") for known in self._by_name):
            fix = (
                f"put dictionary.{vendor} of FreeRADIUS into {self._folder} and include it in the file dictionary there"
            )
            return f"an attribute of a vendor whose dictionary is not shipped; shipped are {SHIPPED}; {fix}"
        like = _like(name, self._by_name)
        return f"no attribute of that name{like or f' in the dictionaries that are shipped: {SHIPPED}'}"

    def describe(self, attributes: Sequence[tuple[int, bytes]]) -> list[str]:
        """One printable line for each attribute, with secrets hidden. Never raises."""
        return [
            self._vendor_specific(octets) if code == VENDOR_SPECIFIC else self._line(0, code, octets)
            for code, octets in attributes
        ]

    def _line(self, vendor: int, code: int, octets: bytes) -> str:
        known = self._by_code.get((vendor, code))
        if known is None:
            return f"{f'Vendor-{vendor}-' if vendor else ''}Attr-{code} = 0x{octets.hex()}"
        if known.name == "State":
            return f"State = <hidden, {len(octets)} octets>"
        if known.hidden:
            return f"{known.name} = <hidden>"
        tag = ""
        if known.tagged and octets and octets[0] <= MAX_TAG:
            tag = f":{octets[0]}" if octets[0] else ""
            octets = b"\0" + octets[1:] if known.kind in BITS else octets[1:]
        try:
            shown = _value_text(known, octets)
        except ValueError:
            shown = f"0x{octets.hex()}"
        return f"{known.name}{tag} = {shown}"

    def _vendor_specific(self, octets: bytes) -> str:
        vendor = int.from_bytes(octets[:4])
        if vendor not in self._vendors:
            return f"Vendor-Specific = 0x{octets.hex()}"
        parts = vendor_attributes(octets[VENDOR_ID_OCTETS:])
        if not parts:
            # It may hold secrets, at unknown positions.
            return f"Vendor-Specific = <malformed for vendor {vendor}, hidden, {len(octets)} octets>"
        return ", ".join(self._line(vendor, part[0], part[HEADER:]) for part in parts)


def _like(word: str, words: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(word, words, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _untagged(known: _Attribute, tag: str, value: str | int | bytes) -> bytes:
    if tag:
        raise ValueError(f"{known.name}: takes no tag; write only the name")
    return _octets(known, value, BITS.get(known.kind, 0))


def _with_tag(known: _Attribute, tag: str, value: str | int | bytes) -> bytes:
    """Encode a value with its tag. Without a tag, integers get tag 0 and strings no tag octet (RFC 2868 section 3)."""
    if tag and not (tag.isascii() and tag.isdecimal() and int(tag) <= MAX_TAG):
        raise ValueError(f"{known.name}: a tag is a number from 0 to {MAX_TAG}")
    number = int(tag or "0")
    if known.kind in BITS:
        return bytes([number]) + _octets(known, value, TAGGED_BITS)
    octets = _octets(known, value, 0)
    if number:
        return bytes([number]) + octets
    if octets and octets[0] <= MAX_TAG:
        raise ValueError(f"{known.name}: begins with a control character, which would be read as a tag")
    return octets


def _octets(known: _Attribute, value: str | int | bytes, bits: int) -> bytes:
    if known.kind in BITS:
        return _number(known, value, bits).to_bytes(bits // 8)
    if known.kind in EXAMPLES:
        return _address(known, value)
    if isinstance(value, int):
        raise ValueError(f"{known.name}: takes text; put the number in quotes")  # noqa: TRY004
    if isinstance(value, bytes):
        return value
    if known.kind == "octets" and value.startswith("0x"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            raise ValueError(f"{known.name}: begins with 0x but is not hexadecimal") from None
    return value.encode()


def _number(known: _Attribute, value: str | int | bytes, bits: int) -> int:
    if isinstance(value, str) and value in known.values:
        return known.values[value]
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= MAX_INTEGER_DIGITS:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        names = f", or one of {', '.join(known.values)}" if known.values else ""
        like = _like(value, known.values) if isinstance(value, str) else ""
        raise ValueError(f"{known.name}: takes a number{names}{like}")  # noqa: TRY004
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{known.name}: takes a number from 0 to {(1 << bits) - 1}")
    return value


def _address(known: _Attribute, value: str | int | bytes) -> bytes:
    try:
        encoded: bytes = tools.EncodeAttr(known.kind, value)
    except (ValueError, TypeError):
        raise ValueError(f"{known.name}: takes {EXAMPLES[known.kind]}") from None
    return encoded


def _value_text(known: _Attribute, octets: bytes) -> str:
    """The value as text. Raises ValueError if the octets do not match the attribute's type."""
    match known.kind:
        case "octets":
            return f"0x{octets.hex()}"
        case "string":
            return quoted(octets.decode())
        case "date":
            return f"{datetime.fromtimestamp(tools.DecodeDate(octets), UTC):%Y-%m-%dT%H:%M:%SZ}"
        case "ipv6addr":
            return str(ipaddress.IPv6Address(octets))
        case "ipaddr" | "ipv6prefix" | "ifid" | "ether":
            return str(tools.DecodeAttr(known.kind, octets))
    if len(octets) * 8 != BITS[known.kind]:
        raise ValueError("a number of another size")
    number = int.from_bytes(octets)
    return next((word for word, of in known.values.items() if of == number), str(number))


def quoted(text: str) -> str:
    """Text in quotes on one line, with control characters escaped, so that a packet cannot forge output lines."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{printable(escaped)}"'


def printable(text: str) -> str:
    """The text with non-printable characters escaped: C0 and C1 controls, and controls of text direction."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
