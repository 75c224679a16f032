import logging
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyrad.dictionary import Dictionary

from radius_voice.radius.dictionary import SHIPPED, VENDORS, AttributeDictionary
from radius_voice.resources import shipped
from tests.support.requirements import require

DEBIAN = Path("/usr/share/freeradius")
FILES = ["rfc2865", "rfc2866", "rfc2868", "rfc2869", "rfc3162", "microsoft"]
# FreeRADIUS has its own names in addition to those of the RFCs: each number twice.
ALIASES = {"MS-MPPE-Encryption-Type"}
VALUE_ALIASES = {("Acct-Status-Type", "Alive")}

NAMES = AttributeDictionary(shipped("dictionaries"))


@pytest.fixture
def with_everything(tmp_path):
    """A dictionary with every kind of value, and kinds and sub-attributes that are passed over."""
    (tmp_path / "dictionary").write_text(
        """
VENDOR Example 32473
BEGIN-VENDOR Example
ATTRIBUTE Example-Byte 1 byte
ATTRIBUTE Example-Short 2 short
ATTRIBUTE Example-Long 3 integer64
ATTRIBUTE Example-Ether 4 ether
ATTRIBUTE Example-Filter 5 abinary
ATTRIBUTE Example-Box 6 tlv
ATTRIBUTE Example-Inner 6.1 integer
ATTRIBUTE Example-Text 7 string
ATTRIBUTE Example-Key 8 octets encrypt=2
END-VENDOR Example
"""
    )
    return AttributeDictionary(tmp_path)


@pytest.mark.parametrize("prefix", VENDORS)
def test_the_message_names_the_dictionary_of_a_vendors_attributes(prefix):
    require("freeradius-common", DEBIAN.exists())
    text = (DEBIAN / f"dictionary.{VENDORS[prefix]}").read_text()
    assert re.search(rf"^ATTRIBUTE\s+{prefix}-", text, re.MULTILINE)


def test_an_attribute_of_an_added_vendor_dictionary_is_found(tmp_path):
    shutil.copytree(shipped("dictionaries"), tmp_path, dirs_exist_ok=True)
    added = "VENDOR Cisco 9\nBEGIN-VENDOR Cisco\nATTRIBUTE Cisco-AVPair 1 string\nEND-VENDOR Cisco\n"
    (tmp_path / "dictionary.cisco").write_text(added)
    with (tmp_path / "dictionary").open("a") as file:
        file.write("$INCLUDE dictionary.cisco\n")
    names = AttributeDictionary(tmp_path)
    assert (26, b"\0\0\0\x09\x01\x03x") == names.encode("Cisco-AVPair", "x")
    with pytest.raises(ValueError, match=r"no attribute of that name; did you mean Cisco-AVPair\?"):
        names.encode("Cisco-AVPar", "x")


def test_the_message_names_the_shipped_dictionaries():
    files = {path.name for path in shipped("dictionaries").glob("dictionary.*")} - {"dictionary.rfc5997"}
    assert {f"dictionary.rfc{number}" for number in re.findall(r"\d{4}", SHIPPED)} | {"dictionary.microsoft"} == files


# The dictionaries


def read(folder, name):
    dictionary = Dictionary(str(folder / f"dictionary.{name}"))
    return {
        attribute.name: (
            dictionary.vendors.GetForward(attribute.vendor),
            attribute.code,
            attribute.type,
            attribute.has_tag,
            attribute.encrypt,
            {
                (word, octets)
                for word, octets in attribute.values.forward.items()
                if (attribute.name, word) not in VALUE_ALIASES
            },
        )
        for attribute in dictionary.attributes.values()
        if attribute.name not in ALIASES
    }


@pytest.mark.parametrize("name", FILES)
@pytest.mark.peer("freeradius-common")
def test_every_number_type_flag_and_value_is_what_freeradius_has(name):
    require("freeradius-common", (DEBIAN / f"dictionary.{name}").exists())
    assert read(DEBIAN, name) == read(shipped("dictionaries"), name)


def test_pyrad_reads_all_of_them_without_a_warning(caplog):
    with caplog.at_level(logging.DEBUG, "pyrad"):
        dictionary = Dictionary(str(shipped("dictionaries") / "dictionary"))
    assert [] == caplog.messages
    assert set() == dictionary.skipped_attributes
    every = set().union(*(read(shipped("dictionaries"), name) for name in FILES))
    assert every == set(dictionary.attributes)


def test_status_server_has_no_special_attributes():
    assert {} == read(shipped("dictionaries"), "rfc5997")


# Into a reply


@pytest.mark.parametrize(
    ("name", "value", "code", "octets"),
    [
        ("Class", "OU=Admins", 25, "4f553d41646d696e73"),
        ("Class", "0xdeadBEEF", 25, "deadbeef"),
        ("Class", "65", 25, "3635"),
        ("Class", b"0x41", 25, "30783431"),
        ("Filter-Id", "größe", 11, "6772c3b6c39f65"),
        ("Filter-Id", "0x41", 11, "30783431"),
        ("Session-Timeout", 3600, 27, "00000e10"),
        ("Session-Timeout", "3600", 27, "00000e10"),
        ("Session-Timeout", 2**32 - 1, 27, "ffffffff"),
        ("Service-Type", "Framed-User", 6, "00000002"),
        ("Service-Type", 2, 6, "00000002"),
        ("Event-Timestamp", 1700000000, 55, "6553f100"),
        ("Framed-IP-Address", "192.0.2.1", 8, "c0000201"),
        ("NAS-IPv6-Address", "2001:db8::1", 95, "20010db8000000000000000000000001"),
        ("Framed-IPv6-Prefix", "2001:db8::/32", 97, "002020010db8000000000000000000000000"),
        ("Framed-Interface-Id", "200:5eff:fe00:5301", 96, "02005efffe005301"),
        ("Tunnel-Type", "L2TP", 64, "00000003"),
        ("Tunnel-Type:1", "L2TP", 64, "01000003"),
        ("Tunnel-Private-Group-Id", "42", 81, "3432"),
        ("Tunnel-Private-Group-Id:31", "42", 81, "1f3432"),
        ("MS-Primary-DNS-Server", "192.0.2.53", 26, "000001371c06c0000235"),
        ("MS-Quarantine-State", "Quarantine", 26, "000001372d0600000001"),
    ],
)
def test_a_value_becomes_the_octets_that_the_rfcs_define(name, value, code, octets):
    assert (code, bytes.fromhex(octets)) == NAMES.encode(name, value)


@pytest.mark.parametrize(
    ("name", "value", "octets"),
    [
        ("Example-Byte", 255, "00007ed90103ff"),
        ("Example-Short", 258, "00007ed902040102"),
        ("Example-Long", 2**64 - 1, "00007ed9030affffffffffffffff"),
        ("Example-Ether", "00:00:5e:00:53:01", "00007ed9040800005e005301"),
    ],
)
def test_numbers_of_other_sizes_are_encoded_completely(with_everything, name, value, octets):
    assert (26, bytes.fromhex(octets)) == with_everything.encode(name, value)


@pytest.mark.parametrize(
    "name",
    [
        "User-Password",
        "CHAP-Password",
        "State",
        "Proxy-State",
        "Message-Authenticator",
        "EAP-Message",
        "Reply-Message",
        "Tunnel-Password",
        "Tunnel-Password:1",
        "MS-MPPE-Send-Key",
        "MS-MPPE-Recv-Key",
        "MS-CHAP-MPPE-Keys",
    ],
)
def test_a_policy_may_not_set_what_the_server_owns_or_encrypts(name):
    with pytest.raises(ValueError, match="remove it") as raised:
        NAMES.encode(name, "not-shown")
    assert "not-shown" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("Clas", "x", r"^Clas: no attribute of that name; did you mean Class\?$"),
        ("Vendor-Specific", "x", r"^Vendor-Specific: no attribute of that name"),
        ("?", "x", r"^\?: no attribute of that name in the dictionaries that are shipped: RFC 2865, .* and Microsoft$"),
        ("Service-Type", "Framed-Usr", r"^Service-Type: takes a number, or one of .*; did you mean Framed-User\?$"),
        (
            "Cisco-AVPair",
            "x",
            "^Cisco-AVPair: an attribute of a vendor whose dictionary is not shipped; shipped are RFC 2865",
        ),
        ("ASA-Group-Policy", "x", r"put dictionary\.cisco\.asa of FreeRADIUS into \S+/dictionaries and include it in"),
        ("Class", "", "1 to 253 octets, this one has 0"),
        ("Class", "x" * 254, "1 to 253 octets, this one has 254"),
        ("Tunnel-Private-Group-Id:1", "x" * 253, "this one has 254"),
        ("MS-RAS-Version", "x" * 248, "1 to 247 octets, this one has 248"),
        ("Class", 5, "put the number in quotes"),
        ("Class", True, "put the number in quotes"),
        ("Class", "0xabc", "not hexadecimal"),
        ("Class", "0xzz", "not hexadecimal"),
        ("Session-Timeout", -1, "from 0 to 4294967295"),
        ("Session-Timeout", 2**32, "from 0 to 4294967295"),
        ("Session-Timeout", "9" * 5000, "takes a number"),
        ("Session-Timeout", "3600s", "takes a number$"),
        ("Session-Timeout", "٣", "takes a number$"),
        ("Session-Timeout", True, "takes a number$"),
        ("Session-Timeout", b"\0\0\0\1", "takes a number$"),
        ("Prompt", "Loud", "takes a number, or one of No-Echo, Echo$"),
        ("Tunnel-Type", 2**24, "from 0 to 16777215"),
        ("Tunnel-Type:32", 1, "a tag is a number from 0 to 31"),
        ("Tunnel-Type:x", 1, "a tag is a number from 0 to 31"),
        ("Tunnel-Type:²", 1, "a tag is a number from 0 to 31"),
        ("Tunnel-Private-Group-Id", "\t1", "control character"),
        ("Tunnel-Private-Group-Id", "", "this one has 0"),
        ("Class:1", "x", "takes no tag"),
        ("Framed-IP-Address", "192.0.2.256", "takes an IPv4 address, like"),
        ("Framed-IP-Address", 1, "takes an IPv4 address, like"),
        ("Framed-IPv6-Prefix", "2001:db8::/129", "takes an IPv6 prefix, like"),
    ],
)
def test_an_invalid_value_is_refused_with_the_fix(name, value, fix):
    with pytest.raises(ValueError, match=fix):
        NAMES.encode(name, value)


@pytest.mark.parametrize("name", ["Example-Filter", "Example-Box", "Example-Inner"])
def test_unsupported_types_have_no_name(with_everything, name):
    with pytest.raises(ValueError, match="no attribute of that name"):
        with_everything.encode(name, 1)


def test_the_longest_values_fit():
    assert (25, b"x" * 253) == NAMES.encode("Class", "x" * 253)
    assert 253 == len(NAMES.encode("MS-RAS-Version", "x" * 247)[1])


# Shown


@pytest.mark.parametrize(
    ("code", "octets", "line"),
    [
        (1, b"nemo", 'User-Name = "nemo"'),
        (1, b"", 'User-Name = ""'),
        (1, b'a"b\\c\nd\x9b', "User-Name = 0x6122625c630a649b"),
        (1, 'a"b\\c\nd\x9b\u202e'.encode(), r'User-Name = "a\"b\\c\nd\x9b\u202e"'),
        (4, bytes([192, 0, 2, 1]), "NAS-IP-Address = 192.0.2.1"),
        (4, b"\xc0\xa8", "NAS-IP-Address = 0xc0a8"),
        (5, b"\0\0\0\3", "NAS-Port = 3"),
        (5, b"\0\0\3", "NAS-Port = 0x000003"),
        (6, b"\0\0\0\1", "Service-Type = Login-User"),
        (6, b"\0\0\0\x63", "Service-Type = 99"),
        (25, b"\1\2", "Class = 0x0102"),
        (25, b"", "Class = 0x"),
        (55, bytes.fromhex("6553f100"), "Event-Timestamp = 2023-11-14T22:13:20Z"),
        (55, b"\1", "Event-Timestamp = 0x01"),
        (95, bytes.fromhex("20010db8000000000000000000000001"), "NAS-IPv6-Address = 2001:db8::1"),
        (95, b"\1", "NAS-IPv6-Address = 0x01"),
        (96, bytes.fromhex("02005efffe005301"), "Framed-Interface-Id = 200:5eff:fe00:5301"),
        (97, bytes.fromhex("002020010db8"), "Framed-IPv6-Prefix = 2001:db8::/32"),
        (97, bytes.fromhex("00ff20010db8"), "Framed-IPv6-Prefix = 0x00ff20010db8"),
        (64, b"\1\0\0\3", "Tunnel-Type:1 = L2TP"),
        (64, b"\0\0\0\3", "Tunnel-Type = L2TP"),
        (64, b"\1\0\3", "Tunnel-Type:1 = 0x000003"),
        (64, b"", "Tunnel-Type = 0x"),
        (81, b"\1" + b"42", 'Tunnel-Private-Group-Id:1 = "42"'),
        (81, b"42", 'Tunnel-Private-Group-Id = "42"'),
        (200, b"\xff", "Attr-200 = 0xff"),
        (26, b"\0\0\0\x09\1\5abc", "Vendor-Specific = 0x000000090105616263"),
        (26, b"\0\0\0\0\1\5abc", "Vendor-Specific = 0x000000000105616263"),
        (26, b"", "Vendor-Specific = 0x"),
        (26, b"\0\0\1\x37\x12\5abc", 'MS-RAS-Version = "abc"'),
        (26, b"\0\0\1\x37\x12\5abc\x23\3x", 'MS-RAS-Version = "abc", MS-RAS-Client-Version = "x"'),
        (26, b"\0\0\1\x37\xc8\3x", "Vendor-311-Attr-200 = 0x78"),
    ],
)
def test_an_attribute_is_shown_by_name(code, octets, line):
    assert [line] == NAMES.describe([(code, octets)])


@pytest.mark.parametrize(
    ("code", "octets", "line"),
    [
        (2, b"hush", "User-Password = <hidden>"),
        (3, b"hush", "CHAP-Password = <hidden>"),
        (60, b"hush", "CHAP-Challenge = <hidden>"),
        (69, b"hush", "Tunnel-Password = <hidden>"),
        (70, b"hush", "ARAP-Password = <hidden>"),
        (79, b"hush", "EAP-Message = <hidden>"),
        (24, b"hush", "State = <hidden, 4 octets>"),
        (26, b"\0\0\1\x37\1\6hush", "MS-CHAP-Response = <hidden>"),
        (26, b"\0\0\1\x37\x0b\6hush", "MS-CHAP-Challenge = <hidden>"),
        (26, b"\0\0\1\x37\x19\6hush", "MS-CHAP2-Response = <hidden>"),
        (26, b"\0\0\1\x37\x10\6hush", "MS-MPPE-Send-Key = <hidden>"),
        (26, b"\0\0\1\x37\x19\7hush", "Vendor-Specific = <malformed for vendor 311, hidden, 10 octets>"),
        (26, b"\0\0\1\x37\x19\0hush", "Vendor-Specific = <malformed for vendor 311, hidden, 10 octets>"),
        (26, b"\0\0\1\x37\x19", "Vendor-Specific = <malformed for vendor 311, hidden, 5 octets>"),
        (26, b"\0\0\1\x37", "Vendor-Specific = <malformed for vendor 311, hidden, 4 octets>"),
    ],
)
def test_secrets_are_hidden(code, octets, line):
    assert [line] == NAMES.describe([(code, octets)])


@pytest.mark.parametrize(
    ("octets", "line"),
    [
        ("00007ed90103ff", "Example-Byte = 255"),
        ("00007ed902040102", "Example-Short = 258"),
        ("00007ed9030affffffffffffffff", "Example-Long = 18446744073709551615"),
        ("00007ed9040800005e005301", "Example-Ether = 00:00:5e:00:53:01"),
        ("00007ed9050301", "Vendor-32473-Attr-5 = 0x01"),
        ("00007ed9070378", 'Example-Text = "x"'),
        ("00007ed9080378", "Example-Key = <hidden>"),
    ],
)
def test_numbers_of_other_sizes_are_shown(with_everything, octets, line):
    assert [line] == with_everything.describe([(26, bytes.fromhex(octets))])


ATTRIBUTE = st.tuples(
    st.integers(0, 255),
    st.binary(max_size=253) | st.binary(max_size=40).map(lambda tail: b"\0\0\1\x37" + tail),
)


@given(st.lists(ATTRIBUTE, max_size=20))
@example([(code, bytes(range(length))) for code in range(256) for length in (0, 1, 3, 4, 8, 16, 18)])
def test_any_attributes_are_shown_on_one_printable_line_each(attributes):
    lines = NAMES.describe(attributes)
    assert len(attributes) == len(lines)
    assert all(line.isprintable() for line in lines)


@given(
    st.integers(0, 2**32 - 1).map(lambda number: ("NAS-Port", number))
    | st.tuples(st.just("Class"), st.binary(min_size=1, max_size=253))
)
def test_encoded_values_are_shown(pair):
    name, value = pair
    shown = f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
    assert [f"{name} = {shown}"] == NAMES.describe([NAMES.encode(name, value)])


# Attributes that are copied to another packet


@pytest.mark.parametrize(
    ("name", "key", "offset"),
    [
        ("Class", (0, 25), None),
        ("Tunnel-Password", (0, 69), 1),
        ("MS-MPPE-Send-Key", (311, 16), 0),
        ("MS-Primary-DNS-Server", (311, 28), None),
    ],
)
def test_an_attribute_of_an_accept_is_named_by_its_key_and_where_its_salt_is(name, key, offset):
    assert key == NAMES.key(name, salted=True)
    assert offset == NAMES.salt_offset(NAMES.key(name, salted=True))


@pytest.mark.parametrize(
    "name", ["Tunnel-Password", "MS-MPPE-Send-Key", "MS-CHAP-MPPE-Keys", "User-Name", "State", "Prompt"]
)
def test_some_attributes_are_not_copied_from_a_request(name):
    with pytest.raises(ValueError, match=f"{name}: .*; remove it"):
        NAMES.key(name)


def test_an_unknown_attribute_to_copy_is_reported_with_a_similar_known_one():
    with pytest.raises(ValueError, match=r"Filter-ID: .*Filter-Id"):
        NAMES.key("Filter-ID")
