"""Whether one password verification fits into the time that the gateways wait for an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from radius_voice.bounded import NoAnswer, bounded
from radius_voice.login.ports import IdentitySource

SHARE_OF_ANSWER = 0.5


def slow_verifications(identity: Mapping[str, IdentitySource], response_timeout: Mapping[str, float]) -> Iterator[str]:
    """Time the costliest verification of each identity source; yield an error for each that is too slow.

    The limit is half of the shortest `response_timeout` (seconds, by client). A verification that takes longer is not
    waited for, so this blocks for at most the limit for each source. The cheapest parameters are timed first, because
    a verification that is no longer waited for still runs.
    """
    client = min(response_timeout, key=lambda name: response_timeout[name])
    limit = response_timeout[client] * SHARE_OF_ANSWER
    costliest = [(name, each) for name, source in identity.items() if (each := source.costliest_verification())]
    for name, verification in sorted(costliest, key=lambda pair: pair[1].work):
        try:
            bounded(f"verification with {verification.parameters}", verification.run, limit)
        except NoAnswer:
            problem = f"takes longer than {limit:g} s, half of the shortest response_timeout (clients.{client})"
        except ValueError as error:
            problem = f"fails: {error}"
        else:
            continue
        yield (
            f"identity.{name}: {identity[name].location}: verifying one password with {verification.parameters} "
            f"{problem}; {verification.fix}"
        )
