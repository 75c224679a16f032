"""Reads attribute dictionaries in FreeRADIUS syntax."""

from __future__ import annotations

import errno
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias

KINDS = frozenset(
    (
        *("string", "octets", "abinary", "date", "ether", "ifid", "combo-ip"),
        *("byte", "short", "integer", "integer64", "signed"),
        *("ipaddr", "ipv4prefix", "ipv6addr", "ipv6prefix"),
        *("tlv", "vsa", "extended", "long-extended", "evs"),
    )
)
"""The data types of FreeRADIUS 3."""
OTHER_NAMES = {"uint8": "byte", "uint16": "short", "uint32": "integer", "uint64": "integer64", "int32": "signed"}
CONTAINERS = frozenset(("tlv", "extended", "long-extended", "evs"))
FLAGS = frozenset(("has_tag", "concat", "secret", "array", "virtual"))
ENCRYPTIONS = {"encrypt=0": 0, "encrypt=1": 1, "encrypt=2": 2, "encrypt=3": 3}
MAX_CODE = 255
MAX_VENDOR = (1 << 32) - 1
LENGTH_OCTETS = (0, 1, 2)
TYPE_OCTETS = (1, 2, 4)


class DictionaryError(ValueError):
    """A dictionary cannot be read. The message names the file and the line."""


class Vendor(NamedTuple):
    """A vendor, and the format of its attributes in Vendor-Specific."""

    name: str
    number: int
    type_octets: int = 1  # the length of the type field
    length_octets: int = 1  # the length of the length field
    continued: bool = False  # another octet says whether the value continues in the next attribute (WiMAX)


NO_VENDOR = Vendor("", 0)
"""Stands for the attributes of the RFCs."""


@dataclass(slots=True, eq=False)
class DefinedAttribute:
    """An attribute that a dictionary defines."""

    name: str
    code: int
    kind: str  # one of KINDS
    parent: DefinedAttribute | None  # the TLV or extended attribute (RFC 6929) that contains it; None at top level
    vendor: Vendor
    size: int  # the required number of octets; 0: any
    tagged: bool
    encryption: int  # FreeRADIUS's number: 0 none, 1 User-Password, 2 with a salt, 3 Ascend-Send-Secret
    concat: bool  # a value that is too long for one attribute is split into several
    secret: bool
    values: dict[str, int] = field(default_factory=dict)  # named values -> numbers


Place: TypeAlias = tuple[DefinedAttribute | None, int, int]
"""Identifies an attribute in packets: its parent, the vendor's number, and its code."""


class Definitions(NamedTuple):
    """The content of a dictionary. If two attributes have the same place, `by_place` has the later one."""

    by_name: Mapping[str, DefinedAttribute]
    by_place: Mapping[Place, DefinedAttribute]
    vendors: Mapping[int, Vendor]


def read_dictionary(path: Path) -> Definitions:
    """The definitions in a file and the files that it includes. Raises DictionaryError, also for unreadable files."""
    reader = _Reader()
    try:
        reader.read(path)
    except OSError as problem:
        raise DictionaryError(f"{path}: {problem.strerror}") from None
    return reader.definitions()


class _Reader:
    def __init__(self) -> None:
        self._by_name: dict[str, DefinedAttribute] = {}
        self._by_place: dict[Place, DefinedAttribute] = {}
        self._vendors: dict[str, Vendor] = {}
        self._values: list[tuple[str, str, int]] = []
        self._open: list[Path] = []
        self._vendor = NO_VENDOR
        self._parent: DefinedAttribute | None = None

    def definitions(self) -> Definitions:
        for attribute, name, number in self._values:
            # Values of FreeRADIUS's internal attributes have no attribute here.
            if attribute in self._by_name:
                self._by_name[attribute].values[name] = number
        return Definitions(self._by_name, self._by_place, {vendor.number: vendor for vendor in self._vendors.values()})

    def read(self, path: Path) -> None:
        if any(map(path.samefile, self._open)):
            raise DictionaryError(f"{path}: includes itself")
        self._open.append(path)
        for number, line in enumerate(_text(path).splitlines(), 1):
            if "\0" in line:
                raise DictionaryError(f"{path}:{number}: has a NUL character; a dictionary is a text file")
            words = line.partition("#")[0].split()
            if not words:
                continue
            if words[0] in ("$INCLUDE", "$INCLUDE-"):
                self._include(path, number, words)
                continue
            try:
                self._line(words)
            except ValueError as problem:
                raise DictionaryError(f"{path}:{number}: {problem}") from None
        self._open.pop()
        if self._vendor is not NO_VENDOR or self._parent is not None:
            raise DictionaryError(f"{path}: BEGIN-VENDOR or BEGIN-TLV without its end")

    def _include(self, path: Path, number: int, words: Sequence[str]) -> None:
        if len(words) != 2:  # noqa: PLR2004 - the keyword and a name
            raise DictionaryError(f"{path}:{number}: {words[0]} takes the name of a file")
        included = path.parent / words[1]
        try:
            if words[0] == "$INCLUDE" or included.exists():
                self.read(included)
        except OSError as problem:
            raise DictionaryError(f"{path}:{number}: {included}: {problem.strerror}") from None

    def _line(self, words: Sequence[str]) -> None:
        match words:
            case ["ATTRIBUTE", name, code, kind, *flags]:
                self._attribute(name, code, kind, flags)
            case ["VALUE", attribute, name, number]:
                self._values.append((attribute, name, _number(number)))
            case ["VENDOR", name, number, *formats]:
                self._vendors[name] = _vendor(name, number, formats)
            case ["BEGIN-VENDOR", name, *outer]:
                self._begin_vendor(name, outer)
            case ["END-VENDOR", _]:
                self._vendor, self._parent = NO_VENDOR, None
            case ["BEGIN-TLV", name]:
                self._parent = self._container(name, "tlv")
            case ["END-TLV", _]:
                self._parent = self._parent.parent if self._parent else None
            case _:
                raise ValueError(f"{words[0]!a:.40}: the line is not valid")

    def _attribute(self, name: str, code: str, kind: str, flags: Sequence[str]) -> None:
        *outer, last = map(_number, code.split("."))
        parent, vendor = self._parent, self._vendor
        for each in outer:
            parent = self._by_place.get((parent, vendor.number, each))
            if parent is None or parent.kind not in CONTAINERS:
                raise ValueError(f"{name}: no attribute before it holds the number {code}")
            vendor = NO_VENDOR
        if parent is not None and parent.kind == "tlv":
            vendor = NO_VENDOR
        words = {flag for each in flags for flag in each.split(",") if flag}
        if len(words) == 1 and vendor is NO_VENDOR and not outer:
            # Older dictionaries name the vendor in place of the flags.
            vendor = self._vendors.get(next(iter(words)), vendor)
            words -= {vendor.name}
        made = _defined(name, last, kind, parent, vendor, words)
        if 0 < last <= _max_code(parent, vendor):  # greater codes are internal to FreeRADIUS and never in a packet
            self._by_name[name] = self._by_place[parent, vendor.number, last] = made

    def _begin_vendor(self, name: str, outer: Sequence[str]) -> None:
        vendor = self._vendors.get(name)
        if vendor is None:
            raise ValueError(f"there is no VENDOR {name} before it")
        self._vendor = vendor
        if outer:
            self._parent = self._container(outer[0].partition("=")[2], "evs")

    def _container(self, name: str, kind: str) -> DefinedAttribute:
        found = self._by_name.get(name)
        if found is None or found.kind != kind:
            raise ValueError(f"{name}: is not an attribute of type {kind}")
        return found


def _text(path: Path) -> str:
    """The text of a file. Raises OSError unless it is a regular file: reading a FIFO may never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "is not a regular file")
    return path.read_text(encoding="utf-8", errors="replace")


def _defined(
    name: str, code: int, kind: str, parent: DefinedAttribute | None, vendor: Vendor, flags: set[str]
) -> DefinedAttribute:
    kind, _, size = kind.lower().partition("[")
    kind = OTHER_NAMES.get(kind, kind)
    if kind not in KINDS:
        raise ValueError(f"{name}: unknown type {kind}")
    encryption = max((ENCRYPTIONS[flag] for flag in flags if flag in ENCRYPTIONS), default=0)
    if unknown := flags - FLAGS - ENCRYPTIONS.keys():
        raise ValueError(f"{name}: unknown flag {min(unknown)}")
    return DefinedAttribute(
        name=name,
        code=code,
        kind="octets" if "array" in flags else kind,
        parent=parent,
        vendor=vendor,
        size=_number(size.rstrip("]")) if size else 0,
        tagged="has_tag" in flags,
        encryption=encryption,
        concat="concat" in flags,
        secret="secret" in flags,
    )


def _max_code(parent: DefinedAttribute | None, vendor: Vendor) -> int:
    return MAX_CODE if parent is not None else (1 << 8 * vendor.type_octets) - 1


def _vendor(name: str, number: str, formats: Sequence[str]) -> Vendor:
    vendor_number = _number(number)
    if not 0 < vendor_number <= MAX_VENDOR:
        raise ValueError(f"{name}: the number of a vendor is 1 to {MAX_VENDOR}")
    if not formats:
        return Vendor(name, vendor_number)
    types, lengths, *continued = formats[0].removeprefix("format=").split(",")
    vendor = Vendor(name, vendor_number, _number(types), _number(lengths), bool(continued))
    if vendor.type_octets not in TYPE_OCTETS or vendor.length_octets not in LENGTH_OCTETS:
        raise ValueError(f"{name}: unknown format")
    return vendor


def _number(text: str) -> int:
    try:
        return int(text, 16) if text[:2] in ("0x", "0X") else int(text)
    except ValueError:
        raise ValueError(f"{text!a:.40} is not a number") from None
