"""A bounded part of a changing list at a time, so that each item has its turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Turns:
    """Chooses at most `most` items each time, and others the next time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0

    def next(self, items: Sequence[T]) -> list[T]:
        """The items whose turn it is, none twice."""
        start = self._taken % len(items) if items else 0
        chosen = [*items[start:], *items[:start]][: self._most]
        self._taken += len(chosen)
        return chosen
