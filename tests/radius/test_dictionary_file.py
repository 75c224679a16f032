"""Dictionary files: their contents, compared with those of FreeRADIUS, and the errors in them."""

import logging
import os
from pathlib import Path

import pytest
from pyrad.dictionary import Dictionary

from radius_voice.radius.dictionary_file import DictionaryError, read_dictionary
from radius_voice.resources import shipped
from tests.support.requirements import require

DEBIAN = Path("/usr/share/freeradius")
SHIPPED = shipped("dictionaries")
NAMES = sorted(path.name.removeprefix("dictionary.") for path in SHIPPED.glob("dictionary.*"))

# Where FreeRADIUS 3 differs on purpose.
SOURCES = {
    "rfc5176": ["rfc3576", "rfc5176"],  # RFC 5176 obsoletes RFC 3576
    "rfc5997": [],  # no attributes; FreeRADIUS has no file
}
ALIASES = {"MS-MPPE-Encryption-Type"}  # a second name, of FreeRADIUS's own, for MS-MPPE-Encryption-Types
VALUE_ALIASES = {("Acct-Status-Type", "Alive")}  # a second name for Interim-Update


class Facts:
    """What dictionary files say, read line by line without the code under test."""

    def __init__(self, *paths):
        self.vendors, self.attributes, self.values = {}, {}, []
        for path in paths:
            vendor = ""
            for line in path.read_text().splitlines():
                words = line.split("#")[0].split()
                match words[:1]:
                    case ["VENDOR"]:
                        self.vendors[words[1]] = (words[2], words[3:])
                    case ["BEGIN-VENDOR"]:
                        vendor = words[1]
                    case ["END-VENDOR"]:
                        vendor = ""
                    case ["ATTRIBUTE"] if words[1] not in ALIASES:
                        self.attributes[words[1]] = (vendor, words[2], words[3].lower(), words[4:])
                    case ["VALUE"] if (words[1], words[2]) not in VALUE_ALIASES:
                        self.values.append((words[1], words[2], int(words[3], 0)))


def shipped_facts(name):
    return Facts(SHIPPED / f"dictionary.{name}")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.peer("freeradius-common")
def test_every_number_name_type_flag_and_value_is_what_freeradius_has(name):
    require("freeradius-common", DEBIAN.exists())
    expected = Facts(*(DEBIAN / f"dictionary.{source}" for source in SOURCES.get(name, [name])))
    ours = shipped_facts(name)
    assert expected.vendors == ours.vendors
    assert expected.attributes == ours.attributes
    assert sorted(expected.values) == sorted(ours.values)


def test_the_main_file_includes_every_other_one():
    included = [line.split()[1] for line in (SHIPPED / "dictionary").read_text().splitlines() if line.startswith("$")]
    assert [f"dictionary.{name}" for name in NAMES] == sorted(included)


@pytest.mark.parametrize("name", NAMES)
def test_the_reader_reads_every_line(name):
    facts, read = shipped_facts(name), read_dictionary(SHIPPED / "dictionary")
    for attribute, (vendor, code, kind, flags) in facts.attributes.items():
        found = read.by_name[attribute]
        codes, inner = [found.code], found
        while inner.parent is not None:
            inner = inner.parent
            codes.insert(0, inner.code)
        size = f"[{found.size}]" if found.size else ""
        assert (vendor, code, kind) == (inner.vendor.name, ".".join(map(str, codes)), f"{found.kind}{size}")
        encryption = [f"encrypt={found.encryption}"] if found.encryption else []
        shown = [*["has_tag"] * found.tagged, *encryption, *["concat"] * found.concat]
        assert (",".join(flags)) == ",".join(shown)
    for attribute, word, number in facts.values:
        assert number == read.by_name[attribute].values[word]


def test_pyrad_reads_the_same(caplog):
    """pyrad's own reader, for the types that it knows; it skips the others."""
    with caplog.at_level(logging.ERROR, "pyrad"):
        theirs = Dictionary(str(SHIPPED / "dictionary"))
    read = read_dictionary(SHIPPED / "dictionary")
    skipped = {
        name for name, known in read.by_name.items() if known.kind in ("vsa", "extended", "long-extended", "evs")
    }
    inside = {name for name, known in read.by_name.items() if known.parent is not None}
    assert read.by_name.keys() - skipped - inside == set(theirs.attributes)
    for name, attribute in theirs.attributes.items():
        ours = read.by_name[name]
        assert theirs.vendors.GetForward(attribute.vendor) == ours.vendor.number
        assert (attribute.code, attribute.type) == (ours.code, ours.kind)
        assert (attribute.has_tag, attribute.encrypt) == (ours.tagged, ours.encryption)
        assert {word: int.from_bytes(octets) for word, octets in attribute.values.forward.items()} == ours.values


@pytest.mark.peer("freeradius-common")
def test_every_dictionary_of_freeradius_can_be_read():
    require("freeradius-common", DEBIAN.exists())
    read = read_dictionary(DEBIAN / "dictionary")
    assert {"USR": (4, 0), "Lucent": (2, 1), "Starent": (2, 2), "WiMAX": (1, 1), "Cisco": (1, 1)} == {
        vendor.name: (vendor.type_octets, vendor.length_octets)
        for vendor in read.vendors.values()
        if vendor.name in ("USR", "Lucent", "Starent", "WiMAX", "Cisco")
    }
    assert read.vendors[24757].continued
    assert "WiMAX-Capability" == getattr(read.by_name["WiMAX-Release"].parent, "name", None)
    assert "Cleartext-Password" not in read.by_name  # never in a packet


@pytest.fixture
def folder(tmp_path):
    def write(text, **others):
        for name, content in {"dictionary": text, **others}.items():
            (tmp_path / name).write_text(content)
        return tmp_path / "dictionary"

    return write


EVERYTHING = """\
VENDOR Example 32473
VENDOR Wide 32474 format=4,2   # a comment
VENDOR Split 32475 format=1,1,c
ATTRIBUTE Extended 241 extended
ATTRIBUTE Extended-Vendor 241.26 evs
ATTRIBUTE Old-Style 1 string Example
$INCLUDE- missing
$INCLUDE more
BEGIN-VENDOR Wide
ATTRIBUTE Wide-Number 0x00010002 uint32
END-VENDOR Wide
BEGIN-VENDOR Example format=Extended-Vendor
ATTRIBUTE Inside 7 TLV
ATTRIBUTE Inside-Text 7.2 string secret
END-VENDOR Example
BEGIN-VENDOR Split
ATTRIBUTE Box 3 tlv
BEGIN-TLV Box
ATTRIBUTE Box-In-Box 1 tlv
BEGIN-TLV Box-In-Box
ATTRIBUTE Innermost 2 octets[3] encrypt=2, has_tag
END-TLV Box-In-Box
ATTRIBUTE List 2 short array
END-TLV Box
END-VENDOR Split
ATTRIBUTE Internal 300 integer virtual
VALUE Internal One 1
VALUE Wide-Number One 1
VALUE Wide-Number Uno 0x1
"""


def test_each_kind_of_line(folder):
    read = read_dictionary(folder(EVERYTHING, more="ATTRIBUTE More 9 integer encrypt=0\n"))
    known = read.by_name
    assert 32473 == known["Old-Style"].vendor.number
    assert (0x10002, "integer", {"One": 1, "Uno": 1}) == (
        known["Wide-Number"].code,
        known["Wide-Number"].kind,
        known["Wide-Number"].values,
    )
    assert known["Inside"] is read.by_place[known["Extended-Vendor"], 32473, 7]
    assert known["Inside-Text"] is read.by_place[known["Inside"], 0, 2]
    assert known["Inside-Text"].secret
    innermost = known["Innermost"]
    assert innermost is read.by_place[known["Box-In-Box"], 0, 2]
    assert (3, 2, True) == (innermost.size, innermost.encryption, innermost.tagged)
    assert "octets" == known["List"].kind
    assert known["List"] is read.by_place[known["Box"], 0, 2]
    assert read.vendors[32475].continued
    assert "Internal" not in known
    assert 0 == known["More"].encryption


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ATTRIBUTE X 1 text", ":1: X: unknown type text$"),
        ("\n\nATTRIBUTE X one string", ":3: 'one' is not a number"),
        ("ATTRIBUTE X 1", ":1: 'ATTRIBUTE': the line is not valid"),
        ("ATTRIBUT X 1 string", ":1: 'ATTRIBUT': the line is not valid"),
        ("ATTRIBUTE X 1 string encrypted", ":1: X: unknown flag encrypted"),
        ("ATTRIBUTE X 1.2 string", ":1: X: no attribute before it holds the number 1.2"),
        ("ATTRIBUTE Y 1 string\nATTRIBUTE X 1.2 string", ":2: X: no attribute before it holds the number 1.2"),
        ("BEGIN-VENDOR X", ":1: there is no VENDOR X before it"),
        ("VENDOR X 9\nBEGIN-VENDOR X format=Y", ":2: Y: is not an attribute of type evs"),
        ("ATTRIBUTE Y 1 string\nBEGIN-TLV Y", ":2: Y: is not an attribute of type tlv"),
        ("VENDOR X 9 format=3,1", ":1: X: unknown format"),
        ("VENDOR X 9 format=1,3", ":1: X: unknown format"),
        ("VENDOR X 9 format=1", ":1: not enough values"),
        ("VENDOR X 9\nBEGIN-VENDOR X", "dictionary: BEGIN-VENDOR or BEGIN-TLV without its end"),
        ("ATTRIBUTE Y 1 tlv\nBEGIN-TLV Y", "dictionary: BEGIN-VENDOR or BEGIN-TLV without its end"),
        ("$INCLUDE dictionary", "dictionary: includes itself"),
        ("$INCLUDE", ":1: \\$INCLUDE takes the name of a file"),
        ("$INCLUDE more", "more:1: 'X': the line is not valid"),
        ("\n$INCLUDE missing", "dictionary:2: /.*/missing: No such file or directory$"),
        ("\n$INCLUDE .", "dictionary:2: /.*: is not a regular file$"),
        (f"$INCLUDE- {'x' * 5000}", "dictionary:1: /.*x: File name too long$"),
        ("\n$INCLUDE a\0b", "dictionary:2: has a NUL character; a dictionary is a text file$"),
        ("\x1b[2J\u00e4 1", r":1: '\\x1b\[2J\\xe4': the line is not valid$"),
        (f"ATTRIBUTE X {'1' * 5000} string", r":1: '1{39} is not a number$"),
        ("VENDOR X -5", ":1: X: the number of a vendor is 1 to 4294967295$"),
        ("VENDOR X 4294967296", ":1: X: the number of a vendor is 1 to 4294967295$"),
    ],
)
def test_an_error_names_the_file_and_the_line(folder, text, message):
    with pytest.raises(DictionaryError, match=message):
        read_dictionary(folder(text, more="X"))


def test_an_end_without_a_beginning_ends_nothing(folder):
    assert {} == read_dictionary(folder("END-TLV X\nEND-VENDOR Y\n")).by_name


def test_a_missing_file_is_an_error(folder, tmp_path):
    with pytest.raises(DictionaryError, match=r"/missing: No such file or directory$"):
        read_dictionary(tmp_path / "missing")


def test_a_file_that_includes_itself_by_another_path_is_an_error(folder, tmp_path):
    with pytest.raises(DictionaryError, match=r"dictionary: includes itself$"):
        read_dictionary(folder(f"$INCLUDE ../{tmp_path.name}/dictionary"))


def test_a_fifo_is_an_error_and_is_not_opened(folder, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(DictionaryError, match=r"dictionary:1: /.*/fifo: is not a regular file$"):
        read_dictionary(folder("$INCLUDE fifo"))
