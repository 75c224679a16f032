"""The files of a support bundle about the machine: versions, and the modes and owners of files."""

from __future__ import annotations

import os
import platform
import pwd
import sqlite3
import ssl
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from radius_voice import __version__
from radius_voice.bounded import bounded
from radius_voice.exceptions import message_of


def versions() -> dict[str, Any]:
    """Versions of the program, of Python and its packages, of libraries and of the operating system."""
    release: dict[str, str] = {}
    with suppress(OSError):
        release = platform.freedesktop_os_release()
    packages = {each.metadata["Name"]: each.version for each in distributions()}
    return {
        "radius-voice": __version__,
        "python": sys.version,
        "packages": dict(sorted(packages.items(), key=lambda each: str(each[0]).lower())),
        "openssl": ssl.OPENSSL_VERSION,
        "sqlite": sqlite3.sqlite_version,
        "system": release.get("PRETTY_NAME", "") or platform.system(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "time_zone": time.tzname[0],
    }


def file_lines(files: Iterable[Path]) -> list[str]:
    """Kind, mode, owner, group, octets and time of change of files, one a line; or why they are not known."""
    return list(dict.fromkeys(line for file in files for line in _with_entries(file)))


def _with_entries(file: Path) -> Iterator[str]:
    """The file, and the entries of a directory."""
    yield _line(file)
    try:
        entries = bounded(str(file), partial(sorted, file.iterdir())) if file.is_dir() else []
    except OSError as problem:
        yield f"{message_of(problem)}: its entries are not known"
        return
    yield from map(_line, entries)


def _line(file: Path) -> str:
    try:
        status = bounded(str(file), file.lstat)
    except OSError as problem:
        return message_of(problem)
    changed = datetime.fromtimestamp(status.st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    owner = f"{_owner(status.st_uid)}:{status.st_gid}"
    return f"{stat.filemode(status.st_mode)} {owner} {status.st_size} {changed} {file}"


def _owner(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
