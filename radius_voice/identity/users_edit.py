"""Changes of a users file: locked against each other, in one step, owner and mode left as they are."""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from radius_voice.bounded import bounded
from radius_voice.files import open_regular
from radius_voice.identity.users_text import UsersFileError

OTHERS = stat.S_IRWXO
ACCESS_LIST = "system.posix_acl_access"
BYTE_ORDER_MARK = "\ufeff"
LOCK_SECONDS = 30.0  # a file of 100,000 users is locked for some 15 s by a change
LOCK_RETRY_SECONDS = 0.05
HEADER = "# The users who may log in. Made by radius-voice users add; docs/users-file.md describes every key.\n"


def create(path: Path) -> None:
    """Make a users file without users, with mode 0600; raises OSError when the file exists."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(HEADER)


def edit(path: Path, change: Callable[[str], str | None]) -> None:
    """Replace the text of the file by what `change` returns for it; None leaves the file as it is.

    Raises what `change` raises, UsersFileError for a file that must not be used, and OSError when it cannot be
    read or written, does not answer, or stays locked by another process.
    """
    subject = str(path)
    with _locked(path) as file:
        octets, status = bounded(subject, lambda: (file.read(), os.fstat(file.fileno())))
        text = text_of(octets, status, path)
        mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
        changed = change(text.removeprefix(mark))
        if changed is not None:
            bounded(subject, partial(_replace, path, file, (mark + changed).encode()))


def text_of(octets: bytes, status: os.stat_result, path: Path) -> str:
    """The text of a users file; raises UsersFileError when other users may read or write it, or it is not UTF-8."""
    if status.st_mode & OTHERS:
        raise UsersFileError(
            f"{path}: open to every user of this machine (mode {stat.S_IMODE(status.st_mode):04o}, "
            f"owner {_owner(status.st_uid)}); run: chmod o-rwx {path}"
        )
    try:
        return octets.decode()
    except UnicodeDecodeError as problem:
        line = octets.count(b"\n", 0, problem.start) + 1
        raise UsersFileError(f"{path}:{line}: not UTF-8; save the file in that encoding") from None


def _owner(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """Open the file under a lock that every change by radius-voice takes.

    Each change puts a new file in its place, so the lock may be obtained for one that is gone: then again.
    """
    subject, until = str(path), time.monotonic() + LOCK_SECONDS
    while True:
        file = bounded(subject, partial(open_regular, path))
        try:
            if bounded(subject, partial(_lock, file, path)):
                yield file
                return
        finally:
            bounded(subject, file.close)
        if time.monotonic() >= until:
            raise BlockingIOError(errno.EAGAIN, f"locked by another process for {LOCK_SECONDS:g} s; try again", subject)
        time.sleep(LOCK_RETRY_SECONDS)


def _lock(file: BinaryIO, path: Path) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.path.samestat(os.fstat(file.fileno()), path.stat())


def _replace(path: Path, present: BinaryIO, octets: bytes) -> None:
    """Put a whole new file in place of the present one, with its mode and owner, or leave all as it is."""
    # A link keeps pointing where it did.
    target = path.resolve()
    status = os.fstat(present.fileno())
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            os.fchown(descriptor, status.st_uid, status.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
            _copy_access_list(present.fileno(), descriptor)
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink()
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _copy_access_list(source: int, target: int) -> None:
    """Keep a POSIX access list. Without it the group would get what the list allows at most: the mode's group bits."""
    if sys.platform != "linux":
        return
    try:
        access_list = os.getxattr(source, ACCESS_LIST)
    except OSError:  # there is none, or the file system has none
        return
    os.setxattr(target, ACCESS_LIST, access_list)
