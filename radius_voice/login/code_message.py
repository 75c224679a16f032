"""What a call speaks, line by line, and the text of a text message. Pure.

Providers turn the lines into their own markup.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from radius_voice.login.deliveries import CodeMessage
from radius_voice.messages import messages_for

TIMES_SPOKEN = 3

MAX_SPEECH_SECONDS = 90
"""The maximum duration of a message, in seconds after the phone is answered.

A code of ten digits takes about 66 s, and the announcement of a trial account some 10 s more. Providers that can limit
the duration of a call get this limit.
"""


@dataclass(frozen=True, slots=True)
class Say:
    """A phrase or a single digit to speak. Its repr does not contain it."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence in seconds: one between digits, two after the last."""

    seconds: int


Line = Say | Pause


def lines(message: CodeMessage) -> list[Line]:
    """The message in order: greeting, the code digit by digit three times, closing.

    With an empty code, it tells the user twice that the help desk has issued a code for them.
    """
    phrases = messages_for(message.language).spoken
    spoken: list[Line] = [Say(phrases.greeting.format(friendly_name=message.friendly_name)), Pause(1)]
    if not message.code:
        issued = Say(phrases.issued_code)
        return [*spoken, issued, Pause(2), issued, Pause(2), Say(phrases.closing)]
    first, closing = phrases.code, phrases.closing
    if message.enrolment:
        first, closing = phrases.enrolment_code, phrases.enrolment_closing
    for introduction in (first, *[phrases.code_again] * (TIMES_SPOKEN - 1)):
        spoken.append(Say(introduction))
        for digit in message.code:
            spoken += [Pause(1), Say(digit)]
        spoken.append(Pause(2))
    return [*spoken, Say(closing)]


def text_of(message: CodeMessage) -> str:
    """The text message. With an empty code, it tells the user that the help desk has issued a code for them."""
    texts = messages_for(message.language).texted
    template = texts.enrolment_code if message.enrolment else texts.code if message.code else texts.issued_code
    return template.format(friendly_name=message.friendly_name, code=message.code)
