"""Searches the audit log and its rotated files, with bounded memory."""

from __future__ import annotations

import heapq
import os
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from radius_voice.explain.audit_files import DECOMPRESSED, READ_ERRORS, audit_files, opened, problem_text
from radius_voice.explain.audit_filter import AuditFilter, Selection
from radius_voice.explain.audit_lines import (
    Octets,
    Record,
    backward,
    first_time,
    forward,
    next_line,
    offset_after,
    offset_before,
)
from radius_voice.explain.audit_times import iso, seconds_of

MAX_DELAY = 600.0
"""The maximum seconds between the `at` of a record and its writing, for merged records and approvals."""
MAX_UNORDERED = 1000
Reader = Callable[[BinaryIO, Octets, int, int], Iterator[Record]]


class Snapshot(Struct, frozen=True):
    """The current file at one moment: device and inode, and the end of its last complete line."""

    inode: tuple[int, int]
    end: int


class AuditSearch:
    """Searches the audit log at `path` and its rotated files. The constructor raises OSError.

    With a `snapshot`, only the current file is searched, as it was then. `searched` and `problems` are
    complete once all records were read; `problems` say which files were not read to their end, and why. Files without
    records of the wanted time are in neither.
    """

    def __init__(
        self, path: Path, wanted: AuditFilter, selection: Selection | None = None, snapshot: Snapshot | None = None
    ) -> None:
        self.searched: list[Path] = []
        self.problems: list[str] = []
        self.selection = selection or Selection(wanted)
        self._path = path
        self._wanted = wanted
        self._snapshot = snapshot
        self._since = seconds_of(wanted.since) if wanted.since else 0.0
        self._from = iso(self._since - MAX_DELAY) if wanted.since else ""
        self._to = iso(seconds_of(wanted.until) + MAX_DELAY) if wanted.until else ""
        found = audit_files(path) if snapshot is None else [path] * path.exists()
        self.has_files = bool(found)
        self._files = self._by_time(found)

    def records(self) -> Iterator[Record]:
        """All wanted records, in the order of their times."""
        return _in_order(record for file in self._files for record in self._records_of(file, self._oldest_first))

    def newest(self, limit: int) -> list[Record]:
        """At most `limit` wanted records, the newest ones, in the order of their times."""
        read = partial(self._newest_first, limit=limit)
        newest_first = (record for file in reversed(self._files) for record in self._records_of(file, read))
        return sorted(islice(newest_first, limit), key=time_of)

    def _by_time(self, files: list[Path]) -> list[Path]:
        """The files that may have records of the wanted time, in the order of their first records."""
        times = []
        for file in files:
            try:
                written = file.stat().st_mtime
                if written + 1 < self._since:
                    continue
                octets, decompressed = opened(file)
                with octets:
                    times.append((first_time(decompressed) or iso(written), file))
            except READ_ERRORS as problem:
                self.problems.append(problem_text(file, problem))
        return [file for first, file in sorted(times) if not self._to or first <= self._to]

    def _records_of(self, file: Path, read: Reader) -> Iterator[Record]:
        """The wanted records of a file. An error becomes a problem."""
        try:
            octets, decompressed = opened(file)
            with octets:
                self.searched.append(file)
                yield from read(octets, decompressed, *self._range(file, octets))
        except READ_ERRORS as problem:
            self.searched = [each for each in self.searched if each != file]
            self.problems.append(problem_text(file, problem))

    def _oldest_first(self, octets: BinaryIO, decompressed: Octets, start: int, end: int) -> Iterator[Record]:
        if octets is not decompressed:
            return self._selected(forward(decompressed))
        octets.seek(start)
        return self._selected(forward(octets, end - start))

    def _newest_first(
        self, octets: BinaryIO, decompressed: Octets, start: int, end: int, *, limit: int
    ) -> Iterator[Record]:
        """The wanted records, newest first; of a compressed file at most `limit`, because it is read from its start."""
        if octets is decompressed:
            return self._selected(backward(octets, start, end))
        return reversed(deque(self._selected(forward(decompressed)), limit))

    def _range(self, file: Path, octets: BinaryIO) -> tuple[int, int]:
        """The offsets between which the file may have records of the wanted time; at most the end of the snapshot."""
        status, snapshot = os.fstat(octets.fileno()), self._snapshot
        start, end = 0, status.st_size
        if snapshot is not None and file == self._path:
            end = snapshot.end if snapshot.inode == (status.st_dev, status.st_ino) else 0
        if file.suffix in DECOMPRESSED:
            return start, end
        if self._from:
            start = next_line(octets, offset_before(octets, end, self._from))
        if self._to:
            end = offset_after(octets, end, self._to)
        return start, end

    def _selected(self, blocks: Iterator[list[bytes]]) -> Iterator[Record]:
        return (record for lines in blocks for line in lines for record in self.selection.select(line))


def time_of(record: Record) -> str:
    """`at` of a record, as text that sorts by time."""
    return str(record.get("at", ""))


def _in_order(records: Iterator[Record]) -> Iterator[Record]:
    """The records in the order of their times, if none is more than MAX_UNORDERED records too late."""
    waiting: list[tuple[str, int, Record]] = []
    for number, record in enumerate(records):
        if len(waiting) < MAX_UNORDERED:
            heapq.heappush(waiting, (time_of(record), number, record))
        else:
            yield heapq.heappushpop(waiting, (time_of(record), number, record))[2]
    yield from (record for *_, record in sorted(waiting, key=itemgetter(0, 1)))
