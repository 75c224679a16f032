"""Suggestions for words that are not known. A leaf that every part may import."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?` with the known word that is nearest to `word`, or nothing when none is near.

    Case, and `-` for `_`, make no difference.
    """
    by_form = {_form(each): each for each in known}
    near = get_close_matches(_form(word), by_form, n=1)
    return f"; did you mean {by_form[near[0]]}?" if near else ""


def _form(word: str) -> str:
    return word.casefold().replace("-", "_")
