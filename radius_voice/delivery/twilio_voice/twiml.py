"""Makes TwiML with Twilio's SDK."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twilio.twiml.voice_response import VoiceResponse

from radius_voice.login.deliveries.call_scripts import AskForKey, CallScript, Speak
from radius_voice.login.deliveries.code_message import Line, Say
from radius_voice.login.deliveries.requests import CodeMessage

DEFAULT_PAUSE = 1
"""The length of a <Pause> without the attribute `length`, in seconds."""
CONTENT_TYPE = "text/xml"
GATHER_SECONDS = 5
"""How long Twilio waits for a key after the last line."""


def twiml_of(script: CallScript, key_url: str) -> str:
    """The TwiML of a script; a pressed key is sent to `key_url`."""
    response = VoiceResponse()
    match script:
        case Speak(message, lines):
            add_lines(response, message, _printable(lines))
        case AskForKey(message, lines):
            # An empty finishOnKey makes # a key like any other.
            gather = response.gather(
                input="dtmf", num_digits=1, finish_on_key="", action=key_url, method="POST", timeout=GATHER_SECONDS
            )
            add_lines(gather, message, _printable(lines))
            response.hangup()
        case _:
            response.hangup()
    return str(response.to_xml())


def add_lines(verb: Any, message: CodeMessage, lines: Iterable[Line]) -> None:
    """Add lines to a response or a Gather, in the language and voice of the message."""
    # A voice implies its language. Twilio does not speak if the request also has another language.
    voice = {"voice": message.voice} if message.voice else {"language": message.texts.spoken.locale}
    for line in lines:
        if isinstance(line, Say):
            verb.say(line.text, **voice)
        elif line.seconds == DEFAULT_PAUSE:
            verb.pause()
        else:
            verb.pause(length=line.seconds)


def printable(text: str) -> str:
    """The text without characters that are not printable, which XML may not allow."""
    return "".join(letter for letter in text if letter.isprintable())


def _printable(lines: Iterable[Line]) -> list[Line]:
    return [Say(printable(line.text)) if isinstance(line, Say) else line for line in lines]
