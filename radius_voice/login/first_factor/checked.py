"""The result of a first factor for one request."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from radius_voice.events import Reason
from radius_voice.login.codes.issued_codes import IssuedCode
from radius_voice.login.first_factor.upstream_challenges import PendingChallenge
from radius_voice.login.model import AlreadyRecorded, Authenticated, Denied, Limited, LimitOperation, Unavailable
from radius_voice.login.replay import Slot
from radius_voice.login.upstream import ChallengeRequired
from radius_voice.trace import Trace


class VerifiedByGateway(Struct, frozen=True):
    """The gateway has verified the password itself (`first_factor: none`)."""


class Refused(Struct, frozen=True):
    """The first factor's challenge cannot be answered by this request, or cannot be sent to the gateway."""

    reason: Reason


class Charge:
    """The charged failure of a request whose password is not wrong (see `replay`). Copies of the request share it.

    `refund` are the operations that refund it, in the transaction that records the request. `settled`: this node has
    refunded it, or must not refund it.
    """

    __slots__ = ("refund", "settled")

    def __init__(self, refund: tuple[LimitOperation, ...] = ()) -> None:
        self.refund = refund
        self.settled = not refund


class Checked(Struct, frozen=True):
    """The result of a first factor for one request. After a right password, the next write to the store must refund."""

    slot: Slot  # where the request is recorded
    result: (
        Authenticated
        | ChallengeRequired
        | PendingChallenge
        | VerifiedByGateway
        | Denied
        | Limited
        | AlreadyRecorded
        | Refused
        | Unavailable
    )  # a PendingChallenge if the request already got this challenge
    charge: Charge
    returning: bool = False  # the user has logged in from this Calling-Station-Id within a day
    separate: bool = False  # charged to the separate allowance of a returning user
    reused: bool = False  # another request had the same Request Authenticator
    answered: PendingChallenge | None = None  # the challenge of the first factor that the request answers
    issued: IssuedCode | None = None  # the user's code from the help desk, read after a right password
    pins: bytes | None = None  # the durable value with the user's pins, read after a right password

    @property
    def refund(self) -> tuple[LimitOperation, ...]:
        """The operations to apply in the transaction that records the request at `slot`."""
        return () if self.slot.is_refunded else self.charge.refund

    def note(self, trace: Trace) -> None:
        """Add the steps of the check to the trace of the packet."""
        if self.reused:
            trace.step("request_authenticator_reused")
        match self.result:
            case Limited(limit):
                trace.step("limited", limit.name)
            case Denied(password_correct=correct):
                trace.step("password", "right" if correct else "wrong")
            case Authenticated():
                trace.step("password", "right")
            case ChallengeRequired() | PendingChallenge():
                trace.step("password", "challenge")
            case _:
                pass

    def at_alternative_slot(self) -> Checked:
        """The same result for `Slot.alternative`."""
        return replace(self, slot=self.slot.alternative)

    def after(self, value: bytes) -> Checked:
        """The same result for a request whose record `value` is `charged` or `refunded`."""
        return replace(self, slot=self.slot.after(value))
