"""The settings in effect as plain data, without secrets.

The configuration file itself is not shown, because its comments may quote a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import PurePath
from typing import Any

from pydantic import SecretStr

from radius_voice.config.addresses import Endpoint
from radius_voice.config.attributes import attribute_dictionary
from radius_voice.config.field_types import NUMBER
from radius_voice.config.reply_settings import ReplyRuleSettings
from radius_voice.config.secrets import placeholder_of
from radius_voice.config.section import Section
from radius_voice.login.phone import Phone
from radius_voice.messages import Catalog

MAX_PREFIX_CHARACTERS = 8
"""A longer number in the configuration is masked as the number of one phone; others are prefixes."""


def without_secrets(value: Any) -> Any:
    """A value of the settings as JSON and YAML have it. Secrets become placeholders, and phones are masked."""
    match value:
        case Section():
            return _section(value)
        case Mapping():
            return {str(key): without_secrets(each) for key, each in value.items()}
        case list() | tuple():
            return [without_secrets(each) for each in value]
        case frozenset():
            return sorted(map(str, value))
        case None | bool() | int() | float():
            return value
        case str():
            return _text(str(value))
    return _of_one_type(value)


def _of_one_type(value: Any) -> Any:
    match value:
        case SecretStr():
            return placeholder_of(value)
        case Phone():
            return value.masked
        case Catalog():
            return f"texts in {', '.join(value.languages)}"
        case PurePath() | Endpoint() | IPv4Network() | IPv6Network():
            return str(value)
        case range():
            return f"{value.start}-{value.stop - 1}"
        case _ if is_dataclass(value):
            return {each.name: without_secrets(getattr(value, each.name)) for each in fields(value)}
    return f"<{type(value).__name__}>"


def _section(section: Section) -> dict[str, Any]:
    shown = {}
    for field, info in type(section).model_fields.items():
        value = section.hidden_value(field)
        if isinstance(section, ReplyRuleSettings) and field == "set":
            value = {name: _attribute_values(name, values) for name, values in section.set.items()}
        shown[info.alias or field] = without_secrets(value)
    return shown


def _attribute_values(name: str, values: tuple[Any, ...]) -> list[Any]:
    """The values of a reply attribute. If the attribute is sent encrypted, its values are treated as secrets."""
    if not attribute_dictionary().is_encrypted(name.partition(":")[0]):
        return list(values)
    return [value if isinstance(value, SecretStr) else "<secret from text>" for value in values]


def _text(text: str) -> str:
    is_phone = re.fullmatch(NUMBER, text) and len(text) > MAX_PREFIX_CHARACTERS
    return Phone(text).masked if is_phone else text
