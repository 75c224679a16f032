"""Lines of an audit file, read in blocks, so that files and lines of any length need little memory.

A last line without a line end is being written, or was cut short. It is returned only if it is a whole record.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, Protocol, TypedDict

import msgspec

Record = Mapping[str, Any]
BLOCK = 1 << 20
MAX_LINE_OCTETS = 1 << 20
TOO_LONG = b"\0"
"""Replaces most of a line above MAX_LINE_OCTETS. No record has this octet."""
AT = re.compile(rb'"at": ?"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"')


class _Step(TypedDict, total=False):
    name: str
    detail: str
    after: float


class _Known(TypedDict, total=False):
    """The keys of records whose types the program relies on."""

    at: str
    kind: str
    user: str
    client: str
    outcome: str
    would_outcome: str
    accounting_session: str
    steps: list[_Step]
    suppressed: dict[str, int]


class Octets(Protocol):
    """A file that is open for reading, perhaps of decompressed octets."""

    def read(self, count: int, /) -> bytes: ...  # noqa: D102


def record_of(line: bytes) -> Record | None:
    """The record of a line; None if it is not a record, as after a full disk or a crash."""
    try:
        record = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        record = _lenient(line)
    return record if isinstance(record, dict) and _has_known_types(record) else None


def _has_known_types(record: Record) -> bool:
    try:
        msgspec.convert(record, _Known)
    except msgspec.ValidationError:
        return False
    return True


def _lenient(line: bytes) -> object:
    """The value of a line with a lone surrogate, which msgspec refuses. User names can contain one."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def forward(file: Octets, octets: int | None = None) -> Iterator[list[bytes]]:
    """The lines from the file's position on, one block at a time, oldest first; at most `octets` octets if given."""
    rest = b""
    while block := file.read(BLOCK if octets is None else min(BLOCK, octets)):
        octets = None if octets is None else octets - len(block)
        lines = (rest + block).split(b"\n")
        rest = _shortened(lines.pop())
        yield lines
    if record_of(rest) is not None:
        yield [rest]


def backward(file: BinaryIO, start: int, end: int) -> Iterator[list[bytes]]:
    """The lines between two offsets of a file, one block at a time, newest first. A line must begin at `start`."""
    complete = complete_end(file, end)
    file.seek(complete)
    if record_of(last := file.read(min(end - complete, MAX_LINE_OCTETS))) is not None:
        yield [last]
    rest, end = b"", complete
    while end > start:
        begin = max(start, end - BLOCK)
        file.seek(begin)
        lines = (file.read(end - begin) + rest).split(b"\n")
        rest = _shortened(lines.pop(0))
        yield lines[::-1]
        end = begin
    yield [rest]


def _shortened(line: bytes) -> bytes:
    return line if len(line) <= MAX_LINE_OCTETS else TOO_LONG


def complete_end(file: BinaryIO, end: int) -> int:
    """The offset after the last line end before `end`; `end` itself if the last line is too long to be a record."""
    begin = end
    while begin > max(0, end - MAX_LINE_OCTETS):
        begin, stop = max(0, begin - BLOCK), begin
        file.seek(begin)
        found = file.read(stop - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
    return end if begin else 0


def next_line(file: BinaryIO, offset: int) -> int:
    """The offset of the first line that begins at `offset` or later."""
    file.seek(max(0, offset - 1))
    while offset and (part := file.readline(BLOCK)) and not part.endswith(b"\n"):
        pass  # a part of a line that may be of any length
    return file.tell()


def first_time(file: Octets) -> str:
    """`at` of the first record in the next block of a file; empty if it has none."""
    found = AT.search(file.read(BLOCK))
    return found[1].decode() if found else ""


def offset_before(file: BinaryIO, size: int, time: str) -> int:
    """An offset in the file; all records before it are older than `time`. 0 if there are none.

    It is found by bisection, which needs records in the order of their times.
    """
    return _bisected(file, size, lambda found: bool(found) and found < time)[0]


def offset_after(file: BinaryIO, size: int, time: str) -> int:
    """An offset in the file; all records older than `time` are before it. At most `size`."""
    return min(size, _bisected(file, size, lambda found: not found or found < time)[1] + BLOCK)


def _bisected(file: BinaryIO, size: int, is_before: Callable[[str], bool]) -> tuple[int, int]:
    """Two offsets, at most a block apart. `is_before` gets the time near an offset, empty if there is none."""
    low, high = 0, size
    while high - low > BLOCK:
        middle = (low + high) // 2
        file.seek(middle)
        if is_before(first_time(file)):
            low = middle
        else:
            high = middle
    return low, high
