"""Identical requests in the audit log and the log: a record at once, then one a minute that counts the rest.

A recorded packet that is sent again and again from other ports is authentic each time and is decided each time.
Without this, one such packet would fill the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from radius_voice.events import Event, Observer, Outcome, Reason, Recorded

PERIOD = 60.0
MAX_TRACKED = 10_000
MAX_SOURCES = 16

_Key = tuple[str, int, Outcome, Reason]


@dataclass(slots=True)
class _Tracked:
    """What was written of a packet: from which addresses, and when the next record is due.

    `count` is how many copies were held back since the last record, `latest` the last of them.
    """

    due: float
    sources: set[str] = field(default_factory=set)
    count: int = 0
    latest: Event | None = None


class Repeats:
    """An observer in front of `readers` that holds identical requests back; every other record passes.

    Identical are packets of one client with the same octets, outcome and reason; the first from each of `MAX_SOURCES`
    addresses passes. Accepts and challenges pass unless they repeat an earlier result. `repeated` of the records that
    are written later says how many packets each stands for, so nothing is lost. At most `MAX_TRACKED` packets are
    tracked; beyond that the oldest is written and forgotten. `now` is monotonic seconds.
    """

    def __init__(self, readers: Sequence[Observer], now: Callable[[], float]) -> None:
        self._readers = readers
        self._now = now
        self._tracked: dict[_Key, _Tracked] = {}  # in the order in which records are due

    def __call__(self, record: Recorded) -> None:
        """Give `record` to the readers, or hold it back."""
        if isinstance(record, Event) and _can_be_replayed(record):
            self.write_due()
            if self._held_back(record):
                return
        self._write(record)

    def write_due(self) -> None:
        """Write what was held back for long enough. To be called every few seconds too."""
        now = self._now()
        while self._tracked:
            key, tracked = next(iter(self._tracked.items()))
            if tracked.due > now:
                return
            if self._leaves(key):
                self._tracked[key] = _Tracked(now + PERIOD, tracked.sources)

    def write_rest(self) -> None:
        """Write everything that is held back: the service stops."""
        for key in list(self._tracked):
            self._leaves(key)

    def _held_back(self, event: Event) -> bool:
        key = (event.client, event.packet, event.outcome, event.reason)
        tracked = self._tracked.get(key)
        if tracked is None:
            if len(self._tracked) >= MAX_TRACKED:
                self._leaves(next(iter(self._tracked)))
            tracked = self._tracked[key] = _Tracked(self._now() + PERIOD)
        if event.source not in tracked.sources and len(tracked.sources) < MAX_SOURCES:
            tracked.sources.add(event.source)
            return False
        tracked.count += 1
        tracked.latest = event
        return True

    def _leaves(self, key: _Key) -> bool:
        """Track a packet no longer, and write what was held back of it; whether anything was."""
        tracked = self._tracked.pop(key)
        if tracked.latest is None:
            return False
        self._write(replace(tracked.latest, repeated=tracked.count))
        return True

    def _write(self, record: Recorded) -> None:
        for reader in self._readers:
            reader(record)


def _can_be_replayed(event: Event) -> bool:
    """Whether copies of the packet may get the same result again; `packet` is 0 where its octets are not known."""
    again = event.outcome in (Outcome.REJECT, Outcome.SILENCE) or event.reason in (Reason.STATUS, Reason.REPEATED)
    return event.packet != 0 and again
