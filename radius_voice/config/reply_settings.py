"""Sections of `policies.NAME.reply`: attributes of an Access-Accept. Rules for them are in attributes.py."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import Field, SecretStr

from radius_voice.config.context import LoadContext
from radius_voice.config.field_types import FieldType, OneOrMany, require_text
from radius_voice.config.secrets import SOURCE_SHAPES, secret_value
from radius_voice.config.section import Section


def _value(value: Any, context: LoadContext) -> str | int | SecretStr:
    match value:
        case dict():
            return secret_value(value, context)
        case int() if not isinstance(value, bool):
            return value
    return require_text(value)


ATTRIBUTE_VALUE = FieldType(_value, {"anyOf": [{"type": ["string", "integer"]}, *SOURCE_SHAPES]})
"""The value of a RADIUS attribute: text, a whole number, or where to read a secret."""

ReplyAttributeName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(:[0-9]{1,2})?$")]
AttributeValues: TypeAlias = Annotated[
    tuple[Annotated[str | int | SecretStr, ATTRIBUTE_VALUE], ...], Field(strict=False, min_length=1), OneOrMany()
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
