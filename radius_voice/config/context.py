"""The context of validation: the file's directory, the environment, and everything read so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, SecretStr, ValidationInfo, ValidatorFunctionWrapHandler, WrapValidator

from radius_voice.messages import SHIPPED, Catalog


@dataclass(slots=True)
class LoadContext:
    """The directory that paths in the file are relative to, and the environment.

    `holds_secret` becomes true when the file itself contains a secret. `secret_files` are the files that secrets were
    read from. `text_files` are other files that were read, and `file_errors` their errors as sentences with file and
    line. `messages` are the texts of `delivery.messages`.
    `unavailable` returns the placeholder for a secret that this process cannot read; if it is None, such a secret is an
    error.
    `valid` has the valid sections by the `id` of the mappings that they were read from, because pydantic does not pass
    the key of a value to its validator.
    """

    directory: Path
    environment: Mapping[str, str]
    holds_secret: bool = False
    secret_files: list[Path] = field(default_factory=list)
    text_files: list[Path] = field(default_factory=list)
    file_errors: list[str] = field(default_factory=list)
    messages: Catalog = SHIPPED
    unavailable: Callable[[Any], SecretStr] | None = None
    valid: dict[int, BaseModel] = field(default_factory=dict)


def context_of(info: ValidationInfo) -> LoadContext:
    """The context of the validation in progress."""
    return cast("LoadContext", info.context)


def _keep(value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    section = validate(value)
    context_of(info).valid[id(value)] = section
    return section


KEEP_VALID = WrapValidator(_keep)
"""For a section: if it is valid, it is kept in `LoadContext.valid`, even if other sections have errors."""
