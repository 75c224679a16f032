"""The report of `radius-voice clients`: what each gateway sends, what stricter settings would discard, and timers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from radius_voice.config.client_settings import ClientSettings
from radius_voice.config.schema import Settings
from radius_voice.server.traffic import HALF_SECONDS, Traffic, merged
from radius_voice.server.traffic_file import read_all

MIN_RETRANSMISSIONS = 3
"""A retransmission interval is reported after this number of retransmissions with it."""


def clients(settings: Settings) -> Mapping[str, Any]:
    """The report about all configured clients, also those that have sent nothing. Raises OSError or ValueError."""
    found = [each for each in merged(read_all(settings.server.state)) if each.client in settings.clients]
    unseen = [name for name in settings.clients if name not in {each.client for each in found}]
    return {"clients": [_row(each, settings.clients[each.client]) for each in found], "never_seen": unseen}


def _row(traffic: Traffic, client: ClientSettings) -> Mapping[str, Any]:
    interval = _interval(traffic)
    return {
        "client": traffic.client,
        "address": traffic.address,
        "first_seen": _time(traffic.first_seen),
        "last_seen": _time(traffic.last_seen),
        "requests": traffic.requests,
        "without_message_authenticator": traffic.unsigned,
        "last_without_message_authenticator": _time(traffic.last_unsigned),
        "with_proxy_state": traffic.proxy_state,
        "proxy_state_without_message_authenticator": traffic.unsigned_proxy_state,
        "last_proxy_state_without_message_authenticator": _time(traffic.last_unsigned_proxy_state),
        "methods": dict(sorted(traffic.methods.items())),
        "discards": dict(sorted(traffic.discards.items())),
        "retransmissions": traffic.retransmissions,
        "retransmission_interval": interval,
        "response_timeout": client.response_timeout,
        "would_discard": {
            "require_message_authenticator": traffic.unsigned > 0,
            "limit_proxy_state": traffic.unsigned_proxy_state > 0,
        },
        "findings": list(_findings(traffic, client, interval)),
    }


def _interval(traffic: Traffic) -> float | None:
    """The most frequent interval in seconds, None if none was seen often. Immediate copies of a packet do not count."""
    intervals = {key: count for key, count in traffic.intervals.items() if key and count >= MIN_RETRANSMISSIONS}
    return max(intervals, key=intervals.__getitem__) / HALF_SECONDS if intervals else None


def _findings(traffic: Traffic, client: ClientSettings, interval: float | None) -> Iterator[str]:
    if traffic.unsigned:
        last = _time(traffic.last_unsigned)
        counts = f"{traffic.unsigned} of {traffic.requests} had no Message-Authenticator, the last at {last}"
        yield f"require_message_authenticator: yes would discard requests: {counts}"
    if traffic.unsigned_proxy_state:
        last = _time(traffic.last_unsigned_proxy_state)
        counts = f"{traffic.unsigned_proxy_state} had Proxy-State and no Message-Authenticator, the last at {last}"
        yield f"limit_proxy_state: yes would discard requests: {counts}"
    if traffic.requests and not traffic.unsigned and client.require_message_authenticator != "yes":
        since = _time(traffic.first_seen)
        yield f"require_message_authenticator: yes would have discarded no request since {since}"
    if interval is not None and interval <= client.response_timeout:
        timer = f"the gateway retransmits after about {interval:g} s"
        fix = f"raise its timeout to at least {client.response_timeout + 1:g} s"
        yield f"{timer}, before response_timeout ({client.response_timeout:g} s): {fix}, or lower response_timeout"


def _time(at: float) -> str | None:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
