"""The values of a login: immutable, and independent of RADIUS, YAML and vendors.

Times in sessions are wall-clock seconds. Hashes are keyed (see `codes.keys.Keys`).
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import TypeAlias

from msgspec import Struct

from radius_voice.events import Outcome, Reason, SecondFactorMode
from radius_voice.login.accounts import UNKNOWN_ACCOUNT, Account
from radius_voice.login.phone import Phone
from radius_voice.login.upstream import HiddenAttribute, RequestAttribute
from radius_voice.login.voicemail import Voicemail

CLOCK_STEP_SECONDS = 600.0
"""A stored time more than this far in the future dates from before the clock was set back; it counts as past."""
DECOY_KEYS = ":"
"""Prefix of the `user_key` of a decoy. No user has it, because no identity source has an empty name."""

ReplyAttribute: TypeAlias = tuple[int, bytes]
"""An encoded attribute of a response: type and value."""

SessionKey: TypeAlias = bytes
"""Identifies a session: a keyed hash of client entry and user. Every State of the session contains it."""


class PapPassword(Struct, frozen=True):
    """The decrypted User-Password: the password, or in a response to a challenge the text that the user typed."""

    text: str

    def __repr__(self) -> str:
        return "PapPassword()"


Credentials: TypeAlias = PapPassword
"""The credentials of a request. Each authentication method adds a type."""


class User(Struct, frozen=True):
    """A user in the directory."""

    id: str  # stable; never the name as typed
    name: str
    phones: tuple[Phone, ...] = ()  # in order of preference
    language: str = "en"
    groups: frozenset[str] = frozenset()
    disabled: bool = False


class StoredUser(Struct, frozen=True):
    """A user in an identity source that commands can change."""

    user: User
    password: str | None = None  # the encoded hash

    def __repr__(self) -> str:
        return f"StoredUser({self.user.id})"


class Verification(Struct, frozen=True):
    """Credentials for a first factor to verify.

    When verifications are queued, those of `returning` users go first, and the others round-robin by `queue`.
    """

    user_name: str
    credentials: Credentials
    queue: str = ""
    returning: bool = False
    attributes: tuple[RequestAttribute, ...] = ()  # all attributes of the gateway's request
    context: bytes = b""  # `ChallengeRequired.context`, if the credentials answer a challenge
    account: Account = UNKNOWN_ACCOUNT  # the result of `FirstFactor.account`

    def __repr__(self) -> str:
        return "Verification()"  # a user may type a password as the name


class Authenticated(Struct, frozen=True):
    """The credentials are correct."""

    user_id: str  # the user's id in the identity source
    user: User | None = None  # set if the source is a directory too: the name need not be looked up again
    password_id: str = ""  # changes with the password; empty if the source cannot tell
    reply: tuple[ReplyAttribute | HiddenAttribute, ...] = ()  # for the Access-Accept

    def __repr__(self) -> str:
        return f"Authenticated({self.user_id})"  # `password_id` may be a part of a password's hash


class Denied(Struct, frozen=True):
    """The first factor rejects the request."""

    reason: Reason
    user: str = ""  # the name in the directory; empty if no user has the typed name
    password_correct: bool = False  # then no failure is charged
    text: str = ""  # replaces the usual text of a reject; only after the right password, at most 253 octets


class AuthRequest(Struct, frozen=True):
    """A verified Access-Request, without the details of RADIUS. Times are monotonic seconds."""

    client: str
    policy: str
    user_name: str
    credentials: Credentials
    calling_station_id: str  # empty if the gateway sent none
    authenticator: bytes  # the Request Authenticator
    arrived: float
    deadline: float  # after it the gateway no longer waits
    state: bytes | None = None  # None in an initial request
    encrypted_credentials: bytes = b""  # User-Name and encrypted User-Password
    attributes: tuple[RequestAttribute, ...] = ()  # all attributes of the packet
    unlisted_realm: bool = False  # the client does not list the realm of the name, so no user has the name
    second_factor: SecondFactorMode = SecondFactorMode.CHALLENGE  # from the client entry
    delimiter: str = ","  # separates password and code in two passes

    def __repr__(self) -> str:
        return f"AuthRequest({self.client})"  # a user may type a password as the name


class CallRef(Struct, frozen=True, gc=False):
    """A call or a verification at a provider."""

    provider: str  # its name in the configuration
    reference: str  # the provider's own, such as a Twilio SID


class CallStatus(StrEnum):
    """The status of a call, in the terms that all providers share."""

    QUEUED = "queued"
    RINGING = "ringing"
    ANSWERED = "answered"
    HUMAN = "human"
    """A human has answered, according to machine detection or a pressed key."""
    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    CANCELED = "canceled"
    MACHINE = "machine"
    """A machine has answered, and the call was ended."""

    @property
    def over(self) -> bool:
        """Whether the call has ended."""
        return self not in _BEFORE_THE_END

    def follows(self, earlier: CallStatus) -> bool:
        """Whether a call can have this status after the `earlier` one. The end of a call is final."""
        if earlier.over or self.over:
            return not earlier.over
        return _BEFORE_THE_END.index(self) > _BEFORE_THE_END.index(earlier)


_BEFORE_THE_END = (CallStatus.QUEUED, CallStatus.RINGING, CallStatus.ANSWERED, CallStatus.HUMAN)
"""The statuses of a call that has not ended, in their order."""


class Method(StrEnum):
    """How a code reaches the user."""

    VOICE = "voice"
    SMS = "sms"
    ISSUED_CODE = "issued_code"


DELIVERY_METHODS = (Method.VOICE, Method.SMS)
"""The methods by which providers deliver codes."""


class DeliveryAttempt(Struct, frozen=True, gc=False, omit_defaults=True):
    """The current delivery of a session: a call, a text message, or none where the help desk issued a code.

    The session's `code` is empty while a call placed under `voicemail` has no code yet, and if only the provider has
    the code.
    """

    number: int  # counts the deliveries of the session from 1
    phone: Phone
    at: float  # when it was stored, just before the provider was asked
    live_until: float  # by then the call must have ended
    ref: CallRef | None = None  # the call; None until a provider has accepted it, or if that is unknown
    answered_at: float | None = None
    over: bool = False  # the call has ended, or the provider has accepted the text message
    status: CallStatus = CallStatus.QUEUED  # the last known status of the call
    method: Method = Method.VOICE
    cost: int = 0  # in units (see `costs`): reserved, or once it has ended, what it did cost
    minute_price: int = 0  # in units
    voicemail: Voicemail = Voicemail.OFF  # if not OFF, the call was placed without a code
    verification: CallRef | None = None  # at a provider that checks codes; an empty reference is unknown
    due_at: float = 0.0  # when a queued call will be requested


class Result(Struct, frozen=True, gc=False):
    """The result of a response to a challenge, or of the whole session."""

    outcome: Outcome
    reason: Reason
    at: float


class IssuedState(Struct, frozen=True, gc=False, omit_defaults=True):
    """A State sent to the gateway."""

    state: bytes  # its keyed hash
    answer: bytes = b""  # the keyed hash of the response, once the State was used
    result: Result | None = None


class PreviousResult(Struct, frozen=True, gc=False, omit_defaults=True):
    """The result of a session that a newer one replaced, kept so that a lost response can be repeated."""

    state: bytes  # keyed hashes of the State and the text of the response that got the result
    answer: bytes
    result: Result
    client: str
    session_id: str
    name: str
    phone: Phone
    reply: tuple[ReplyAttribute, ...] = ()
    sealed_reply: bytes = b""  # see `Session.sealed_reply`


class Session(Struct, frozen=True, gc=False, omit_defaults=True):
    """One login of one user at one client entry, as it is stored.

    Stores keep it as a map of names and values: a new field needs a default, so that open sessions stay readable.
    """

    key: SessionKey
    id: str  # 16 hexadecimal digits, for the audit log
    client: str
    user_key: str  # identity source and user id (`policy.user_key_of`)
    name: str  # the user's name in the directory
    password: bytes  # keyed hash
    calling_station_id: str
    code: bytes  # keyed hash; empty if there is no code, or only the provider has it
    states: tuple[IssuedState, ...]  # used ones first; the newest is the last
    phones: tuple[Phone, ...]  # those that may be called
    attempts_left: int
    redials_left: int
    delivery: DeliveryAttempt
    opened_at: float
    code_until: float  # until then the code is valid
    ends_at: float  # the session expires then at the latest
    policy: str = "default"
    group: str = ""  # the group whose rules apply; empty for the policy's own rules
    language: str = "en"
    reply: tuple[ReplyAttribute, ...] = ()  # attributes for the Access-Accept
    result: Result | None = None  # None while the session is open
    version: int = 1  # grows by one with every change
    write_id: int = 0  # random, new with every change: detects a change that a failover of the store has lost
    previous: tuple[PreviousResult, ...] = ()  # results of the sessions that this one replaced
    bypass_allowed: bool = True  # False once a provider refused a delivery for another reason than an outage
    returning: bool = False  # the user has logged in from this Calling-Station-Id within a day
    password_id: bytes = b""  # keyed hash of `Authenticated.password_id`; empty if that is empty
    first_factor_id: str = ""  # `Authenticated.user_id`
    sealed_reply: bytes = b""  # secret attributes for the Access-Accept, encrypted by `Keys.seal_reply`
    pins: bytes = b""  # the pins that an Access-Accept writes if the user has none (`codes.pins`)
    unpinned: tuple[Phone, ...] = ()  # phones that are not pinned, if `limits.success` counts them
    remember: bytes = b""  # the fingerprint that a correct code stores (`second_factor.remembered`)
    approval: bool = False  # the call asks for a key instead of speaking a code (`calls.approvals`)

    def __repr__(self) -> str:
        return f"Session({self.id}, version {self.version})"  # a log must not show its phones and hashes

    @property
    def is_decoy(self) -> bool:
        """Whether the session is a decoy, in which no response is correct (`session.decoys`)."""
        return self.user_key.startswith(DECOY_KEYS)

    def open_at(self, now: float) -> bool:
        """Whether the session still waits for its code."""
        return self.result is None and self.opened_at - CLOCK_STEP_SECONDS <= now < self.ends_at

    def live_at(self, now: float) -> bool:
        """Whether the session's call may be ringing or speaking. It may outlast the session."""
        delivery = self.delivery
        return not delivery.over and delivery.at - CLOCK_STEP_SECONDS <= now < delivery.live_until


class LimitAction(Enum):
    """An operation on a limit."""

    TAKE = "take"
    """Take uses, if that many are left."""
    EXTEND = "extend"
    """Let the uses of a limit that resets count for a whole period from now. It does not change other limits."""
    CHECK = "check"
    """Check whether that many uses are left, and change nothing."""
    REFUND = "refund"
    RESET = "reset"


class Limit(Struct, frozen=True):
    """A limit on the uses of each subject; `rate_limits` has the arithmetic.

    By default uses are refilled evenly, `burst` of them in `period` seconds. With `resets`, all of them are available
    again `period` seconds after the first use or the last EXTEND. With `counts`, uses are never refilled: the subject
    contains the day, so each day has its own count.
    """

    name: str
    burst: int
    period: float
    reason: Reason  # of a reject when no use is left
    resets: bool = False
    counts: bool = False


class LimitOperation(Struct, frozen=True):
    """An action on one limit for one subject."""

    limit: Limit
    subject: str  # a user, phone, client, Calling-Station-Id or country, or `total`
    action: LimitAction = LimitAction.TAKE
    amount: int = 1  # how many uses to take, check or refund

    def __repr__(self) -> str:
        return f"LimitOperation({self.limit.name}, {self.action.value})"  # a subject may be a phone


class Limited(Struct, frozen=True):
    """A limit is reached."""

    limit: Limit
    retry_after: float  # seconds until a use is available again


class AlreadyRecorded(Struct, frozen=True):
    """The request already has a replay record, so nothing was written."""

    value: bytes  # of the stored record


class SwapResult(Enum):
    """The result of a compare-and-swap that no limit or record prevented."""

    DONE = "done"
    STALE = "stale"
    """Another process has changed the session: load it again."""
    BUSY = "busy"
    """The user has a live call in another session."""


class Unavailable(Exception):
    """A component that a login needs cannot be reached. The text contains no secret."""

    def __init__(self, component: str, detail: str) -> None:
        super().__init__(f"{component}: {detail}")
        self.component = component
        self.detail = detail
