"""How the simulated phones behave: who answers, which keys are pressed, and what happens to callbacks.

`POST /simulator/phones` sets it for a number or SIP address, before or during a call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from radius_voice.simulator.numbers import is_callable

ANSWERED_BY = ("human", "machine_start", "fax", "unknown")
"""What Twilio's machine detection (`MachineDetection=Enable`) finds."""
KEYS = re.compile(r"[0-9*#-]{0,32}")
MAX_PHONES = 100_000


class CallbackFault(Enum):
    """What happens to every callback about calls to a phone."""

    NONE = ""
    LOST = "lost"
    TWICE = "twice"
    FORGED = "forged"
    """Signed with another token."""


@dataclass(frozen=True, slots=True)
class SimulatedPhone:
    """`keys` are pressed one for each Gather; `-` presses none."""

    answered_by: str = "human"
    keys: str = ""
    callbacks: CallbackFault = CallbackFault.NONE


def phone_of(form: Mapping[str, str]) -> tuple[str, SimulatedPhone]:
    """The number and the behaviour that a form describes. Raises ValueError."""
    number, answered_by, keys = form.get("To", ""), form.get("AnsweredBy", "human"), form.get("Keys", "")
    if not is_callable(number) or answered_by not in ANSWERED_BY or not KEYS.fullmatch(keys):
        raise ValueError("To, AnsweredBy or Keys is not valid")
    return number, SimulatedPhone(answered_by, keys, CallbackFault(form.get("Callbacks", "")))
