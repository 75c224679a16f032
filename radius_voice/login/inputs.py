"""The inputs of `state_machine.step`, and the transition that it returns."""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from msgspec import Struct

from radius_voice.events import Outcome, Reason
from radius_voice.login.model import CallRef, CallStatus, LimitOperation, Method, PreviousResult, Session
from radius_voice.login.phone import Phone
from radius_voice.login.voicemail import Voicemail


class InitialRequest(Struct, frozen=True):
    """An initial request whose first factor is right. It opens `new_session`, or joins the session that is open."""

    new_session: Session
    seconds_needed: float = 0.0  # as in `NextChallenge`, for a redial in the open session


class RecordedRequest(Struct, frozen=True):
    """An initial request with a replay record for the session `session_id`. It may only join that session."""

    session_id: str
    state: bytes  # keyed hash of the State that the request got
    password: bytes  # this keyed hash and the Calling-Station-Id must be equal to the session's
    calling_station_id: str


class NextChallenge(Struct, frozen=True):
    """What a new challenge needs, with another delivery or without.

    A delivery is made only if both `call_seconds` and `seconds_needed` are left until the session ends. They differ for
    a decoy, whose call ends earlier than a real one.
    """

    state: bytes  # keyed hash
    code: bytes  # keyed hash; empty if the call is placed without a code
    call_seconds: float  # maximum duration of the call
    code_lifetime: float  # seconds
    method: Method = Method.VOICE
    voicemail: Voicemail = Voicemail.OFF
    seconds_needed: float = 0.0


class RemoteCheck(Struct, frozen=True):
    """The provider's answer about the typed code, for delivery `number` of the session."""

    number: int
    correct: bool


class ChallengeResponse(Struct, frozen=True):
    """A response to a challenge: a code, a password typed again, or a request for another delivery.

    It is valid only for the client entry and the user of the session.
    """

    client: str
    name: str
    state: bytes  # keyed hash of the State
    answer: bytes  # keyed hashes of the typed text: as a response,
    code: bytes  # as a code,
    password: bytes  # and as a password
    phone: int | None  # index of the phone for another delivery; None if the user typed something else
    next_challenge: NextChallenge
    redial_allowed: bool = True  # False if the policy, a limit or another live call forbids another delivery
    remote: RemoteCheck | None = None  # None if the provider was not asked
    canceled: int = 0  # number of the delivery whose verification was canceled for another delivery; 0 for none
    limit: str = ""  # the limit that forbids another delivery, if one does


class Lockout(Struct, frozen=True):
    """Too many wrong codes have locked the user."""

    state: bytes
    answer: bytes


class UserChanged(Struct, frozen=True):
    """The directory no longer permits the login, for `reason`. Replaces a ChallengeResponse."""

    state: bytes
    answer: bytes
    reason: Reason


class Reservation(Struct, frozen=True):
    """The maximum cost of a delivery, in units (see `costs`)."""

    cost: int = 0
    minute_price: int = 0  # of a call


class DeliveryPlaced(Struct, frozen=True):
    """A provider accepted delivery `number` of the session, or may have accepted it."""

    session_id: str
    number: int
    phone: Phone
    ref: CallRef | None  # the call; None if there is none, or its reference is unknown
    refused: bool = False  # another provider refused the delivery before, for another reason than an outage
    method: Method = Method.VOICE
    over: bool = False  # no call may be live
    code_lifetime: float = 0.0  # seconds, for the code in a text message
    reserved: Reservation | None = None  # None if no budget is configured
    verification: CallRef | None = None
    keeps_code: bool = False  # only the provider has the code


class CallQueued(Struct, frozen=True):
    """Delivery `number` of the session will be requested in `wait` seconds."""

    session_id: str
    number: int
    wait: float


class DeliveryFailed(Struct, frozen=True):
    """No provider made delivery `number` of the session."""

    session_id: str
    number: int
    reason: Reason
    bypass: bool  # an active bypass accepts the user without a call
    refund: bool  # the delivery does not count towards the limits: no provider has received and refused it
    phone: Phone | None = None  # the last phone that was tried
    reserved: Reservation | None = None  # for that phone; None if no budget is configured


class CallProgress(Struct, frozen=True):
    """The provider reports the status of call `number`."""

    session_id: str
    number: int
    status: CallStatus
    code_lifetime: float  # seconds after the call is answered
    ref: CallRef | None = None  # the reported call; None if it is known to be the session's call


class CodeCreated(Struct, frozen=True):
    """A code was created for call `number`, which was placed without one."""

    session_id: str
    number: int
    code: bytes  # keyed hash
    code_lifetime: float  # seconds from now
    ref: CallRef | None = None  # as in `CallProgress`


class ApprovalKey(Struct, frozen=True):
    """The user pressed a key during call `number`, which asks for an approval."""

    session_id: str
    number: int
    key: str
    ref: CallRef  # the call


class ApprovalEnded(Struct, frozen=True):
    """The request that waits for an approval by call `number` must be answered now."""

    session_id: str
    number: int
    reason: Reason | None = None  # why the login is rejected; None if the user did not press a key in time


DeliveryEvent: TypeAlias = CallQueued | DeliveryPlaced | DeliveryFailed | CallProgress | CodeCreated
ApprovalEvent: TypeAlias = ApprovalKey | ApprovalEnded
Input: TypeAlias = (
    InitialRequest | RecordedRequest | ChallengeResponse | Lockout | UserChanged | DeliveryEvent | ApprovalEvent
)


class CostChange(Struct, frozen=True):
    """How a transition changes the daily budgets. Amounts are in units (see `costs`)."""

    method: Method
    operations: tuple[LimitOperation, ...]
    reserved: int = 0  # for a delivery that begins
    settled: int = 0  # the cost of a delivery that has ended


class Charge(Enum):
    """Which limits a transition changes, in the transaction that stores the session."""

    NOTHING = "nothing"
    CALL = "call"
    CALL_REFUND = "call_refund"
    WRONG_CODE = "wrong_code"
    CORRECT_CODE = "correct_code"
    CODE_CHECK = "code_check"
    ISSUED_CODE_USE = "issued_code_use"
    APPROVAL = "approval"
    APPROVAL_UNANSWERED = "approval_unanswered"
    APPROVAL_DENIED = "approval_denied"
    FRAUD_REPORT = "fraud_report"


class Transition(Struct, frozen=True):
    """The effect of an input: the changed session, the response, and the actions that follow."""

    session: Session | None  # None: no change
    outcome: Outcome
    reason: Reason
    issues_state: bool = False  # the response carries the input's new State
    places_call: bool = False  # make the session's new delivery, after `hang_up` has ended
    hang_up: CallRef | None = None  # a call to end
    charge: Charge = Charge.NOTHING
    previous: PreviousResult | None = None  # the repeated result of a session that was replaced
    rule: str = ""  # the limit that forbade what the input requested
    cost: CostChange | None = None
