"""Verifications: deliveries of a provider that can check a typed code, such as Twilio Verify."""

from __future__ import annotations

from enum import Enum

from radius_voice.login.model import Unavailable


class CodeCheck(Enum):
    """A provider's answer about a code."""

    CORRECT = "correct"
    WRONG = "wrong"
    ENDED = "ended"
    """The verification has ended, so no code is correct."""


class VerifierUnavailable(Unavailable):
    """A code cannot be checked, because the provider that has it does not answer."""
