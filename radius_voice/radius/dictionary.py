"""Attributes by name: what a policy may put into an Access-Accept, and what `--debug` shows of a packet.

Reads dictionaries in FreeRADIUS syntax through pyrad. Never used to decide anything about a packet.
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

VENDOR_SPECIFIC = 26
HEADER = 2  # an attribute begins with its type and length
LONGEST = 253
LONGEST_VENDOR_VALUE = LONGEST - 6  # vendor number, type and length come first (RFC 2865 section 5.26)
HIGHEST_TAG = 0x1F  # RFC 2868 section 3.1
TAGGED_BITS = 24  # a tagged integer gives its first octet to the tag

REFUSED = {
    "User-Password": "passwords never leave the server",
    "CHAP-Password": "passwords never leave the server",
    "State": "the server makes it",
    "Proxy-State": "the server echoes it",
    "Message-Authenticator": "the server makes it",
    "EAP-Message": "EAP is not spoken",
    "Reply-Message": "the server writes it",
}
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
"""How names of vendors' attributes begin, and the dictionary of FreeRADIUS that holds them: dictionary.cisco."""
LONGEST_NUMBER = 20  # digits: 64 bits need no more
BITS = {"byte": 8, "short": 16, "integer": 32, "date": 32, "integer64": 64}
EXAMPLES = {
    "ipaddr": "an IPv4 address, like 192.0.2.1",
    "ipv6addr": "an IPv6 address, like 2001:db8::1",
    "ipv6prefix": "an IPv6 prefix, like 2001:db8::/32",
    "ifid": "an interface identifier, like 200:5eff:fe00:5301",
    "ether": "a hardware address, like 00:00:5e:00:53:01",
}
KINDS = {"string", "octets", *BITS, *EXAMPLES}


@dataclass(frozen=True, slots=True)
class _Attribute:
    """A dictionary's entry; `vendor` is 0 for the RFCs' own, `values` are the numbers of names."""

    name: str
    vendor: int
    code: int
    kind: str
    tagged: bool
    encrypted: bool
    values: Mapping[str, int]

    @property
    def hidden(self) -> bool:
        return self.encrypted or self.name in HIDDEN or self.name.startswith("MS-CHAP")


class Names:
    """The attributes that the file `dictionary` in a folder names, and those of the files it includes.

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
                found.encrypt != 0,
                {word: int.from_bytes(octets) for word, octets in found.values.forward.items()},
            )
            for name, found in read.attributes.items()
            if found.type in KINDS and not found.is_sub_attribute
        }
        self._by_code = {(known.vendor, known.code): known for known in self._by_name.values()}
        self._vendors = {known.vendor for known in self._by_name.values()} - {0}

    def encode(self, name: str, value: str | int | bytes) -> tuple[int, bytes]:
        """Give the type and the value's octets of an attribute for an Access-Accept.

        `name` may end in `:TAG`, 0 to 31, for attributes of RFC 2868. A vendor's attribute comes wrapped
        in Vendor-Specific. Octets may be written as text, or as `0x` and hexadecimal digits.
        Raises ValueError, with the mend, for what is unknown, refused by policy, wrong or too long.
        """
        plain, _, tag = name.partition(":")
        known = self._by_name.get(plain)
        if known is None:
            raise ValueError(f"{plain}: {self._unknown(plain)}")
        if plain in REFUSED:
            raise ValueError(f"{plain}: not for reply rules, {REFUSED[plain]}; remove it")
        if known.encrypted:
            raise ValueError(f"{plain}: encrypted attributes cannot be set by reply rules; remove it")
        octets = _with_tag(known, tag, value) if known.tagged else _untagged(known, tag, value)
        longest = LONGEST_VENDOR_VALUE if known.vendor else LONGEST
        if not 0 < len(octets) <= longest:
            raise ValueError(f"{plain}: a value is 1 to {longest} octets, this one has {len(octets)}")
        if known.vendor:
            return VENDOR_SPECIFIC, struct.pack("!IBB", known.vendor, known.code, len(octets) + 2) + octets
        return known.code, octets

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
        """One printable line for each attribute, secrets hidden, whatever the octets are; never raises."""
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
        if known.tagged and octets and octets[0] <= HIGHEST_TAG:
            tag = f":{octets[0]}" if octets[0] else ""
            octets = b"\0" + octets[1:] if known.kind in BITS else octets[1:]
        try:
            shown = _shown(known, octets)
        except ValueError:
            shown = f"0x{octets.hex()}"
        return f"{known.name}{tag} = {shown}"

    def _vendor_specific(self, octets: bytes) -> str:
        vendor = int.from_bytes(octets[:4])
        if vendor not in self._vendors:
            return f"Vendor-Specific = 0x{octets.hex()}"
        parts = _parts(octets[4:])
        if not parts:
            # A known vendor's may hold secrets, and badly filled nobody can tell where.
            return f"Vendor-Specific = <badly filled for vendor {vendor}, hidden, {len(octets)} octets>"
        return ", ".join(self._line(vendor, part[0], part[HEADER:]) for part in parts)


def _parts(octets: bytes) -> list[bytes]:
    """Cut a vendor's attributes apart, type and length included; none when they do not fill the octets exactly."""
    parts = []
    while octets:
        length = octets[1] if len(octets) >= HEADER else 0
        if not HEADER <= length <= len(octets):
            return []
        parts.append(octets[:length])
        octets = octets[length:]
    return parts


def _like(word: str, words: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(word, words, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _untagged(known: _Attribute, tag: str, value: str | int | bytes) -> bytes:
    if tag:
        raise ValueError(f"{known.name}: takes no tag; write the name alone")
    return _octets(known, value, BITS.get(known.kind, 0))


def _with_tag(known: _Attribute, tag: str, value: str | int | bytes) -> bytes:
    """Put the tag before the value; without one, an integer has tag 0 and text begins at once (RFC 2868 section 3)."""
    if tag and not (tag.isascii() and tag.isdecimal() and int(tag) <= HIGHEST_TAG):
        raise ValueError(f"{known.name}: a tag is a number from 0 to {HIGHEST_TAG}")
    number = int(tag or "0")
    if known.kind in BITS:
        return bytes([number]) + _octets(known, value, TAGGED_BITS)
    octets = _octets(known, value, 0)
    if number:
        return bytes([number]) + octets
    if octets and octets[0] <= HIGHEST_TAG:
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
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= LONGEST_NUMBER:
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


def _shown(known: _Attribute, octets: bytes) -> str:
    """Raise ValueError when the octets do not fill the attribute's type."""
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
    """Text in quotes on one line: no octet of a packet can move a terminal's cursor, turn text or forge a line."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{printable(escaped)}"'


def printable(text: str) -> str:
    """The text with every character escaped that a terminal may obey: controls, also C1, and those of direction."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
