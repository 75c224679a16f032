"""The arguments that every store is created with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StoreContext:
    """The arguments that every store is created with."""

    state: Path  # the state directory
    key: Callable[[], bytes]  # returns the data key
    now: Callable[[], float]  # wall-clock seconds
    read_only: bool = False  # a store that nodes do not share creates and changes nothing
