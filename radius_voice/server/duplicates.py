"""The duplicate table of RFC 5080 section 2.2.2: recent requests and their responses.

Pure: time is an argument. Only requests that passed the authenticity checks may be added or looked up.

A request is identified by its key (source address, source port, identifier, receiving socket) and its Request
Authenticator. With a verified Message-Authenticator, another Request Authenticator under the same key replaces the
earlier request, as the RFC says. Without one, an attacker who spoofs the source address could suppress the response
to a genuine request that way. So requests without Message-Authenticator replace nothing: one key holds up to
`MAX_UNSIGNED` of them, and neither kind can displace the other.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

MAX_UNSIGNED = 4

Origin = tuple[object, ...]
"""Source address, source port, identifier and receiving socket of a request."""


class Seen(Enum):
    """The state of a request that has no response yet: new, being processed, or refused by the table."""

    NEW = "new"
    IN_PROGRESS = "in_progress"
    REFUSED = "refused"


class RequestId(NamedTuple):
    """Identifies a request. `signed`: it carries a verified Message-Authenticator."""

    origin: Origin
    authenticator: bytes
    signed: bool


@dataclass(slots=True)
class _Entry:
    request: RequestId
    since: float
    reply: bytes | None = None


class Duplicates:
    """Requests of the last `window` seconds (5 to 30) and their responses."""

    def __init__(self, window: float) -> None:
        self.window = window
        self._entries: dict[tuple[Origin, bool], list[_Entry]] = {}
        self._oldest: deque[_Entry] = deque()

    def __len__(self) -> int:
        return sum(map(len, self._entries.values()))

    def look_up(self, request: RequestId, now: float) -> Seen | bytes:
        """Look up a request at `now`, monotonic seconds, and add it to the table if it is new.

        Returns NEW, IN_PROGRESS, REFUSED, or the octets of the response that the same request got.

        REFUSED: the request has no Message-Authenticator, and its key already has `MAX_UNSIGNED` others. None of them
        is removed, because one of them could be genuine.
        """
        self._expire(now)
        kept = self._kept(request)
        known = _find(kept, request)
        if known is not None:
            return Seen.IN_PROGRESS if known.reply is None else known.reply
        if not request.signed and len(kept) >= MAX_UNSIGNED:
            return Seen.REFUSED
        entry = _Entry(request, now)
        self._entries[request.origin, request.signed] = [entry] if request.signed else [*kept, entry]
        self._oldest.append(entry)
        return Seen.NEW

    def age_of(self, request: RequestId, now: float) -> float:
        """The seconds since a request in the table was first received."""
        entry = _find(self._kept(request), request)
        return 0.0 if entry is None else now - entry.since

    def keep_response(self, request: RequestId, reply: bytes) -> bool:
        """Store the response to a request. False if a newer request has replaced it: do not send the response then."""
        kept = self._kept(request)
        entry = _find(kept, request)
        if entry is None:
            return not (request.signed and kept)
        entry.reply = reply
        return True

    def forget(self, request: RequestId) -> None:
        """Remove a request that gets no response, so that its retransmission is processed."""
        entry = _find(self._kept(request), request)
        if entry is not None:
            self._remove(entry)

    def _kept(self, request: RequestId) -> list[_Entry]:
        return self._entries.get((request.origin, request.signed), [])

    def _expire(self, now: float) -> None:
        oldest = self._oldest
        while oldest and now - oldest[0].since > self.window:
            self._remove(oldest.popleft())

    def _remove(self, entry: _Entry) -> None:
        """Remove the entry, if it is still in the table."""
        key = (entry.request.origin, entry.request.signed)
        left = [other for other in self._entries.get(key, []) if other is not entry]
        if left:
            self._entries[key] = left
        else:
            self._entries.pop(key, None)


def _find(kept: list[_Entry], request: RequestId) -> _Entry | None:
    for entry in kept:
        if entry.request.authenticator == request.authenticator:
            return entry
    return None
