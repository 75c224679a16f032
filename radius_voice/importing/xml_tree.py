"""Reads XML into a tree with line numbers. Document types, and so entities, are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat  # the parser below refuses documents with a DTD, and so all entities

from radius_voice.config.errors import ConfigError

MAX_DEPTH = 64
MAX_ELEMENTS = 500_000
BUFFER_OCTETS = 1 << 20
CODES = expat.errors.codes
SENTENCES = {
    CODES[
        expat.errors.XML_ERROR_NO_ELEMENTS
    ]: "ends before the last element is closed, so a part of the file is missing",
    CODES[expat.errors.XML_ERROR_UNCLOSED_TOKEN]: "ends within an element, so a part of the file is missing",
    CODES[expat.errors.XML_ERROR_UNDEFINED_ENTITY]: "has an entity that is not defined",
}
NOT_XML = "is not XML; export it with: netsh nps export filename=FILE.xml exportPSK=YES"


@dataclass(slots=True)
class Element:
    """An element. The repr hides its text, which may be a secret."""

    tag: str
    name: str
    line: int
    text: str = field(default="", repr=False)
    children: list[Element] = field(default_factory=list, repr=False)

    def child(self, tag: str) -> Element | None:
        """The first child with that tag."""
        return next((each for each in self.children if each.tag == tag), None)

    def below(self, *tags: str) -> list[Element]:
        """The children of the element that this path of tags leads to."""
        found: Element | None = self
        for tag in tags:
            found = found.child(tag) if found else None
        return found.children if found else []

    def descendants(self) -> Iterator[Element]:
        """This element and all below it, in the order of the file."""
        ahead = [self]
        while ahead:
            element = ahead.pop()
            yield element
            ahead += reversed(element.children)


class _Reader:
    """The state while a document is parsed."""

    def __init__(self, path: Path) -> None:
        self.root: Element | None = None
        self._path = path
        self._open: list[Element] = []
        self._elements = 0
        self.parser = expat.ParserCreate(namespace_separator=None)
        self.parser.buffer_text = True
        self.parser.buffer_size = BUFFER_OCTETS
        self.parser.StartDoctypeDeclHandler = self._refuse_document_type
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._add_text

    def error(self, text: str, line: int | None = None) -> ConfigError:
        return ConfigError([f"{self._path}:{line or self.parser.CurrentLineNumber}: {text}"])

    def _refuse_document_type(self, *_declaration: object) -> None:
        raise self.error("has a document type (<!DOCTYPE), which no export of NPS has; the file is not read")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, attributes.get("name", ""), self.parser.CurrentLineNumber)
        self._elements += 1
        if len(self._open) >= MAX_DEPTH:
            raise self.error(f"elements are nested more than {MAX_DEPTH} deep")
        if self._elements > MAX_ELEMENTS:
            raise self.error(f"has more than {MAX_ELEMENTS} elements")
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _end(self, _tag: str) -> None:
        self._open.pop()

    def _add_text(self, text: str) -> None:
        self._open[-1].text += text


def parse(octets: bytes, path: Path) -> Element:
    """The root of the document. Raises ConfigError with the line."""
    reader = _Reader(path)
    try:
        reader.parser.Parse(octets, True)
    except ConfigError:
        raise
    except expat.ExpatError as error:
        raise reader.error(SENTENCES.get(error.code, NOT_XML), error.lineno) from None
    except (ValueError, LookupError):
        raise reader.error("has an encoding that cannot be read; save the file as UTF-8") from None
    if reader.root is None:
        raise reader.error(NOT_XML)
    return reader.root
