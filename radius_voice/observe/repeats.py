"""Identical requests in the audit log and the log: a record at once, then one a minute that counts the rest.

A recorded packet that is sent again and again from other ports is authentic each time and is decided each time.
Without this, one such packet would fill the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from radius_voice.events import Event, Observer, Outcome, Reason, Recorded

PERIOD = 60.0
MAX_TRACKED = 10_000

_Key = tuple[str, int, Outcome, Reason]


@dataclass(slots=True)
class _Tracked:
    """What was written lately: when the next record is due, and what was held back since the last one."""

    due: float
    count: int = 0
    latest: Event | None = None


class Repeats:
    """An observer in front of `readers` that holds identical requests back; every other record passes.

    Identical are packets of one client with the same octets, outcome and reason. `repeated` of the records that pass
    later says how many packets each stands for, so nothing is lost. At most `MAX_TRACKED` packets are tracked;
    beyond that the oldest is written and forgotten. `now` is monotonic seconds.
    """

    def __init__(self, readers: Sequence[Observer], now: Callable[[], float]) -> None:
        self._readers = readers
        self._now = now
        self._tracked: dict[_Key, _Tracked] = {}  # in the order in which records are due

    def __call__(self, record: Recorded) -> None:
        """Give `record` to the readers, or hold it back."""
        if isinstance(record, Event) and record.packet:
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
                self._tracked[key] = _Tracked(now + PERIOD)

    def write_rest(self) -> None:
        """Write everything that is held back: the service stops."""
        for key in list(self._tracked):
            self._leaves(key)

    def _held_back(self, event: Event) -> bool:
        key = (event.client, event.packet, event.outcome, event.reason)
        tracked = self._tracked.get(key)
        if tracked is not None:
            tracked.count += 1
            tracked.latest = event
            return True
        if len(self._tracked) >= MAX_TRACKED:
            self._leaves(next(iter(self._tracked)))
        self._tracked[key] = _Tracked(self._now() + PERIOD)
        return False

    def _leaves(self, key: _Key) -> bool:
        """Forget a packet; whether anything of it was held back, which is written."""
        tracked = self._tracked.pop(key)
        if tracked.latest is None:
            return False
        self._write(replace(tracked.latest, repeated=tracked.count))
        return True

    def _write(self, record: Recorded) -> None:
        for reader in self._readers:
            reader(record)
