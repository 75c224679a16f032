"""All wording of one configuration, by language: the shipped texts, with those that an administrator has replaced."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from radius_voice.messages.wording import Messages

DEFAULT_LANGUAGE = "en"
"""The language of users who have none, and of texts that must not depend on the user."""
_TAG = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*")


def normal_tag(language: str) -> str | None:
    """A BCP 47 tag in lower case and with `-`, or None if `language` is not one. `_` is accepted for `-`."""
    return language.replace("_", "-").lower() if _TAG.fullmatch(language) else None


@dataclass(frozen=True, slots=True)
class Catalog:
    """The messages by language, a BCP 47 tag in lower case. English is always there."""

    by_language: Mapping[str, Messages] = field(repr=False)

    @property
    def languages(self) -> tuple[str, ...]:
        """The tags of all languages, sorted."""
        return tuple(sorted(self.by_language))

    @property
    def default(self) -> Messages:
        """The messages in English."""
        return self.by_language[DEFAULT_LANGUAGE]

    def find(self, language: str) -> Messages | None:
        """The messages in `language`, a BCP 47 tag, or None if there are none or it is not a tag.

        If a tag is not known, its last part is removed and the rest is looked up, as in RFC 4647 section 3.4: `de-AT`
        gives `de`. Case makes no difference, and `_` is accepted for `-`.
        """
        tag = normal_tag(language)
        while tag and tag not in self.by_language:
            tag = tag.rpartition("-")[0]
        return self.by_language.get(tag) if tag else None

    def messages_for(self, language: str) -> Messages:
        """The messages in `language`, or in English if there are none. Languages are validated where they are written.

        A stored session or an external directory may still have an unknown language.
        """
        return self.find(language) or self.default
