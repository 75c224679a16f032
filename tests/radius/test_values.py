"""Values of every data type, in every place of a packet: encoded, shown, and encoded again from that text."""

from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from radius_voice.radius.dictionary import AttributeDictionary

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
KINDS = {
    "byte": st.integers(0, 2**8 - 1).map(str),
    "short": st.integers(0, 2**16 - 1).map(str),
    "integer": st.integers(0, 2**32 - 1).map(str),
    "integer64": st.integers(0, 2**64 - 1).map(str),
    "signed": st.integers(-(2**31), 2**31 - 1).map(str),
    "date": st.integers(0, 2**32 - 1).map(lambda at: f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"),
    "string": st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50),
    "octets": st.binary(min_size=1, max_size=100).map(lambda octets: f"0x{octets.hex()}"),
    "abinary": st.binary(min_size=1, max_size=100).map(lambda octets: f"0x{octets.hex()}"),
    "ether": st.binary(min_size=6, max_size=6).map(lambda octets: octets.hex(":")),
    "ifid": st.lists(st.integers(0, 2**16 - 1), min_size=4, max_size=4).map(
        lambda groups: ":".join(f"{group:x}" for group in groups)
    ),
    "ipaddr": st.integers(0, 2**32 - 1).map(lambda number: str(IPv4Address(number))),
    "ipv6addr": st.integers(0, 2**128 - 1).map(lambda number: str(IPv6Address(number))),
    "combo-ip": st.integers(0, 2**32 - 1).map(lambda number: str(IPv4Address(number)))
    | st.integers(0, 2**128 - 1).map(lambda number: str(IPv6Address(number))),
    "ipv4prefix": st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(
        lambda pair: str(IPv4Network(pair, strict=False))
    ),
    "ipv6prefix": st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 128)).map(
        lambda pair: str(IPv6Network(pair, strict=False))
    ),
}
PLACES = ("Plain", "Wide", "Bare", "Split", "Box", "Extended", "Long", "Extended-Example", "Long-Example", "Long-Box")
NUMBERS = {kind: number for number, kind in enumerate(KINDS, 1)}


def attributes(place, prefix=""):
    return "".join(f"ATTRIBUTE {place}-{kind} {prefix}{number} {kind}\n" for kind, number in NUMBERS.items())


DICTIONARY = f"""\
VENDOR Example 32473
VENDOR Wide 32474 format=2,2
VENDOR Bare 32475 format=4,0
VENDOR Split 32476 format=1,1,c
ATTRIBUTE X1 241 extended
ATTRIBUTE X1V 241.26 evs
ATTRIBUTE X5 245 long-extended
ATTRIBUTE X5V 245.26 evs
BEGIN-VENDOR Example
{attributes("Plain")}
ATTRIBUTE Outer 100 tlv
ATTRIBUTE Inner 100.100 tlv
{attributes("Box", "100.100.")}
ATTRIBUTE Tagged 101 string has_tag
ATTRIBUTE Tagged-Number 102 integer has_tag
ATTRIBUTE Secret 103 string secret
ATTRIBUTE Fixed 104 octets[3]
ATTRIBUTE Password 105 string encrypt=1
ATTRIBUTE Ascend 106 string encrypt=3
ATTRIBUTE Hidden-Number 107 integer encrypt=2
ATTRIBUTE Hidden-Inside 100.101 string encrypt=2
VALUE Plain-integer One 1
VALUE Plain-integer Uno 1
VALUE Plain-signed Minus -1
END-VENDOR Example
BEGIN-VENDOR Wide
{attributes("Wide")}
END-VENDOR Wide
BEGIN-VENDOR Bare
{attributes("Bare")}
END-VENDOR Bare
BEGIN-VENDOR Split
{attributes("Split")}
ATTRIBUTE Split-Key 100 string encrypt=2
END-VENDOR Split
{attributes("Extended", "241.")}
{attributes("Long", "245.").replace("245.26 ", "245.126 ")}
ATTRIBUTE Long-Outer 245.100 tlv
{attributes("Long-Box", "245.100.")}
BEGIN-VENDOR Example format=X1V
{attributes("Extended-Example")}
END-VENDOR Example
BEGIN-VENDOR Example format=X5V
{attributes("Long-Example")}
END-VENDOR Example
"""


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dictionaries")
    (folder / "dictionary").write_text(DICTIONARY)
    return AttributeDictionary(folder)


def shown_as(line):
    """The name and the value in a line of a packet, without quotes."""
    name, _, text = line.partition(" = ")
    return name, text[1:-1] if text.startswith('"') else text


@pytest.mark.parametrize("kind", KINDS)
@UNTIMED
@given(data=st.data())
def test_an_encoded_value_is_shown_as_it_was(names, kind, data):
    value = data.draw(KINDS[kind].filter(lambda text: text.isprintable() and not set('"\\') & set(text)))
    for place in PLACES:
        encoded = names.encode(f"{place}-{kind}", value)
        assert all(len(octets) <= 253 for _, octets in encoded)
        (line,) = names.describe(encoded)
        name, text = shown_as(line)
        assert f"{place}-{kind}" == name
        assert text in (value, "Uno", "Minus")
        assert encoded == names.encode(name, text)


@pytest.mark.parametrize("place", ["Split", "Long", "Long-Example"])
@UNTIMED
@given(value=st.binary(min_size=252, max_size=2000))
def test_a_long_value_takes_several_attributes(names, place, value):
    encoded = names.encode(f"{place}-octets", value)
    assert len(encoded) > 1
    assert all(len(octets) <= 253 for _, octets in encoded)
    assert [f"{place}-octets = 0x{value.hex()}"] == names.describe(encoded)


@pytest.mark.parametrize(("place", "most"), [("Plain", 247), ("Wide", 245), ("Bare", 245), ("Extended-Example", 247)])
def test_a_long_value_that_cannot_continue_is_an_error(names, place, most):
    assert 253 == len(names.encode(f"{place}-octets", b"x" * most)[0][1])
    with pytest.raises(ValueError, match=f"{place}-octets: a value is 1 to {most} octets, this one has {most + 1}$"):
        names.encode(f"{place}-octets", b"x" * (most + 1))


def test_a_long_tlv_takes_several_attributes(names):
    values = [("Long-Box-string", "x" * 200), ("Long-Box-octets", b"y" * 200)]
    encoded = names.encode_all(values)
    assert [245, 245] == [code for code, _ in encoded]
    assert [f'Long-Box-string = "{"x" * 200}"', f"Long-Box-octets = 0x{'79' * 200}"] == names.describe(encoded)


@pytest.mark.parametrize(
    ("name", "value", "octets"),
    [
        ("Plain-byte", "255", "00007ed90103ff"),
        ("Wide-short", "258", "00007eda000200060102"),
        ("Bare-short", "258", "00007edb000000020102"),
        ("Split-short", "258", "00007edc0205000102"),
        ("Box-short", "258", "00007ed96408640602040102"),
        ("Plain-signed", "Minus", "00007ed90506ffffffff"),
        ("Plain-signed", "-2", "00007ed90506fffffffe"),
        ("Plain-ipv4prefix", "192.0.2.7/24", "00007ed90f080018c0000200"),
        ("Tagged:1", "x", "00007ed965040178"),
        ("Tagged-Number:2", "258", "00007ed9660602000102"),
        ("Fixed", "0x010203", "00007ed96805010203"),
    ],
)
def test_octets_in_vendor_specific(names, name, value, octets):
    assert [(26, bytes.fromhex(octets))] == names.encode(name, value)


def test_octets_in_extended_attributes(names):
    assert [(241, bytes.fromhex("020102"))] == names.encode("Extended-short", "258")
    assert [(241, bytes.fromhex("1a00007ed9020102"))] == names.encode("Extended-Example-short", "258")
    assert [(245, bytes.fromhex("02000102"))] == names.encode("Long-short", "258")
    first, last = names.encode("Long-octets", b"x" * 252)
    assert (b"\x08\x80" + b"x" * 251, b"\x08\x00x") == (first[1], last[1])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("Plain-signed", "2147483648", "takes a number from -2147483648 to 2147483647"),
        ("Plain-byte", "-1", "takes a number$"),
        ("Plain-ipv4prefix", "192.0.2.0/33", "takes an IPv4 prefix, like 192.0.2.0/24"),
        ("Plain-ipv4prefix", 5, "takes an IPv4 prefix, like"),
        ("Plain-combo-ip", "192.0.2.256", "takes an IPv4 or IPv6 address, like 192.0.2.1"),
        ("Fixed", "0x0102", "a value is 3 octets, this one has 2"),
        ("Password", "x" * 129, "a value is 1 to 128 octets, this one has 129"),
        ("Ascend", "x" * 17, "a value is 1 to 16 octets, this one has 17"),
        ("Ascend", "", "the value is empty"),
        ("Ascend:1", "x", "takes no tag"),
        ("Hidden-Inside", "x", "an encrypted attribute inside another one cannot be set; remove it"),
        ("Split-Key", "x", "an encrypted attribute inside another one cannot be set; remove it"),
    ],
)
def test_invalid_values(names, name, value, message):
    with pytest.raises(ValueError, match=message):
        names.encode(name, value)


@pytest.mark.parametrize("name", ["Box-short", "Extended-short", "Wide-short", "Split-short", "Bare-short"])
def test_an_attribute_inside_another_one_is_not_copied(names, name):
    with pytest.raises(ValueError, match=f"{name}: is inside another attribute and cannot be read here"):
        names.key(name)


@pytest.mark.parametrize(
    ("code", "octets", "line"),
    [
        (26, "00007ed9030600000001", "Plain-integer = Uno"),
        (26, "00007ed90506ffffffff", "Plain-signed = Minus"),
        (26, "00007ed90f0601180102", "Plain-ipv4prefix = 0x01180102"),
        (26, "00007ed90f080021c0000200", "Plain-ipv4prefix = 0x0021c0000200"),
        (26, "00007ed90f080118c0000200", "Plain-ipv4prefix = 0x0118c0000200"),
        (26, "00007ed90e05010203", "Plain-combo-ip = 0x010203"),
        (26, "00007ed9670378", "Secret = <1 octets>"),
        (26, "00007ed9690378", "Password = <1 octets>"),
        (26, "00007ed9640301", "Outer = <1 octets, malformed>"),
        (26, "00007ed96405640301", "Inner = <1 octets, malformed>"),
        (26, "00007ed96402", "Outer = <0 octets, malformed>"),
        (26, "00007ed96405640201", "Outer = <3 octets, malformed>"),
        (26, "00007eda0002", "Vendor-Specific of vendor 32474 = <6 octets, malformed>"),
        (26, "00007edb000002", "Vendor-Specific of vendor 32475 = <7 octets, malformed>"),
        (26, "00007edb00000063", "Vendor-32475-Attr-99 = 0x"),
        (26, "00007edc0202", "Vendor-Specific of vendor 32476 = <6 octets, malformed>"),
        (26, "00007edc08048061", "Split-octets = 0x61"),
        (241, "", "X1 = <0 octets, malformed>"),
        (241, "02", "X1 = <1 octets, malformed>"),
        (241, "1a00007ed9", "X1V = <4 octets, malformed>"),
        (241, "1a00007ed9ff01", "X1V.32473.255 = 0x01"),
        (245, "0280", "X5 = <2 octets, malformed>"),
        (245, "02800102", "Long-short = 258"),
    ],
)
def test_octets_that_do_not_match_the_dictionary_are_shown(names, code, octets, line):
    assert [line] == names.describe([(code, bytes.fromhex(octets))])


@UNTIMED
@given(
    st.lists(
        st.tuples(
            st.sampled_from([26, 241, 245, 246, 1]),
            st.binary(max_size=253)
            | st.tuples(
                st.sampled_from(
                    [b"\0\0\x7e\xd9d", b"\0\0\x7e\xda", b"\0\0\x7e\xdb", b"\0\0\x7e\xdc", b"d", b"\x1a\0\0"]
                ),
                st.binary(max_size=60),
            ).map(b"".join),
        ),
        max_size=10,
    )
)
@example([(26, b"\0\0\x7e\xd9" + bytes((100, 251)) + bytes((100, 2)) * 124 + b"x")])
def test_any_octets_are_shown(names, attributes):
    lines = names.describe(attributes)
    assert all(line.isprintable() for line in lines)
    assert len(attributes) - sum(code == 245 for code, _ in attributes) <= len(lines)


@UNTIMED
@given(
    st.sampled_from(
        [*(f"{place}-{kind}" for place in PLACES for kind in KINDS), "Tagged:3", "Password", "Tagged-Number"]
    ),
    st.text(max_size=300) | st.binary(max_size=300) | st.integers(-(2**65), 2**65),
)
def test_any_value_is_encoded_or_an_error(names, name, value):
    with suppress(ValueError):
        assert names.encode(name, value)
