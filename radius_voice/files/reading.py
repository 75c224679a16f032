"""Reads files that an administrator names: regular files only, each within a time limit.

Every module may import it. `open` on a FIFO without a writer blocks forever, and so does any access to a network mount
that does not respond.
"""

from __future__ import annotations

import errno
import os
import stat
from functools import partial
from pathlib import Path
from typing import BinaryIO

from radius_voice.bounded import WorkTimeout, bounded

KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFDIR: "a directory",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a symbolic link",
}


def read_file(path: Path, max_octets: int = -1) -> tuple[bytes, os.stat_result]:
    """Read a regular file, or its first `max_octets` octets. Returns the octets and the file's status.

    Raises OSError, also if it is not a regular file or cannot be read within FILE_SECONDS.
    """
    return bounded(str(path), partial(_read, path, max_octets))


def status_of(path: Path) -> os.stat_result:
    """The status of the file at `path`, following links. Raises OSError as `read_file` does."""
    return bounded(str(path), path.stat)


def require_regular(path: Path) -> None:
    """Raise OSError unless `path` is a regular file. Call it before another library opens the file."""
    _require(status_of(path), path)


def unreadable(path: Path) -> str | None:
    """Why this process cannot read a regular file, with the fix; else None. Does not open the file."""
    try:
        require_regular(path)
        allowed = bounded(str(path), partial(os.access, path, os.R_OK))
    except WorkTimeout as problem:
        return f"{path}: {problem.strerror}"
    except OSError as problem:
        return f"{path}: {problem.strerror}; correct the path or create the file"
    return None if allowed else f"{path} is not readable by this user; make the service's user its owner"


def open_regular(path: Path, folder: int | None = None) -> BinaryIO:
    """Open a regular file for reading. Raises OSError for other files. May block: call it with `bounded`.

    `folder` is the descriptor of a directory. If given, the file with the name of `path` in it is opened, without
    following links.
    """
    name: Path | str = path if folder is None else path.name
    links = 0 if folder is None else os.O_NOFOLLOW
    # checked before opening, because opening a device may have an effect
    _require(os.stat(name, dir_fd=folder, follow_symlinks=folder is None), path)
    file = os.fdopen(os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | links, dir_fd=folder), "rb")
    try:
        _require(os.fstat(file.fileno()), path)
    except OSError:
        file.close()
        raise
    return file


def _require(status: os.stat_result, path: Path) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, f"{KINDS.get(kind, 'something else')}, not a regular file", str(path))


def _read(path: Path, max_octets: int) -> tuple[bytes, os.stat_result]:
    with open_regular(path) as file:
        return file.read(max_octets), os.fstat(file.fileno())
