"""All wording for users, one file per language. Imports nothing else of ours.

To add a language: write its file, add it to `_ALL`, and to docs/languages.md.
"""

from __future__ import annotations

import re

from radius_voice.messages import de, en, es, fr, it, ja, nl, pt
from radius_voice.messages.wording import LogInAgain, Messages, Shown, Spoken, Texted

__all__ = ["DEFAULT", "LANGUAGES", "LogInAgain", "Messages", "Shown", "Spoken", "Texted", "find", "messages_for"]

DEFAULT = en.MESSAGES
_ALL = (de, en, es, fr, it, ja, nl, pt)
_BY_LANGUAGE = {each.MESSAGES.language: each.MESSAGES for each in _ALL}
LANGUAGES = tuple(sorted(_BY_LANGUAGE))
_TAG = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*")


def find(language: str) -> Messages | None:
    """The messages in `language`, a BCP 47 tag, or None if there are none or it is not a tag.

    If a tag is not known, its last part is removed and the rest is looked up, as in RFC 4647 section 3.4: `de-AT`
    gives `de`. Case makes no difference, and `_` is accepted for `-`.
    """
    if _TAG.fullmatch(language) is None:
        return None
    tag = language.replace("_", "-").lower()
    while tag and tag not in _BY_LANGUAGE:
        tag = tag.rpartition("-")[0]
    return _BY_LANGUAGE.get(tag)


def messages_for(language: str) -> Messages:
    """The messages in `language`, or in English if there are none. Languages are validated where they are configured.

    A stored session or an external directory may still have an unknown language.
    """
    return find(language) or DEFAULT
