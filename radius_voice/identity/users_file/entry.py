"""Changes of one user's entry in the text of a users file. Comments and layout around the change stay.

Each function returns the changed text. It raises UsersFileError for a text that cannot be read, and ValueError when
no user has the name or the layout does not allow the change.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import yaml
from msgspec import structs

from radius_voice.config import strict_yaml
from radius_voice.identity.users_file.text import UserEntry, checked, parse
from radius_voice.login.names import canonical_name
from radius_voice.login.phone import Phone

EMPTY = "# There are no users.\n"

Item: TypeAlias = "tuple[yaml.ScalarNode, yaml.MappingNode]"


def with_password(text: str, file: str, name: str, password: str) -> str:
    """Give a user this password hash."""
    users, entry = _found(text, file, name)
    changed = _with_value(text, entry.user.id, "password", password)
    return checked(changed, file, users | {canonical_name(name): dataclasses.replace(entry, password=password)})


def with_phones(text: str, file: str, name: str, phones: Sequence[Phone]) -> str:
    """Give a user these phones, in place of all present ones."""
    users, entry = _found(text, file, name)
    changed = _with_value(text, entry.user.id, "phones", [phone.text for phone in phones])
    user = structs.replace(entry.user, phones=tuple(phones))
    return checked(changed, file, users | {canonical_name(name): dataclasses.replace(entry, user=user)})


def with_language(text: str, file: str, name: str, language: str) -> str:
    """Set the language of a user, which must be known."""
    users, entry = _found(text, file, name)
    changed = _with_value(text, entry.user.id, "language", language)
    user = structs.replace(entry.user, language=language)
    return checked(changed, file, users | {canonical_name(name): dataclasses.replace(entry, user=user)})


def with_disabled(text: str, file: str, name: str, disabled: bool) -> str:
    """Disable or enable a user."""
    users, entry = _found(text, file, name)
    changed = _with_value(text, entry.user.id, "disabled", disabled)
    user = structs.replace(entry.user, disabled=disabled)
    return checked(changed, file, users | {canonical_name(name): dataclasses.replace(entry, user=user)})


def without_user(text: str, file: str, name: str) -> str:
    """Remove a user."""
    users, entry = _found(text, file, name)
    root = _composed(text)
    number, (key, node) = _item(root, entry.user.id)
    if root.flow_style:
        start, end = _flow_item_span(root, number)
    else:
        start, end = text.rfind("\n", 0, key.start_mark.index) + 1, _line_end(text, _end(node))
        end += len(_newline(text)) if end < len(text) else 0
    changed = text[:start] + text[end:]
    return checked(
        changed if changed.strip() else EMPTY, file, {key: users[key] for key in users if key != canonical_name(name)}
    )


def entry_of(users: Mapping[str, UserEntry], file: str, name: str) -> UserEntry:
    """The user with that name (compared canonically). Raises ValueError if there is none."""
    entry = users.get(canonical_name(name))
    if entry is None:
        raise ValueError(f"{file}: there is no user {name!r}; radius-voice users list --file {file} shows all")
    return entry


def _found(text: str, file: str, name: str) -> tuple[dict[str, UserEntry], UserEntry]:
    users = parse(text, file)
    return users, entry_of(users, file, name)


def _composed(text: str) -> yaml.MappingNode:
    """The YAML nodes of a text with their positions. The text must have been parsed, so that it is a mapping."""
    return cast("yaml.MappingNode", yaml.compose(text, Loader=strict_yaml.PARSER))


def _item(of: yaml.MappingNode, key: str) -> tuple[int, Item]:
    return next((number, item) for number, item in enumerate(of.value) if item[0].value == key)


def _with_value(text: str, name: str, key: str, value: str | bool | list[str]) -> str:
    name_node, entry = _item(_composed(text), name)[1]
    for present, old in entry.value:
        if present.value == key:
            return text[: old.start_mark.index] + _written_like(old, value, text) + text[_end(old) :]
    if entry.flow_style:
        return _with_flow_item(text, name_node, entry, key, json.dumps(value))
    last = entry.value[-1][1]
    at = _line_end(text, _end(last))
    indent = " " * entry.value[0][0].start_mark.column
    value_text = value if isinstance(value, str) else json.dumps(value)
    return f"{text[:at]}{_newline(text)}{indent}{key}: {value_text}{text[at:]}"


def _written_like(old: yaml.Node, value: str | bool | list[str], text: str) -> str:
    """The value in the style of the value that it replaces: a list on separate lines, a word without quotes."""
    if isinstance(value, list) and isinstance(old, yaml.SequenceNode) and not old.flow_style:
        between = _newline(text) + " " * old.start_mark.column
        return between.join(f"- {json.dumps(each)}" for each in value)
    if isinstance(value, str) and isinstance(old, yaml.ScalarNode) and not old.style:
        return value
    return json.dumps(value)


def _with_flow_item(text: str, name: yaml.ScalarNode, entry: yaml.MappingNode, key: str, value_text: str) -> str:
    """Add a key to an entry in braces. The key is quoted if the other keys are, as in JSON."""
    neighbour = entry.value[-1][0] if entry.value else name
    quoted = json.dumps(key) if neighbour.style == '"' else key
    item = f"{quoted}: {value_text}"
    if not entry.value:
        at = entry.start_mark.index + 1
        return text[:at] + item + text[at:]
    at = _end(entry.value[-1][1])
    return f"{text[:at]}, {item}{text[at:]}"


def _flow_item_span(root: yaml.MappingNode, number: int) -> tuple[int, int]:
    """The start and end of an item of a mapping in braces, with its comma."""
    key, entry = root.value[number]
    if number:
        return _end(root.value[number - 1][1]), _end(entry)
    if len(root.value) > 1:
        return key.start_mark.index, root.value[1][0].start_mark.index
    return key.start_mark.index, _end(entry)


def _end(node: Any) -> int:
    """The end of a node's own text; the end mark of a block node is after the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    end: int = node.end_mark.index
    return end


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    if end < 0:
        return len(text)
    return end - 1 if text[end - 1 : end] == "\r" else end


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
