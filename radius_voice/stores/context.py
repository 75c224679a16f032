"""The arguments that every store is created with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StoreContext:
    """`state` is the state directory, `key` returns `server.key`, `now` is wall-clock seconds.

    With `read_only`, a store that no other node can change is not changed, and nothing is created.
    """

    state: Path
    key: Callable[[], bytes]
    now: Callable[[], float]
    read_only: bool = False
