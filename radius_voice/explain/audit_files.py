"""The files of an audit log: the current one and its rotated ones, also compressed.

Rotated files are beside the audit log: for `audit.jsonl`, they are `audit.jsonl.1`, `audit.jsonl-20261126.gz`,
`audit.jsonl.2026-11-26`, `audit-20261126.jsonl` and the like.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from radius_voice.exceptions import message_of
from radius_voice.explain.audit_lines import Octets
from radius_voice.explain.xz_octets import XzOctets
from radius_voice.files.access import mode_and_owner
from radius_voice.files.reading import open_regular

DECOMPRESSED: Mapping[str, Callable[[BinaryIO], Octets]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".bz2": bz2.BZ2File,
    ".xz": XzOctets,
}
OTHER_COMPRESSION = (".lz4", ".zst")
READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""Errors of reading a file that is open, perhaps compressed."""


def audit_files(path: Path) -> list[Path]:
    """The audit log and its rotated files, by name. Raises OSError if the directory cannot be read.

    While a file is being compressed, only the original is listed, and not the incomplete compressed file.
    """
    name = re.compile(rf"{re.escape(path.stem)}([.-]\S+)?{re.escape(path.suffix)}([.-]\S+)?")
    found = {file for file in path.parent.iterdir() if name.fullmatch(file.name) and file.is_file()}
    return sorted(file for file in found if file.suffix not in DECOMPRESSED or file.with_suffix("") not in found)


def opened(file: Path) -> tuple[BinaryIO, Octets]:
    """The file, open for reading, and its decompressed octets. Raises OSError."""
    if file.suffix in OTHER_COMPRESSION:
        raise OSError(0, f"is not searched, because {file.suffix} is not supported; decompress it first", str(file))
    octets = open_regular(file)
    decompressed = DECOMPRESSED.get(file.suffix)
    return octets, octets if decompressed is None else decompressed(octets)


def problem_text(file: Path, problem: Exception) -> str:
    """Why a file was not read, or not to its end, and what to do."""
    if isinstance(problem, PermissionError):
        return denied_text(file)
    if isinstance(problem, FileNotFoundError):
        return f"{file}: was renamed or deleted during the search; search again"
    if isinstance(problem, gzip.BadGzipFile) or not isinstance(problem, OSError):
        return f"{file}: is damaged; what could be read before is shown"
    text = message_of(problem)
    return text if problem.filename else f"{file}: {text}"


def denied_text(path: Path) -> str:
    """Why this user may not read a file or directory of the audit log, and what to do."""
    try:
        status = path.stat()
    except OSError:
        return f"{path}: permission denied; run this command as root or as the user of the service"
    owner = mode_and_owner(status).rpartition(" ")[2]
    users = "root" if owner == "root" else f"root or {owner}"
    return (
        f"{path}: permission denied ({mode_and_owner(status)}); run this command as {users}, "
        f"for example with: sudo -u {owner}"
    )
