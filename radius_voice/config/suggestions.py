"""Suggestions for unknown words, and which unknown keys a message may show."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

PLAIN = re.compile("[A-Za-z][A-Za-z_-]{0,31}")
REST = 3


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?` with the known word that is nearest to `word`, or nothing when none is near.

    Case, and `-` for `_`, make no difference.
    """
    near = nearest(word, known)
    return "" if near is None else f"; did you mean {near}?"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is nearest to `word`, or None when none is near; compared as by `suggestion`."""
    by_form = {_form(each): each for each in known}
    near = get_close_matches(_form(word), by_form, n=1)
    return by_form[near[0]] if near else None


def showable(key: str, known: Iterable[str] = ()) -> bool:
    """Whether a message may show an unknown key: a typing mistake in YAML can turn a secret or a phone into a key.

    Only words of letters may be shown, and none that is a known word followed by more than `REST` letters.
    """
    joined = any(key.startswith(each) and len(key) > len(each) + REST for each in known)
    return PLAIN.fullmatch(key) is not None and not joined


def without_colon(key: str, known: Iterable[str]) -> str:
    """The known word before the first space in `key`, whose colon is missing; empty if there is none."""
    first, *rest = key.split(maxsplit=1)[:2] or [""]
    return first if rest and first in set(known) else ""


def _form(word: str) -> str:
    return word.casefold().replace("-", "_")
