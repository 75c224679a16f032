"""Makes Nexmo Call Control Objects (NCCO): the list of actions of a call."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from radius_voice.login.deliveries.code_message import Say, lines
from radius_voice.login.deliveries.requests import CodeMessage

MAX_TEXT = 1500
"""Vonage's limit for the characters of one `talk` action. It is unknown whether tags count."""

SECTION_END_SECONDS = 2
"""A pause of this length, as after a code, ends an action, because a whole message could exceed MAX_TEXT."""


def ncco_of(message: CodeMessage) -> list[dict[str, Any]]:
    """The actions that speak a message. Raises ValueError if a text is longer than MAX_TEXT characters."""
    locale = message.texts.spoken.locale
    actions = [{"action": "talk", "text": text, "language": locale} for text in _texts(message)]
    if any(len(action["text"]) > MAX_TEXT for action in actions):
        raise ValueError(f"message longer than {MAX_TEXT} characters")
    return actions


def _texts(message: CodeMessage) -> list[str]:
    """The message in SSML, split after each long pause."""
    sections: list[list[str]] = [[]]
    for line in lines(message):
        if isinstance(line, Say):
            sections[-1].append(_escaped(line.text))
            continue
        sections[-1].append(f"<break time='{line.seconds}s'/>")
        if line.seconds >= SECTION_END_SECONDS:
            sections.append([])
    return [f"<speak>{''.join(section)}</speak>" for section in sections]


def _escaped(text: str) -> str:
    """The text for SSML, without characters that XML cannot contain."""
    return escape("".join(letter for letter in text if letter.isprintable()))
