"""How calls of a policy speak: voice, speed, and how often the code is spoken. Pure."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

MAX_DIGITS_SPOKEN = 30
"""The maximum number of digits that one call speaks, with repetitions. More do not fit into TwiML."""


class Speed(StrEnum):
    """The pauses between the digits of a code."""

    SLOW = "slow"
    NORMAL = "normal"
    FAST = "fast"

    @property
    def digit_pause(self) -> int:
        """Seconds before each digit."""
        return {Speed.SLOW: 2, Speed.NORMAL: 1, Speed.FAST: 0}[self]


class Speech(Struct, frozen=True):
    """How a call speaks."""

    voices: tuple[tuple[str, str], ...] = ()  # language (BCP 47 tag in lower case) and the provider's name of the voice
    speed: Speed = Speed.NORMAL
    repetitions: int = 3  # of the code

    def voice_in(self, language: str) -> str:
        """The voice for `language`, with or without its region; empty if the provider chooses one."""
        voices, tag = dict(self.voices), language.replace("_", "-").lower()
        while tag and tag not in voices:
            tag = tag.rpartition("-")[0]
        return voices.get(tag, "")


DEFAULT_SPEECH = Speech()
"""The speech of calls without a configured one."""
