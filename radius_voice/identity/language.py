"""The languages that a user may have."""

from __future__ import annotations

from radius_voice.config.suggestions import suggestion
from radius_voice.messages import Catalog


def checked_language(language: str, messages: Catalog) -> str:
    """Return `language` if there are messages in it, with or without its region; raises ValueError with the fix."""
    if messages.find(language) is None:
        known = messages.languages
        raise ValueError(f"not a known language; known are {', '.join(known)}{suggestion(language, known)}")
    return language
