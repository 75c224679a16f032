"""Whether a file that the configuration names can be read."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from threading import Thread

from radius_voice.config.secrets import described

ANSWER_WITHIN = 5.0
"""Seconds after which a file system counts as unavailable: a dead network mount never answers."""


def unreadable(path: Path, seconds: float = ANSWER_WITHIN) -> str | None:
    """Why a regular file cannot be read by this process, or None. It is not opened."""
    found: list[str | None] = []
    # A daemon: a thread that waits for a dead mount must not keep the process from ending.
    thread = Thread(target=lambda: found.append(_problem(path)), daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        return f"{path} does not answer within {seconds:g} s; check that its file system is mounted and available"
    return found[0]


def _problem(path: Path) -> str | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return f"{path} does not exist; correct the path or create the file"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}; correct the path or its folder's mode"
    if not stat.S_ISREG(status.st_mode):
        return f"{path} is not a regular file; name a file"
    if not os.access(path, os.R_OK):
        return f"{path} is not readable by this user ({described(status)}); make the server's user its owner"
    return None
