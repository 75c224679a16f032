"""Writes the archive: a tar file, compressed by gzip, that only its owner can read."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

FOLDER = "radius-voice-support"
MODE = 0o600


def write_archive(path: Path, files: Mapping[str, str], at: float) -> None:
    """Write the texts of `files`, by name, with the time `at` (wall-clock seconds).

    Raises OSError, FileExistsError if the path exists; then nothing is left there.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), MODE)
            with tarfile.open(fileobj=file, mode="w:gz") as archive:
                for name, text in files.items():
                    _add(archive, name, text.encode("utf-8", "backslashreplace"), at)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def _add(archive: tarfile.TarFile, name: str, octets: bytes, at: float) -> None:
    member = tarfile.TarInfo(f"{FOLDER}/{name}")
    member.size, member.mtime, member.mode = len(octets), int(at), MODE
    archive.addfile(member, io.BytesIO(octets))
