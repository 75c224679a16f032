"""Values that adapters report: failed verifications, problems of identity sources, costs and checks."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from radius_voice.login.model import Unavailable


class PossiblyForwarded(Unavailable):
    """A verification failed, but a directory may have received the password and counted it as a wrong one."""


class SourceProblem(Struct, frozen=True):
    """Why an identity source still uses the users that it read before."""

    summary: str  # names no user
    detail: str  # all errors


class VerificationCost(Struct, frozen=True):
    """A password verification of an identity source, whose duration `check` measures."""

    parameters: str  # the cost parameters, for messages
    work: float  # comparable between sources: larger is slower
    run: Callable[[], object]  # verifies a password; blocks, and raises ValueError if it fails
    fix: str  # what to do if it takes too long


class AccountCheck(Struct, frozen=True):
    """The result of one check of a provider or an identity source."""

    ok: bool  # True also if it could not be checked
    text: str  # without secrets and complete phone numbers
    checked: bool = True  # False: the text says what could not be checked, and why


class ServerState(Struct, frozen=True):
    """The state of a server of an identity source, according to the last logins and probes."""

    address: str
    problem: str = ""  # empty if it responds; without secrets
