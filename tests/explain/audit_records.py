"""Lines and files of audit logs for tests."""

import json
from pathlib import Path
from typing import Any


def line(at: str, session: str = "a1", **values: Any) -> bytes:
    """A line of the audit log, with its line end."""
    return (
        json.dumps({"kind": "request", "at": at, "session": session, **values}, separators=(",", ":")).encode() + b"\n"
    )


def time(minute: int, second: int = 0) -> str:
    """A time of the same day as in `at`."""
    hour, minute = divmod(minute, 60)
    return f"2026-11-26T{hour:02}:{minute:02}:{second:02}.000Z"


def in_folder(folder: Path, **files: bytes) -> Path:
    """Write rotated files by the ends of their names, and return the path of the audit log."""
    for end, content in files.items():
        folder.joinpath(f"audit.jsonl{end}").write_bytes(content)
    return folder / "audit.jsonl"
