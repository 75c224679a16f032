"""Authentication methods: they turn packets into `AuthRequest`s. The login does not know RADIUS packets."""

from __future__ import annotations

from enum import Enum

from radius_voice.events import Reason
from radius_voice.login.model import AuthRequest
from radius_voice.radius import packet as radius
from radius_voice.radius.packet import Packet
from radius_voice.server.methods import pap
from radius_voice.server.request import Request

AUTHORIZE_ONLY, CALL_CHECK = (17).to_bytes(4), (10).to_bytes(4)
MICROSOFT = (311).to_bytes(4)
MS_CHAP_TYPES = {1, 2, 11, 25}
"""Vendor types of MS-CHAP-Response, MS-CHAP-Error, MS-CHAP-Challenge and MS-CHAP2-Response (RFC 2548 section 2)."""
MAX_PROXY_STATE_OCTETS = radius.MAX_PACKET_OCTETS - radius.RESERVED_REPLY_OCTETS


class Method(Enum):
    """How a packet carries a user's credentials."""

    PAP = "pap"
    CHAP = "chap"
    MS_CHAP = "ms_chap"
    EAP = "eap"


def auth_request_of(request: Request) -> AuthRequest | Reason:
    """The `AuthRequest` of a packet, or the reason why the packet is rejected."""
    packet = request.packet
    if _contradictory(packet):
        return Reason.BAD_REQUEST
    method = method_of(packet)
    if method is not None and method is not Method.PAP:
        return Reason.METHOD_NOT_SUPPORTED
    if not packet.first(radius.USER_NAME) or not _answerable(packet):
        return Reason.BAD_REQUEST
    if method is None and request.client.password_required:
        return Reason.BAD_REQUEST
    return pap.auth_request_of(request)


def _contradictory(packet: Packet) -> bool:
    """Whether the packet requests no authentication, or carries credentials of several methods."""
    kinds = packet.firsts.keys()
    if packet.first(radius.SERVICE_TYPE) in (AUTHORIZE_ONLY, CALL_CHECK) and radius.STATE not in kinds:
        return True  # RFC 5080 section 2.1.1
    # RFC 2865 section 4.1, RFC 3579 section 3.3
    return radius.USER_PASSWORD in kinds and not kinds.isdisjoint((radius.CHAP_PASSWORD, radius.EAP_MESSAGE))


def _answerable(packet: Packet) -> bool:
    """Whether there is at most one State, and a response has enough room for all Proxy-States."""
    if len(packet.every(radius.STATE)) > 1:
        return False
    return sum(len(value) + 2 for value in packet.every(radius.PROXY_STATE)) <= MAX_PROXY_STATE_OCTETS


def method_of(packet: Packet) -> Method | None:
    """How a packet carries credentials; None if it has no credentials."""
    kinds = packet.firsts.keys()
    if radius.EAP_MESSAGE in kinds:
        return Method.EAP
    if radius.CHAP_PASSWORD in kinds:
        return Method.CHAP
    if any(map(_is_ms_chap, packet.every(radius.VENDOR_SPECIFIC))):
        return Method.MS_CHAP
    return Method.PAP if radius.USER_PASSWORD in kinds else None


def _is_ms_chap(vendor_specific: bytes) -> bool:
    # The vendor type follows the vendor id.
    return vendor_specific[:4] == MICROSOFT and len(vendor_specific) > 4 and vendor_specific[4] in MS_CHAP_TYPES  # noqa: PLR2004
