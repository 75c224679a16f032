"""Counters of the packets of each gateway."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius_voice.events import Discard
from radius_voice.radius import packet as radius
from radius_voice.server.clients import Require
from radius_voice.server.generation import Rules
from radius_voice.server.traffic import MAX_ADDRESSES, MAX_INTERVAL, Traffic, TrafficReport, merged
from tests.login.harness import LoginHarness
from tests.server.test_time import PEER, InProcessClient, request

PROXY_STATE = (radius.PROXY_STATE, b"added by a proxy")
SIGNED = radius.decode(request("right"))


@pytest.fixture
def report():
    return TrafficReport()


@pytest.fixture
async def gateway(report):
    rules = Rules(reject_delay=0.0)
    return InProcessClient(LoginHarness(), None, Require.NO, rules, traffic=report, limit_proxy_state=Require.NO)


def counted(report, **more):
    (traffic,) = report.all(["vpn"])
    return {name: getattr(traffic, name) for name in more}


async def test_requests_are_counted_with_what_they_carry(gateway, report):
    await gateway.exchange(request("right", identifier=1))
    await gateway.exchange(request("x", PROXY_STATE, identifier=2))
    await gateway.exchange(request("x", PROXY_STATE, identifier=3, signed=False))
    await gateway.exchange(request("x", (radius.CHAP_PASSWORD, bytes(17)), identifier=4, signed=False))
    at = gateway.harness.clock.now
    expected = {
        "client": "vpn",
        "address": PEER[0],
        "first_seen": at,
        "last_seen": at,
        "requests": 4,
        "unsigned": 2,
        "last_unsigned": at,
        "proxy_state": 2,
        "unsigned_proxy_state": 1,
        "last_unsigned_proxy_state": at,
        "methods": {"pap": 3, "chap": 1},
        "discards": {},
        "retransmissions": 0,
    }
    assert expected == counted(report, **expected)


async def test_retransmissions_are_counted_by_the_time_since_the_first_packet(gateway, report):
    clock = gateway.harness.clock
    gateway.server._receiver._clock = clock
    first = request("right")
    for seconds in (0, 2.1, 1.9, 2.0):
        clock.now += seconds
        await gateway.exchange(first)
    expected = {"requests": 1, "retransmissions": 3, "intervals": {4: 1, 8: 1, 12: 1}, "discards": {}}
    assert expected == counted(report, **expected)


async def test_discards_are_counted_by_reason_and_status_server_is_no_request(gateway, report):
    await gateway.exchange(b"not a packet")
    octets = bytearray(request("right"))
    octets[-1] ^= 1
    await gateway.exchange(bytes(octets))
    await gateway.exchange(
        radius.encode_request(radius.STATUS_SERVER, 9, bytes(16), [], b"a shared secret of the tests")
    )
    expected = {"requests": 0, "discards": {"malformed": 1, "bad_message_authenticator": 1}}
    assert expected == counted(report, **expected)


def test_spoofed_addresses_do_not_displace_gateways(report):
    for number in range(MAX_ADDRESSES + 5):
        report.discard("vpn", f"192.0.2.{number}", Discard.MALFORMED, 1.0)
    for number in range(100, 103):
        report.request("vpn", f"192.0.2.{number}", SIGNED, "pap", 2.0)
    report.discard("vpn", "192.0.2.101", Discard.OVERLOAD, 3.0)
    found = {traffic.address: traffic for traffic in report.all(["vpn"])}
    assert {"192.0.2.100", "192.0.2.101", "192.0.2.102", ""} <= found.keys()
    assert len(found) == MAX_ADDRESSES + 1
    assert {"overload": 1} == found["192.0.2.101"].discards
    assert {"malformed": 5} == found[""].discards


def test_gateways_beyond_the_number_of_addresses_are_counted_together(report):
    for number in range(MAX_ADDRESSES + 2):
        report.request("vpn", f"192.0.2.{number}", SIGNED, "pap", 1.0)
    report.retransmission("vpn", "192.0.2.200", 1e9, 2.0)
    found = {traffic.address: traffic for traffic in report.all(["vpn"])}
    assert (MAX_ADDRESSES + 1, 2, {MAX_INTERVAL: 1}) == (len(found), found[""].requests, found[""].intervals)


def test_clients_that_are_no_longer_configured_are_forgotten(report):
    report.request("vpn", "192.0.2.1", SIGNED, "pap", 1.0)
    report.request("removed", "192.0.2.2", SIGNED, "pap", 1.0)
    assert ["vpn"] == [traffic.client for traffic in report.all({"vpn": None})]
    assert [] == report.all([])


counts = st.integers(0, 1000)
names = st.dictionaries(st.sampled_from(["a", "b"]), counts)
times = st.floats(0, 1e9)
traffic = st.builds(
    Traffic,
    client=st.just("vpn"),
    address=st.sampled_from(["192.0.2.1", "192.0.2.2"]),
    first_seen=times,
    last_seen=times,
    requests=counts,
    unsigned=counts,
    last_unsigned=times,
    proxy_state=counts,
    unsigned_proxy_state=counts,
    last_unsigned_proxy_state=times,
    retransmissions=counts,
    methods=names,
    discards=names,
    intervals=st.dictionaries(st.integers(0, 5), counts),
)


@given(st.lists(traffic, max_size=5))
def test_the_reports_of_processes_are_added_up_in_any_order(reports):
    total = merged(reports)
    assert total == merged(reversed(reports))
    assert sum(each.requests for each in reports) == sum(each.requests for each in total)
    assert {each.address for each in reports} == {each.address for each in total}
    for each in total:
        same = [report for report in reports if report.address == each.address]
        assert min(report.first_seen for report in same) == each.first_seen
        assert max(report.last_unsigned for report in same) == each.last_unsigned
        assert sum(report.methods.get("a", 0) for report in same) == each.methods.get("a", 0)
