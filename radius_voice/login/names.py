"""The canonical form of a user name: the one function by which names are compared and counted. Pure."""

from __future__ import annotations

from unicodedata import normalize


def canonical_name(name: str) -> str:
    """`name` without surrounding white space, case and Unicode composition: NFC(casefold(NFC(strip)))."""
    return normalize("NFC", normalize("NFC", name.strip()).casefold())
