from contextlib import suppress
from hashlib import md5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius_voice.radius import packet as radius
from radius_voice.radius.packet import (
    MalformedPacket,
    Packet,
    decode,
    encode_reply,
    encode_request,
    verify,
    verify_reply,
)
from tests.radius.vectors import (
    RFC_2865,
    RFC_2865_7_3_AS_PRINTED,
    RFC_5997_6_1_ACCEPT,
    RFC_5997_6_1_REQUEST,
    RFC_5997_6_3_REQUEST,
    SECRET,
)

AUTHENTICATOR = bytes(range(16))
REQUEST = encode_request(1, 7, AUTHENTICATOR, [(1, b"alice"), (33, b"p1"), (24, b"s" * 32), (33, b"p2")], SECRET)
attributes = st.lists(
    st.tuples(st.integers(1, 255).filter(lambda kind: kind != 80), st.binary(max_size=253)), max_size=12
)


@pytest.mark.parametrize("section", RFC_2865)
def test_rfc_2865_section_7_packets_are_accepted_by_the_codec(section):
    octets = RFC_2865[section]
    packet = decode(octets)
    assert (octets[0], octets[1], octets) == (packet.code, packet.identifier, packet.raw)
    assert not verify(packet, SECRET)


def test_rfc_2865_section_7_1_attributes():
    packet = decode(RFC_2865["7.1 request"])
    assert b"nemo" == packet.first(radius.USER_NAME)
    assert [1, 2, 4, 5] == [kind for kind, _ in packet.attributes]


def test_rfc_2865_section_7_3_as_printed_is_refused():
    with pytest.raises(MalformedPacket, match="length out of range"):
        decode(RFC_2865_7_3_AS_PRINTED)


@pytest.mark.parametrize(
    ("request_name", "reply_name"),
    [("7.1 request", "7.1 accept"), ("7.3 request", "7.3 challenge"), ("7.3 answer", "7.3 reject")],
)
def test_rfc_2865_section_3_response_authenticators_hold(request_name, reply_name):
    request, reply = decode(RFC_2865[request_name]), decode(RFC_2865[reply_name])
    expected = md5(reply.raw[:4] + request.authenticator + reply.raw[20:] + SECRET).digest()
    assert expected == reply.authenticator
    assert not verify_reply(reply, request.authenticator, SECRET)  # no Message-Authenticator: not believed


@pytest.mark.parametrize("octets", [RFC_5997_6_1_REQUEST, RFC_5997_6_3_REQUEST], ids=["6.1", "6.3"])
def test_rfc_5997_section_6_requests_verify(octets):
    packet = decode(octets)
    assert radius.STATUS_SERVER == packet.code
    assert verify(packet, SECRET)
    assert not verify(packet, b"another")


def test_rfc_5997_section_6_1_accept_answers_its_request():
    expected = md5(RFC_5997_6_1_ACCEPT[:4] + RFC_5997_6_1_REQUEST[4:20] + SECRET).digest()
    assert expected == decode(RFC_5997_6_1_ACCEPT).authenticator


def test_rfc_2865_section_3_octets_past_length_are_padding():
    assert decode(REQUEST).raw == decode(REQUEST + b"padding").raw


MALFORMED = {
    "empty": b"",
    "19 octets": REQUEST[:19],
    "Length 19": REQUEST[:2] + b"\0\x13" + REQUEST[4:],
    "Length 4097": REQUEST[:2] + b"\x10\x01" + REQUEST[4:] + bytes(4097),
    "cut": REQUEST[:-1],
    "one octet left": b"\1\0\0\x15" + bytes(16) + b"\1",
    "type 0": b"\1\0\0\x16" + bytes(16) + b"\0\2",
    "length 0": b"\1\0\0\x16" + bytes(16) + b"\1\0",
    "length 1": b"\1\0\0\x16" + bytes(16) + b"\1\1",
    "past the end": b"\1\0\0\x16" + bytes(16) + b"\1\3",
    "short Message-Authenticator": b"\1\0\0\x16" + bytes(16) + b"\x50\2",
    "two Message-Authenticators": b"\1\0\0\x38" + bytes(16) + (b"\x50\x12" + bytes(16)) * 2,
    "201 attributes": b"\1\0\1\xa6" + bytes(16) + b"\1\2" * 201,
}


@pytest.mark.parametrize("octets", MALFORMED.values(), ids=MALFORMED)
def test_malformed_octets_are_refused(octets):
    with pytest.raises(MalformedPacket):
        decode(octets)


def test_200_attributes_are_accepted():
    assert 200 == len(decode(b"\1\0\1\xa4" + bytes(16) + b"\1\2" * 200).attributes)


@given(st.binary(max_size=300))
def test_any_octets_give_a_packet_or_malformed_packet(octets):
    try:
        packet = decode(octets)
    except MalformedPacket:
        return
    assert isinstance(packet, Packet)
    assert packet.raw == packet.raw[:20] + b"".join(bytes((k, len(v) + 2)) + v for k, v in packet.attributes)
    verify(packet, SECRET)


@given(st.data())
def test_any_mutation_of_a_golden_packet_gives_a_packet_or_malformed_packet(data):
    golden = bytearray(data.draw(st.sampled_from([*RFC_2865.values(), REQUEST])))
    for _ in range(data.draw(st.integers(1, 5))):
        golden[data.draw(st.integers(0, len(golden) - 1))] = data.draw(st.integers(0, 255))
    with suppress(MalformedPacket):
        assert isinstance(decode(bytes(golden)), Packet)


def test_a_byte_changed_anywhere_in_a_golden_request_is_refused():
    assert verify(decode(REQUEST), SECRET)
    for place in range(len(REQUEST)):
        for bit in (0x01, 0x80):
            changed = bytearray(REQUEST)
            changed[place] ^= bit
            try:
                packet = decode(bytes(changed))
            except MalformedPacket:
                continue
            assert not verify(packet, SECRET), place


def test_a_byte_changed_anywhere_in_a_golden_reply_is_refused():
    request = decode(REQUEST)
    reply = encode_reply(11, request, [(18, b"Enter the code"), (24, b"s" * 32)], SECRET)
    assert verify_reply(decode(reply), AUTHENTICATOR, SECRET)
    for place in range(len(reply)):
        changed = bytearray(reply)
        changed[place] ^= 0x01
        try:
            packet = decode(bytes(changed))
        except MalformedPacket:
            continue
        assert not verify_reply(packet, AUTHENTICATOR, SECRET), place


def test_message_authenticator_is_verified_at_any_position():
    ours = decode(REQUEST)
    for position in range(5):
        parts = [(1, b"alice"), (33, b"p1"), (24, b"s" * 32), (33, b"p2")]
        parts.insert(position, (80, bytes(16)))
        body = b"".join(bytes((k, len(v) + 2)) + v for k, v in parts)
        raw = ours.raw[:20] + body
        start = raw.index(b"\x50\x12" + bytes(16))
        import hmac

        mac = hmac.digest(SECRET, raw, "md5")
        assert verify(decode(raw[: start + 2] + mac + raw[start + 18 :]), SECRET)


@pytest.mark.parametrize("code", [2, 3, 11])
def test_message_authenticator_is_first_in_every_reply_and_proxy_state_in_order(code):
    reply = decode(encode_reply(code, decode(REQUEST), [(18, b"text")], SECRET))
    assert 20 == reply.message_authenticator
    assert ([b"p1", b"p2"], []) == (reply.every(33), reply.every(34))
    assert 7 == reply.identifier


@given(attributes)
def test_encoding_and_decoding_are_inverse(values):
    request = encode_request(1, 9, AUTHENTICATOR, values, SECRET)
    packet = decode(request)
    assert tuple(values) == packet.attributes[1:]
    assert verify(packet, SECRET)


def test_a_value_or_packet_too_long_is_refused():
    with pytest.raises(ValueError, match="253"):
        encode_reply(2, decode(REQUEST), [(18, bytes(254))], SECRET)
    with pytest.raises(ValueError, match="4096"):
        encode_reply(2, decode(REQUEST), [(18, bytes(253))] * 17, SECRET)
    with pytest.raises(ValueError, match="4096"):
        encode_request(1, 0, AUTHENTICATOR, [(18, bytes(253))] * 17, SECRET)


def test_a_packet_shows_none_of_its_octets():
    octets = radius.encode_request(radius.ACCESS_REQUEST, 7, bytes(16), [(31, b"+12025550123")], b"secret")
    assert "Packet(1, 7)" == repr(radius.decode(octets))
