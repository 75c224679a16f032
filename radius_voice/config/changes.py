"""The differences between two configurations, by key. Values are omitted, because they may be secrets."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from radius_voice.config.errors import dotted
from radius_voice.config.schema import Settings
from radius_voice.config.strict_yaml import Path

ADDED, REMOVED, CHANGED = "added", "removed", "changed"


@dataclass(frozen=True, slots=True)
class Changes:
    """The dotted keys that were added, removed and changed, each in the order of the settings."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def changes(before: Settings, after: Settings, without: Collection[str] = ()) -> Changes:
    """The keys whose values differ, defaults included. Keys in `without`, and those below them, are left out."""
    found: dict[str, list[str]] = {ADDED: [], REMOVED: [], CHANGED: []}
    for path, kind in _differences((), before, after):
        key = dotted(path)
        if not any(key == each or key.startswith((f"{each}.", f"{each}[")) for each in without):
            found[kind].append(key)
    return Changes(*(tuple(found[kind]) for kind in (ADDED, REMOVED, CHANGED)))


def _differences(path: Path, before: Any, after: Any) -> Iterator[tuple[Path, str]]:
    if isinstance(before, BaseModel) and type(before) is type(after):
        for name, field in type(before).model_fields.items():
            yield from _differences((*path, field.alias or name), getattr(before, name), getattr(after, name))
    elif isinstance(before, dict) and isinstance(after, dict):
        yield from _of_mappings(path, before, after)
    elif _are_sections(before) and _are_sections(after) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _differences((*path, index), old, new)
    elif before != after:
        yield path, CHANGED


def _of_mappings(path: Path, before: dict[str, Any], after: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    for name in (*before, *(name for name in after if name not in before)):
        if name not in after:
            yield (*path, name), REMOVED
        elif name not in before:
            yield (*path, name), ADDED
        else:
            yield from _differences((*path, name), before[name], after[name])


def _are_sections(value: Any) -> bool:
    return isinstance(value, tuple) and any(isinstance(each, BaseModel) for each in value)
