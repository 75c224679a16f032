"""Counts the packets of each gateway by client entry and source address, for `radius-voice clients`.

The counters are in memory; `server.traffic_file` stores them. They contain no name, password or code. Packets without
Message-Authenticator can be spoofed, and so can their counters.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, TypeVar

from msgspec import Meta, Struct, field, structs

from radius_voice.events import Discard
from radius_voice.radius import packet as radius
from radius_voice.radius.packet import Packet

MAX_ADDRESSES = 64
"""The maximum number of addresses of one client that are counted separately."""
OTHER_ADDRESSES = ""
HALF_SECONDS = 2
MAX_INTERVAL = 60 * HALF_SECONDS
MAX_TIME = 253_402_300_799.0
"""The end of the year 9999."""
Key = TypeVar("Key")
# A damaged file may contain other values.
Time = Annotated[float, Meta(ge=0.0, le=MAX_TIME)]
Count = Annotated[int, Meta(ge=0)]
Interval = Annotated[int, Meta(ge=0, le=MAX_INTERVAL)]


class Traffic(Struct, omit_defaults=True):
    """The packets of one client from one address. Times are wall-clock seconds, 0 for never."""

    client: str
    address: str  # empty: all addresses beyond `MAX_ADDRESSES`
    first_seen: Time
    last_seen: Time
    requests: Count = 0  # authentic Access-Requests without retransmissions
    unsigned: Count = 0  # requests without Message-Authenticator
    last_unsigned: Time = 0.0
    proxy_state: Count = 0  # requests with Proxy-State
    unsigned_proxy_state: Count = 0  # requests with Proxy-State and without Message-Authenticator
    last_unsigned_proxy_state: Time = 0.0
    retransmissions: Count = 0
    methods: dict[str, Count] = field(default_factory=dict)  # requests by authentication method
    discards: dict[str, Count] = field(default_factory=dict)  # discarded datagrams by reason
    intervals: dict[Interval, Count] = field(default_factory=dict)  # retransmissions by half seconds after the first


class TrafficReport:
    """Counts packets. `changed` says whether the counts must be stored; the caller sets it to False afterwards."""

    def __init__(self, kept: Iterable[Traffic] = ()) -> None:
        self._by_client: dict[str, dict[str, Traffic]] = {}
        self.changed = False
        for traffic in kept:
            self._by_client.setdefault(traffic.client, {})[traffic.address] = traffic

    def request(self, client: str, address: str, packet: Packet, method: str, at: float) -> None:
        """Count an authentic Access-Request that is not a retransmission."""
        traffic = self._traffic(client, address, at, authentic=True)
        traffic.requests += 1
        traffic.methods[method] = traffic.methods.get(method, 0) + 1
        has_proxy_state = radius.PROXY_STATE in packet.firsts
        traffic.proxy_state += has_proxy_state
        if packet.message_authenticator:
            return
        traffic.unsigned += 1
        traffic.last_unsigned = at
        if has_proxy_state:
            traffic.unsigned_proxy_state += 1
            traffic.last_unsigned_proxy_state = at

    def retransmission(self, client: str, address: str, interval: float, at: float) -> None:
        """Count a retransmission, `interval` seconds after the first packet."""
        traffic = self._traffic(client, address, at, authentic=True)
        traffic.retransmissions += 1
        key = min(round(interval * HALF_SECONDS), MAX_INTERVAL)
        traffic.intervals[key] = traffic.intervals.get(key, 0) + 1

    def discard(self, client: str, address: str, reason: Discard, at: float) -> None:
        """Count a discarded datagram, whose address may be spoofed."""
        traffic = self._traffic(client, address, at, authentic=False)
        traffic.discards[reason] = traffic.discards.get(reason, 0) + 1

    def all(self, clients: Collection[str]) -> list[Traffic]:
        """The traffic of these clients. Forgets other clients, which were removed from the configuration."""
        for removed in self._by_client.keys() - set(clients):
            del self._by_client[removed]
        return [traffic for by_address in self._by_client.values() for traffic in by_address.values()]

    def _traffic(self, client: str, address: str, at: float, *, authentic: bool) -> Traffic:
        by_address = self._by_client.setdefault(client, {})
        traffic = by_address.get(address)
        if traffic is None:
            if len(by_address) >= MAX_ADDRESSES and address != OTHER_ADDRESSES:
                unproved = [each.address for each in by_address.values() if not each.requests and each.address]
                if not authentic or not unproved:
                    return self._traffic(client, OTHER_ADDRESSES, at, authentic=authentic)
                del by_address[unproved[0]]
            traffic = by_address[address] = Traffic(client, address, at, at)
        traffic.last_seen = at
        self.changed = True
        return traffic


def merged(reports: Iterable[Traffic]) -> list[Traffic]:
    """The sum of the reports of several processes, by client and address."""
    found: dict[tuple[str, str], Traffic] = {}
    for each in reports:
        key = (each.client, each.address)
        found[key] = _sum(found[key], each) if key in found else each
    return [found[key] for key in sorted(found)]


def _sum(one: Traffic, other: Traffic) -> Traffic:
    return structs.replace(
        one,
        first_seen=min(one.first_seen, other.first_seen),
        last_seen=max(one.last_seen, other.last_seen),
        requests=one.requests + other.requests,
        unsigned=one.unsigned + other.unsigned,
        last_unsigned=max(one.last_unsigned, other.last_unsigned),
        proxy_state=one.proxy_state + other.proxy_state,
        unsigned_proxy_state=one.unsigned_proxy_state + other.unsigned_proxy_state,
        last_unsigned_proxy_state=max(one.last_unsigned_proxy_state, other.last_unsigned_proxy_state),
        retransmissions=one.retransmissions + other.retransmissions,
        methods=_added(one.methods, other.methods),
        discards=_added(one.discards, other.discards),
        intervals=_added(one.intervals, other.intervals),
    )


def _added(one: Mapping[Key, int], other: Mapping[Key, int]) -> dict[Key, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in one.keys() | other.keys()}
