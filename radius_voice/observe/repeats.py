"""Merges the records of identical requests for the audit log and the log: the first, then one per minute with a count.

An attacker can send a captured packet again from other ports; it is authentic and is processed each time. Without this
limit, one captured packet could fill the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from radius_voice.events import EventRecord, Observer, Outcome, Reason, RequestRecord

PERIOD = 60.0
MAX_TRACKED = 10_000
MAX_ADDRESSES = 16

_Key = tuple[str, int, Outcome, Reason]


@dataclass(slots=True)
class _Tracked:
    """State of one packet: the addresses already recorded, and when its next record is due (monotonic seconds).

    `count` is how many copies were held back since the last record; `latest` is the record of the last of them.
    """

    due: float
    client_addresses: set[str] = field(default_factory=set)
    count: int = 0
    latest: RequestRecord | None = None


class RepeatMerger:
    """An observer that passes records to `readers`, and holds back records of identical requests.

    Requests are identical if client, octets, outcome and reason are the same. The first from each address passes, for
    up to `MAX_ADDRESSES` addresses. Accepts and challenges pass unless they repeat an earlier result. `repeated` of a
    record that was held back is the number of packets that it represents. At most `MAX_TRACKED` packets are tracked.
    Above that, the record that is due first is written, and its packet is no longer tracked. `now` is monotonic
    seconds.
    """

    def __init__(self, readers: Sequence[Observer], now: Callable[[], float]) -> None:
        self._readers = readers
        self._now = now
        self._tracked: dict[_Key, _Tracked] = {}  # in the order in which records are due

    def __call__(self, record: EventRecord) -> None:
        """Pass `record` to the readers, or hold it back."""
        if isinstance(record, RequestRecord) and _can_be_replayed(record):
            self.write_due()
            if self._held_back(record):
                return
        self._write(record)

    def write_due(self) -> None:
        """Write the records that are due. To be called every few seconds."""
        now = self._now()
        while self._tracked:
            key, tracked = next(iter(self._tracked.items()))
            if tracked.due > now:
                return
            if self._untrack(key):
                self._tracked[key] = _Tracked(now + PERIOD, tracked.client_addresses)

    def write_rest(self) -> None:
        """Write everything that is held back, because the service stops."""
        for key in list(self._tracked):
            self._untrack(key)

    def _held_back(self, event: RequestRecord) -> bool:
        key = (event.client, event.packet, event.outcome, event.reason)
        tracked = self._tracked.get(key)
        if tracked is None:
            if len(self._tracked) >= MAX_TRACKED:
                self._untrack(next(iter(self._tracked)))
            tracked = self._tracked[key] = _Tracked(self._now() + PERIOD)
        if event.client_address not in tracked.client_addresses and len(tracked.client_addresses) < MAX_ADDRESSES:
            tracked.client_addresses.add(event.client_address)
            return False
        tracked.count += 1
        tracked.latest = event
        return True

    def _untrack(self, key: _Key) -> bool:
        """Stop tracking a packet and write its record if one is held back; returns whether one was."""
        tracked = self._tracked.pop(key)
        if tracked.latest is None:
            return False
        self._write(replace(tracked.latest, repeated=tracked.count))
        return True

    def _write(self, record: EventRecord) -> None:
        for reader in self._readers:
            reader(record)


def _can_be_replayed(event: RequestRecord) -> bool:
    """Whether copies of the packet may get the same result again. `packet` is 0 if its octets are not known."""
    repeatable = (Reason.STATUS, Reason.REPEATED, Reason.JOINED)
    again = event.outcome in (Outcome.REJECT, Outcome.NO_RESPONSE) or event.reason in repeatable
    return event.packet != 0 and again
