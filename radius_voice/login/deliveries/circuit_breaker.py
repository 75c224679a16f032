"""Circuit breaker: a provider that has an outage is skipped for a while, then one delivery tries it again. Pure.

A breaker is closed until `MAX_OUTAGES` requests in a row have found an outage. Then it is open: the provider is skipped
for `SKIP_SECONDS`. After that it is half open: one delivery is a probe, and while its answer is awaited the others skip
the provider for as long again. The first answer that is no outage closes the breaker, whichever request it is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, StrEnum

from radius_voice.login.deliveries.requests import DeliveryResult, Indeterminate, NotPlaced, NumberRejected

MAX_OUTAGES = 3
"""After this many outages in a row a provider is skipped."""
SKIP_SECONDS = 30.0
"""How long it is skipped before a probe, and between two probes."""


class Change(Enum):
    """What an answer has changed."""

    OPENED = "opened"
    CLOSED = "closed"


class State(StrEnum):
    """Whether a provider is used, skipped, or tried again by the next delivery."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class CircuitBreaker:
    """The circuit breaker of one provider. `clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._outages = 0
        self._skipped_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the latest answers were outages."""
        return self._outages >= MAX_OUTAGES

    @property
    def state(self) -> State:
        """The state at present. Reading it makes no delivery the probe."""
        if not self.is_open:
            return State.CLOSED
        return State.OPEN if self._clock() < self._skipped_until else State.HALF_OPEN

    def skips(self) -> bool:
        """Whether the next delivery skips the provider. If it is False while the breaker is open, it is the probe."""
        if not self.is_open:
            return False
        now = self._clock()
        if now < self._skipped_until:
            return True
        self._skipped_until = now + SKIP_SECONDS
        return False

    def record(self, answer: DeliveryResult) -> Change | None:
        """Count an answer of the provider; None if it has neither opened nor closed the breaker."""
        outage = is_outage(answer)
        if outage is None:
            return None
        was_open = self.is_open
        if not outage:
            self._outages = 0
            return Change.CLOSED if was_open else None
        self._outages += 1
        if not self.is_open:
            return None
        self._skipped_until = self._clock() + SKIP_SECONDS
        return None if was_open else Change.OPENED


def is_outage(answer: DeliveryResult) -> bool | None:
    """Whether an answer shows an outage; None if it shows neither that nor the opposite.

    Indeterminate counts as one: a provider that breaks connections, times out or responds with server errors may have
    made the delivery, but it does not work. A request that was not sent for another reason says nothing.
    """
    match answer:
        case Indeterminate():
            return True
        case NotPlaced(outage=False, sent=False) | NumberRejected(sent=False):
            return None
        case NotPlaced():
            return answer.outage
        case _:
            return False


def breakers_of(
    sections: Mapping[str, object],
    clock: Callable[[], float],
    sections_before: Mapping[str, object],
    before: Mapping[str, CircuitBreaker],
) -> dict[str, CircuitBreaker]:
    """A circuit breaker for each provider; one whose section has not changed keeps that of the former configuration."""
    return {
        name: before[name] if name in before and section == sections_before[name] else CircuitBreaker(clock)
        for name, section in sections.items()
    }
