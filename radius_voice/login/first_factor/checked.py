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
    """The request answers a challenge of the first factor that it cannot continue, or gets no further one."""

    reason: Reason


class Charge:
    """The charge of a request whose password is not wrong, until it is refunded or must stay (see `replay`).

    It is refunded together with the record of the request. Copies of a request at this node share it. `settled`: this
    node need not refund it any longer.
    """

    __slots__ = ("refund", "settled")

    def __init__(self, refund: tuple[LimitOperation, ...] = ()) -> None:
        self.refund = refund
        self.settled = not refund


class Checked(Struct, frozen=True):
    """The result of a first factor, and the slot in which its request is recorded.

    After a right password, the next write to the store applies `refund`. `returning`: the user has logged in
    from this Calling-Station-Id within a day. `separate`: the charge is on the separate allowance of a returning user.
    `reused`: another request had the same Request Authenticator. `answered` is the challenge of the first factor that
    the request answers. `issued` is the user's code from the help desk, and `pins` the durable value of the user's
    pins; both are read after a right password. The result is a PendingChallenge for a request that got one before.
    """

    slot: Slot
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
    )
    charge: Charge
    returning: bool = False
    separate: bool = False
    reused: bool = False
    answered: PendingChallenge | None = None
    issued: IssuedCode | None = None
    pins: bytes | None = None

    @property
    def refund(self) -> tuple[LimitOperation, ...]:
        """What to refund together with the record of the request at `slot`."""
        return () if self.slot.is_refunded else self.charge.refund

    def note(self, trace: Trace) -> None:
        """Add the steps of the check to the record of a packet."""
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
        """The same, for a request whose Request Authenticator another request has used before."""
        return replace(self, slot=self.slot.alternative)

    def after(self, value: bytes) -> Checked:
        """The same, for a request whose record is `value`, of a charge or a refund."""
        return replace(self, slot=self.slot.after(value))
