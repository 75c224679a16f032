"""Standard output that is full or closed."""

from __future__ import annotations

import os
import traceback

import click.utils

STANDARD_DESCRIPTORS = (0, 1, 2)


def is_of_output(problem: OSError) -> bool:
    """Whether the error is one of writing to standard output or standard error, by click."""
    frames = traceback.extract_tb(problem.__traceback__)
    return bool(frames) and frames[-1].filename == click.utils.__file__


def open_closed_descriptors() -> None:
    """Open the null device in place of each standard stream that is closed.

    Otherwise a socket or a file gets its number, and libuv aborts the process.
    """
    for descriptor in STANDARD_DESCRIPTORS:
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one
