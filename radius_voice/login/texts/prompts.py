"""The character set and the length of a Reply-Message that a gateway can show. Pure."""

from __future__ import annotations

import re

from msgspec import Struct

from radius_voice.login.texts.charset import Charset

MAX_REPLY_MESSAGE_BYTES = 253
"""RFC 2865 section 5.18."""
MIN_NAME_BYTES = 8
"""A friendly name is not cut to fewer octets: the rest would be meaningless."""
_AFTER_SENTENCE = re.compile(r"(?<=[.!?]) +|(?<=\u3002)")


class PromptFormat(Struct, frozen=True):
    """What a gateway can show of a text. `length` is in octets."""

    charset: Charset = Charset.UTF_8
    length: int = MAX_REPLY_MESSAGE_BYTES

    def shown(self, text: str) -> str:
        """The text in the gateway's character set, cut to the gateway's length in whole characters."""
        return cut(self.charset.shown(text), self.length)


def cut(text: str, length: int) -> str:
    """The text cut to at most `length` octets in UTF-8, in whole characters."""
    return text.encode()[:length].decode(errors="ignore")


def last_sentence(text: str) -> str:
    """The last sentence of a prompt, which says what to type."""
    return _AFTER_SENTENCE.split(text)[-1]
