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
    """An initial request whose first factor is right. `new_session` is opened unless an open one is joined.

    Another delivery in the open one must have `seconds_needed`, if that is more than its call takes.
    """

    new_session: Session
    seconds_needed: float = 0.0


class RecordedRequest(Struct, frozen=True):
    """An initial request that is recorded for the session `session_id`: it may join that session, and nothing else.

    `state` is the hash of the State that it was issued; `password` and `calling_station_id` must be the session's.
    """

    session_id: str
    state: bytes
    password: bytes
    calling_station_id: str


class NextChallenge(Struct, frozen=True):
    """For a new challenge: the hashes of its State and code, and the maximum durations of call and code in seconds.

    `method` is how the code reaches the user. With `voicemail`, `code` is empty. No delivery is made if less than
    `seconds_needed` or `call_seconds` are left until the session ends: the call of a decoy ends earlier than a user's.
    """

    state: bytes
    code: bytes
    call_seconds: float
    code_lifetime: float
    method: Method = Method.VOICE
    voicemail: Voicemail = Voicemail.OFF
    seconds_needed: float = 0.0


class RemoteCheck(Struct, frozen=True):
    """The answer of the provider of delivery `number` of the session about the code that the user typed."""

    number: int
    correct: bool


class ChallengeResponse(Struct, frozen=True):
    """Keyed hashes of the text that the user typed: as a response (`answer`), as a code, and as a password.

    `phone` is the index of the phone that the user requested instead of a code; `redial_allowed` is False if the
    policy, a limit or another live call forbids that. A response is valid only for the client entry and the user of its
    session. `remote` is the provider's answer about the code, None if it was not asked. `canceled` is the number of the
    delivery whose verification was canceled because the user requested another one, 0 if none was; `limit` is the limit
    that forbids that, if it is one.
    """

    client: str
    name: str
    state: bytes
    answer: bytes
    code: bytes
    password: bytes
    phone: int | None
    next_challenge: NextChallenge
    redial_allowed: bool = True
    remote: RemoteCheck | None = None
    canceled: int = 0
    limit: str = ""


class Lockout(Struct, frozen=True):
    """The user has typed too many wrong codes."""

    state: bytes
    answer: bytes


class UserChanged(Struct, frozen=True):
    """The directory no longer permits the login that waits for its code; `reason` is why."""

    state: bytes
    answer: bytes
    reason: Reason


class Reservation(Struct, frozen=True):
    """The most that a delivery costs, and for a call the price of a minute, in units (see `costs`)."""

    cost: int = 0
    minute_price: int = 0


class DeliveryPlaced(Struct, frozen=True):
    """A provider accepted delivery `number` of the session, by that method to that phone, or may have accepted it.

    `ref` is the call, None if there is none or that is not certain. `over`: there is no call that may be live. A text
    message's code is valid for `code_lifetime` seconds. `refused`: a provider had refused the delivery before for
    another reason than an outage. `reserved` is its reservation, None if no budget is configured. `verification` is
    that of the delivery; with `keeps_code`, only its provider has the code.
    """

    session_id: str
    number: int
    phone: Phone
    ref: CallRef | None
    refused: bool = False
    method: Method = Method.VOICE
    over: bool = False
    code_lifetime: float = 0.0
    reserved: Reservation | None = None
    verification: CallRef | None = None
    keeps_code: bool = False


class CallQueued(Struct, frozen=True):
    """Delivery `number` of the session will be requested in `wait` seconds."""

    session_id: str
    number: int
    wait: float


class DeliveryFailed(Struct, frozen=True):
    """No provider made delivery `number` of the session. `bypass`: an active bypass accepts the user without a call.

    `refund`: the delivery does not count towards the limits, because no provider has received and refused it. `phone`
    is the last one that was tried, and `reserved` its reservation, None if no budget is configured.
    """

    session_id: str
    number: int
    reason: Reason
    bypass: bool
    refund: bool
    phone: Phone | None = None
    reserved: Reservation | None = None


class CallProgress(Struct, frozen=True):
    """The provider reports the status of call `number`; `code_lifetime` is in seconds from the answered call.

    `ref` is the call that it names, None if the call is known to be that of the session.
    """

    session_id: str
    number: int
    status: CallStatus
    code_lifetime: float
    ref: CallRef | None = None


class CodeCreated(Struct, frozen=True):
    """The code of call `number`, which was placed without one; `code` is its keyed hash.

    `code_lifetime` is in seconds from now. `ref` is the call that the provider has named, None if it is known.
    """

    session_id: str
    number: int
    code: bytes
    code_lifetime: float
    ref: CallRef | None = None


class ApprovalKey(Struct, frozen=True):
    """The user pressed `key` during call `number`, which asks for an approval; `ref` is that call."""

    session_id: str
    number: int
    key: str
    ref: CallRef


class ApprovalEnded(Struct, frozen=True):
    """The request that waits for an approval by call `number` is answered now.

    `reason` is why the login is rejected whatever key is pressed, None if the user has not pressed one in time.
    """

    session_id: str
    number: int
    reason: Reason | None = None


DeliveryEvent: TypeAlias = CallQueued | DeliveryPlaced | DeliveryFailed | CallProgress | CodeCreated
ApprovalEvent: TypeAlias = ApprovalKey | ApprovalEnded
Input: TypeAlias = (
    InitialRequest | RecordedRequest | ChallengeResponse | Lockout | UserChanged | DeliveryEvent | ApprovalEvent
)


class CostChange(Struct, frozen=True):
    """How a transition changes the budgets of the day, and what it reserves or settles in units (see `costs`)."""

    method: Method
    operations: tuple[LimitOperation, ...]
    reserved: int = 0
    settled: int = 0


class Charge(Enum):
    """Which limits a transition changes together with the session."""

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
    """The effect of an input: the changed session (None: no change), the response, and the actions.

    `issues_state`: the input's new State is sent. `places_call`: the session's new call is to be placed, after
    `hang_up` is ended if there is one. `previous` is the repeated result of a session that was replaced. `rule`
    names the limit that forbade what the input asked for. `cost` is the change of the budgets of the day.
    """

    session: Session | None
    outcome: Outcome
    reason: Reason
    issues_state: bool = False
    places_call: bool = False
    hang_up: CallRef | None = None
    charge: Charge = Charge.NOTHING
    previous: PreviousResult | None = None
    rule: str = ""
    cost: CostChange | None = None
