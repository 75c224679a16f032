"""Changes a users file: one change at a time, atomically, and without changing owner and mode."""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import secrets
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from radius_voice.bounded import bounded
from radius_voice.files.reading import open_regular
from radius_voice.identity.users_file.text import UsersFileError

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
    read or written within the time limit, or stays locked by another process.

    Links are followed once, at the start. After that, everything is done relative to a descriptor of the directory,
    because its owner may replace names in it at any time, and must not redirect root by a link.
    """
    subject = str(path)
    with _opened_folder(path) as (folder, name), _locked(path, folder, name) as file:
        octets, status = bounded(subject, lambda: (file.read(), os.fstat(file.fileno())))
        text = decode_users_file(octets, status, path)
        mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
        changed = change(text.removeprefix(mark))
        if changed is not None:
            bounded(subject, partial(_replace, path, folder, name, file, (mark + changed).encode()))


def decode_users_file(octets: bytes, status: os.stat_result, path: Path) -> str:
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
def _opened_folder(path: Path) -> Iterator[tuple[int, str]]:
    """The descriptor of the directory of the file, links resolved, and the file's name there."""
    subject = str(path)
    folder, name = bounded(subject, partial(_open_folder, path))
    try:
        yield folder, name
    finally:
        # While abandoned work may still use the descriptor, this raises and leaves it open, so that its number cannot
        # be reused for another directory.
        bounded(subject, partial(os.close, folder))


def _open_folder(path: Path) -> tuple[int, str]:
    with _problems_named(path):
        parent, name = os.path.split(os.path.realpath(path, strict=True))
        steps = Path(parent).parts
        # One step at a time, because O_NOFOLLOW applies only to the last name of a path.
        search = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
        folder = os.open(steps[0], search)
        for step in (*steps[1:], "."):
            above = folder
            # The last one, the directory itself, is opened for reading, which fsync needs.
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC if step == "." else search
            try:
                folder = os.open(step, flags, dir_fd=above)
            finally:
                os.close(above)
        return folder, name


@contextmanager
def _problems_named(path: Path) -> Iterator[None]:
    """Let an OSError name the path that the administrator gave, instead of a name within its directory."""
    try:
        yield
    except OSError as problem:
        raise OSError(problem.errno, problem.strerror, str(path)) from problem


@contextmanager
def _locked(path: Path, folder: int, name: str) -> Iterator[BinaryIO]:
    """Open the file under a lock that every change by radius-voice takes.

    Each change replaces the file. If the locked file was replaced meanwhile, try again.
    """
    subject, until = str(path), time.monotonic() + LOCK_SECONDS
    while True:
        file = bounded(subject, partial(_open, path, folder, name))
        try:
            if bounded(subject, partial(_lock, path, folder, name, file)):
                yield file
                return
        finally:
            bounded(subject, file.close)
        if time.monotonic() >= until:
            raise BlockingIOError(errno.EAGAIN, f"locked by another process for {LOCK_SECONDS:g} s; try again", subject)
        time.sleep(LOCK_RETRY_SECONDS)


def _open(path: Path, folder: int, name: str) -> BinaryIO:
    with _problems_named(path):
        return open_regular(Path(name), folder)


def _lock(path: Path, folder: int, name: str, file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    with _problems_named(path):
        present = os.stat(name, dir_fd=folder, follow_symlinks=False)
    return os.path.samestat(os.fstat(file.fileno()), present)


def _replace(path: Path, folder: int, name: str, present: BinaryIO, octets: bytes) -> None:
    """Replace the present file by a complete new one with the same mode and owner, or leave it unchanged."""
    with _problems_named(path):
        status = os.fstat(present.fileno())
        temporary = f".{name}.{secrets.token_hex(8)}"
        new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, new, 0o600, dir_fd=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(octets)
                _copy_owner(status, descriptor)
                os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
                _copy_access_list(present.fileno(), descriptor)
                file.flush()
                os.fsync(descriptor)
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            os.unlink(temporary, dir_fd=folder)
            raise
        os.fsync(folder)


def _copy_owner(source: os.stat_result, target: int) -> None:
    """Copy the owner if it differs. A system call filter may forbid `fchown` even without a change."""
    new = os.fstat(target)
    if (new.st_uid, new.st_gid) != (source.st_uid, source.st_gid):
        os.fchown(target, source.st_uid, source.st_gid)


def _copy_access_list(source: int, target: int) -> None:
    """Copy a POSIX access list. Without it, the group bits of the mode, which are the list's mask, would apply."""
    if sys.platform != "linux":
        return
    try:
        access_list = os.getxattr(source, ACCESS_LIST)
    except OSError:  # the file has no list, or the file system supports none
        return
    os.setxattr(target, ACCESS_LIST, access_list)
