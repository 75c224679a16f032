"""Accounting packets; pyrad makes the requests and verifies the responses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrad import packet as pyrad
from pyrad.dictionary import Dictionary

from radius_voice.radius import packet as radius
from radius_voice.radius.accounting import (
    OTHER,
    STATUSES,
    TERMINATE_CAUSES,
    AccountingData,
    data_of,
    encode_response,
    verify,
)
from radius_voice.resources import shipped
from tests.radius.vectors import RFC_5997_6_2_REQUEST, RFC_5997_6_2_RESPONSE, SECRET

DICTIONARY = Dictionary(str(shipped("dictionaries") / "dictionary"))
NOTHING = AccountingData(OTHER, "", "", 0, 0, 0, "", 0)


def request(*attributes):
    """An Accounting-Request of pyrad with these attributes, by number."""
    made = pyrad.AcctPacket(secret=SECRET, dict=DICTIONARY)
    for kind, value in attributes:
        made.setdefault(kind, []).append(value)
    return made, radius.decode(made.RequestPacket())


def number(value):
    return value.to_bytes(4)


def test_a_request_of_pyrad_is_authentic_until_an_octet_is_changed():
    _, packet = request((1, b"alice"), (44, b"a session"), (33, b"first"), (33, b"second"))
    assert verify(packet, SECRET)
    assert not verify(packet, b"another secret")
    for place in range(len(packet.raw)):
        octets = bytearray(packet.raw)
        octets[place] ^= 1
        try:
            changed = radius.decode(bytes(octets))
        except radius.MalformedPacket:
            continue
        assert not verify(changed, SECRET), f"octet {place}"


@pytest.mark.parametrize("proxy_states", [[], [(33, b"first"), (33, b""), (33, b"first")]], ids=["direct", "proxy"])
def test_pyrad_accepts_the_response(proxy_states):
    made, packet = request((40, number(1)), *proxy_states)
    response = encode_response(packet, SECRET)
    assert proxy_states == list(radius.decode(response).attributes)
    assert made.VerifyReply(made.CreateReply(packet=response), response)


def test_rfc_5997_section_6_2():
    packet = radius.decode(RFC_5997_6_2_REQUEST)
    assert radius.verify(packet, SECRET)
    assert RFC_5997_6_2_RESPONSE == encode_response(packet, SECRET)


def test_the_values_of_a_session_that_ended():
    attributes = [(40, number(2)), (41, number(3)), (44, b"a session"), (46, number(600)), (49, number(4))]
    traffic = [(42, number(17)), (52, number(1)), (43, number(2**32 - 1)), (53, number(2)), (8, bytes((10, 0, 0, 9)))]
    _, packet = request(*attributes, *traffic)
    expected = AccountingData("stop", "a session", "10.0.0.9", 600, 2**32 + 17, 3 * 2**32 - 1, "idle_timeout", 3)
    assert expected == data_of(packet)


def test_values_that_are_missing_unknown_or_of_a_wrong_length_are_left_out():
    assert NOTHING == data_of(request()[1])
    assert NOTHING == data_of(request((40, b"\1"), (46, b"12345"), (8, bytes(16)), (49, b"\4"))[1])
    assert AccountingData(OTHER, "", "", 0, 0, 0, OTHER, 0) == data_of(request((40, number(9)), (49, number(99)))[1])


def test_names_are_those_of_rfc_2866():
    named = {1: "start", 2: "stop", 3: "interim_update", 7: "accounting_on", 8: "accounting_off"}
    assert named == STATUSES
    assert (18, "user_request", "host_request") == (len(TERMINATE_CAUSES), TERMINATE_CAUSES[1], TERMINATE_CAUSES[18])


@given(st.lists(st.tuples(st.integers(1, 79), st.binary(max_size=253)), max_size=12))
def test_every_packet_has_values(attributes):
    octets = radius.encode_request(4, 1, bytes(16), attributes, SECRET)
    assert data_of(radius.decode(octets)).status in {*STATUSES.values(), OTHER}
