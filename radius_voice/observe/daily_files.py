"""Daily files of the audit log: the file is renamed after each day (UTC), and deleted after a while.

Several processes may have the same file open. One of them renames it, under a lock on the file. The others notice the
rename within a second, like a rotation by another program; until then, their records go to the renamed file.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

FIRST_OCTETS = 500
FIRST_AT = re.compile(rb'"at":"(\d{4}-\d\d-\d\d)T')
DAY = r"\d{4}-\d\d-\d\d(\.\d+)?"


class DailyFiles:
    """The daily files of the audit log at `path`: `audit.jsonl.2026-11-26` has the records of that day.

    `keep` is how many seconds after its last record a file is deleted; `now` is wall-clock seconds.
    """

    def __init__(self, path: Path, keep: float, now: Callable[[], float]) -> None:
        self._path = path
        self._keep = keep
        self._now = now
        self._day = self._today()

    def opened(self, fd: int) -> None:
        """Note the day of a newly opened file, which is renamed on a later day."""
        self._day = self._day_of(fd)

    def rename_if_due(self, fd: int) -> None:
        """Rename the open file if its day is over, unless another process does, and delete old ones. Raises OSError."""
        if self._day >= self._today():
            return
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        try:
            self._day = self._day_of(fd)
            if self._day >= self._today() or not self._is_current(fd):
                return
            self._path.rename(self._free_name())
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)
        self._delete_old()

    def _is_current(self, fd: int) -> bool:
        """Whether the open file still has its name: another process may have renamed it."""
        try:
            return os.path.samestat(os.fstat(fd), self._path.stat())
        except FileNotFoundError:
            return False

    def _today(self) -> str:
        return _date(self._now())

    def _day_of(self, fd: int) -> str:
        """The day of the first record; today for an empty file, and for a FIFO or a device, which have no size."""
        status = os.fstat(fd)
        if not status.st_size:
            return self._today()
        found = FIRST_AT.search(os.pread(fd, FIRST_OCTETS, 0).partition(b"\n")[0])
        return found[1].decode() if found else _date(status.st_mtime)

    def _free_name(self) -> Path:
        """The name for the file's day; with a number if there is such a file already."""
        name, number = self._path.with_name(f"{self._path.name}.{self._day}"), 1
        while name.exists():
            name, number = self._path.with_name(f"{self._path.name}.{self._day}.{number}"), number + 1
        return name

    def _delete_old(self) -> None:
        daily = re.compile(re.escape(self._path.name) + r"\." + DAY)
        for file in self._path.parent.iterdir():
            if daily.fullmatch(file.name) and file.stat().st_mtime + self._keep < self._now():
                file.unlink()


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
