"""The address of a caller in an attribute of a request."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius_voice.radius.caller_address import CALLING_STATION, AddressAttribute
from radius_voice.radius.copied import AttributeKey
from radius_voice.radius.dictionary import AttributeDictionary
from radius_voice.resources import shipped

CALLING_STATION_ID, FRAMED_IP_ADDRESS, TUNNEL_CLIENT_ENDPOINT, VENDOR_SPECIFIC = 31, 8, 66, 26


@pytest.fixture(scope="module")
def dictionary():
    return AttributeDictionary(shipped("dictionaries"))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:49152", "192.0.2.1"),
        ("192.0.2.1[4500]", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:49152", "2001:db8::1"),
        ("2001:db8::1[4500]", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_an_address_is_read_with_and_without_a_port(text, address):
    assert ip_address(address) == CALLING_STATION.address([(CALLING_STATION_ID, text.encode())])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "90-E7-C4-32-D3-D6",
        "+14155550123",
        "192.0.2",
        "192.0.2.256",
        "192.0.2.01",
        "192.0.2.1 ",
        "192.0.2.1,10.0.0.1",
        "192.0.2.0/24",
        "192.0.2.1:",
        "192.0.2.1]:1",
        "[192.0.2.1",
        "3221225985",
        "vpn.example.org",
        "١٩٢.0.2.1",
    ],
)
def test_anything_else_is_no_address(text):
    assert CALLING_STATION.address([(CALLING_STATION_ID, text.encode())]) is None


def test_a_missing_attribute_and_one_that_occurs_twice_give_no_address():
    one = (CALLING_STATION_ID, b"192.0.2.1")
    assert CALLING_STATION.address([]) is None
    assert CALLING_STATION.address([one, one]) is None
    assert CALLING_STATION.address([(FRAMED_IP_ADDRESS, bytes((192, 0, 2, 1)))]) is None


def test_octets_are_read_as_the_dictionary_says(dictionary):
    framed = dictionary.address_attribute("Framed-IP-Address")
    assert ip_address("192.0.2.1") == framed.address([(FRAMED_IP_ADDRESS, bytes((192, 0, 2, 1)))])
    assert framed.address([(FRAMED_IP_ADDRESS, b"192.0.2.1")]) is None
    assert dictionary.address_attribute("Calling-Station-Id") == CALLING_STATION


def test_the_tag_of_a_tunnel_attribute_is_no_part_of_the_address(dictionary):
    endpoint = dictionary.address_attribute("Tunnel-Client-Endpoint")
    for octets in (b"192.0.2.1", b"\x00192.0.2.1", b"\x1f192.0.2.1"):
        assert ip_address("192.0.2.1") == endpoint.address([(TUNNEL_CLIENT_ENDPOINT, octets)])
    assert endpoint.address([(TUNNEL_CLIENT_ENDPOINT, b"\x20192.0.2.1")]) is None


def test_an_attribute_of_a_vendor_is_found_in_its_vendor_specific():
    attribute = AddressAttribute(AttributeKey(311, 7), is_text=True)
    vendor_specific = (311).to_bytes(4) + bytes((7, 11)) + b"192.0.2.1"
    assert ip_address("192.0.2.1") == attribute.address([(VENDOR_SPECIFIC, vendor_specific)])


@pytest.mark.parametrize("name", ["User-Password", "NAS-Port", "MS-CHAP-Error", "Tunnel-Password", "Client-Address"])
def test_an_attribute_that_holds_no_address_is_an_error(dictionary, name):
    with pytest.raises(ValueError, match=rf"^{name}: "):
        dictionary.address_attribute(name)


@given(octets=st.binary(max_size=253))
def test_any_octets_give_an_address_or_none(octets):
    for is_text, is_tagged in ((True, False), (True, True), (False, False)):
        attribute = AddressAttribute(AttributeKey(0, CALLING_STATION_ID), is_text, is_tagged)
        address = attribute.address([(CALLING_STATION_ID, octets)])
        assert address is None or address.max_prefixlen in {32, 128}
