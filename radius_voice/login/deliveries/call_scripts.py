"""What a call does next: speak, ask for a key, or end. Providers turn it into their own markup. Pure.

A call that is placed without a code opens with `opening_of`; the rest depends on a pressed key or on who has answered.
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
"""How much of a Calling-Station-Id is spoken: gateways send addresses and names of hosts."""
WAIT_SECONDS = 30
"""How long a call waits for its code, while machine detection is asked for its result."""


class Speak(Struct, frozen=True):
    """Speak `lines`, then end the call. `message` has their language and voice."""

    message: CodeMessage
    lines: tuple[Line, ...]

    def __repr__(self) -> str:
        return "Speak()"


class AskForKey(Struct, frozen=True):
    """Speak `lines` until a key is pressed, which reaches the server as a callback; end the call if none is."""

    message: CodeMessage
    lines: tuple[Line, ...]


class HangUp(Struct, frozen=True):
    """End the call."""


CallScript: TypeAlias = Speak | AskForKey | HangUp


def code_script(message: CodeMessage) -> Speak:
    """Speak the code of the message."""
    return Speak(message, tuple(lines(message)))


def press_script(message: CodeMessage) -> AskForKey:
    """Ask for the key that gives the code. The script has no code."""
    asked = (*_greeting(message), Say(message.texts.spoken.press_key.format()), Pause(KEY_SECONDS))
    return AskForKey(replace(message, code=""), asked * TIMES_ASKED)


def wait_script(message: CodeMessage) -> Speak:
    """Ask the user to wait for the code. The script has no code."""
    asked = (*_greeting(message), Say(message.texts.spoken.wait.format()), Pause(WAIT_SECONDS))
    return Speak(replace(message, code=""), asked)


def approval_script(message: CodeMessage, question: ApprovalQuestion) -> AskForKey:
    """Ask for the key that approves a login."""
    texts, station = message.texts.approval, question.calling_station_id[:MAX_STATION_CHARACTERS]
    asked = (texts.question_from if station else texts.question).format(
        friendly_name=message.friendly_name, gateway=question.gateway, calling_station_id=station
    )
    return AskForKey(message, (Say(asked), Say(texts.keys.format()), Pause(KEY_SECONDS)) * TIMES_ASKED)


def opening_of(request: DeliveryRequest) -> CallScript | None:
    """How a call begins that is placed without a code; None if it speaks its code at once.

    Where a provider reports who has answered by a callback, it needs no opening.
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
