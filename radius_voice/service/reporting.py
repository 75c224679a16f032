"""Passes records to their readers: the log, the audit log and its copy in syslog, and the metrics."""

from __future__ import annotations

import time
from collections.abc import Callable

from radius_voice.config.schema import Settings
from radius_voice.events import EventRecord, Observer, ServiceRecord
from radius_voice.observe.audit import AuditLog
from radius_voice.observe.repeats import RepeatMerger
from radius_voice.wiring.generation import daily_files_of, syslog_of


class Reporter:
    """An observer. The log and the audit log get no records of repeated requests; other readers get every record.

    Opens the audit log; raises ValueError or OSError. `clock` is monotonic seconds.
    """

    def __init__(self, settings: Settings, log: Observer | None, clock: Callable[[], float]) -> None:
        self._log = log
        self._started = False
        self.syslog = syslog_of(settings, self.log_warning)
        self.audit = AuditLog(settings.audit.path, clock, self.log_warning, self.syslog, daily_files_of(settings))
        self._repeats = RepeatMerger([self.audit] if log is None else [self.audit, log], clock)
        self._readers: list[Observer] = [self._repeats]
        self.write_due = self._repeats.write_due

    def __call__(self, record: EventRecord) -> None:
        """Pass a record to every reader."""
        for reader in self._readers:
            reader(record)

    def recorded(self, record: EventRecord) -> bool:
        """Pass a record to every reader. If the audit log cannot write it, return False and pass it to no other."""
        lost = self.audit.lost
        self._repeats(record)
        if self.audit.lost != lost:
            return False
        for reader in self._readers[1:]:
            reader(record)
        return True

    def add(self, reader: Observer) -> None:
        """Add a reader that gets all records from now on."""
        self._readers.append(reader)

    def report(self, event: str, detail: str = "") -> None:
        """Record an event of the service (see `events.ServiceRecord`)."""
        self(ServiceRecord(time.time(), event, detail))

    def started(self, detail: str) -> None:
        """Record that the service has started; `close` then records that it has stopped."""
        self._started = True
        self.report("started", detail)

    def log_warning(self, text: str) -> None:
        """Write a warning to the log and not to the audit log, which may be its subject."""
        if self._log is not None:
            self._log(ServiceRecord(time.time(), "warning", text))

    def close(self) -> None:
        """Write the records that are held back, and close the audit log."""
        if self._started:
            self._repeats.write_rest()
            self.report("stopped")
        self.audit.close()
