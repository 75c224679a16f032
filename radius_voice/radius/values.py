"""Encodes attribute values (text, addresses, numbers), and shows encoded values as text. Pure."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeAlias

from pyrad import tools

from radius_voice.radius.dictionary_file import DefinedAttribute

MAX_TAG = 0x1F  # RFC 2868 section 3.1
TAGGED_BITS = 24  # the tag is the first of an integer's four octets
MAX_INTEGER_DIGITS = 20  # decimal digits of a 64-bit integer
BITS = {"byte": 8, "short": 16, "integer": 32, "signed": 32, "date": 32, "integer64": 64}
EXAMPLES = {
    "ipaddr": "an IPv4 address, like 192.0.2.1",
    "ipv4prefix": "an IPv4 prefix, like 192.0.2.0/24",
    "ipv6addr": "an IPv6 address, like 2001:db8::1",
    "ipv6prefix": "an IPv6 prefix, like 2001:db8::/32",
    "combo-ip": "an IPv4 or IPv6 address, like 192.0.2.1",
    "ifid": "an interface identifier, like 200:5eff:fe00:5301",
    "ether": "a hardware address, like 00:00:5e:00:53:01",
    "date": "a time with its zone, like 2026-01-31T18:00:00Z, or seconds since 1970",
}
BINARY = frozenset(("octets", "abinary", "vsa"))
"""Types whose values are written as `0x` and hexadecimal digits."""
Value: TypeAlias = str | int | bytes


def encoded_value(known: DefinedAttribute, tag: str, value: Value) -> bytes:
    """The octets of a value with its tag; an empty `tag` is none. Raises ValueError with the fix.

    Messages do not quote the values of encrypted attributes.
    """
    octets = _with_tag(known, tag, value) if known.tagged else plain_value(known, tag, value)
    if known.size and len(octets) != known.size:
        raise ValueError(f"{known.name}: a value is {known.size} octets, this one has {len(octets)}")
    return octets


def plain_value(known: DefinedAttribute, tag: str, value: Value) -> bytes:
    """The octets of a value without its tag. Raises ValueError with the fix."""
    if tag and not known.tagged:
        raise ValueError(f"{known.name}: takes no tag; write only the name")
    return _octets(known, value, BITS.get(known.kind, 0))


def tag_octets(known: DefinedAttribute, tag: str) -> bytes:
    """The tag octet of an encrypted value, empty if the type has no tag (RFC 2868 section 3.5). Raises ValueError."""
    return bytes((_tag(known, tag),)) if known.tagged else b""


def shown_value(known: DefinedAttribute, octets: bytes) -> tuple[str, str]:
    """The tag (like `:1`, or empty) and the value as text. Octets that do not match the type are hexadecimal."""
    tag = ""
    if known.tagged and octets and octets[0] <= MAX_TAG:
        tag = f":{octets[0]}" if octets[0] else ""
        octets = b"\0" + octets[1:] if known.kind in BITS else octets[1:]
    try:
        return tag, _text(known, octets)
    except ValueError:
        return tag, f"0x{octets.hex()}"


def like(word: str, words: Mapping[str, object]) -> str:
    """`; did you mean X?` for the most similar of `words`; empty if none is similar."""
    close = difflib.get_close_matches(word, words, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def quoted(text: str) -> str:
    """The text in quotes, with control characters escaped, so that a packet cannot forge lines of output."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{printable(escaped)}"'


def printable(text: str) -> str:
    """The text with non-printable characters escaped: C0 and C1 controls, and controls of text direction."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _tag(known: DefinedAttribute, tag: str) -> int:
    if tag and not (tag.isascii() and tag.isdecimal() and int(tag) <= MAX_TAG):
        raise ValueError(f"{known.name}: a tag is a number from 0 to {MAX_TAG}")
    return int(tag or "0")


def _with_tag(known: DefinedAttribute, tag: str, value: Value) -> bytes:
    """Encode a value with its tag. Without a tag, integers get tag 0 and strings no tag octet (RFC 2868 section 3)."""
    number = _tag(known, tag)
    if known.kind in BITS:
        return bytes([number]) + _octets(known, value, TAGGED_BITS)
    octets = _octets(known, value, 0)
    if number:
        return bytes([number]) + octets
    if octets[0] <= MAX_TAG:
        raise ValueError(f"{known.name}: begins with a control character, which would be read as a tag")
    return octets


def _octets(known: DefinedAttribute, value: Value, bits: int) -> bytes:
    if known.kind in BITS:
        number, signed = _number(known, value, bits), known.kind == "signed"
        return number.to_bytes(bits // 8, signed=signed)
    if known.kind in EXAMPLES:
        return _address(known, value)
    octets = _binary(known, value)
    if not octets:
        raise ValueError(f"{known.name}: the value is empty; write one, or remove the attribute")
    return octets


def _binary(known: DefinedAttribute, value: Value) -> bytes:
    if isinstance(value, int):
        raise ValueError(f"{known.name}: takes text; put the number in quotes")  # noqa: TRY004
    if isinstance(value, bytes):
        return value
    if known.kind not in BINARY or not value.startswith("0x"):
        return value.encode()
    try:
        return bytes.fromhex(value[2:])
    except ValueError:
        raise ValueError(f"{known.name}: begins with 0x but is not hexadecimal") from None


def _number(known: DefinedAttribute, value: Value, bits: int) -> int:
    if isinstance(value, str):
        value = known.values[value] if value in known.values else _parsed(known, value)
    if isinstance(value, bool) or not isinstance(value, int):
        names = f", or one of {', '.join(known.values)}" if known.values else ""
        meant = like(value, known.values) if isinstance(value, str) else ""
        takes = EXAMPLES.get(known.kind, "a number")
        raise ValueError(f"{known.name}: takes {takes}{names}{meant}")  # noqa: TRY004
    least = -1 << bits - 1 if known.kind == "signed" else 0
    most = (1 << bits) - 1 + least
    if not least <= value <= most:
        raise ValueError(f"{known.name}: takes a number from {least} to {most}")
    return value


def _parsed(known: DefinedAttribute, text: str) -> str | int:
    """The number in `text`; `text` itself if it is not a number."""
    digits = text.removeprefix("-") if known.kind == "signed" else text
    if digits.isascii() and digits.isdecimal() and len(digits) <= MAX_INTEGER_DIGITS:
        return int(text)
    if known.kind == "date":
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return text
        return text if moment.tzinfo is None else int(moment.timestamp())
    return text


def _address(known: DefinedAttribute, value: Value) -> bytes:
    try:
        if not isinstance(value, str):
            raise ValueError("not text")  # noqa: TRY004, TRY301 - the caller gets the fix
        match known.kind:
            case "combo-ip":
                return ipaddress.ip_address(value).packed
            case "ipv4prefix":
                network = ipaddress.IPv4Network(value, strict=False)
                return bytes((0, network.prefixlen)) + network.network_address.packed
        encoded: bytes = tools.EncodeAttr(known.kind, value)
    except ValueError:
        raise ValueError(f"{known.name}: takes {EXAMPLES[known.kind]}") from None
    return encoded


def _text(known: DefinedAttribute, octets: bytes) -> str:
    """The value as text. Raises ValueError if the octets do not match the attribute's type."""
    match known.kind:
        case "string":
            return quoted(octets.decode())
        case "date":
            return f"{datetime.fromtimestamp(tools.DecodeDate(octets), UTC):%Y-%m-%dT%H:%M:%SZ}"
        case "ipv6addr":
            return str(ipaddress.IPv6Address(octets))
        case "ipv4prefix":
            return _ipv4_prefix(octets)
        case "combo-ip":
            return str(ipaddress.ip_address(octets))
        case "ipaddr" | "ipv6prefix" | "ifid" | "ether":
            return str(tools.DecodeAttr(known.kind, octets))
    bits = BITS.get(known.kind)
    if bits is None:
        return f"0x{octets.hex()}"
    if len(octets) * 8 != bits:
        raise ValueError("a number of another size")
    number = int.from_bytes(octets, signed=known.kind == "signed")
    # If a number has two names, the last one is shown, as in FreeRADIUS.
    return next((word for word, of in reversed(known.values.items()) if of == number), str(number))


def _ipv4_prefix(octets: bytes) -> str:
    if len(octets) != 6 or octets[0]:  # noqa: PLR2004 - RFC 8044 section 3.11
        raise ValueError("no IPv4 prefix")
    return str(ipaddress.IPv4Network((octets[2:], octets[1]), strict=False))
