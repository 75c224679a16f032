"""All wording for users, one file per language. Imports nothing else of ours.

To add a language: write its file, add it to `_ALL`, and to docs/languages.md.
"""

from __future__ import annotations

from radius_voice.messages import de, en, es, fr, it, ja, nl, pt
from radius_voice.messages.catalog import DEFAULT_LANGUAGE, Catalog, normal_tag
from radius_voice.messages.wording import Approval, CallEnded, LogInAgain, Messages, Shown, Spoken, Texted

__all__ = [
    "DEFAULT_LANGUAGE",
    "LANGUAGES",
    "SHIPPED",
    "Approval",
    "CallEnded",
    "Catalog",
    "LogInAgain",
    "Messages",
    "Shown",
    "Spoken",
    "Texted",
    "normal_tag",
]

_ALL = (de, en, es, fr, it, ja, nl, pt)
SHIPPED = Catalog({each.MESSAGES.language: each.MESSAGES for each in _ALL})
"""The texts of radius-voice, none of them replaced."""
LANGUAGES = SHIPPED.languages
