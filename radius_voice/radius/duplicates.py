"""Who has asked this before? The duplicate table of RFC 5080 section 2.2.2.

Pure: time is an argument. Only packets whose authenticity was checked may touch the table.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum

Origin = tuple[object, ...]
"""Source address, source port, identifier and receiving socket of a request."""


class Seen(Enum):
    """What the table says of a request that gets no octets again."""

    NEW = "new"
    IN_PROGRESS = "in_progress"


@dataclass(slots=True)
class _Entry:
    origin: Origin
    authenticator: bytes
    since: float
    reply: bytes | None = None


class Duplicates:
    """Requests of the last `window` seconds (5 to 30) with the replies they got."""

    def __init__(self, window: float) -> None:
        self.window = window
        self._entries: dict[Origin, _Entry] = {}
        self._oldest: deque[_Entry] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def ask(self, origin: Origin, authenticator: bytes, now: float) -> Seen | bytes:
        """NEW (and remembered from now on), IN_PROGRESS, or the octets that the same request got.

        Another Request Authenticator under the same origin is a new request: the old entry goes.
        """
        self._forget(now)
        entry = self._entries.get(origin)
        if entry is not None and entry.authenticator == authenticator:
            return Seen.IN_PROGRESS if entry.reply is None else entry.reply
        entry = _Entry(origin, authenticator, now)
        self._entries[origin] = entry
        self._oldest.append(entry)
        return Seen.NEW

    def answered(self, origin: Origin, authenticator: bytes, reply: bytes) -> bool:
        """Keep the reply of a request; False when a newer request has taken its place."""
        entry = self._entries.get(origin)
        if entry is None:
            return True
        if entry.authenticator != authenticator:
            return False
        entry.reply = reply
        return True

    def forget(self, origin: Origin, authenticator: bytes) -> None:
        """Drop a request that ended in silence, so that its retransmission is looked at afresh."""
        entry = self._entries.get(origin)
        if entry is not None and entry.authenticator == authenticator:
            del self._entries[origin]

    def _forget(self, now: float) -> None:
        oldest = self._oldest
        while oldest and now - oldest[0].since > self.window:
            entry = oldest.popleft()
            if self._entries.get(entry.origin) is entry:
                del self._entries[entry.origin]
