"""How a call keeps its code out of a voicemail box."""

from __future__ import annotations

from enum import StrEnum


class Voicemail(StrEnum):
    """How a call keeps its code out of a voicemail box. With PRESS and DETECT it is placed without a code."""

    OFF = "off"
    """The code is spoken as soon as the call is answered, by a human or a machine."""
    PRESS = "press"
    """The code is created and spoken after the user presses a key."""
    DETECT = "detect"
    """The code is created and spoken after the provider has detected a human."""
