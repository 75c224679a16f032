"""A cheap decorator for immutable values. Imports nothing of ours; every module may import it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

_Noun = TypeVar("_Noun")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def noun(cls: type[_Noun]) -> type[_Noun]:
    """A dataclass with slots that only the type checker treats as frozen.

    For values that each login creates several times: `frozen` at run time more than doubles the constructor's cost,
    because it adds a call for every field.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
