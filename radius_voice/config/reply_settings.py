"""Sections of `policies.NAME.reply`: attributes of an Access-Accept. Rules for them are in attributes.py."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from radius_voice.config.field_types import ATTRIBUTE_VALUE, OneOrMany
from radius_voice.config.section import Section

ReplyAttributeName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(:[0-9]{1,2})?$")]
AttributeValues: TypeAlias = Annotated[
    tuple[Annotated[str | int, ATTRIBUTE_VALUE], ...], Field(strict=False, min_length=1), OneOrMany()
]


class WhenSettings(Section):
    """The users that a rule applies to."""

    group: str = Field(min_length=1)
    """Members of this group."""


class ReplyRuleSettings(Section):
    """Attributes that an Access-Accept carries."""

    when: WhenSettings | None = None
    """The users that it applies to; by default all."""
    set: dict[ReplyAttributeName, AttributeValues] = Field(min_length=1)
    """RADIUS attributes by name, with a tag after a colon, and their values: one, or a list."""
