"""Circuit breaker: a provider with an outage is skipped for a while, then one delivery probes it. Pure.

A breaker is closed until `MAX_OUTAGES` requests in a row have shown an outage. Then it is open, and the provider is
skipped for `SKIP_SECONDS`. After that it is half open: one delivery is the probe, and the others skip the provider for
another `SKIP_SECONDS`. The first answer that does not show an outage closes the breaker, whichever request it belongs
to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, StrEnum

from radius_voice.login.deliveries.requests import DeliveryResult, Indeterminate, NotPlaced, NumberRejected

MAX_OUTAGES = 3
"""The breaker opens after this many outages in a row."""
SKIP_SECONDS = 30.0
"""The time before the first probe and between probes."""


class Change(Enum):
    """How an answer has changed the state."""

    OPENED = "opened"
    CLOSED = "closed"


class State(StrEnum):
    """The state of a circuit breaker."""

    CLOSED = "closed"
    """The provider is used."""
    HALF_OPEN = "half_open"
    """The next delivery is a probe."""
    OPEN = "open"
    """The provider is skipped."""


class CircuitBreaker:
    """The circuit breaker of one provider. `clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._outages = 0
        self._skipped_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the breaker is open or half open: the last answers were outages."""
        return self._outages >= MAX_OUTAGES

    @property
    def state(self) -> State:
        """The current state. Unlike `skips`, reading it does not start a probe."""
        if not self.is_open:
            return State.CLOSED
        return State.OPEN if self._clock() < self._skipped_until else State.HALF_OPEN

    def skips(self) -> bool:
        """Whether this delivery must skip the provider. If False in the half-open state, this delivery is the probe."""
        if not self.is_open:
            return False
        now = self._clock()
        if now < self._skipped_until:
            return True
        self._skipped_until = now + SKIP_SECONDS
        return False

    def record(self, answer: DeliveryResult) -> Change | None:
        """Count an answer of the provider. Returns None if it neither opened nor closed the breaker."""
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
    """Whether an answer shows an outage; None if it does not tell.

    Indeterminate shows an outage: a provider that breaks connections, times out or responds with server errors does not
    work, although it may have made the delivery. A request that was not sent for another reason does not tell.
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
    """A circuit breaker for each provider. After a reload, a provider with the same section keeps its breaker."""
    return {
        name: before[name] if name in before and section == sections_before[name] else CircuitBreaker(clock)
        for name, section in sections.items()
    }
