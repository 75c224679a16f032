"""Errors in the configuration: sentences with file, line, key and fix. They never show a value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from radius_voice.config.adapters import IdentitySection
from radius_voice.config.section import Diagnostic, KeyProblem
from radius_voice.config.strict_yaml import Path as KeyPath
from radius_voice.config.strict_yaml import scalar
from radius_voice.config.suggestions import showable, suggestion, without_colon
from radius_voice.files.access import with_advice_once
from radius_voice.messages import SHIPPED, Catalog

SENTENCES = {
    "missing": "is missing; add it",
    "string_type": "must be text",
    "string_unicode": "holds a lone surrogate, which is not a character; remove it",
    "int_type": "must be a whole number{quotes}",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false{quotes}",
    "tuple_type": "must be a list{example}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must not be empty{example}",
    "too_long": "must have at most {max_length} items{example}",
    "literal_error": "must be {expected}{mapping}{suggestion}",
    "union_tag_invalid": "is not a known type; known are {expected_tags}{suggestion}",
    "union_tag_not_found": "has no type; add one of {types}",
}
QUOTED = re.compile("'([^']*)'")
MAPPINGS = ("model_type", "dict_type", "model_attributes_type")
HIDDEN_KEY = "(a key)"
MAX_SHOWN_NAME = 64
READABLE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class ConfigError(ValueError):
    """A file that cannot be used. `errors` are sentences with file and line, one for each error.

    `identity` are the valid sections of identity sources by name, so that errors in users files can be reported too;
    `messages` has the languages of users there.
    """

    def __init__(
        self,
        errors: Iterable[str],
        identity: Mapping[str, IdentitySection] | None = None,
        messages: Catalog = SHIPPED,
    ) -> None:
        self.errors = tuple(with_advice_once(errors))
        self.identity = identity or {}
        self.messages = messages
        super().__init__("\n".join(self.errors))


class HiddenKey(str):
    """A key that messages do not show, because it may be a part of a secret."""

    __slots__ = ()


class SectionName(str):
    """An invalid name that messages show: the section under it has a known key, so it is no part of a secret."""

    __slots__ = ()


def readable(name: str) -> str:
    """A name that fits into one line of a message."""
    return name if READABLE.fullmatch(name) else ascii(name)


def dotted(path: KeyPath) -> str:
    """A path in dotted form: `clients.hq-vpn.secret[1]`. A key that may be part of a secret is replaced by (a key)."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{_shown(step)}" if text else _shown(step)
    return text


def _shown(step: str) -> str:
    if isinstance(step, SectionName):
        return readable(step)
    return step if READABLE.fullmatch(step) and not isinstance(step, HiddenKey) else HIDDEN_KEY


def located(name: str, lines: Mapping[KeyPath, int], diagnostics: Iterable[Diagnostic]) -> Iterator[str]:
    """Diagnostics as sentences, in the order of their lines. A missing key has the line of its section."""

    def line_of(diagnostic: Diagnostic) -> int:
        path = diagnostic[0]
        return next(lines[path[:length]] for length in range(len(path), -1, -1) if path[:length] in lines)

    for diagnostic in sorted(dict.fromkeys(diagnostics), key=line_of):
        path, message = diagnostic
        yield f"{name}:{line_of(diagnostic)}: {dotted(path)}{': ' if path else ''}{message}"


def diagnostics_of(error: ValidationError, tree: Any, schema: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """The errors that pydantic found in `tree`. `schema` is the JSON Schema, for names and examples."""
    for path, message in _diagnostics_of(error, tree, schema):
        yield _with_section_names(path, tree, schema), message


def _with_section_names(path: KeyPath, tree: Any, schema: Mapping[str, Any]) -> KeyPath:
    """The path, with each invalid name of a section marked as one that may be shown."""
    named: KeyPath = ()
    for length, step in enumerate(path):
        value = _resolve(path[: length + 1], tree)[1]
        is_name = isinstance(step, str) and not READABLE.fullmatch(step) and isinstance(value, dict)
        named = (*named, SectionName(step) if is_name and _names_a_section(path[: length + 1], value, schema) else step)
    return named


def _names_a_section(path: KeyPath, section: Mapping[str | int, Any], schema: Mapping[str, Any]) -> bool:
    *above, name = path
    known = {key for node in nodes_at(schema, path) for key in node.get("properties", ())}
    chosen = any("patternProperties" in node for node in nodes_at(schema, tuple(above)))
    short = len(str(name)) <= MAX_SHOWN_NAME
    return chosen and short and not known.isdisjoint(map(str, section)) and not without_colon(str(name), known)


def _diagnostics_of(error: ValidationError, tree: Any, schema: Mapping[str, Any]) -> Iterator[Diagnostic]:
    for details in error.errors(include_url=False, include_input=False):
        path, value = _resolve(details["loc"], tree)
        match details["type"]:
            case "too_short" if value != ([] if details["ctx"]["field_type"] == "Tuple" else {}):
                continue  # pydantic does not count invalid items; they have errors already
            case "extra_forbidden":
                yield _unknown_key(path, _resolve(path[:-1], tree)[1], schema)
            case "missing":
                yield (*path, str(details["loc"][-1])), SENTENCES["missing"]
            case "union_tag_invalid":
                yield (*path, "type"), _sentence(details, path, value, schema)
            case "value_error" if isinstance(details["ctx"]["error"], KeyProblem):
                yield (*path, *details["ctx"]["error"].path), str(details["ctx"]["error"])
            case _:
                yield path, _sentence(details, path, value, schema)


def _sentence(details: ErrorDetails, path: KeyPath, value: Any, schema: Mapping[str, Any]) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if value is None and kind not in ("union_tag_not_found", "value_error"):
        holds_keys = any("properties" in node or "patternProperties" in node for node in nodes_at(schema, path))
        return f"has no value; {'indent what belongs to it' if holds_keys else 'give it one'} or remove the key"
    types = [node["const"] for node in nodes_at(schema, (*path, "type")) if "const" in node]
    if kind in MAPPINGS and value in types:
        return f"must be a mapping; write {{type: {value}}}"
    if kind in MAPPINGS:
        return "must be a mapping; write its keys on separate lines, indented below it"
    if kind == "string_type" and isinstance(value, bool | int | float):
        return "YAML reads this as a number or a truth value, not as text; put it in quotes"
    if kind == "string_pattern_mismatch":
        return _pattern_sentence(details["loc"], path, schema)
    if kind == "value_error":
        return str(context["error"])
    known = QUOTED.findall(context.get("expected", context.get("expected_tags", "")))
    return SENTENCES.get(kind, "is not valid").format_map(
        {
            **context,
            "example": _example(path, schema),
            "suggestion": suggestion(str(context.get("tag", value)), known),
            "mapping": _or_mapping(path, schema),
            "types": ", ".join(types),
            "quotes": _without_quotes(kind, value),
        }
    )


def _without_quotes(kind: str, value: Any) -> str:
    meant = scalar(value) if isinstance(value, str) else None
    fits = isinstance(meant, bool) if kind == "bool_type" else type(meant) is int
    return "; write it without quotes" if fits else ""


def _or_mapping(path: KeyPath, schema: Mapping[str, Any]) -> str:
    keys = [key for node in nodes_at(schema, path) for key in node.get("properties", ())]
    return f", or a mapping with {', '.join(keys)}" if keys else ""


def _example(path: KeyPath, schema: Mapping[str, Any]) -> str:
    """`; write it like [...]` with a list in YAML: an example of the schema, or the default."""
    for node in nodes_at(schema, path):
        for example in (*node.get("examples", ()), node.get("default")):
            if example and isinstance(example, list):
                return f"; write it like {yaml.safe_dump(example, default_flow_style=True, width=200).strip()}"
    return ""


def _pattern_sentence(location: Sequence[str | int], path: KeyPath, schema: Mapping[str, Any]) -> str:
    if location[-1] == "[key]":
        return "not a valid name; use letters (lower case for names that you choose), digits, '.', '_' and '-'"
    examples = [example for node in nodes_at(schema, path) for example in node.get("examples", ())]
    return f"does not have the required form; write it like {examples[0]}"


def _resolve(location: Sequence[str | int], tree: Any) -> tuple[KeyPath, Any]:
    """The path in `tree` for a location of pydantic, without the tags of unions, and the value there."""
    path: KeyPath = ()
    for step in location:
        inside = isinstance(tree, dict) and step in tree
        if inside or (isinstance(tree, list) and isinstance(step, int) and step < len(tree)):
            path, tree = (*path, step), tree[step]
    return path, tree


def _unknown_key(path: KeyPath, section: Mapping[str | int, Any], schema: Mapping[str, Any]) -> Diagnostic:
    *above, key = path
    value, kind = section[key], section.get("type")
    nodes = nodes_at(schema, tuple(above))
    own = [node for node in nodes if _type_of(node) in (None, kind)] or nodes
    known = [name for node in own for name in node.get("properties", ())]
    others = [str(_type_of(node)) for node in nodes if node not in own and key in node.get("properties", ())]
    if others:
        return path, f"belongs to type {' or '.join(others)}, not to {kind}; remove it, or change the type"
    meant = suggestion(str(key), known)
    if value is not None and (first := without_colon(str(key), known)):
        return (*above, HiddenKey(key)), f"no colon after '{first}'; write it as {first}: VALUE"
    if not showable(str(key), known):
        path = (*above, HiddenKey(key))
    # `{secret: abc,def}` and `{secret:abc}` turn a secret, or a part of one, into a key.
    if value is None and not (meant and showable(str(key), known)):
        fix = "write KEY: VALUE with a space after the colon, and put a text that holds a comma in quotes"
        return tuple(above), f"has an unknown key without a value; {fix}"
    if meant:
        return path, f"unknown key{meant}"
    indent = "; if it belongs to the section above, indent it" if isinstance(value, dict) and not above else ""
    return path, f"unknown key; known here are {', '.join(dict.fromkeys(known))}{indent}"


def _type_of(node: Mapping[str, Any]) -> Any:
    """The `type` of a section that has several, None for others."""
    return node.get("properties", {}).get("type", {}).get("const")


def nodes_at(schema: Mapping[str, Any], path: KeyPath) -> list[Mapping[str, Any]]:
    """The parts of a JSON Schema that describe the value at `path`."""
    nodes = list(_alternatives(schema, schema))
    for step in path:
        nodes = [part for node in nodes for child in _children(node, step) for part in _alternatives(schema, child)]
    return nodes


def _alternatives(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "$ref" in node:
        yield from _alternatives(schema, schema["$defs"][node["$ref"].rpartition("/")[2]])
    else:
        yield node
        for other in (*node.get("anyOf", ()), *node.get("oneOf", ())):
            yield from _alternatives(schema, other)


def _children(node: Mapping[str, Any], step: str | int) -> Iterator[Mapping[str, Any]]:
    if isinstance(step, int):
        if "items" in node:
            yield node["items"]
    elif step in node.get("properties", {}):
        yield node["properties"][step]
    else:
        yield from node.get("patternProperties", {}).values()
