"""Follows the audit log as it grows, also while it is rotated."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from radius_voice.explain.audit_lines import BLOCK, MAX_LINE_OCTETS, TOO_LONG, complete_end
from radius_voice.explain.audit_search import Snapshot
from radius_voice.files.reading import open_regular

ROTATED_SECONDS = 10.0
"""For how long a rotated file is still read. The service writes to it for at most a second."""


class Followed:
    """One file that is being followed."""

    def __init__(self, file: BinaryIO, end: int) -> None:
        status = os.fstat(file.fileno())
        self.inode = (status.st_dev, status.st_ino)
        self.rotated_at: float | None = None
        self._file = file
        self._read_to = end
        self._rest = b""

    def lines(self) -> list[bytes]:
        """The lines that were completed since the last call, in at most one block."""
        if os.fstat(self._file.fileno()).st_size < self._read_to:  # truncated in place by a rotation
            self._read_to, self._rest = 0, b""
        self._file.seek(self._read_to)
        block = self._file.read(BLOCK)
        self._read_to += len(block)
        lines = (self._rest + block).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > MAX_LINE_OCTETS:
            self._rest = TOO_LONG
        return lines

    def close(self) -> list[bytes]:
        """Close the file. An incomplete last line, if there is one."""
        self._file.close()
        return [self._rest] if self._rest else []


class Follower:
    """Follows the audit log at `path` from its present end. `now` is monotonic seconds.

    The constructor and `lines` raise OSError, except for a file that does not exist: it is awaited.
    """

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self._path = path
        self._now = now
        self._files: list[Followed] = []
        self.start = self._open_at_end()

    @property
    def has_file(self) -> bool:
        """Whether there is a file to follow; otherwise it is awaited."""
        return bool(self._files)

    def _open_at_end(self) -> Snapshot:
        """Open the current file, if there is one. Returns where it is followed from."""
        try:
            file = open_regular(self._path)
        except FileNotFoundError:
            return Snapshot((0, 0), 0)
        end = complete_end(file, os.fstat(file.fileno()).st_size)
        self._files.append(Followed(file, end))
        return Snapshot(self._files[-1].inode, end)

    def lines(self) -> list[bytes]:
        """The lines that were completed since the last call; empty if there are none yet."""
        self._note_rotation()
        lines = [line for file in self._files for line in file.lines()]
        ended = [file for file in self._files if self._has_ended(file)]
        self._files = [file for file in self._files if file not in ended]
        return lines + [line for file in ended for line in file.close()]

    def close(self) -> None:
        """Close all files."""
        for file in self._files:
            file.close()

    def _note_rotation(self) -> None:
        """Open the file that has the path now, if that is another one."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return
        if self._files and self._files[-1].inode == (status.st_dev, status.st_ino):
            return
        for file in self._files:
            file.rotated_at = file.rotated_at or self._now()
        try:
            self._files.append(Followed(open_regular(self._path), 0))
        except FileNotFoundError:  # rotated again: the next call opens the next file
            return

    def _has_ended(self, file: Followed) -> bool:
        return file.rotated_at is not None and self._now() - file.rotated_at > ROTATED_SECONDS
