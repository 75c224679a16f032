"""A strict subset of YAML without ambiguity, with the line of every value.

Errors are: duplicate keys, keys that are not strings, anchors, aliases, tags, several documents, and nesting deeper
than `MAX_DEPTH`. Plain scalars are `true`, `false`, decimal integers and floats, and `null`, `~` or an empty value for
null. Every other scalar, such as `yes`, `on`, `0x10` or `012`, is a string.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import yaml

from radius_voice.config import yaml_syntax
from radius_voice.config.suggestions import showable

Scalar: TypeAlias = "bool | int | float | str | None"
Value: TypeAlias = "Scalar | list[Value] | dict[str, Value]"
Path: TypeAlias = "tuple[str | int, ...]"

MAX_DEPTH = 32
PLAIN_VALUES: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
# 18 digits stay below Python's limit on digits and below a float's infinity.
INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}")
FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
PARSER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class StrictYamlError(ValueError):
    """All errors of a text. `errors` holds (line, message) in the order of lines. Messages never quote a value."""

    def __init__(self, name: str, errors: list[tuple[int, str]]) -> None:
        self.name = name
        self.errors = sorted(set(errors))
        super().__init__("\n".join(f"{name}:{line}: {message}" for line, message in self.errors))


def load(text: str, name: str, sections: Collection[str] | None = None) -> tuple[Value, dict[Path, int]]:
    """Parse `text`; returns its value, and the line (from 1) of each key and item by its path (`()` is the root).

    `name` is the file's name, for messages. `sections` are the keys that may be at the root; None allows any. Raises
    StrictYamlError with all errors.
    """
    builder = _Builder(sections)
    try:
        for event in yaml.parse(text, Loader=PARSER):
            builder.take(event)
    except _TooDeep as error:
        builder.refuse(error.line, yaml_syntax.TOO_DEEP)
    except yaml.MarkedYAMLError as error:
        line, message = yaml_syntax.explain(error, text, builder.quoted, sections)
        if all(line != known for known, _ in builder.errors):
            builder.refuse(line, message)
    except (yaml.YAMLError, UnicodeError):
        builder.refuse(_unreadable_line(text), "holds a character that YAML forbids (a control character?)")
    if builder.errors:
        raise StrictYamlError(name, builder.errors)
    return builder.root, builder.lines


def scalar(text: str) -> Scalar:
    """The value of a plain (unquoted, untagged) scalar."""
    if text in PLAIN_VALUES:
        return PLAIN_VALUES[text]
    if INTEGER.fullmatch(text):
        return int(text)
    if FLOAT.fullmatch(text):
        return float(text)
    return text


class _TooDeep(Exception):
    """The text is nested deeper than `MAX_DEPTH`."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


@dataclass(slots=True)
class _Open:
    """An unfinished list or mapping. `key` is the key whose value comes next; with `refused`, that value is ignored."""

    value: list[Value] | dict[str, Value]
    path: Path
    key: str = ""
    at_key: bool = True
    refused: bool = False
    first_lines: dict[str, int] = field(default_factory=dict)


class _Builder:
    """Builds a value from parser events without recursion, so that no nesting can exhaust the stack."""

    def __init__(self, sections: Collection[str] | None) -> None:
        self._sections = sections
        self.root: Value = None
        self.lines: dict[Path, int] = {(): 1}
        self.errors: list[tuple[int, str]] = []
        self.quoted = (0, 0)
        self._open: list[_Open] = []
        self._documents = 0

    def refuse(self, line: int, message: str) -> None:
        self.errors.append((line, message))

    def take(self, event: yaml.Event) -> None:
        mark = cast("yaml.Mark", event.start_mark)  # events made by a parser always have one
        line = mark.line + 1
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self.refuse(line, "a second document; only one is read, remove the '---'")
            case yaml.AliasEvent():
                self.refuse(line, "aliases (*name) are not allowed; repeat the value, or quote it if the * is meant")
                self._add(None, line)
            case yaml.ScalarEvent():
                self._check_properties(event, line)
                if event.style in ("'", '"'):
                    self.quoted = (line, cast("yaml.Mark", event.end_mark).line + 1)
                plain = event.implicit[0]
                if plain:
                    self._check_plain(event.value, line)
                self._add(scalar(event.value) if plain else event.value, line)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._check_properties(event, line)
                if len(self._open) == MAX_DEPTH:
                    raise _TooDeep(line)
                value: list[Value] | dict[str, Value] = [] if isinstance(event, yaml.SequenceStartEvent) else {}
                self._open.append(_Open(value, self._add(value, line)))
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._open.pop()
            case _:
                pass

    def _check_plain(self, text: str, line: int) -> None:
        if text.startswith(yaml_syntax.CURLY_QUOTES):
            self.refuse(line, yaml_syntax.CURLY_QUOTE)
        elif yaml_syntax.SPECIAL_SPACE.match(text[:1]):
            self.refuse(line, yaml_syntax.NO_BREAK_SPACE)

    def _check_properties(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, line: int) -> None:
        if event.anchor is not None:
            self.refuse(line, "anchors (&name) are not allowed; quote the value if the & is meant")
        if event.tag is not None:
            self.refuse(line, yaml_syntax.TAGS)

    def _add(self, value: Value, line: int) -> Path:
        """Add `value` to the innermost open list or mapping; returns its path."""
        if not self._open:
            if self._documents == 1:
                self.root = value
            return ()
        into = self._open[-1]
        if isinstance(into.value, list):
            into.value.append(value)
            path = (*into.path, len(into.value) - 1)
            self.lines[path] = line
            return path
        if into.at_key:
            self._take_key(into, value, line)
        else:
            if not into.refused:
                into.value[into.key] = value
            into.at_key = True
        return (*into.path, into.key)

    def _take_key(self, into: _Open, key: Value, line: int) -> None:
        into.at_key = False
        into.refused = True
        if isinstance(key, dict):
            self.refuse(line, f"a key that is not text; {yaml_syntax.TEMPLATE}")
        elif not isinstance(key, str):
            self.refuse(line, "a key that is not text; put it in quotes")
        elif key in into.first_lines:
            self.refuse(
                line, f"{self._key_text(key, into.path)} is listed twice, first in line {into.first_lines[key]}"
            )
        else:
            into.key, into.refused = key, False
            into.first_lines[key] = self.lines[(*into.path, key)] = line

    def _key_text(self, key: str, path: Path) -> str:
        """The key for a message, unless it may be part of a secret or phone. Without sections, root keys are names."""
        at_root = not path and (self._sections is None or key in self._sections)
        return repr(key) if at_root or showable(key) else "a key"


def _unreadable_line(text: str) -> int:
    found = FORBIDDEN.search(text)
    return text.count("\n", 0, found.start() if found else len(text)) + 1
