"""Explains YAML syntax errors: the line that must be changed, the cause and the fix, never a value.

A parser reports where it stopped, which is often lines after the mistake, and some of its messages quote the text,
which may be a secret. So the lines before that position are examined, and all messages are defined here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

import yaml

LineError = tuple[int, str]
"""The line (from 1) that must be changed, and the message."""

TAB = "a tab, which YAML does not allow here; replace it by spaces"
OPEN_QUOTE = "the quote that opens in this line is not closed; add the closing quote"
OPEN_BRACKET = "the [ or { that opens in this line is not closed; close it, or put the whole value in quotes"
NO_COLON = "the key has no colon; write it as KEY: VALUE"
NO_SPACE = "there is no space after the colon; write it as KEY: VALUE"
COLON = "a value that ends in a colon, or holds a colon and a space, must be in quotes, like '2001:db8::'"
FIRST_CHARACTER = "a value that begins with one of @ ` % & * ? | > ] } , must be in quotes"
BACKSLASH = "in double quotes a backslash begins an escape; write the value in single quotes"
AFTER_QUOTE = (
    "text follows the closing quote or bracket of a value; put the whole value in single quotes, "
    "and write a single quote inside it twice"
)
IN_BRACKETS = (
    "inside [ ] and { } a comma goes between values, and a value that holds one of [ ] { } , or a colon "
    'must be in quotes, like ["udp://[::1]:1812"]'
)
NO_COMMA = "a comma is missing at the end of this line, inside [ ] or { }"
DASH = (
    "a list that is written with '-' begins on the line after its key; a value that begins with '- ' must be in quotes"
)
DEEPER = "is indented deeper than the line above, which already has a value; indent both alike"
UNEVEN = "the indentation fits none of the lines above; indent the keys of one mapping by the same number of spaces"
MIXED = "a key and an item that begins with '-' are beside each other; a mapping has only keys, a list only items"
FIRST_LINE = "the first key is indented and the keys below it are not; remove the spaces before it"
TOO_DEEP = "is nested too deeply; remove levels"
TAGS = "tags (!name) are not allowed; quote the value if the ! is meant"
CURLY_QUOTE = "a curly quote begins this value or key; replace curly quotes by straight ones, \" or '"
NO_BREAK_SPACE = "a no-break space or another special space; replace it by a normal space"
TEMPLATE = "{{ }} is not replaced here; write the value itself, or put the braces in quotes if they are meant"
OTHER = "not valid YAML; check the indentation, quotes and colons of this line and the line above"

CURLY_QUOTES = ("\u201c", "\u201d", "\u201e", "\u2018", "\u2019", "\u201a")
SPECIAL_SPACE = re.compile("[ \t]*(- +)*([\\w.-]+:)?[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]")
"""A special space as indentation, or directly after a key's colon."""
ITEM = r"(- +)*"
KEY_WITHOUT_SPACE = re.compile(ITEM + r"[\w.-]+:\S")
KEY_AND_COLON = re.compile(ITEM + r"""("[^"]*"|'[^']*'|[^:#"']|:(?=\S))*:(\s|$)""")
KEY_ONLY = re.compile(ITEM + r"[^\s:]*$")
CONTINUED = re.compile(r"[,:\[{]\s*(#.*)?$")


def explain(
    error: yaml.MarkedYAMLError, text: str, quoted: tuple[int, int], sections: Collection[str] | None
) -> LineError:
    """The line to change, and the message with the fix.

    `quoted` are the first and last line of the last quoted value before the error. `sections` are the keys that may be
    at the root; None allows any.
    """
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column) if mark else (1, 0)
    position = _Position(
        _Lines(text), line, column, error.context_mark.line + 1 if error.context_mark else line, sections
    )
    parser_text = f"{error.context} {error.problem}"
    if quoted[0] < quoted[1] == line:
        return quoted[0], OPEN_QUOTE
    special = next((number for number in range(1, line + 1) if SPECIAL_SPACE.match(position.lines.text(number))), 0)
    if special:
        return special, NO_BREAK_SPACE
    if "tab character" in parser_text or position.lines.text(line)[column : column + 1] == "\t":
        return line, TAB
    for phrase, message in MESSAGES.items():
        if phrase in parser_text:
            return line, message
    for phrase, examine in EXAMINED.items():
        if phrase in parser_text:
            return examine(position)
    return line, OTHER


@dataclass(frozen=True, slots=True)
class _Position:
    """Where the parser stopped. `opened` is the line where the value or section that it was reading begins."""

    lines: _Lines
    line: int
    column: int
    opened: int
    sections: Collection[str] | None


def _in_quotes(at: _Position) -> LineError:
    return (at.opened, OPEN_QUOTE) if at.opened < at.line else (at.line, BACKSLASH)


def _no_colon(at: _Position) -> LineError:
    return at.opened, NO_SPACE if KEY_WITHOUT_SPACE.match(at.lines.content(at.opened)) else NO_COLON


def _second_colon(at: _Position) -> LineError:
    """A colon in a value, or the first colon of a line that continues the value of the line above."""
    above = at.lines.above(at.line)
    if not above or not KEY_ONLY.match(at.lines.text(at.line)[: at.column].lstrip()):
        return at.line, COLON
    if KEY_WITHOUT_SPACE.match(at.lines.content(above)):
        return above, NO_SPACE
    return (at.line, DEEPER) if KEY_AND_COLON.match(at.lines.content(above)) else (above, NO_COLON)


def _in_brackets(at: _Position) -> LineError:
    if at.opened == at.line:
        return at.line, IN_BRACKETS
    if at.lines.indent(at.line) <= at.lines.indent(at.opened):
        return at.opened, OPEN_BRACKET
    above = at.lines.above(at.line)
    return (at.line, IN_BRACKETS) if CONTINUED.search(at.lines.text(above)) else (above, NO_COMMA)


def _first_key(at: _Position) -> LineError:
    first = at.lines.below(0)
    return (first, FIRST_LINE) if at.lines.indent(first) else (at.line, OTHER)


def _between_keys(at: _Position) -> LineError:
    """Where a key was expected: text after a value, a key without a colon, or a line whose indentation is wrong."""
    lines, line = at.lines, at.line
    indent, above = lines.indent(line), lines.above(line)
    if at.column > indent:
        return line, AFTER_QUOTE
    if not above:
        return line, OTHER
    if indent == lines.indent(above):
        return _same_indentation(lines, line, above)
    if indent > lines.indent(above) and KEY_AND_COLON.match(lines.content(above)):
        return line, DEEPER
    return _indentation(lines, line, at.sections)


def _same_indentation(lines: _Lines, line: int, above: int) -> LineError:
    if lines.content(above).startswith("-") or KEY_AND_COLON.match(lines.content(above)):
        return line, MIXED
    return above, NO_SPACE if KEY_WITHOUT_SPACE.match(lines.content(above)) else NO_COLON


def _indentation(lines: _Lines, line: int, sections: Collection[str] | None) -> LineError:
    """A line that fits no mapping above it, because of its own indentation or that of a line above."""
    indent = lines.indent(line)
    parent = lines.above(line, lambda other: lines.indent(other) < indent)
    belongs_there = sections is None or lines.content(parent).partition(":")[0] in sections
    if lines.indent(parent) or not belongs_there:
        neighbour = lines.above(parent, lambda other: lines.indent(other) <= indent)
        ends = f"ends the mapping that line {line} continues"
        if neighbour and lines.indent(neighbour) == indent:
            return parent, f"is indented less than lines {neighbour} and {line} and {ends}; indent it like them"
        if lines.content(neighbour).endswith(":") and lines.indent(neighbour) == lines.indent(parent):
            return parent, f"is not indented below line {neighbour} and {ends}; indent it like line {line}"
    first = lines.below(parent)
    unit = lines.indent(lines.below(0, lambda other: lines.indent(other) > 0)) or 1
    if lines.indent(first) % unit and not indent % unit:
        return first, f"is indented differently than line {line}, which belongs to the same mapping; indent both alike"
    return line, UNEVEN


MESSAGES = {
    "nesting depth": TOO_DEEP,
    "entries are not allowed": DASH,
    " tag": TAGS,
    "cannot start": FIRST_CHARACTER,
    "keys are not": FIRST_CHARACTER,
    "content": FIRST_CHARACTER,
    "alias": FIRST_CHARACTER,
    "anchor": FIRST_CHARACTER,
    "block scalar": FIRST_CHARACTER,
    "directive": FIRST_CHARACTER,
}
"""Parts of messages of libyaml and PyYAML whose line is right, and our messages for them."""

EXAMINED = {
    "document start": _first_key,
    "quoted scalar": _in_quotes,
    "simple key": _no_colon,
    "mapping values": _second_colon,
    "flow": _in_brackets,
    "unexpected ':'": _in_brackets,
    "block mapping": _between_keys,
    "block collection": _between_keys,
}
"""Parts of their messages for which the lines must be examined."""


class _Lines:
    """The lines of a text by their numbers, from 1. Blank lines and comments are never found."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()

    def text(self, line: int) -> str:
        """The line as it is; empty when there is none of that number."""
        return self._lines[line - 1] if 0 < line <= len(self._lines) else ""

    def content(self, line: int) -> str:
        return self.text(line).strip()

    def indent(self, line: int) -> int:
        text = self.text(line)
        return len(text) - len(text.lstrip(" "))

    def above(self, line: int, fits: Callable[[int], bool] = lambda _: True) -> int:
        """The nearest line above that fits, or 0."""
        return next((other for other in range(line - 1, 0, -1) if self._counts(other) and fits(other)), 0)

    def below(self, line: int, fits: Callable[[int], bool] = lambda _: True) -> int:
        """The nearest line below that fits, or 0."""
        lines = range(line + 1, len(self._lines) + 1)
        return next((other for other in lines if self._counts(other) and fits(other)), 0)

    def _counts(self, line: int) -> bool:
        return bool(self.content(line)) and not self.content(line).startswith("#")
