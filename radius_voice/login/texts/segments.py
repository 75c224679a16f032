"""Counts the segments of a text message: the parts that networks transmit and providers charge for.

The character sets and lengths are those of 3GPP TS 23.038 and TS 23.040.
"""

from __future__ import annotations

from collections.abc import Iterable

GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The default alphabet, one septet each (TS 23.038 section 6.2.1)."""
GSM_EXTENSION = frozenset("\f^{}\\[~]|€")
"""Its extension table: two septets each, an escape and the character (TS 23.038 section 6.2.1.1)."""

MAX_SEPTETS, MAX_SEPTETS_OF_PART = 160, 153
MAX_UCS2_UNITS, MAX_UCS2_UNITS_OF_PART = 70, 67
"""The maximum length of a single message, and of each part of a longer one, which has a header of 6 octets."""


def segments(text: str) -> int:
    """The number of segments of a text message, at least 1.

    A text with characters outside of the GSM 7-bit alphabet is sent in UCS-2. Escaped characters and surrogate pairs
    are not split between segments.
    """
    if is_gsm(text):
        lengths = [2 if character in GSM_EXTENSION else 1 for character in text]
        return _parts(lengths, MAX_SEPTETS, MAX_SEPTETS_OF_PART)
    return _parts([len(each.encode("utf-16-be")) // 2 for each in text], MAX_UCS2_UNITS, MAX_UCS2_UNITS_OF_PART)


def is_gsm(text: str) -> bool:
    """Whether all characters of a text are in the GSM 7-bit alphabet."""
    return all(character in GSM_BASIC or character in GSM_EXTENSION for character in text)


def _parts(lengths: Iterable[int], whole: int, part: int) -> int:
    lengths = list(lengths)
    if sum(lengths) <= whole:
        return 1
    count, used = 1, 0
    for length in lengths:
        if used + length > part:
            count, used = count + 1, 0
        used += length
    return count
