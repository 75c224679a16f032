"""Senders of text messages, as settings."""

from __future__ import annotations

import re
from typing import Any

from radius_voice.config.context import LoadContext
from radius_voice.config.field_types import FieldType, require_text
from radius_voice.login.phone import parse_number

ALPHANUMERIC = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9](?:[A-Za-z0-9 +_&-]{0,9}[A-Za-z0-9+_&-])?")
NUMERIC_ONLY = frozenset({"AS", "CA", "GU", "MP", "PR", "US", "VI"})
"""Countries whose networks accept numbers only: the United States with their territories, and Canada.

Others refuse or replace alphanumeric senders too, or require that they are registered. The provider knows them.
"""

WRONG = "not a sender; write a number with + and country code, or a name of at most 11 characters, like ACME VPN"


def is_alphanumeric(sender: str) -> bool:
    """Whether a sender is a name and not a number."""
    return not sender.startswith("+")


def masked(sender: str) -> str:
    """A sender for logs: a number without most of its digits, or a name."""
    return sender if is_alphanumeric(sender) else parse_number(sender).masked


def _sender(value: Any, _context: LoadContext) -> str:
    text = require_text(value)
    if ALPHANUMERIC.fullmatch(text):
        return text
    try:
        number = parse_number(text)
    except ValueError:
        raise ValueError(WRONG) from None
    if number.extension:
        raise ValueError("a sender has no extension; write the number without it")
    return number.address


TEXT_SENDER = FieldType(_sender, {"type": "string", "minLength": 1, "examples": ["+14155550123", "ACME VPN"]})
"""A number in international form, which becomes E.164, or an alphanumeric sender of at most 11 characters."""
