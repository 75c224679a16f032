"""The forms of a user name by which names are compared, and by which wrong passwords are counted. Pure."""

from __future__ import annotations

from unicodedata import category, normalize

IGNORED = frozenset({"Mn", "Me", "Cf"})
"""Categories of characters that directories may ignore: accents, and characters that are not visible."""


def canonical_name(name: str) -> str:
    """`name` without surrounding white space, case and Unicode composition: NFC(casefold(NFC(strip)))."""
    return normalize("NFC", normalize("NFC", name.strip()).casefold())


def counted_name(name: str) -> str:
    """The same form for all names that a directory may take for the name of one user.

    Directories compare names without the width of letters and without some characters that are not visible (RFC 4518
    section 2), and Active Directory without accents too. Names of two users may have one form.
    """
    letters = normalize("NFKD", normalize("NFKD", name).casefold())
    return "".join(letter for letter in letters if not letter.isspace() and category(letter) not in IGNORED)
