"""Finds the data files of the program, in the wheel or in the checkout."""

from __future__ import annotations

from pathlib import Path

LINKED_DOCUMENTATION = Path("/usr/share/doc/radius-voice/docs")
"""Where the Debian package has a link to the pages."""


def shipped(folder: str) -> Path:
    """The installed folder `dictionaries`, `config` or `docs`."""
    here = Path(__file__).parent
    packaged = here / "data" / folder
    return packaged if packaged.is_dir() else here.parent / folder


def documentation() -> Path:
    """The installed folder `docs` by the shortest path, to show to users."""
    folder = shipped("docs")
    return LINKED_DOCUMENTATION if LINKED_DOCUMENTATION.resolve() == folder.resolve() else folder
