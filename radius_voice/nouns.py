"""Nouns that are made several times a login. A leaf that everybody may import."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

_Noun = TypeVar("_Noun")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def noun(cls: type[_Noun]) -> type[_Noun]:
    """A frozen dataclass with slots whose constructor costs less than half.

    The type checker alone refuses to change one: at run time `frozen` is paid for with every field.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
