"""Which login request a packet carries, and why a packet is rejected before the login sees it."""

from dataclasses import replace
from unittest.mock import Mock

import pytest

from radius_voice.events import Reason
from radius_voice.login.model import AuthRequest
from radius_voice.radius import packet as radius
from radius_voice.radius.caller_address import CALLING_STATION, AddressAttribute
from radius_voice.radius.copied import AttributeKey
from radius_voice.radius.password import encrypt_password
from radius_voice.server.clients import Client, Clients, Require
from radius_voice.server.duplicates import RequestId
from radius_voice.server.generation import Generation
from radius_voice.server.methods import MAX_PROXY_STATE_OCTETS, auth_request_of
from radius_voice.server.request import Request

SECRET = b"a shared secret of the tests"
AUTHENTICATOR = bytes(range(16))
CLIENT = Client("gateway", (b"an old secret", SECRET), Require.YES, "staff", 2.5, ())
NAME = (radius.USER_NAME, b"alice")
HIDDEN = encrypt_password("pässword".encode(), SECRET, AUTHENTICATOR)
PASSWORD = (radius.USER_PASSWORD, HIDDEN)
CHAP = (radius.CHAP_PASSWORD, bytes(17))
EAP = (radius.EAP_MESSAGE, b"\x02\x01\x00\x05\x01")
AUTHORIZE_ONLY = (radius.SERVICE_TYPE, (17).to_bytes(4))
CALL_CHECK = (radius.SERVICE_TYPE, (10).to_bytes(4))
STATE = (radius.STATE, b"state")
TUNNEL_CLIENT_ENDPOINT = 66
GENERATION = Generation(Clients([]), Mock())


def vendor_specific(vendor, octets):
    return radius.VENDOR_SPECIFIC, vendor.to_bytes(4) + octets


MS_CHAP_2 = vendor_specific(311, b"\x19\x34" + bytes(50))


def request(*attributes, client=CLIENT):
    octets = radius.encode_request(radius.ACCESS_REQUEST, 1, AUTHENTICATOR, attributes, SECRET)
    request_id = RequestId(("192.0.2.1", 40000, 1, 3), AUTHENTICATOR, True)
    return Request(
        radius.decode(octets),
        client,
        1,
        ("192.0.2.1", 40000),
        request_id,
        print,
        arrived=10.0,
        at=0.0,
        generation=GENERATION,
    )


def decoded(request) -> AuthRequest:
    auth = auth_request_of(request)
    assert isinstance(auth, AuthRequest)
    return auth


def test_pap_is_decrypted_with_the_secret_that_the_packet_was_made_with():
    auth = decoded(request(NAME, PASSWORD, STATE, (radius.CALLING_STATION_ID, b"198.51.100.7")))
    assert ("gateway", "staff", "alice", "pässword") == (
        auth.client,
        auth.policy,
        auth.user_name,
        auth.credentials.text,
    )
    assert ("198.51.100.7", AUTHENTICATOR, b"state") == (auth.calling_station_id, auth.authenticator, auth.state)
    assert (10.0, 12.5) == (auth.arrived, auth.deadline)
    assert b"\x05alice" + HIDDEN == auth.encrypted_credentials


TUNNEL_CLIENT = AddressAttribute(AttributeKey(0, TUNNEL_CLIENT_ENDPOINT), is_text=True, is_tagged=True)
STATION = (radius.CALLING_STATION_ID, b"192.0.2.9[4500]")


@pytest.mark.parametrize(
    ("attribute", "sent", "expected"),
    [
        (None, [STATION], "192.0.2.9[4500]"),
        (CALLING_STATION, [STATION], "192.0.2.9"),
        (CALLING_STATION, [(radius.CALLING_STATION_ID, b"host.example.org")], "host.example.org"),
        (TUNNEL_CLIENT, [STATION, (TUNNEL_CLIENT_ENDPOINT, b"\x00" + b"198.51.100.7")], "198.51.100.7"),
        (TUNNEL_CLIENT, [STATION], "192.0.2.9[4500]"),
        (TUNNEL_CLIENT, [], ""),
    ],
)
def test_the_caller_is_the_address_in_the_attribute_of_the_client(attribute, sent, expected):
    client = replace(CLIENT, calling_station=attribute)
    assert expected == decoded(request(NAME, PASSWORD, *sent, client=client)).calling_station_id


@pytest.mark.parametrize("credentials", [CHAP, EAP, MS_CHAP_2, vendor_specific(311, b"\x01\x34" + bytes(50))])
def test_a_method_that_is_not_supported_is_rejected_as_such(credentials):
    assert Reason.METHOD_NOT_SUPPORTED is auth_request_of(request(NAME, credentials))


def test_ms_chap_is_not_supported_even_beside_a_password():
    assert Reason.METHOD_NOT_SUPPORTED is auth_request_of(request(NAME, PASSWORD, MS_CHAP_2))


@pytest.mark.parametrize("octets", [b"", b"\x0c\x06\x00\x00\x00\x04"])
def test_other_attributes_of_the_vendor_are_no_ms_chap(octets):
    assert "alice" == decoded(request(NAME, PASSWORD, vendor_specific(311, octets))).user_name
    assert "alice" == decoded(request(NAME, PASSWORD, vendor_specific(312, b"\x19\x34" + bytes(50)))).user_name


@pytest.mark.parametrize(
    "attributes",
    [
        [],
        [NAME],
        [PASSWORD],
        [(radius.USER_NAME, b""), PASSWORD],
        [NAME, (radius.USER_PASSWORD, b"short")],
        [NAME, PASSWORD, CHAP],
        [NAME, PASSWORD, EAP],
        [NAME, PASSWORD, AUTHORIZE_ONLY],
        [NAME, CHAP, CALL_CHECK],
        [NAME, PASSWORD, STATE, STATE],
    ],
)
def test_a_packet_that_contradicts_itself_or_lacks_credentials_is_a_bad_request(attributes):
    assert Reason.BAD_REQUEST is auth_request_of(request(*attributes))


@pytest.mark.parametrize("service", [AUTHORIZE_ONLY, CALL_CHECK])
def test_any_service_may_be_asked_for_with_a_state(service):
    assert "alice" == decoded(request(NAME, PASSWORD, service, STATE)).user_name


def test_proxy_states_must_leave_room_for_the_response():
    full = [(radius.PROXY_STATE, bytes(254 - 2))] * (MAX_PROXY_STATE_OCTETS // 254)
    rest = MAX_PROXY_STATE_OCTETS - 254 * len(full) - 2
    assert rest >= 0
    assert "alice" == decoded(request(NAME, PASSWORD, *full, (radius.PROXY_STATE, bytes(rest)))).user_name
    too_many = request(NAME, PASSWORD, *full, (radius.PROXY_STATE, bytes(rest + 1)))
    assert Reason.BAD_REQUEST is auth_request_of(too_many)


def test_a_client_may_send_requests_without_a_password():
    client = replace(CLIENT, password_required=False)
    auth = decoded(request(NAME, client=client))
    assert ("alice", "", b"\x05alice") == (auth.user_name, auth.credentials.text, auth.encrypted_credentials)
    assert "pässword" == decoded(request(NAME, PASSWORD, client=client)).credentials.text
    assert Reason.METHOD_NOT_SUPPORTED is auth_request_of(request(NAME, CHAP, client=client))
    assert Reason.BAD_REQUEST is auth_request_of(request(client=client))
    assert Reason.BAD_REQUEST is auth_request_of(request(NAME, AUTHORIZE_ONLY, client=client))
