"""The recent log: the file that standard error of the running service leads to, or the journal of its unit."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from radius_voice.exceptions import message_of
from radius_voice.files.reading import open_regular

UNIT = "radius-voice.service"
MAX_OCTETS = 16 << 20
JOURNAL_LINES = 50_000
JOURNAL_SECONDS = 30.0
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


class NoLog(Exception):
    """There is no log that this process can read; the text says why."""


def recent_log(process: int | None, since: float) -> str:
    """The log since that time (wall-clock seconds). `process` is the id of the running service, None if none runs.

    Raises NoLog.
    """
    reasons = []
    if process is not None:
        try:
            return _of_file(Path(f"/proc/{process}/fd/2"), since)
        except OSError as problem:
            reasons = [f"standard error of the service: {message_of(problem)}"]
    try:
        return _of_journal(since)
    except NoLog as problem:
        raise NoLog("; ".join([*reasons, str(problem)])) from None


def _of_file(link: Path, since: float) -> str:
    """The end of the file that a link leads to. Raises OSError if it is not a regular file."""
    target = link.readlink()
    if not stat.S_ISREG(link.stat().st_mode):
        raise OSError(0, "is not a file", str(target))
    with open_regular(target) as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - MAX_OCTETS))
        lines = file.read(MAX_OCTETS).decode("utf-8", "replace").splitlines(keepends=True)
    first = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return "".join(line for line in lines if (found := TIME.search(line)) is None or found[0] >= first)


def _of_journal(since: float) -> str:
    program = shutil.which("journalctl")
    if program is None:
        raise NoLog("this machine has no journalctl")
    options = ["--no-pager", "--quiet", "--no-hostname", "--output=short-iso", f"--lines={JOURNAL_LINES}"]
    command = [program, f"--unit={UNIT}", f"--since=@{int(since)}", *options]
    try:
        done = subprocess.run(  # noqa: S603 - a list without a shell
            command, capture_output=True, timeout=JOURNAL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise NoLog(f"journalctl did not end within {JOURNAL_SECONDS:g} s") from None
    except OSError as problem:
        raise NoLog(message_of(problem)) from None
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode or not text:
        reason = done.stderr.decode("utf-8", "replace").partition("\n")[0]
        raise NoLog(f"the journal has no line of {UNIT} that this user may read{reason and f': {reason}'}")
    return text
