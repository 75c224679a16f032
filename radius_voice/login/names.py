"""The normal forms of a user name: one to compare names, one to count wrong passwords. Pure."""

from __future__ import annotations

from unicodedata import category, normalize

IGNORED = frozenset({"Mn", "Me", "Cf"})
"""Categories of characters that directories may ignore: accents, and characters that are not visible."""


def canonical_name(name: str) -> str:
    """The form by which names are compared: NFC(casefold(NFC(strip)))."""
    return normalize("NFC", normalize("NFC", name.strip()).casefold())


def counted_name(name: str) -> str:
    """The form by which wrong passwords are counted: equal for all names that a directory may treat as one user.

    Directories ignore the width of letters and some invisible characters (RFC 4518 section 2), and Active Directory
    also ignores accents. The names of two users may have the same form.
    """
    letters = normalize("NFKD", normalize("NFKD", name).casefold())
    return "".join(letter for letter in letters if not letter.isspace() and category(letter) not in IGNORED)
