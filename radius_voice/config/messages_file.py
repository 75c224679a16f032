"""The file in which an administrator replaces single texts, or adds a language: `delivery.messages`.

It maps languages to sections, sections to keys, and keys to texts. It has no secrets, so error messages show its keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import structs

from radius_voice.config import strict_yaml
from radius_voice.config.context import LoadContext
from radius_voice.config.errors import located
from radius_voice.config.field_types import FieldType, path_of, require_text
from radius_voice.config.section import Diagnostic
from radius_voice.config.strict_yaml import Path as KeyPath
from radius_voice.config.suggestions import suggestion
from radius_voice.files.access import WRITE_ACCESS, exposure
from radius_voice.files.reading import read_file
from radius_voice.login.texts.segments import segments
from radius_voice.messages import SHIPPED, Catalog, Messages, normal_tag
from radius_voice.messages.placeholders import longest, placeholders

MAX_FILE_OCTETS = 1_048_576
MAX_SHOWN_OCTETS = 253
"""The maximum length of a Reply-Message (RFC 2865 section 5.18)."""
MAX_SPOKEN_CHARACTERS = 150
"""The maximum length of a phrase without its placeholders, so that a call with the longest code fits into TwiML."""
MAX_TEXT_SEGMENTS = 4
"""The maximum length of a text message. Providers charge for each segment."""
LOCALE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?-([A-Z]{2}|[0-9]{3})")
SECTIONS = tuple(each.name for each in structs.fields(Messages) if each.name != "language")


def messages_of(text: str, name: str) -> tuple[Catalog, list[str]]:
    """The shipped texts with the replacements in `text`, and errors as sentences with the file `name` and a line."""
    try:
        root, lines = strict_yaml.load(text, name)
    except strict_yaml.StrictYamlError as problem:
        return SHIPPED, str(problem).splitlines()
    if not isinstance(root, dict):
        reason = "is empty" if root is None else "is not a mapping of languages"
        return SHIPPED, [f"{name}:1: {reason}; write it like: en: {{shown: {{rejected: Access denied.}}}}"]
    replaced: dict[str, Messages] = {}
    diagnostics: list[Diagnostic] = []
    for language in sorted(root, key=len):  # a language before its regions, which inherit its texts
        diagnostics += _language(language, root[language], replaced)
    return Catalog({**SHIPPED.by_language, **replaced}), list(located(name, lines, diagnostics))


def _read(value: Any, context: LoadContext) -> Catalog:
    path = path_of(value, context)
    try:
        octets, status = read_file(path, MAX_FILE_OCTETS + 1)
    except FileNotFoundError:
        raise ValueError(f"{path} cannot be read: No such file or directory; correct the path or create it") from None
    except OSError as problem:
        raise ValueError(f"{path} cannot be read: {problem.strerror}; correct the path or the file's mode") from None
    if len(octets) > MAX_FILE_OCTETS:
        raise ValueError(f"{path} is larger than {MAX_FILE_OCTETS} octets; name a file of texts")
    context.text_files.append(path)
    context.file_errors += exposure(path, status, WRITE_ACCESS, None)
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = octets.count(b"\n", 0, problem.start) + 1
        context.file_errors.append(f"{path}:{line}: is not UTF-8; save the file as UTF-8")
        return SHIPPED
    context.messages, errors = messages_of(text, str(path))
    context.file_errors += errors
    return context.messages


MESSAGES_FILE = FieldType(_read, {"type": "string", "minLength": 1})
"""The path of a file with texts, relative to the configuration; it becomes a Catalog."""


def _language(language: str, texts: strict_yaml.Value, replaced: dict[str, Messages]) -> Iterator[Diagnostic]:
    """The errors of a language. Its messages are added to `replaced`, unless texts of a new language are missing."""
    tag = normal_tag(language)
    if tag is None:
        yield (language,), "is not the tag of a language, like pl or pt-PT"
        return
    if tag in replaced:
        yield (language,), f"is the same language as {tag}; write each language once"
        return
    if not isinstance(texts, dict):
        yield (language,), f"must be a mapping with {', '.join(SECTIONS)}"
        return
    base = Catalog({**SHIPPED.by_language, **replaced}).find(tag)
    if base is None and (missing := _missing(texts)):
        known = f"known are {', '.join(SHIPPED.languages)}{suggestion(tag, SHIPPED.languages)}"
        yield (language,), f"is not a known language; {known}; a new language needs every text; add {missing}"
    valid: dict[str, dict[str, str]] = {}
    for section, values in texts.items():
        yield from _section((language, section), values, valid.setdefault(section, {}))
    if base is not None or not _missing(texts):
        replaced[tag] = _merged(tag, base or SHIPPED.default, valid)


def _missing(texts: Mapping[str, strict_yaml.Value]) -> str:
    """The keys that a new language lacks."""
    lacking = []
    for section in SECTIONS:
        present = texts.get(section)
        keys = structs.asdict(getattr(SHIPPED.default, section))
        lacking += [f"{section}.{key}" for key in keys if not isinstance(present, dict) or key not in present]
    return ", ".join(lacking)


def _section(path: KeyPath, values: strict_yaml.Value, valid: dict[str, str]) -> Iterator[Diagnostic]:
    """The errors of a section. Its texts without an error are added to `valid`."""
    section = str(path[-1])
    if section not in SECTIONS:
        yield path, f"unknown section; known are {', '.join(SECTIONS)}{suggestion(section, SECTIONS)}"
        return
    if not isinstance(values, dict):
        yield path, "must be a mapping of keys and texts"
        return
    english = structs.asdict(getattr(SHIPPED.default, section))
    for key, value in values.items():
        if key not in english:
            known = suggestion(key, english) or f"; known are {', '.join(english)}"
            yield (*path, key), f"unknown key{known}"
            continue
        try:
            text = require_text(value)
            _require_usable(section, key, text, english[key])
            valid[key] = text
        except ValueError as problem:
            yield (*path, key), str(problem)


def _require_usable(section: str, key: str, text: str, english: str) -> None:
    """Raise ValueError with the fix unless the text can take the place of the `english` one."""
    if not text or text != text.strip() or not text.isprintable():
        raise ValueError("must be one line of text without spaces at its ends")
    if (section, key) == ("spoken", "locale"):
        if not LOCALE.fullmatch(text):
            raise ValueError("is not a language with a region; write it like en-US")
        return
    _require_placeholders(text, english)
    match section:
        case "spoken" | "approval":
            length, most, unit = len(re.sub(r"\{\w+\}", "", text)), MAX_SPOKEN_CHARACTERS, "characters"
        case "texted":
            length, most, unit = segments(longest(text)), MAX_TEXT_SEGMENTS, "segments of a text message"
        case _:
            length, most, unit = len(longest(text).encode()), MAX_SHOWN_OCTETS, "octets"
    if length > most:
        raise ValueError(f"is too long: {length} {unit} with the longest values; at most {most} are allowed")


def _require_placeholders(text: str, english: str) -> None:
    wanted = placeholders(english)
    allowed = f"it may have {_listed(wanted)}" if wanted else "this text has none"
    try:
        found = placeholders(text)
    except ValueError:
        raise ValueError(f"has a brace outside a placeholder; {allowed}; write {{{{ for a brace") from None
    if unknown := found - wanted:
        raise ValueError(f"has the unknown placeholder {_listed(unknown)}; {allowed}")
    if lacking := wanted - found:
        raise ValueError(f"lacks {_listed(lacking)}; a text needs every placeholder")


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names))


def _merged(tag: str, base: Messages, texts: Mapping[str, Mapping[str, str]]) -> Messages:
    """`base` in the language `tag`, with the texts of the file by section and key."""
    changed = {section: structs.replace(getattr(base, section), **of) for section, of in texts.items() if of}
    return structs.replace(base, language=tag, **changed)
