"""Selects a limited number of items from a changing list, so that all items get their turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Turns:
    """Selects at most `most` items each time, and continues with the following items the next time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0

    def next(self, items: Sequence[T]) -> list[T]:
        """The next items, without duplicates."""
        start = self._taken % len(items) if items else 0
        chosen = [*items[start:], *items[:start]][: self._most]
        self._taken += len(chosen)
        return chosen
