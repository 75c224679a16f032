"""Templates for the parts of a request: `{name}` is replaced by a value, escaped for its place. Pure.

Names are looked up in a fixed set. There is no other syntax: `{phone.address}`, `{phone[0]}`, `{phone!r}` and
`{phone:>20}` are unknown names. A template without errors (`name_problems`, `url_problem`, `header_problem`,
`body_problem`) can be rendered with any values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from radius_voice.config.suggestions import suggestion

PLACEHOLDER = re.compile(r'\{([^{}"]*[^{}"\s][^{}"]*)\}')
"""A pair of braces that is not a JSON object: objects are empty or contain a quotation mark."""
BRACE = re.compile("[{}]")
SHOWN_NAME = re.compile("[a-z_.]{1,32}")

CODE = ("code", "code_spaced", "text")
"""The placeholders that contain the code."""
NUMBER = ("phone", "phone_digits")
"""The placeholders of a phone number, empty for a SIP address."""
SIP = ("sip_address", "sip_user")
"""The placeholders of a SIP address, empty for a phone number."""
REQUEST = (*NUMBER, "extension", *SIP, *CODE, "friendly_name", "language", "method", "ring_timeout")
NAMES = (*REQUEST, "request_id")
NAMESPACE = "secret."

ANY_TEXT = "\ue000"
"""Replaces values while a template is checked. It is not allowed in XML names and in JSON numbers."""
NUMBERS = {"ring_timeout": "10"}
"""Placeholders with numeric values, which need no quotation marks in JSON."""

URL_CHARACTERS = re.compile(r"([A-Za-z0-9._~:/?@!$&'()*+,;=|\[\]-]|%[0-9A-Fa-f]{2})*")
HEADER_CHARACTERS = re.compile(r"[\t -~]*")
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
XML_ESCAPES = {ord(each): f"&#{ord(each)};" for each in "&<>\"'\t\n\r"}
CONTROL = re.compile("[\x00-\x1f\x7f]")

Escape = Callable[[str], str]


def for_url(value: str) -> str:
    """Percent-encode a value for a URL or a form."""
    return quote(value, safe="")


def for_json(value: str) -> str:
    """Escape a value for a JSON string, without the quotation marks."""
    return json.dumps(value)[1:-1]


def for_xml(value: str) -> str:
    """Escape a value for XML text or an attribute. Characters that XML cannot contain become U+FFFD."""
    return NOT_XML.sub("\ufffd", value).translate(XML_ESCAPES)


def for_header(value: str) -> str:
    """Replace every control character of a value with a space."""
    return CONTROL.sub(" ", value)


def for_text(value: str) -> str:
    """The unchanged value."""
    return value


ESCAPES: Mapping[str, Escape] = {"form": for_url, "json": for_json, "xml": for_xml, "text": for_text}
"""How values are escaped in a body, by `content_type`."""


def names_in(template: str) -> list[str]:
    """The names of the placeholders of a template, in order."""
    return PLACEHOLDER.findall(template)


def without_texts(template: str) -> str:
    """The template with `<text>` instead of each literal text, so that no secret is shown."""
    parts = PLACEHOLDER.split(template)
    return "".join(f"{{{part}}}" if index % 2 else "<text>" * bool(part) for index, part in enumerate(parts))


def render(template: str, values: Mapping[str, str], escape: Escape) -> str:
    """Replace the placeholders of a template by escaped values. Raises KeyError for a name without a value."""
    return PLACEHOLDER.sub(lambda found: escape(values[found[1]]), template)


def name_problems(template: str, secrets: Collection[str]) -> Iterator[str]:
    """Errors about unknown names in a template. `secrets` are the names of the provider's secrets."""
    known = [*NAMES, *(NAMESPACE + name for name in secrets)]
    for name in dict.fromkeys(names_in(template)):
        if name not in known:
            shown = f"{{{name}}}" if SHOWN_NAME.fullmatch(name) else "a text in braces"
            meant = suggestion(name, known) or f"; known are {', '.join(known)}"
            yield f"{shown} is no placeholder{meant}"


def url_problem(template: str) -> str | None:
    """Why a template cannot be the part of a URL after the host, or a form; None if it can."""
    return _literal_problem(
        template, URL_CHARACTERS, "characters that must be percent-encoded, like spaces and line breaks"
    )


def header_problem(template: str) -> str | None:
    """Why a template cannot be the value of a header; None if it can."""
    return _literal_problem(template, HEADER_CHARACTERS, "characters that a header cannot have")


def body_problem(template: str, content_type: str) -> str | None:
    """Why a template cannot be a body of that content type for all values; None if it can."""
    return BODY_PROBLEMS[content_type](template)


def _literal_problem(template: str, allowed: re.Pattern[str], others: str) -> str | None:
    literal = "".join(PLACEHOLDER.split(template)[::2])
    if BRACE.search(literal):
        return "has a brace that belongs to no placeholder"
    return None if allowed.fullmatch(literal) else f"has {others}"


def _text_problem(template: str) -> str | None:
    return _literal_problem(template, re.compile(".*", re.DOTALL), "")


def _checked_with(template: str) -> str:
    return PLACEHOLDER.sub(lambda found: NUMBERS.get(found[1], ANY_TEXT), template)


def _json_problem(template: str) -> str | None:
    text = _checked_with(template)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        if text[error.pos : error.pos + 1] == ANY_TEXT:
            return 'has a placeholder without quotation marks; write "{phone}", only {ring_timeout} is a number'
        return f"is not JSON: {error.msg} (line {error.lineno} of the text)"
    except RecursionError:
        return "is nested too deeply"
    if any(BRACE.search(each) for each in _texts(value)):
        return "has a brace that belongs to no placeholder"
    return None


def _texts(value: Any) -> Iterator[str]:
    """All keys and strings in a JSON value."""
    match value:
        case str():
            yield value
        case dict():
            yield from value
            for each in value.values():
                yield from _texts(each)
        case list():
            for each in value:
                yield from _texts(each)


def _xml_problem(template: str) -> str | None:
    if "<!" in template:
        return "has a comment, a CDATA section or a declaration (<!); remove it, values are escaped"
    if problem := _text_problem(template):
        return problem
    text = PLACEHOLDER.sub(ANY_TEXT, template)
    try:
        root = ET.fromstring(text.encode())  # noqa: S314 - without declarations no entity is expanded
    except (ET.ParseError, ValueError, LookupError):
        return "is not XML in UTF-8, or has a placeholder in a name; placeholders may be in text and attributes"
    found = "".join([*root.itertext(), *(value for each in root.iter() for value in each.attrib.values())])
    if found.count(ANY_TEXT) != text.count(ANY_TEXT):
        return "has a placeholder outside of text and attributes"
    return None


BODY_PROBLEMS: Mapping[str, Callable[[str], str | None]] = {
    "form": url_problem,
    "json": _json_problem,
    "xml": _xml_problem,
    "text": _text_problem,
}
