"""Reads the file to import: bounded in size, as UTF-8, with errors that name file and line."""

from __future__ import annotations

import re
from pathlib import Path

from radius_voice.config.errors import ConfigError
from radius_voice.files.reading import read_file

MAX_TEXT_OCTETS = 1 << 20
BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
"""Control characters, except tab and line feed."""


def read_octets(path: Path, max_octets: int) -> bytes:
    """The content of a regular file. Raises ConfigError if it cannot be read or has more than `max_octets`."""
    try:
        octets, _ = read_file(path, max_octets + 1)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror or 'unknown reason'}"]) from None
    if len(octets) > max_octets:
        raise ConfigError([f"{path}: is larger than {max_octets} octets; name a configuration file"])
    return octets


def read_text(path: Path) -> str:
    """The text of a configuration, with line feeds only. Raises ConfigError with the line if it is not UTF-8 text."""
    octets = read_octets(path, MAX_TEXT_OCTETS)
    if octets.startswith(BYTE_ORDER_MARKS):
        raise ConfigError([f"{path}:1: is UTF-16 text; save it as UTF-8"])
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{path}:{line}: is not UTF-8 text; save the file as UTF-8"]) from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if found := CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise ConfigError([f"{path}:{line}: has a control character; remove it, or name a text file"])
    return text
