"""Checks that one password verification takes a small part of the time that gateways wait for a response."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from radius_voice.bounded import WorkTimeout, bounded
from radius_voice.login.ports import IdentitySource

MAX_SHARE_OF_TIMEOUT = 0.5


def slow_verifications(identity: Mapping[str, IdentitySource], response_timeout: Mapping[str, float]) -> Iterator[str]:
    """Time the costliest verification of each identity source; yield an error for each that is too slow.

    The limit is half of the shortest `response_timeout` (seconds, by client). This blocks for at most the limit for
    each source. The cheapest parameters are timed first, because a verification that exceeds the limit still runs.
    """
    client = min(response_timeout, key=lambda name: response_timeout[name])
    limit = response_timeout[client] * MAX_SHARE_OF_TIMEOUT
    costliest = [(name, each) for name, source in identity.items() if (each := source.costliest_verification())]
    for name, verification in sorted(costliest, key=lambda pair: pair[1].work):
        try:
            bounded(f"verification with {verification.parameters}", verification.run, limit)
        except WorkTimeout:
            problem = f"takes longer than {limit:g} s, half of the shortest response_timeout (clients.{client})"
        except ValueError as error:
            problem = f"fails: {error}"
        else:
            continue
        yield (
            f"identity.{name}: {identity[name].location}: verifying one password with {verification.parameters} "
            f"{problem}; {verification.fix}"
        )
