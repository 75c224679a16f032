"""The lines that a call speaks, and the text of a text message. Pure.

Providers turn the lines into their own markup (TwiML, NCCO).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import structs

from radius_voice.login.deliveries.requests import CodeMessage

MAX_SPEECH_SECONDS = 90
"""The maximum duration of an answered call. Providers that can limit the duration get this value.

A code of ten digits takes about 66 s, and the announcement of a trial account about 10 s more.
"""
MAX_MESSAGE_SECONDS = MAX_SPEECH_SECONDS - 10
"""The maximum of `speech_seconds`: 10 s are reserved for the announcement of a trial account."""


@dataclass(frozen=True, slots=True)
class Say:
    """A phrase or a single digit to speak. The repr does not contain the text."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence in seconds."""

    seconds: int


Line = Say | Pause


def lines(message: CodeMessage) -> list[Line]:
    """The greeting, the code digit by digit (repeated as `message.speech` says), and the closing.

    With an empty code, the call says twice that the help desk has issued a code for the user.
    """
    phrases = message.texts.spoken
    spoken: list[Line] = [Say(phrases.greeting.format(friendly_name=message.friendly_name)), Pause(1)]
    if not message.code:
        issued = Say(phrases.issued_code.format())
        return [*spoken, issued, Pause(2), issued, Pause(2), Say(phrases.closing.format())]
    first, closing = phrases.code, phrases.closing
    if message.enrolment:
        first, closing = phrases.enrolment_code, phrases.enrolment_closing
    digit_pause = message.speech.speed.digit_pause
    before_digit = [Pause(digit_pause)] if digit_pause else []
    for introduction in (first, *[phrases.code_again] * (message.speech.repetitions - 1)):
        spoken.append(Say(introduction.format()))
        for digit in message.code:
            spoken += [*before_digit, Say(digit)]
        spoken.append(Pause(2))
    return [*spoken, Say(closing.format())]


def text_of(message: CodeMessage) -> str:
    """The text message. With an empty code, it says that the help desk has issued a code for the user."""
    texts = message.texts.texted
    template = texts.enrolment_code if message.enrolment else texts.code if message.code else texts.issued_code
    return template.format(friendly_name=message.friendly_name, code=message.code)


def speech_seconds(message: CodeMessage) -> float:
    """An estimate of the duration of the message, spoken by a slow voice."""
    return sum(line.seconds if isinstance(line, Pause) else _slow_speech(line.text) for line in lines(message))


def seconds_to_first_code(message: CodeMessage) -> float:
    """An estimate of the time until the code has been spoken once. The code must not be empty."""
    once = structs.replace(message, speech=structs.replace(message.speech, repetitions=1))
    return speech_seconds(once) - _slow_speech(message.texts.spoken.closing)


def _slow_speech(text: str) -> float:
    """Seconds: 0.6 for a word, and 0.2 for a character of a script that does not separate words."""
    unseparated = sum(1 for character in text if character >= "\u3000")
    return 0.6 * len(text.split()) + 0.2 * unseparated
