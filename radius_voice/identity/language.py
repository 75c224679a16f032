"""The languages that a user may have."""

from __future__ import annotations

from radius_voice.config.suggestions import suggestion
from radius_voice.messages import LANGUAGES, find


def checked_language(language: str) -> str:
    """Return `language` if there are messages in it, with or without its region; raises ValueError with the fix."""
    if find(language) is None:
        raise ValueError(f"not a known language; known are {', '.join(LANGUAGES)}{suggestion(language, LANGUAGES)}")
    return language
