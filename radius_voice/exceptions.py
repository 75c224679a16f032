"""Texts of exceptions, for messages and the log."""

from __future__ import annotations

import traceback


def kind_and_place(problem: BaseException) -> str:
    """The kind of an unexpected exception and the place that raised it; never its text, which may quote a user."""
    frames = traceback.extract_tb(problem.__traceback__)
    place = f"{frames[-1].name}:{frames[-1].lineno}" if frames else "unknown"
    return f"{type(problem).__name__} in {place}"


def message_of(problem: Exception) -> str:
    """The text of an expected error; that of an operating system error begins with the file's name."""
    if isinstance(problem, OSError) and problem.strerror is not None:
        return f"{problem.filename}: {problem.strerror}" if problem.filename is not None else problem.strerror
    return str(problem)
