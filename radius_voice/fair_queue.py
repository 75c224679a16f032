"""A bounded queue that no single sender can fill. Pure; every module may import it."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Preferred items come first, in order of arrival; the others are taken round-robin by key.

    At most `capacity` items wait. When one more is added, the newest item of the key with the most items is dropped; a
    preferred item is dropped only if no others wait.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._preferred: deque[T] = deque()
        self._others: OrderedDict[str, deque[T]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, item: T, key: str, *, preferred: bool) -> T | None:
        """Add an item. If the queue is full, returns the item that is dropped, which may be the new one."""
        if preferred:
            self._preferred.append(item)
        else:
            self._others.setdefault(key, deque()).append(item)
        self._count += 1
        return self._dropped() if self._count > self.capacity else None

    def pop(self) -> T | None:
        """Remove and return the next item; None if the queue is empty."""
        if not self._count:
            return None
        self._count -= 1
        if self._preferred:
            return self._preferred.popleft()
        key, items = self._others.popitem(last=False)
        item = items.popleft()
        if items:
            self._others[key] = items
        return item

    def remove(self, unwanted: Callable[[T], bool]) -> None:
        """Remove every item for which `unwanted` is true."""
        self._preferred = deque(item for item in self._preferred if not unwanted(item))
        kept = ((key, deque(item for item in items if not unwanted(item))) for key, items in self._others.items())
        self._others = OrderedDict((key, items) for key, items in kept if items)
        self._count = len(self._preferred) + sum(map(len, self._others.values()))

    def _dropped(self) -> T:
        self._count -= 1
        if not self._others:
            return self._preferred.pop()
        key = max(self._others, key=lambda each: len(self._others[each]))
        items = self._others[key]
        item = items.pop()
        if not items:
            del self._others[key]
        return item
