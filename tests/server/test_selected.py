"""Which packets are selected for debugging, and which values of the others are never shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius_voice.cli.debug import Debug
from radius_voice.events import (
    AccountingRecord,
    Discard,
    DiscardRecord,
    Outcome,
    ProbeRecord,
    Reason,
    RequestRecord,
    ResendRecord,
)
from radius_voice.radius import packet as radius
from radius_voice.radius.accounting import ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE
from radius_voice.server import selected
from radius_voice.server.selected import SelectedPackets
from radius_voice.service.debugging import DebugQueue

SECRET = b"a shared secret of the tests"
PEER, OTHER_PEER = ("198.51.100.7", 40000), ("198.51.100.8", 40000)
CLIENT = "hq-vpn"


class Recorded:
    """A printer that keeps what it is asked to print."""

    def __init__(self):
        self.printed = []

    def received(self, client, peer, octets, *, show_name=True, at=None):
        self.printed.append(("<-", radius.decode(octets).identifier, show_name, at))

    def decided(self, peer, packet, record):
        self.printed.append(("==", packet.identifier if packet else None, type(record).__name__))

    def sent(self, client, peer, octets):
        self.printed.append(("->", octets[1]))


@pytest.fixture
def printer():
    return Recorded()


def request(name=None, identifier=7):
    attributes = [] if name is None else [(radius.USER_NAME, name.encode())]
    return radius.encode_request(radius.ACCESS_REQUEST, identifier, bytes(16), attributes, SECRET)


def record(user="", reason=Reason.WRONG_PASSWORD, **values):
    fields = {"at": 50.0, "seconds": 0.1, "client": CLIENT, "client_address": PEER[0], "identifier": 7, "user": user}
    return RequestRecord(**{**fields, "outcome": Outcome.REJECT, "reason": reason, **values})


def pass_through(tap, octets, result, *, client=CLIENT, peer=PEER, answered=True):
    """A packet, its result, and a response to it."""
    packet = radius.decode(octets)
    tap.received(client, peer, octets)
    tap.decided(peer, packet, result)
    if answered:
        tap.sent(client, peer, radius.encode_reply(radius.ACCESS_REJECT, packet, [], SECRET))


def all_of(identifier, at=None):
    return [("<-", identifier, True, at), ("==", identifier, "RequestRecord"), ("->", identifier)]


@pytest.mark.parametrize("typed", ["bob", "BOB", " Bob "])
def test_a_user_matches_by_the_canonical_form_of_the_typed_name_before_the_decision(printer, typed):
    tap = SelectedPackets("Bob", None, printer)
    tap.received(CLIENT, PEER, request(typed))
    assert [("<-", 7, True, None)] == printer.printed
    tap.decided(PEER, radius.decode(request(typed)), record())
    assert ("==", 7, "RequestRecord") == printer.printed[1]


@pytest.mark.parametrize("typed", ["CORP\\bob", "bob@corp.example", None])
def test_a_packet_without_the_name_is_shown_once_the_directory_knows_its_user(printer, typed):
    tap = SelectedPackets("bob", None, printer)
    tap.received(CLIENT, PEER, request(typed))
    assert [] == printer.printed
    pass_through(tap, request(typed), record("Bob"))
    assert all_of(7, at=50.0) == printer.printed


def test_other_users_and_names_that_do_not_exist_are_not_shown(printer):
    tap = SelectedPackets("bob", None, printer)
    pass_through(tap, request("alice"), record("alice"))
    pass_through(tap, request("a password", 8), record(""))
    pass_through(tap, request(None, 9), record(""))
    assert [] == printer.printed


def test_the_response_to_another_packet_with_the_same_identifier_is_not_shown(printer):
    tap = SelectedPackets("bob", None, printer)
    pass_through(tap, request("CORP\\bob"), record("bob"))
    printer.printed.clear()
    pass_through(tap, request("alice"), record("alice"))
    pass_through(tap, request("alice"), record("alice"), peer=OTHER_PEER)
    assert [] == printer.printed


def test_accounting_of_the_user_is_shown_apart_from_authentication_with_the_same_identifier(printer):
    tap = SelectedPackets("bob", None, printer)
    pass_through(tap, request("CORP\\bob"), record("bob"))
    printer.printed.clear()
    name = b"CORP\\bob"
    attribute = bytes([radius.USER_NAME, len(name) + 2]) + name
    octets = bytes([ACCOUNTING_REQUEST, 7]) + (20 + len(attribute)).to_bytes(2) + bytes(16) + attribute
    response = bytes([ACCOUNTING_RESPONSE, 7]) + (20).to_bytes(2) + bytes(16)
    tap.sent(CLIENT, PEER, response)
    assert [] == printer.printed
    tap.received(CLIENT, PEER, octets)
    started = AccountingRecord(50.0, client=CLIENT, client_address=PEER[0], status="start", user="bob")
    tap.decided(PEER, radius.decode(octets), started)
    tap.sent(CLIENT, PEER, response)
    assert [("<-", 7, True, 50.0), ("==", 7, "AccountingRecord"), ("->", 7)] == printer.printed


@pytest.mark.parametrize(
    "repeat",
    [
        ResendRecord(51.0, CLIENT),
        DiscardRecord(51.0, client=CLIENT, client_address=PEER[0], reason=Discard.DUPLICATE),
    ],
)
def test_repetitions_of_a_packet_of_the_user_are_shown_and_those_of_others_are_not(printer, repeat):
    tap = SelectedPackets("bob", None, printer)
    pass_through(tap, request("CORP\\bob"), record("bob"))
    printer.printed.clear()
    pass_through(tap, request("CORP\\bob"), repeat, answered=False)
    assert [("<-", 7, True, 51.0), ("==", 7, type(repeat).__name__)] == printer.printed
    printer.printed.clear()
    pass_through(tap, request("alice", 8), repeat)
    assert [] == printer.printed


def test_a_packet_that_fails_verification_is_not_that_of_the_user_of_its_identifier(printer):
    tap = SelectedPackets("bob", None, printer)
    pass_through(tap, request("CORP\\bob"), record("bob"))
    printer.printed.clear()
    forged = DiscardRecord(51.0, client=CLIENT, client_address=PEER[0], reason=Discard.BAD_MESSAGE_AUTHENTICATOR)
    pass_through(tap, request("alice"), forged, answered=False)
    tap.decided(PEER, None, forged)
    assert [] == printer.printed


def test_all_packets_of_a_client_are_shown_without_the_names_in_them(printer):
    tap = SelectedPackets(None, CLIENT, printer)
    pass_through(tap, request("alice"), record("alice"))
    pass_through(tap, request("alice"), record("alice", client="other"), client="other")
    tap.decided(PEER, radius.decode(request("probe", 9)), ProbeRecord(50.0, CLIENT, Outcome.ACCEPT))
    assert [
        ("<-", 7, False, None),
        ("==", 7, "RequestRecord"),
        ("->", 7),
    ] == printer.printed[:3]
    assert ("==", 9, "ProbeRecord") == printer.printed[-1]


def test_with_a_user_and_a_client_packets_must_match_both(printer):
    tap = SelectedPackets("bob", CLIENT, printer)
    pass_through(tap, request("bob"), record("bob", client="other"), client="other")
    assert [] == printer.printed
    pass_through(tap, request("bob"), record("bob"))
    assert all_of(7) == printer.printed


def test_only_the_newest_packets_are_remembered(printer, monkeypatch):
    monkeypatch.setattr(selected, "MAX_REMEMBERED", 3)
    tap = SelectedPackets("bob", None, printer)
    for identifier in range(5):
        tap.received(CLIENT, PEER, request("CORP\\bob", identifier))
    assert 3 == len(tap._held)
    tap.decided(PEER, radius.decode(request("CORP\\bob", 0)), record("bob"))
    tap.decided(PEER, radius.decode(request("CORP\\bob", 4)), record("bob"))
    assert [("==", 0, "RequestRecord"), ("<-", 4, True, 50.0), ("==", 4, "RequestRecord")] == printer.printed


@given(st.lists(st.binary(min_size=20, max_size=60), max_size=10), st.sampled_from([None, "bob"]))
def test_no_octets_raise_an_error(datagrams, user):
    tap = SelectedPackets(user, None, Debug(DebugQueue(), lambda: 50.0))
    for datagram in datagrams:
        tap.received(CLIENT, PEER, datagram)
        tap.received(CLIENT, PEER, b"\x01\x07" + len(datagram).to_bytes(2) + datagram[4:])
