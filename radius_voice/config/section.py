"""The base class of every section of the configuration."""

from __future__ import annotations

from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from radius_voice.config.strict_yaml import Path as KeyPath

Diagnostic: TypeAlias = tuple[KeyPath, str]
"""The path of a value, and a message: the problem and the fix."""


def file_default(default: Any, **more: Any) -> Any:
    """A default in the syntax of the file; it is converted like a value of the file."""
    return Field(default=default, validate_default=True, **more)


def optional_section(**more: Any) -> Any:
    """A section that may be omitted, because all its keys have defaults."""
    return Field(default_factory=dict, validate_default=True, **more)


class KeyProblem(ValueError):
    """An error of a key of a section. `path` leads from the section to the key."""

    def __init__(self, text: str, *path: str) -> None:
        super().__init__(text)
        self.path = path


class Section(BaseModel):
    """A mapping with known keys."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )
