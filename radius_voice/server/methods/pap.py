"""PAP: User-Password contains the password, encrypted with the shared secret (RFC 2865 section 5.2)."""

from __future__ import annotations

from radius_voice.events import Reason
from radius_voice.login.first_factor.realms import route
from radius_voice.login.model import AuthRequest, PapPassword
from radius_voice.radius import packet as radius
from radius_voice.radius.password import MalformedPassword, decode_text, decrypt_password
from radius_voice.server.request import Request


def auth_request_of(request: Request) -> AuthRequest | Reason:
    """The `AuthRequest` of a packet with User-Name and User-Password, or why the packet is rejected.

    Without User-Password the password is empty.
    """
    packet, client = request.packet, request.client
    name, encrypted = packet.firsts[radius.USER_NAME], packet.firsts.get(radius.USER_PASSWORD, b"")
    try:
        password = decode_text(decrypt_password(encrypted, request.secret, packet.authenticator)) if encrypted else ""
    except MalformedPassword:
        return Reason.BAD_REQUEST
    routed = route(decode_text(name), client.policy, client.realms)
    return AuthRequest(
        client=client.name,
        policy=routed.policy,
        user_name=routed.user_name,
        unlisted_realm=routed.unlisted,
        credentials=PapPassword(password),
        calling_station_id=request.calling_station_id,
        authenticator=packet.authenticator,
        arrived=request.arrived,
        deadline=request.arrived + client.response_timeout,
        state=packet.first(radius.STATE),
        encrypted_credentials=bytes((len(name),)) + name + encrypted,
        attributes=packet.attributes,
        second_factor=client.second_factor,
        delimiter=client.delimiter,
    )
