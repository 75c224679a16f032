"""The syntax of authproxy.cfg, which is that of Python's configparser. Keys have their lines.

As in the Duo Authentication Proxy, a comment has a line of its own, and values are taken literally.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from radius_voice.config.errors import ConfigError

HEADER = re.compile(r"\[([^\]]+)\]\s*")
SEPARATOR = re.compile("[=:]")


@dataclass(frozen=True, slots=True)
class Value:
    """A value and its line. The repr hides the text, which may be a secret."""

    text: str = field(repr=False)
    line: int


class Section:
    """The keys of a section, in lower case. It remembers which were read."""

    def __init__(self, name: str, line: int) -> None:
        self.name = name
        self.line = line
        self.values: dict[str, Value] = {}
        self._read: set[str] = set()

    def text(self, key: str, default: str = "") -> str:
        """The text of a key; `default` if it is missing or empty."""
        value = self.value(key)
        return value.text if value and value.text else default

    def value(self, key: str) -> Value | None:
        """The value of a key, or None."""
        self._read.add(key)
        return self.values.get(key)

    def is_true(self, key: str) -> bool:
        """Whether the key is set to true, or to a number other than 0."""
        text = self.text(key).lower()
        return text == "true" or (text.isdecimal() and int(text[:9]) != 0)

    def numbered(self, key: str) -> Iterator[tuple[int, Value]]:
        """The values of `KEY_1`, `KEY_2` and so on, in the order of their numbers."""
        names = [name for name in self.values if re.fullmatch(rf"{key}_[0-9]{{1,6}}", name)]
        for name in sorted(names, key=lambda each: int(each.rpartition("_")[2])):
            value = self.value(name)
            if value:
                yield int(name.rpartition("_")[2]), value

    def not_read(self) -> Iterator[tuple[str, Value]]:
        """The keys that were never read, so that nothing was imported from them."""
        for key, value in self.values.items():
            if key not in self._read:
                yield key, value


def parse(text: str, path: Path) -> dict[str, Section]:
    """The sections by name, in lower case. Raises ConfigError with the line."""
    sections: dict[str, Section] = {}
    current: Section | None = None
    indented_as = -1
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.strip()
        if not bare or bare.startswith(("#", ";")):
            continue
        indent = len(line) - len(line.lstrip())
        if current is not None and current.values and indent > indented_as >= 0:
            raise ConfigError([f"{path}:{number}: continues the line above; write the value in one line"])
        indented_as = indent
        if header := HEADER.fullmatch(bare):
            current = _section(header[1], number, sections, path)
        else:
            _add_option(current, bare, number, path)
    return sections


def _section(name: str, number: int, sections: dict[str, Section], path: Path) -> Section:
    section = Section(name.strip().lower(), number)
    if section.name in sections:
        raise ConfigError([f"{path}:{number}: the section begins in line {sections[section.name].line} already"])
    sections[section.name] = section
    return section


def _add_option(section: Section | None, line: str, number: int, path: Path) -> None:
    key, *rest = (part.strip() for part in SEPARATOR.split(line, maxsplit=1))
    if section is None:
        raise ConfigError([f"{path}:{number}: is before the first [section]"])
    if not key or not rest:
        raise ConfigError([f"{path}:{number}: is neither KEY=VALUE nor a [section] nor a comment"])
    key = key.lower()
    if key in section.values:
        raise ConfigError([f"{path}:{number}: the key is in line {section.values[key].line} already; remove one"])
    section.values[key] = Value(rest[0], number)
