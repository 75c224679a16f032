"""The placeholders of texts."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter

LONGEST: Mapping[str, str] = {
    "friendly_name": "x" * 60,
    "ending": "99",
    "attempts": "10",
    "code": "0" * 10,
    "delimiter": ",",
    "gateway": "x" * 60,
    "calling_station_id": "x" * 64,
    "seconds": "60",
}
"""Every placeholder with a value of the maximum length. A friendly name may take more octets: then its end is cut."""


def placeholders(text: str) -> frozenset[str]:
    """The names in braces. Raises ValueError where a brace belongs to no placeholder, or a name has a format."""
    names = set()
    for _, name, format_spec, conversion in Formatter().parse(text):
        if name is None:
            continue
        if format_spec or conversion or not name.isidentifier():
            raise ValueError("a brace that belongs to no placeholder")
        names.add(name)
    return frozenset(names)


def longest(text: str) -> str:
    """The text with every placeholder at its longest."""
    return text.format_map(LONGEST)
