"""Accounting packets: verify, encode, and read the data about a user's session.

Pure. Section numbers are RFC 2866's unless another RFC is named.
"""

from __future__ import annotations

import hmac
from hashlib import md5
from ipaddress import IPv4Address

from msgspec import Struct

from radius_voice.radius.packet import HEADER, PROXY_STATE, Packet
from radius_voice.radius.password import decode_text

ACCOUNTING_REQUEST = 4
ACCOUNTING_RESPONSE = 5

FRAMED_IP_ADDRESS = 8
ACCT_STATUS_TYPE = 40
ACCT_DELAY_TIME = 41
ACCT_INPUT_OCTETS = 42
ACCT_OUTPUT_OCTETS = 43
ACCT_SESSION_ID = 44
ACCT_SESSION_TIME = 46
ACCT_TERMINATE_CAUSE = 49
ACCT_INPUT_GIGAWORDS = 52
ACCT_OUTPUT_GIGAWORDS = 53

OTHER = "other"
STATUSES = {1: "start", 2: "stop", 3: "interim_update", 7: "accounting_on", 8: "accounting_off"}
"""Acct-Status-Type (section 5.1)."""
TERMINATE_CAUSES = dict(
    enumerate(
        (
            "user_request",
            "lost_carrier",
            "lost_service",
            "idle_timeout",
            "session_timeout",
            "admin_reset",
            "admin_reboot",
            "port_error",
            "nas_error",
            "nas_request",
            "nas_reboot",
            "port_unneeded",
            "port_preempted",
            "port_suspended",
            "service_unavailable",
            "callback",
            "user_error",
            "host_request",
        ),
        start=1,
    )
)
"""Acct-Terminate-Cause (section 5.10)."""


class AccountingData(Struct, frozen=True):
    """The data of an Accounting-Request. Missing texts are empty, and missing numbers 0."""

    status: str
    session_id: str  # the gateway's Acct-Session-Id
    framed_address: str
    seconds: int  # the duration of the session so far
    input_octets: int  # sent by the user
    output_octets: int  # received by the user
    terminate_cause: str
    delay: int  # how many seconds before the packet the event happened


def verify(packet: Packet, secret: bytes) -> bool:
    """Whether the Request Authenticator of an Accounting-Request is correct (section 3). Constant time."""
    raw = packet.raw
    expected = md5(raw[:4] + bytes(16) + raw[HEADER:] + secret, usedforsecurity=False).digest()
    return hmac.compare_digest(expected, packet.authenticator)


def encode_response(request: Packet, secret: bytes) -> bytes:
    """The octets of an Accounting-Response: the request's Proxy-States in order, and nothing else (section 4.2).

    It has no Message-Authenticator, because implementations disagree about how to compute one here.
    """
    tail = b"".join(bytes((PROXY_STATE, len(value) + 2)) + value for value in request.every(PROXY_STATE))
    head = bytes((ACCOUNTING_RESPONSE, request.identifier)) + (HEADER + len(tail)).to_bytes(2)
    return head + md5(head + request.authenticator + tail + secret, usedforsecurity=False).digest() + tail


def data_of(request: Packet) -> AccountingData:
    """The data of an Accounting-Request. An attribute with a wrong length counts as missing."""
    cause = _number(request, ACCT_TERMINATE_CAUSE)
    return AccountingData(
        status=STATUSES.get(_number(request, ACCT_STATUS_TYPE), OTHER),
        session_id=decode_text(request.first(ACCT_SESSION_ID) or b""),
        framed_address=_address(request),
        seconds=_number(request, ACCT_SESSION_TIME),
        input_octets=_number(request, ACCT_INPUT_GIGAWORDS) << 32 | _number(request, ACCT_INPUT_OCTETS),
        output_octets=_number(request, ACCT_OUTPUT_GIGAWORDS) << 32 | _number(request, ACCT_OUTPUT_OCTETS),
        terminate_cause=TERMINATE_CAUSES.get(cause, OTHER) if cause else "",
        delay=_number(request, ACCT_DELAY_TIME),
    )


def _number(request: Packet, kind: int) -> int:
    value = request.first(kind)
    return int.from_bytes(value) if value is not None and len(value) == 4 else 0  # noqa: PLR2004 - RFC 2865 section 5


def _address(request: Packet) -> str:
    value = request.first(FRAMED_IP_ADDRESS)
    return str(IPv4Address(value)) if value is not None and len(value) == 4 else ""  # noqa: PLR2004 - IPv4
