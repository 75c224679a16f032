"""Texts for gateways that show ASCII only. Pure."""

from __future__ import annotations

import unicodedata
from enum import StrEnum

UNKNOWN = "?"
"""Replaces a character that cannot be written in ASCII."""

LETTERS = {
    "ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "ẞ": "SS",
    "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D",
    "þ": "th", "Þ": "Th", "ł": "l", "Ł": "L", "ı": "i", "ħ": "h", "Ħ": "H",
    "¿": "?", "¡": "!", "«": '"', "»": '"', "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "‚": "'",
    "–": "-", "—": "-", "‐": "-", "‑": "-", "−": "-", "·": "-", "•": "*", "⁄": "/",
    "€": "EUR", "£": "GBP", "¥": "JPY", "°": "deg", "×": "x", "©": "(c)", "®": "(r)",
}  # fmt: skip
"""Characters whose ASCII spelling is not simply the letter without its mark."""


class Charset(StrEnum):
    """The characters that a gateway can show."""

    ASCII = "ascii"
    UTF_8 = "utf-8"

    def shown(self, text: str) -> str:
        """The text in this character set; `UNKNOWN` replaces characters that cannot be written in it."""
        if self is Charset.UTF_8 or text.isascii():
            return text
        return "".join(_ascii(character) or UNKNOWN for character in unicodedata.normalize("NFC", text))

    def can_show(self, text: str) -> bool:
        """Whether every character of the text can be written in this character set."""
        return self is Charset.UTF_8 or all(map(_ascii, unicodedata.normalize("NFC", text)))


def _ascii(character: str) -> str:
    """The character written in ASCII; empty if that is impossible."""
    if character.isascii():
        return character
    if character in LETTERS:
        return LETTERS[character]
    # The decomposition of é is e and a mark, and that of ½ is 1, a fraction slash and 2.
    letters = (each for each in unicodedata.normalize("NFKD", character) if not unicodedata.combining(each))
    written = "".join(LETTERS.get(each, each) for each in letters)
    return written if written.isascii() else ""
