"""Completions of options and arguments: files, and the names in a configuration or a users file.

The files are only parsed as YAML, not validated. A file that cannot be read gives no completions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import yaml
from click.shell_completion import CompletionItem

from radius_voice.cli import default_config

MAX_FILE_OCTETS = 1_000_000
"""Larger files are not read: a shell waits for its completions."""
FAST_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,63}")
"""Names that shells take literally. Others are not completed."""


def files(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The shell completes the names of files."""
    return [CompletionItem(incomplete, type="file")]


def clients(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The clients of the configuration."""
    return _matching(_section(_configuration(context), "clients"), incomplete)


def identity_sources(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The identity sources of the configuration."""
    return _matching(_section(_configuration(context), "identity"), incomplete)


def users(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The users of the users file, or of those in the configuration."""
    names = (name for path in _users_files(context) for name in _mapping(path))
    return _matching(names, incomplete)


def _users_files(context: click.Context) -> list[Path]:
    options = context.params
    if options.get("file") is not None:
        return [options["file"]]
    sources, wanted = _section(_configuration(context), "identity"), options.get("source")
    found = [
        section["path"]
        for name, section in sources.items()
        if isinstance(section, dict) and section.get("type") == "users_file" and wanted in (None, name)
    ]
    return [_configuration(context).parent / path for path in found if isinstance(path, str)]


def _configuration(context: click.Context) -> Path:
    options = context.params
    return options.get("path") or options.get("config") or default_config.DEFAULT_CONFIG


def _section(path: Path, key: str) -> dict[Any, Any]:
    section = _mapping(path).get(key)
    return section if isinstance(section, dict) else {}


def _mapping(path: Path) -> dict[Any, Any]:
    """The mapping in a YAML file; empty if there is none that can be read."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_FILE_OCTETS:
            return {}
        content = yaml.load(path.read_bytes(), FAST_LOADER)  # noqa: S506 - a safe loader
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def _matching(names: Iterable[Any], incomplete: str) -> list[str]:
    texts = {name for name in names if isinstance(name, str) and PLAIN.fullmatch(name)}
    return sorted(name for name in texts if name.startswith(incomplete))
