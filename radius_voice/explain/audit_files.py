"""Finds the records of one login in an audit log and in its rotated files, also compressed by gzip.

Rotated files are beside the audit log: for `audit.jsonl`, they are `audit.jsonl.1`, `audit.jsonl-20261126.gz`,
`audit-20261126.jsonl` and the like.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from msgspec import Struct

from radius_voice.exceptions import message_of

Record = Mapping[str, Any]
OTHER_COMPRESSION = (".bz2", ".lz4", ".xz", ".zst")


class Found(Struct, frozen=True):
    """The records of a login in the order of their times, and the files that were searched.

    `problems` say which files were not read to their end, and why.
    """

    records: tuple[Record, ...]
    searched: tuple[Path, ...]
    problems: tuple[str, ...]


def login_records(path: Path, login: str) -> Found:
    """The records of the login with that id, in the audit log at `path` and its rotated files. Raises OSError.

    The id is that of a session, or of a request without a session.
    """
    records: list[Record] = []
    searched, problems = [], []
    for file in audit_files(path):
        if file.suffix in OTHER_COMPRESSION:
            problems.append(f"{file}: is not searched, because only gzip is supported; decompress it first")
            continue
        try:
            records += _records_in(file, login)
        except (OSError, EOFError, zlib.error) as problem:
            problems.append(f"{file}: {message_of(problem) if isinstance(problem, OSError) else 'is damaged'}")
        else:
            searched.append(file)
    return Found(tuple(sorted(records, key=_time)), tuple(searched), tuple(problems))


def audit_files(path: Path) -> list[Path]:
    """The audit log and its rotated files, by name. Raises OSError if the directory cannot be read."""
    name = re.compile(rf"{re.escape(path.stem)}([.-]\S+)?{re.escape(path.suffix)}([.-]\S+)?")
    return sorted(file for file in path.parent.iterdir() if name.fullmatch(file.name) and file.is_file())


def _records_in(file: Path, login: str) -> Iterator[Record]:
    wanted = login.encode()
    with _opened(file) as lines:
        for line in lines:
            if wanted in line and login in ((record := _record(line)).get("session"), record.get("request_id")):
                yield record


def _opened(file: Path) -> IO[bytes] | gzip.GzipFile:
    return gzip.open(file) if file.suffix == ".gz" else file.open("rb")


def _record(line: bytes) -> Record:
    """The record of a line; empty if the line is incomplete, as after a full disk."""
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _time(record: Record) -> str:
    return str(record.get("at", ""))
