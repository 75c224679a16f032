"""RADIUS packets: decode, verify, encode.

Pure. For any octets, `decode` returns a `Packet` or raises `MalformedPacket`, in linear time. Section numbers are
RFC 2865's unless another RFC is named.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from hashlib import md5
from typing import NamedTuple

ACCESS_REQUEST = 1
ACCESS_ACCEPT = 2
ACCESS_REJECT = 3
ACCESS_CHALLENGE = 11
STATUS_SERVER = 12

USER_NAME = 1
USER_PASSWORD = 2
CHAP_PASSWORD = 3
SERVICE_TYPE = 6
REPLY_MESSAGE = 18
STATE = 24
VENDOR_SPECIFIC = 26
CALLING_STATION_ID = 31
PROXY_STATE = 33
PROMPT = 76
EAP_MESSAGE = 79
MESSAGE_AUTHENTICATOR = 80

HEADER = 20
MAX_PACKET_OCTETS = 4096
MAX_VALUE_OCTETS = 253
MAX_ATTRIBUTES = 200
RESERVED_REPLY_OCTETS = 1024
"""The octets of a response that are reserved for everything except Proxy-State."""
_ZEROS = bytes(16)
_MA_HEAD = bytes((MESSAGE_AUTHENTICATOR, 18))

Attribute = tuple[int, bytes]


class MalformedPacket(ValueError):
    """The octets are not a RADIUS packet. The message never quotes them."""


class Packet(NamedTuple):
    """A received packet."""

    code: int
    identifier: int
    authenticator: bytes
    attributes: tuple[Attribute, ...]
    raw: bytes  # the octets without padding
    message_authenticator: int  # the offset of the attribute in `raw`; 0 if there is none
    firsts: Mapping[int, bytes]  # the first value of each attribute type

    def __repr__(self) -> str:
        return f"Packet({self.code}, {self.identifier})"  # attributes may hold names, phones and passwords

    def first(self, kind: int) -> bytes | None:
        """The value of the first attribute of that type, or None."""
        return self.firsts.get(kind)

    def every(self, kind: int) -> list[bytes]:
        """The values of all attributes of that type, in order."""
        if kind not in self.firsts:
            return []
        return [value for attribute_type, value in self.attributes if attribute_type == kind]


def decode(datagram: bytes) -> Packet:
    """The packet in a datagram. Octets after its Length are padding and are ignored (section 3).

    Raises MalformedPacket if a length is wrong, an attribute has type 0, there are more than 200 attributes, or
    Message-Authenticator occurs twice or is not 18 octets long (RFC 3579 section 3.2).
    """
    if len(datagram) < HEADER:
        raise MalformedPacket("shorter than a header")
    length = datagram[2] << 8 | datagram[3]
    if not HEADER <= length <= MAX_PACKET_OCTETS:
        raise MalformedPacket("Length out of range")
    if len(datagram) < length:
        raise MalformedPacket("shorter than its Length")
    raw = datagram[:length]
    attributes, message_authenticator = _split(raw)
    return Packet(raw[0], raw[1], raw[4:HEADER], tuple(attributes), raw, message_authenticator, dict(attributes[::-1]))


def _split(raw: bytes) -> tuple[list[Attribute], int]:
    attributes: list[Attribute] = []
    message_authenticator = 0
    offset, length = HEADER, len(raw)
    while offset < length:
        if length - offset < 2:  # noqa: PLR2004 - type and length
            raise MalformedPacket("octets left after the last attribute")
        kind, size = raw[offset], raw[offset + 1]
        if kind == 0:
            raise MalformedPacket("attribute of type 0")
        if size < 2 or offset + size > length:  # noqa: PLR2004 - type and length
            raise MalformedPacket("attribute length out of range")
        if kind == MESSAGE_AUTHENTICATOR:
            if size != 18 or message_authenticator:  # noqa: PLR2004 - RFC 3579 section 3.2
                raise MalformedPacket("Message-Authenticator not 18 octets, or two of them")
            message_authenticator = offset
        attributes.append((kind, raw[offset + 2 : offset + size]))
        offset += size
    if len(attributes) > MAX_ATTRIBUTES:
        raise MalformedPacket("more than 200 attributes")
    return attributes, message_authenticator


def verify(packet: Packet, secret: bytes) -> bool:
    """Whether a request's Message-Authenticator is correct; False if it has none.

    It is computed over the received octets, not over a re-encoded packet (RFC 3579 section 3.2).
    """
    start = packet.message_authenticator
    if not start:
        return False
    raw = packet.raw
    return hmac.compare_digest(
        hmac.digest(secret, raw[: start + 2] + _ZEROS + raw[start + 18 :], "md5"), raw[start + 2 : start + 18]
    )


def encode_reply(code: int, request: Packet, attributes: Iterable[Attribute], secret: bytes) -> bytes:
    """The octets of a response: Message-Authenticator first (CVE-2024-3596), the request's Proxy-States last.

    Raises ValueError if a value is longer than 253 octets or the response longer than 4096.
    """
    tail = _join([*attributes, *((PROXY_STATE, value) for value in request.every(PROXY_STATE))])
    length = HEADER + 18 + len(tail)
    if length > MAX_PACKET_OCTETS:
        raise ValueError(f"a reply of {length} octets; at most {MAX_PACKET_OCTETS} fit")
    head = bytes((code, request.identifier, length >> 8, length & 255))
    authenticator = request.authenticator
    mac = hmac.digest(secret, head + authenticator + _MA_HEAD + _ZEROS + tail, "md5")
    body = _MA_HEAD + mac + tail
    return head + md5(head + authenticator + body + secret, usedforsecurity=False).digest() + body


def encode_request(
    code: int, identifier: int, authenticator: bytes, attributes: Sequence[Attribute], secret: bytes
) -> bytes:
    """The octets of a request, Message-Authenticator first. `authenticator` must be 16 new random octets.

    Raises ValueError if a value is longer than 253 octets or the request longer than 4096.
    """
    tail = _join(attributes)
    length = HEADER + 18 + len(tail)
    if length > MAX_PACKET_OCTETS:
        raise ValueError(f"a request of {length} octets; at most {MAX_PACKET_OCTETS} fit")
    head = bytes((code, identifier, length >> 8, length & 255)) + authenticator
    return head + _MA_HEAD + hmac.digest(secret, head + _MA_HEAD + _ZEROS + tail, "md5") + tail


def verify_reply(
    reply: Packet, request_authenticator: bytes, secret: bytes, *, require_message_authenticator: bool = True
) -> bool:
    """Whether the Response Authenticator and the Message-Authenticator of a response are correct.

    A response without Message-Authenticator can be forged (CVE-2024-3596). It counts as authentic only if
    `require_message_authenticator` is false.
    """
    raw, start = reply.raw, reply.message_authenticator
    expected = md5(raw[:4] + request_authenticator + raw[HEADER:] + secret, usedforsecurity=False).digest()
    if not start:
        return not require_message_authenticator and hmac.compare_digest(expected, reply.authenticator)
    zeroed = raw[:4] + request_authenticator + raw[HEADER : start + 2] + _ZEROS + raw[start + 18 :]
    mac = hmac.digest(secret, zeroed, "md5")
    authentic = hmac.compare_digest(expected, reply.authenticator)
    return hmac.compare_digest(mac, raw[start + 2 : start + 18]) and authentic


def _join(attributes: Sequence[Attribute]) -> bytes:
    parts: list[bytes] = []
    for kind, value in attributes:
        if len(value) > MAX_VALUE_OCTETS:
            raise ValueError(f"attribute {kind} of {len(value)} octets; at most {MAX_VALUE_OCTETS} fit")
        parts.append(bytes((kind, len(value) + 2)) + value)
    return b"".join(parts)
