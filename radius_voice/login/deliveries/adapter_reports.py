"""What adapters report: failed verifications, problems of identity sources, costs and checks."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from radius_voice.login.model import Unavailable


class PossiblyForwarded(Unavailable):
    """A verification failed after a directory may have got the password, and counted it if it was wrong."""


class SourceProblem(Struct, frozen=True):
    """Why an identity source keeps the users read before. `summary` names no user; `detail` has every error."""

    summary: str
    detail: str


class VerificationCost(Struct, frozen=True):
    """A password verification of an identity source, to be timed.

    `parameters` determine its cost, for messages; `work` grows with the cost. `run` verifies a password, blocks for
    that long, and raises ValueError if it fails. `fix` is what to do if it takes too long.
    """

    parameters: str
    work: float
    run: Callable[[], object]
    fix: str


class AccountCheck(Struct, frozen=True):
    """The result of one check of a provider or an identity source. The text holds no secret or complete number.

    Not `checked`: the text says what could not be checked, and why; `ok` is True.
    """

    ok: bool
    text: str
    checked: bool = True


class ServerState(Struct, frozen=True):
    """A server of an identity source, as logins and probes found it last. `problem` is empty if it responds.

    The text holds no secret.
    """

    address: str
    problem: str = ""
