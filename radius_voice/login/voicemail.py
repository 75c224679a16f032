"""How a call keeps its code out of a voicemail box."""

from __future__ import annotations

from enum import StrEnum


class Voicemail(StrEnum):
    """`OFF`: the code is spoken to a human and to a machine. With the others, a call is placed without a code.

    `PRESS`: the code is created and spoken when a key is pressed. `DETECT`: when the provider has found that a human
    answered.
    """

    OFF = "off"
    PRESS = "press"
    DETECT = "detect"
