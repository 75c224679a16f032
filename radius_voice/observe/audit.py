"""The audit log: one JSON object per line, one line per record. docs/observing.md describes every key.

Records are written synchronously and unbuffered, so that records before a crash of the process are not lost. If the
reader of standard output or a FIFO is stuck, records are lost instead of blocking logins.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import msgspec
from msgspec.structs import replace

from radius_voice.events import AuditRecord, DiscardRecord, EventRecord, PlacementRecord, RequestRecord
from radius_voice.observe.daily_files import DailyFiles
from radius_voice.observe.stream import NonBlockingWriter
from radius_voice.observe.throttle import Throttle

MODE = 0o640
STDOUT = 1
DISCARDS_PERIOD = 1.0
CHECK_PERIOD = 1.0
WARNING_PERIOD = 60.0
DELETE = 0x7F
_ENCODER = msgspec.json.Encoder()


class AuditLog:
    """Appends records to `path`, or to standard output if it is None.

    The constructor raises OSError if the directory is missing or the file cannot be written. Nothing raises after that:
    a record that could not be written is counted in `failures` and reported to `warn`, at most once a minute. `now`
    is monotonic seconds. `copy` also gets every line. `daily` renames the file each day. `lost` counts the records that
    were not written.
    """

    def __init__(
        self,
        path: Path | None,
        now: Callable[[], float],
        warn: Callable[[str], None],
        copy: Callable[[bytes], None] | None = None,
        daily: DailyFiles | None = None,
    ) -> None:
        self._copy = copy
        self._daily = daily
        self._path = path
        self._now = now
        self._warn = warn
        self._discards = Throttle(DISCARDS_PERIOD, now)
        self._failures = 0
        self._problem = ""
        self.lost = 0
        self._next_warning = now()
        self._next_check = now() if daily else now() + CHECK_PERIOD  # the file may be of an earlier day
        self._stdout = NonBlockingWriter(STDOUT) if path is None else None
        self._next_rename = now()
        self._fd, self._inode, self._torn = (STDOUT, (0, 0), False) if path is None else _open(path)
        if daily is not None:
            daily.opened(self._fd)

    @property
    def failures(self) -> int:
        """Number of records lost, plus failures to reopen or rename the file, or to delete an old one."""
        return self._failures

    @property
    def path(self) -> Path | None:
        """The file, None for standard output."""
        return self._path

    @property
    def problem(self) -> str:
        """The latest failure, empty if a record has been written since."""
        return self._problem

    def __call__(self, record: EventRecord) -> None:
        """Write `record`, unless its kind is not audited or it is a discard above one a second per client."""
        if isinstance(record, DiscardRecord):
            suppressed = self._discards.admit(record.client, record.reason)
            if suppressed is None:
                return
            record = replace(record, suppressed=suppressed)
        line = line_of(record)
        if line is None:
            return
        if self._path is not None and self._now() >= self._next_check:
            self._rename_if_due(self._path)
            self._follow_rotation(self._path)
        if self._copy is not None:
            self._copy(line)
        self._write(line + b"\n")

    def reopen(self) -> None:
        """Reopen the file by its name, after a rotation. If that fails, the old file stays in use."""
        if self._path is None:
            return
        try:
            opened = _open(self._path)
        except OSError as error:
            self._fail(f"audit: {self._path}: cannot be reopened, and records go to the old file: {error.strerror}")
            return
        with suppress(OSError):  # a network file system reports late writes here
            os.close(self._fd)
        self._fd, self._inode, self._torn = opened
        if self._daily is not None:
            self._daily.opened(self._fd)

    def close(self) -> None:
        """Close the file. No record may follow."""
        if self._stdout is not None:
            self._stdout.close()
        else:
            with suppress(OSError):
                os.close(self._fd)

    def _rename_if_due(self, path: Path) -> None:
        """Rename the file after its day. After a failure it stays in use, and the next attempt is a minute later."""
        if self._daily is None or self._now() < self._next_rename:
            return
        try:
            self._daily.rename_if_due(self._fd)
        except OSError as error:
            self._next_rename = self._now() + WARNING_PERIOD
            self._fail(f"audit: {path}: cannot rename the file of a day, or delete an old one: {error.strerror}")

    def _follow_rotation(self, path: Path) -> None:
        self._next_check = self._now() + CHECK_PERIOD
        try:
            status = path.stat()
            moved = (status.st_dev, status.st_ino) != self._inode
        except OSError:
            moved = True
        if moved:
            self.reopen()

    def _write(self, line: bytes) -> None:
        if self._torn:
            line = b"\n" + line
        try:
            written = os.write(self._fd, line) if self._stdout is None else self._stdout.write(line)
        except OSError as error:
            self.lost += 1
            self._fail(f"audit: {self._path or 'standard output'}: a record was not written: {error.strerror}")
            return
        self._torn = written < len(line)
        self._problem = ""
        if self._torn:
            self.lost += 1
            self._fail(f"audit: {self._path or 'standard output'}: a record was cut short; is the disk full?")

    def _fail(self, text: str) -> None:
        self._failures += 1
        self._problem = text
        if self._now() >= self._next_warning:
            self._next_warning = self._now() + WARNING_PERIOD
            self._warn(f"{text} ({self._failures} failures since start)")


def append(path: Path, record: EventRecord) -> None:
    """Append a record to an existing audit log, for a command outside the service. Raises OSError."""
    line = line_of(record)
    if line is None:
        return
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    try:
        torn = _is_torn(descriptor)
        os.write(descriptor, (b"\n" if torn else b"") + line + b"\n")
    finally:
        os.close(descriptor)


def line_of(record: EventRecord) -> bytes | None:
    """The record as a line of printable ASCII, without the line end; None for a kind that is not audited."""
    if not isinstance(record, AuditRecord):
        return None
    written = _as_written(record)
    with suppress(UnicodeEncodeError):  # a lone surrogate
        line = _ENCODER.encode(written)
        if line.isascii() and DELETE not in line:
            return line
    return json.dumps(msgspec.to_builtins(written), separators=(",", ":")).encode("ascii")


def _as_written(record: AuditRecord) -> AuditRecord:
    """The record with rounded durations, `at` as text (msgspec does not check types here), and without `packet`."""
    at = _iso(record.at)
    if isinstance(record, RequestRecord):
        login_seconds = round(record.login_seconds, 3) or 0  # msgspec does not recognise another 0.0 as the default
        seconds = round(record.seconds, 6)
        return replace(record, at=at, seconds=seconds, login_seconds=login_seconds, packet=0)
    if isinstance(record, PlacementRecord):
        return replace(record, at=at, seconds=round(record.seconds, 6))
    return replace(record, at=at)


def _iso(at: float) -> str:
    second, milli = divmod(round(at * 1000), 1000)
    return f"{_second(second)}.{milli:03}Z"


@lru_cache(maxsize=2)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _open(path: Path) -> tuple[int, tuple[int, int], bool]:
    """Open the file; returns its descriptor, its (device, inode), and whether its last line is incomplete."""
    if not path.parent.is_dir():
        fix = "the audit log's directory does not exist; create it, writable by the user of radius-voice"
        raise FileNotFoundError(errno.ENOENT, fix, str(path.parent))
    # Non-blocking: a FIFO without a reader loses records, which is counted, but blocks no login.
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        fd = os.open(path, flags | os.O_EXCL, MODE)
        os.fchmod(fd, MODE)  # independent of the umask; an existing file keeps its mode
    except FileExistsError:
        fd = os.open(path, flags, MODE)
    found = os.fstat(fd)
    return fd, (found.st_dev, found.st_ino), _is_torn(fd)


def _is_torn(fd: int) -> bool:
    """Whether the last line is incomplete, after a crash or a full disk."""
    found = os.fstat(fd)
    has_lines = stat.S_ISREG(found.st_mode) and found.st_size > 0
    return has_lines and os.pread(fd, 1, found.st_size - 1) != b"\n"
