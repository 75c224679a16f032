"""The steps of processing one packet, for its audit record. Every module may import it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class TraceStep(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One step in processing a packet."""

    name: str
    after: float  # seconds since the arrival
    detail: str = ""  # without secrets


class Trace:
    """Collects the steps of one packet. `arrived` and `clock` are monotonic seconds."""

    __slots__ = ("_arrived", "_clock", "steps")

    def __init__(self, arrived: float, clock: Callable[[], float]) -> None:
        self._arrived = arrived
        self._clock = clock
        self.steps: list[TraceStep] = []

    def step(self, name: str, detail: str = "") -> None:
        """Add a step with the current time, in microseconds."""
        self.steps.append(TraceStep(name, round(self._clock() - self._arrived, 6), detail))
