"""Finds the data files of the program, in the wheel or in the checkout."""

from __future__ import annotations

from pathlib import Path


def shipped(folder: str) -> Path:
    """The installed folder `dictionaries`, `config` or `docs`."""
    here = Path(__file__).parent
    packaged = here / "data" / folder
    return packaged if packaged.is_dir() else here.parent / folder
