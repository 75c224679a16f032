"""Verifications: deliveries whose provider can say whether a code is right."""

from __future__ import annotations

from enum import Enum

from radius_voice.login.model import Unavailable


class CodeCheck(Enum):
    """A provider's answer about a code. ENDED: the verification has ended, so that no code is right any longer."""

    CORRECT = "correct"
    WRONG = "wrong"
    ENDED = "ended"


class VerifierUnavailable(Unavailable):
    """It is not known whether a code is right, because its provider does not answer."""
