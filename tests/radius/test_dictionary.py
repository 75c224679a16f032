"""Attributes by name: into a reply, and shown."""

import re
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from radius_voice.radius.dictionary import NOT_SHIPPED, SHIPPED, AttributeDictionary
from radius_voice.radius.encrypted import EncryptedAttribute
from radius_voice.resources import shipped
from tests.support.requirements import require

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
DEBIAN = Path("/usr/share/freeradius")

NAMES = AttributeDictionary(shipped("dictionaries"))


@pytest.mark.parametrize("prefix", NOT_SHIPPED)
@pytest.mark.peer("freeradius-common")
def test_the_message_names_the_dictionary_of_a_vendors_attributes(prefix):
    require("freeradius-common", DEBIAN.exists())
    text = (DEBIAN / f"dictionary.{NOT_SHIPPED[prefix]}").read_text()
    assert re.search(rf"^ATTRIBUTE\s+{prefix}-", text, re.MULTILINE)


def test_an_attribute_of_an_added_vendor_dictionary_is_found(tmp_path):
    shutil.copytree(shipped("dictionaries"), tmp_path, dirs_exist_ok=True)
    added = "VENDOR HP 11\nBEGIN-VENDOR HP\nATTRIBUTE HP-Command-String 2 string\nEND-VENDOR HP\n"
    (tmp_path / "dictionary.hp").write_text(added)
    with (tmp_path / "dictionary").open("a") as file:
        file.write("$INCLUDE dictionary.hp\n")
    names = AttributeDictionary(tmp_path)
    assert [(26, b"\0\0\0\x0b\x02\x03x")] == names.encode("HP-Command-String", "x")
    with pytest.raises(ValueError, match=r"no attribute of that name; did you mean HP-Command-String\?"):
        names.encode("HP-Command-Sting", "x")


def test_the_message_names_the_shipped_dictionaries():
    vendors = {path.suffix for path in shipped("dictionaries").glob("dictionary.*")}
    named = re.sub(r"[ ,]|and|Networks", "", SHIPPED).lower()
    for suffix in vendors - {".asa", ".vpn3000"}:
        assert suffix.startswith(".rfc") or suffix[1:] in named


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
        ("Cisco-AVPair", "a=b", 26, "000000090105613d62"),
        ("Event-Timestamp", "2023-11-14T23:13:20+01:00", 55, "6553f100"),
        ("Delegated-IPv6-Prefix", "2001:db8::1/32", 123, "002020010db8000000000000000000000000"),
        ("WLAN-Venue-Language", "eng", 183, "656e67"),
        ("Vendor-Specific", "0x00000b0102036162", 26, "00000b0102036162"),
        ("IP-Port-Type", 2, 241, "05010600000002"),
    ],
)
def test_a_value_becomes_the_octets_that_the_rfcs_define(name, value, code, octets):
    assert [(code, bytes.fromhex(octets))] == NAMES.encode(name, value)


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
        "MS-MPPE-Send-Key",
        "MS-MPPE-Recv-Key",
        "MS-CHAP-MPPE-Keys",
        "MS-CHAP-Error",
    ],
)
def test_a_policy_may_not_set_what_the_server_owns(name):
    with pytest.raises(ValueError, match="remove it") as raised:
        NAMES.encode(name, "not-shown")
    assert "not-shown" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("Clas", "x", r"^Clas: no attribute of that name; did you mean Class\?$"),
        ("?", "x", r"^\?: no attribute of that name; the shipped dictionaries are those of the RFCs and of Aruba, .*"),
        ("Service-Type", "Framed-Usr", r"^Service-Type: takes a number, or one of .*; did you mean Framed-User\?$"),
        (
            "Ruckus-Role",
            "x",
            "^Ruckus-Role: an attribute of a vendor whose dictionary is not shipped; shipped are those",
        ),
        ("WISPr-Redirect", "x", r"put dictionary\.wispr of FreeRADIUS into \S+/dictionaries and include it in"),
        ("IP-Port-Range", "x", "^IP-Port-Range: holds other attributes; name those, like IP-Port-Range-Type$"),
        ("Extended-Attribute-2", "x", "^Extended-Attribute-2: holds other attributes; name those, like Extended-Vend"),
        ("Extended-Vendor-Specific-1", "x", "holds other attributes; name those, like none is known"),
        ("WLAN-Venue-Language", "en", "a value is 3 octets, this one has 2"),
        ("IP-Port-Local-Id", "x" * 254, "IP-Port-Local-Id: in IP-Port-Limit-Info at most 253 octets fit, not 254"),
        ("IP-Port-Local-Id", "x" * 253, "IP-Port-Limit-Info: a value is 1 to 252 octets, this one has 255"),
        ("Event-Timestamp", "2026-01-31T18:00:00", "takes a time with its zone, like 2026-01-31T18:00:00Z, or seconds"),
        ("Event-Timestamp", "soon", "takes a time with its zone, like"),
        ("Event-Timestamp", "1969-01-31T18:00:00Z", "from 0 to 4294967295"),
        ("Class", "", "the value is empty"),
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
        ("Tunnel-Private-Group-Id:1", "", "the value is empty"),
        ("Class", "0x", "the value is empty"),
        ("Class:1", "x", "takes no tag"),
        ("Framed-IP-Address", "192.0.2.256", "takes an IPv4 address, like"),
        ("Framed-IP-Address", 1, "takes an IPv4 address, like"),
        ("Framed-IPv6-Prefix", "2001:db8::/129", "takes an IPv6 prefix, like"),
    ],
)
def test_an_invalid_value_is_refused_with_the_fix(name, value, fix):
    with pytest.raises(ValueError, match=fix):
        NAMES.encode(name, value)


def test_the_longest_values_fit():
    assert [(25, b"x" * 253)] == NAMES.encode("Class", "x" * 253)
    assert [(26, b"\0\0\x01\x37\x12\xf9" + b"x" * 247)] == NAMES.encode("MS-RAS-Version", "x" * 247)


def test_a_value_of_several_attributes():
    value = bytes(range(256)) + b"x" * 244
    assert [(180, value[:253]), (180, value[253:])] == NAMES.encode("EAPoL-Announcement", value)


def test_attributes_that_follow_each_other_are_put_into_one_tlv():
    tlv = [("IP-Port-Type", 1), ("IP-Port-Limit", 2), ("IP-Port-Range-Type", 3)]
    assert [
        (241, bytes.fromhex("05010600000001020600000002")),
        (241, bytes.fromhex("06010600000003")),
        (25, b"x"),
        (241, bytes.fromhex("05010600000004")),
    ] == NAMES.encode_all([*tlv, ("Class", "x"), ("IP-Port-Type", 4)])
    assert [(241, bytes.fromhex("05010600000001")), (25, b"x")] == NAMES.encode_all([tlv[0], ("Class", "x")])


# Encrypted


@pytest.mark.parametrize(
    ("name", "encrypted"),
    [("Tunnel-Password", True), ("MS-MPPE-Send-Key", True), ("Session-Timeout", False), ("Unknown", False)],
)
def test_an_encrypted_attribute_is_known_by_its_name(name, encrypted):
    assert encrypted == NAMES.is_encrypted(name)


def test_an_encrypted_value_is_kept_plain_behind_its_prefix():
    assert [EncryptedAttribute(69, b"\0", b"correct horse", 2)] == NAMES.encode("Tunnel-Password", "correct horse")
    assert [EncryptedAttribute(69, b"\x1f", b"correct horse", 2)] == NAMES.encode("Tunnel-Password:31", "correct horse")
    vendor = b"\0\0\x39\xe7\x2c\x14"
    assert [EncryptedAttribute(26, vendor, b"plain", 2)] == NAMES.encode("Aruba-MPSK-Passphrase", "plain")


def test_encrypted_values_follow_the_others():
    first, second = NAMES.encode_all([("Tunnel-Password", "x"), ("Class", "y")])
    assert (25, b"y") == first
    assert isinstance(second, EncryptedAttribute)


def test_no_text_of_an_encrypted_attribute_quotes_its_value():
    (encoded,) = NAMES.encode("Tunnel-Password", "correct horse")
    assert "correct horse" not in repr(encoded)
    for name, value in (("Tunnel-Password", "correct horse" * 20), ("Tunnel-Password:99", "correct horse")):
        with pytest.raises(ValueError, match="Tunnel-Password: ") as raised:
            NAMES.encode(name, value)
        assert "horse" not in str(raised.value)


def test_the_longest_encrypted_values_fit():
    for name, most in (("Tunnel-Password", 239), ("Aruba-MPSK-Passphrase", 239)):
        (encoded,) = NAMES.encode(name, "x" * most)
        assert isinstance(encoded, EncryptedAttribute)
        assert encoded.value_octets <= 253
        with pytest.raises(ValueError, match=f"a value is 1 to {most} octets, this one has {most + 1}"):
            NAMES.encode(name, "x" * (most + 1))


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
        (26, b"\0\0\0\x0b\1\5abc", "Vendor-Specific = 0x0000000b0105616263"),
        (26, b"\0\0\0\x09\1\5abc", 'Cisco-AVPair = "abc"'),
        (26, b"\0\0\x0c\x04\x37\6\0\0\0\x01", "ASA-IPsec-Split-Tunneling-Policy = Split-Tunneling"),
        (241, b"\x05\x01\x06\0\0\0\x02", "IP-Port-Type = 2"),
        (241, b"\x05\x63\x03x", "IP-Port-Limit-Info.99 = 0x78"),
        (241, b"\xc8x", "Attr-241.200 = 0x78"),
        (241, b"\x1a\0\0\0\x09\x01x", "Extended-Vendor-Specific-1.9.1 = 0x78"),
        (245, b"\x01\0x", "Attr-245.1 = 0x78"),
        (26, b"\0\0\0\0\1\5abc", "Vendor-Specific = 0x000000000105616263"),
        (26, b"", "Vendor-Specific = 0x"),
        (26, b"\0\0\1\x37\x12\5abc", 'MS-RAS-Version = "abc"'),
        (26, b"\0\0\1\x37\xc8\3x", "Vendor-311-Attr-200 = 0x78"),
    ],
)
def test_an_attribute_is_shown_by_name(code, octets, line):
    assert [line] == NAMES.describe([(code, octets)])


def test_each_value_inside_an_attribute_is_shown_on_a_line():
    vendor = (26, b"\0\0\1\x37\x12\5abc\x23\3x")
    assert ['MS-RAS-Version = "abc"', 'MS-RAS-Client-Version = "x"'] == NAMES.describe([vendor])
    tlv = (241, bytes.fromhex("05010600000001020600000002"))
    assert ["IP-Port-Type = 1", "IP-Port-Limit = 2"] == NAMES.describe([tlv])


def test_values_in_several_attributes_are_shown_together():
    parts = [(180, b"a" * 253), (180, b"b"), (25, b"c"), (180, b"d")]
    first, *others = NAMES.describe(parts)
    assert f"EAPoL-Announcement = 0x{'61' * 253}62" == first
    assert ["Class = 0x63", "EAPoL-Announcement = 0x64"] == others


@pytest.mark.parametrize(
    ("code", "octets", "line"),
    [
        (2, b"hush", "User-Password = <4 octets>"),
        (3, b"hush", "CHAP-Password = <4 octets>"),
        (60, b"hush", "CHAP-Challenge = <4 octets>"),
        (69, b"hush", "Tunnel-Password = <4 octets>"),
        (70, b"hush", "ARAP-Password = <4 octets>"),
        (79, b"hush", "EAP-Message = <4 octets>"),
        (24, b"hush", "State = <4 octets>"),
        (26, b"\0\0\1\x37\1\6hush", "MS-CHAP-Response = <4 octets>"),
        (26, b"\0\0\1\x37\x0b\6hush", "MS-CHAP-Challenge = <4 octets>"),
        (26, b"\0\0\1\x37\x19\6hush", "MS-CHAP2-Response = <4 octets>"),
        (26, b"\0\0\1\x37\x10\6hush", "MS-MPPE-Send-Key = <4 octets>"),
        (26, b"\0\0\1\x37\x19\7hush", "Vendor-Specific of vendor 311 = <10 octets, malformed>"),
        (26, b"\0\0\1\x37\x19\0hush", "Vendor-Specific of vendor 311 = <10 octets, malformed>"),
        (26, b"\0\0\1\x37\x19", "Vendor-Specific of vendor 311 = <5 octets, malformed>"),
        (26, b"\0\0\1\x37", "Vendor-Specific of vendor 311 = <4 octets, malformed>"),
    ],
)
def test_secrets_are_hidden(code, octets, line):
    assert [line] == NAMES.describe([(code, octets)])


ATTRIBUTE = st.tuples(
    st.integers(0, 255),
    st.binary(max_size=253) | st.binary(max_size=40).map(lambda tail: b"\0\0\1\x37" + tail),
)


@UNTIMED
@given(st.lists(ATTRIBUTE, max_size=20))
@example([(code, bytes(range(length))) for code in range(256) for length in (0, 1, 3, 4, 8, 16, 18)])
def test_any_attributes_are_shown_on_printable_lines(attributes):
    lines = NAMES.describe(attributes)
    assert bool(attributes) == bool(lines)
    assert all(line.isprintable() for line in lines)


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
