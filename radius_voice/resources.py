"""Finds the files that travel with the program: in the wheel, or in the checkout it runs from."""

from __future__ import annotations

from pathlib import Path


def shipped(folder: str) -> Path:
    """The folder `dictionaries` or `config` as installed."""
    here = Path(__file__).parent
    packaged = here / "data" / folder
    return packaged if packaged.is_dir() else here.parent / folder
