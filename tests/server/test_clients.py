"""Gateways are found by source address, longest prefix first."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius_voice.server.clients import Client, Clients, Require


def client(name):
    return Client(name, (b"secret",), Require.YES, "default", 2.5, ())


def clients(*networks):
    return Clients((ip_network(network), client(network)) for network in networks)


def found(table, client_address):
    entry = table.find(client_address)
    return entry.name if entry else None


@pytest.mark.parametrize(
    ("client_address", "network"),
    [
        ("192.0.2.200", "192.0.2.200/32"),
        ("192.0.2.201", "192.0.2.128/25"),
        ("192.0.2.5", "192.0.2.0/24"),
        ("198.51.100.1", None),
        ("2001:db8::1", "2001:db8::1/128"),
        ("2001:db8::2", "2001:db8::/64"),
        ("2001:db9::2", None),
        ("::ffff:192.0.2.201", "192.0.2.128/25"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_the_longest_prefix_wins_in_any_order(client_address, network):
    networks = ["192.0.2.0/24", "192.0.2.200/32", "2001:db8::/64", "192.0.2.128/25", "2001:db8::1/128", "fe80::/64"]
    assert network == found(clients(*networks), client_address)
    assert network == found(clients(*reversed(networks)), client_address)


def test_a_whole_address_family_is_a_prefix_that_excludes_the_other():
    assert found(clients("0.0.0.0/0"), "203.0.113.9") == "0.0.0.0/0"
    assert found(clients("0.0.0.0/0"), "2001:db8::1") is None
    assert found(clients("::/0"), "203.0.113.9") is None
    assert found(clients("::/0"), "::ffff:203.0.113.9") is None


def test_no_secret_is_in_a_clients_repr():
    assert "secret" not in repr(client("a")).replace("secrets", "")


@given(
    st.lists(
        st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(lambda pair: ip_network(pair, strict=False)),
        unique=True,
        max_size=20,
    ),
    st.ip_addresses(v=4),
)
def test_the_narrowest_matching_network_is_found(networks, client_address):
    holding = [network for network in networks if client_address in network]
    expected = str(max(holding, key=lambda network: network.prefixlen)) if holding else None
    assert expected == found(clients(*map(str, networks)), str(client_address))
