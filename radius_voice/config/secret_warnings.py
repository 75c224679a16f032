"""Warnings about secrets that look like mistakes: names of variables or files, assignments, quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from radius_voice.config.errors import dotted
from radius_voice.config.schema import Settings
from radius_voice.config.secrets import UnavailableSecret
from radius_voice.config.section import Diagnostic, Section
from radius_voice.config.strict_yaml import Path as KeyPath

VARIABLE = re.compile(r"\$\{\w+\}|\$[A-Z][A-Z0-9_]*|\$\(.*\)|%[A-Z][A-Z0-9_]*%|\{\{.*\}\}")
"""Variables in the syntax of shells, Windows and templates."""
ASSIGNMENT = re.compile(r"(export )?[A-Z_][A-Z0-9_]+=[^=]")
"""Assignments in the syntax of shells and environment files. Base64 has `=` only at its end."""
QUOTED = re.compile(r"(['\"]).*\1")


def secret_warnings(settings: Settings, directory: Path) -> Iterator[Diagnostic]:
    """Secrets that are probably mistakes. `directory` is the configuration file's."""
    clients: dict[str, KeyPath] = {}
    for path, secret in _secrets(settings, ()):
        if VARIABLE.fullmatch(secret):
            yield path, "is the text of a variable, which is not expanded here; write {env: NAME}"
        elif ASSIGNMENT.match(secret):
            yield path, "holds the name of a variable (NAME=value) as part of the secret; remove NAME= and any quotes"
        elif QUOTED.fullmatch(secret):
            yield path, "holds quotes as part of the secret; remove them"
        elif _is_file(directory, secret):
            yield path, "is the name of a file; write {file: NAME} if the secret is in it"
        if path[0] == "clients":
            yield from _same_secret(clients.setdefault(secret, path), path)


def _same_secret(first: KeyPath, path: KeyPath) -> Iterator[Diagnostic]:
    """Warnings about a secret of a client that is also at `first`. Probe users of several clients may share one."""
    if "probe" in path or "probe" in first:
        if first[1] == path[1] and first != path:
            yield path, f"is the same as {dotted(first)}; give the probe user another password"
    elif first[1] != path[1]:
        yield path, f"is the same as {dotted(first)}; give each gateway a different secret"
    elif first != path:
        yield path, "is listed twice; write the old and the new secret, or only one"


def _secrets(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Every secret below `value` that this process can read, and its path in the file."""
    below: list[tuple[KeyPath, Any]] = []
    match value:
        case UnavailableSecret():
            return
        case SecretStr():
            yield path, value.get_secret_value()
        case Section():
            fields = type(value).model_fields.items()
            below = [((*path, field.alias or name), getattr(value, name)) for name, field in fields]
        case dict():
            below = [((*path, name), each) for name, each in value.items()]
        case tuple():
            below = [(path if len(value) == 1 else (*path, index), each) for index, each in enumerate(value)]
    for deeper, each in below:
        yield from _secrets(each, deeper)


def _is_file(directory: Path, name: str) -> bool:
    try:
        return (directory / name).is_file()
    except (OSError, ValueError):  # too long, or not a file name
        return False
