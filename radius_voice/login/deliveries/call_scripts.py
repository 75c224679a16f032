"""Call scripts: what a call does next. Providers turn them into their own markup (TwiML, NCCO). Pure.

A call that is placed without a code begins with `opening_of`. Its next script depends on the callback: a pressed key,
or an answer by a human or a machine.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from radius_voice.login.deliveries.code_message import Line, Pause, Say, lines
from radius_voice.login.deliveries.requests import ApprovalQuestion, CodeMessage, DeliveryRequest
from radius_voice.login.voicemail import Voicemail

CODE_KEY = "1"
"""The key that a user presses to hear the code."""
TIMES_ASKED = 3
KEY_SECONDS = 4
"""The pause after each request for a key."""
MAX_STATION_CHARACTERS = 64
"""Only this much of a Calling-Station-Id is spoken. Gateways send addresses and host names."""
WAIT_SECONDS = 30
"""How long a call waits for the result of machine detection."""


class Speak(Struct, frozen=True):
    """Speak `lines`, then end the call. `message` gives the language and the voice."""

    message: CodeMessage
    lines: tuple[Line, ...]

    def __repr__(self) -> str:
        return "Speak()"


class AskForKey(Struct, frozen=True):
    """Speak `lines` until the user presses a key, which arrives as a callback. Without a key, end the call."""

    message: CodeMessage
    lines: tuple[Line, ...]


class HangUp(Struct, frozen=True):
    """End the call."""


CallScript: TypeAlias = Speak | AskForKey | HangUp


def code_script(message: CodeMessage) -> Speak:
    """Speak the code of the message."""
    return Speak(message, tuple(lines(message)))


def press_script(message: CodeMessage) -> AskForKey:
    """Ask the user to press a key to hear the code. The script does not contain the code."""
    asked = (*_greeting(message), Say(message.texts.spoken.press_key.format()), Pause(KEY_SECONDS))
    return AskForKey(replace(message, code=""), asked * TIMES_ASKED)


def wait_script(message: CodeMessage) -> Speak:
    """Ask the user to wait for the code. The script does not contain the code."""
    asked = (*_greeting(message), Say(message.texts.spoken.wait.format()), Pause(WAIT_SECONDS))
    return Speak(replace(message, code=""), asked)


def approval_script(message: CodeMessage, question: ApprovalQuestion) -> AskForKey:
    """Ask the user to approve a login by pressing a key."""
    texts, station = message.texts.approval, question.calling_station_id[:MAX_STATION_CHARACTERS]
    asked = (texts.question_from if station else texts.question).format(
        friendly_name=message.friendly_name, gateway=question.gateway, calling_station_id=station
    )
    return AskForKey(message, (Say(asked), Say(texts.keys.format()), Pause(KEY_SECONDS)) * TIMES_ASKED)


def opening_of(request: DeliveryRequest) -> CallScript | None:
    """The first script of a call that is placed without a code; None for a call that speaks its code at once.

    A provider that sends a callback when the call is answered does not need it.
    """
    if request.approval is not None:
        return approval_script(request.message, request.approval)
    match request.voicemail:
        case Voicemail.PRESS:
            return press_script(request.message)
        case Voicemail.DETECT:
            return wait_script(request.message)
        case _:
            return None


def _greeting(message: CodeMessage) -> tuple[Line, ...]:
    return (Say(message.texts.spoken.greeting.format(friendly_name=message.friendly_name)), Pause(1))
