"""The values of a login: immutable, and free of RADIUS, YAML and vendors.

Times in sessions are wall-clock seconds; hashes are keyed with `server.key` (see `codes.Keys`).
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
"""A stored time further ahead than this, in seconds, was stored before the clock was set back, and counts as past."""
DECOY_KEYS = ":"
"""The beginning of the `user_key` of a decoy: no identity source has an empty name."""

ReplyAttribute: TypeAlias = tuple[int, bytes]
"""An encoded attribute of a response: its type and its value."""

SessionKey: TypeAlias = bytes
"""Identifies a session: a keyed hash of client entry and user. Every State of the session holds it."""


class PapPassword(Struct, frozen=True):
    """User-Password as typed: the password, and in a response to a challenge what the user typed."""

    text: str

    def __repr__(self) -> str:
        return "PapPassword()"


Credentials: TypeAlias = PapPassword
"""The credentials of a request. Each authentication method adds a type."""


class User(Struct, frozen=True):
    """A user in the directory. `id` is stable and never the name as typed."""

    id: str
    name: str
    phones: tuple[Phone, ...] = ()
    language: str = "en"
    groups: frozenset[str] = frozenset()
    disabled: bool = False


class StoredUser(Struct, frozen=True):
    """A user in an identity source that commands can change, and the password hash or None."""

    user: User
    password: str | None = None

    def __repr__(self) -> str:
        return f"StoredUser({self.user.id})"


class Verification(Struct, frozen=True):
    """Credentials for a first factor to verify.

    When verifications queue, those of a `returning` user go first, the others in turn for each `queue`. `attributes`
    are those of the gateway's request. `context` is that of the ChallengeRequired that the credentials answer.
    `account` is what the first factor has found for it before.
    """

    user_name: str
    credentials: Credentials
    queue: str = ""
    returning: bool = False
    attributes: tuple[RequestAttribute, ...] = ()
    context: bytes = b""
    account: Account = UNKNOWN_ACCOUNT

    def __repr__(self) -> str:
        return "Verification()"  # a user may type a password as the name


class Authenticated(Struct, frozen=True):
    """The credentials are correct. `user_id` is the user's id in the identity source.

    `user` is the user, if the source is a directory too, so that the name need not be looked up again. `password_id`
    changes when the user's password is changed; it is empty if the source cannot tell. `reply` is for the Accept.
    """

    user_id: str
    user: User | None = None
    password_id: str = ""
    reply: tuple[ReplyAttribute | HiddenAttribute, ...] = ()

    def __repr__(self) -> str:
        return f"Authenticated({self.user_id})"  # `password_id` may be a part of a password's hash


class Denied(Struct, frozen=True):
    """The first factor rejects the request. `user` is the name in the directory, empty if no user has the name.

    `password_correct`: the login is denied for another reason than the password, so no failure is charged. `text` is
    shown in place of the text of all rejects, only after the right password; it fits into a Reply-Message.
    """

    reason: Reason
    user: str = ""
    password_correct: bool = False
    text: str = ""


class AuthRequest(Struct, frozen=True):
    """One verified request of a login.

    `calling_station_id` is empty if the gateway sent none. `authenticator` is the Request Authenticator,
    `encrypted_credentials` the octets of User-Name and encrypted User-Password. `state` is None in an initial request.
    `arrived`, and `deadline`, after which the gateway no longer waits, are monotonic seconds. `attributes` are all
    attributes of the request. `unlisted_realm`: the name has a realm that the client does not list, so no user has it.
    `second_factor` is that of the client, and `delimiter` what separates password and code in two passes.
    """

    client: str
    policy: str
    user_name: str
    credentials: Credentials
    calling_station_id: str
    authenticator: bytes
    arrived: float
    deadline: float
    state: bytes | None = None
    encrypted_credentials: bytes = b""
    attributes: tuple[RequestAttribute, ...] = ()
    unlisted_realm: bool = False
    second_factor: SecondFactorMode = SecondFactorMode.CHALLENGE
    delimiter: str = ","

    def __repr__(self) -> str:
        return f"AuthRequest({self.client})"  # a user may type a password as the name


class CallRef(Struct, frozen=True, gc=False):
    """A call at a provider: the provider's name in the configuration and its own reference."""

    provider: str
    reference: str


class CallStatus(StrEnum):
    """The status of a call, reduced to what providers have in common."""

    QUEUED = "queued"
    RINGING = "ringing"
    ANSWERED = "answered"
    HUMAN = "human"
    """A human has answered: machine detection has found one, or a key was pressed."""
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
    """The latest delivery of a session. `number` counts them from 1; by `live_until` its call must be over.

    `ref` is the call, None until a provider has accepted it, or if that is not known. `status` is the latest that is
    known of the call; with `over`, how it ended. With `voicemail`, the call was placed without a code: until there is
    one, the session's `code` is empty. A text message that a provider has accepted is `over`. `cost` is the reservation
    for the delivery, or once it has ended its cost, and `minute_price` the price of a minute of a call (see `costs`).
    `verification` is that of a provider which can say whether a code is right (`verifications`), by the provider's name
    and reference; the reference is empty if it is not known. If only the provider has the code, the session has none.
    A call that waits is requested at `due_at`.
    """

    number: int
    phone: Phone
    at: float
    live_until: float
    ref: CallRef | None = None
    answered_at: float | None = None
    over: bool = False
    status: CallStatus = CallStatus.QUEUED
    method: Method = Method.VOICE
    cost: int = 0
    minute_price: int = 0
    voicemail: Voicemail = Voicemail.OFF
    verification: CallRef | None = None
    due_at: float = 0.0


class Result(Struct, frozen=True, gc=False):
    """The result of a response to a challenge, or of the whole session."""

    outcome: Outcome
    reason: Reason
    at: float


class IssuedState(Struct, frozen=True, gc=False, omit_defaults=True):
    """A State sent to the gateway: its keyed hash and, once used, the keyed hash of the response and its result."""

    state: bytes
    answer: bytes = b""
    result: Result | None = None


class PreviousResult(Struct, frozen=True, gc=False, omit_defaults=True):
    """The result of a session that a newer one replaced, kept so that a lost response can be repeated.

    `state` and `answer` are the keyed hashes of the response that got it; `reply` are the Accept's attributes, and
    `sealed_reply` those of the first factor, encrypted.
    """

    state: bytes
    answer: bytes
    result: Result
    client: str
    session_id: str
    name: str
    phone: Phone
    reply: tuple[ReplyAttribute, ...] = ()
    sealed_reply: bytes = b""


class Session(Struct, frozen=True, gc=False, omit_defaults=True):
    """One login of one user at one client entry, as it is stored.

    `user_key` is the identity source and the user's id there, `name` the user's name in the directory, `policy` and
    `group` name the policy and the group whose rules apply. `password` and `code` are keyed hashes. `ends_at` is the
    absolute end; `code_until` the end of the present code's life. `version` grows by one with every change, and
    `write_id` is a new random number: it tells a change that a failover of the store has lost from the one that took
    its place. `reply` are the attributes of an Accept, and `sealed_reply` those of the first factor, encrypted
    (`codes.Keys.seal_reply`). `previous` are results of sessions that this one replaced. `bypass_allowed` becomes False
    when a provider refused a call for another reason than an outage. `returning` says that the user has logged in from
    this Calling-Station-Id within a day, so that it need not be stored again. `password_id` is the keyed hash of
    `Authenticated.password_id`, empty if the first factor cannot tell when a password is changed; `first_factor_id` is
    `Authenticated.user_id`. An Accept writes `pins` (`login.pins`) if the user has none, and after the right code
    `remember` (`login.remembered`). `unpinned` are those of `phones` that no pin has, if their share of right codes is
    limited (`login.success`). With `approval` there is no code: a key approves the login (`approvals`).

    Stores keep it as a map of names and values: a new field needs a default, so that open sessions stay readable.
    """

    key: SessionKey
    id: str
    client: str
    user_key: str
    name: str
    password: bytes
    calling_station_id: str
    code: bytes
    states: tuple[IssuedState, ...]
    phones: tuple[Phone, ...]
    attempts_left: int
    redials_left: int
    delivery: DeliveryAttempt
    opened_at: float
    code_until: float
    ends_at: float
    policy: str = "default"
    group: str = ""
    language: str = "en"
    reply: tuple[ReplyAttribute, ...] = ()
    result: Result | None = None
    version: int = 1
    write_id: int = 0
    previous: tuple[PreviousResult, ...] = ()
    bypass_allowed: bool = True
    returning: bool = False
    password_id: bytes = b""
    first_factor_id: str = ""
    sealed_reply: bytes = b""
    pins: bytes = b""
    unpinned: tuple[Phone, ...] = ()
    remember: bytes = b""
    approval: bool = False

    def __repr__(self) -> str:
        return f"Session({self.id}, version {self.version})"  # a log must not show its phones and hashes

    @property
    def is_decoy(self) -> bool:
        """Whether it is a decoy: no response in it is right."""
        return self.user_key.startswith(DECOY_KEYS)

    def open_at(self, now: float) -> bool:
        """Whether the session still waits for its code."""
        return self.result is None and self.opened_at - CLOCK_STEP_SECONDS <= now < self.ends_at

    def live_at(self, now: float) -> bool:
        """Whether a call of this session may be ringing or speaking, also when the session itself has ended."""
        delivery = self.delivery
        return not delivery.over and delivery.at - CLOCK_STEP_SECONDS <= now < delivery.live_until


class LimitAction(Enum):
    """An operation on a limit: take one use, check whether one is left, refund one, or reset the limit.

    `EXTEND` is for a limit that resets: its uses count until a whole period from now. It changes no other limit.
    """

    TAKE = "take"
    EXTEND = "extend"
    CHECK = "check"
    REFUND = "refund"
    RESET = "reset"


class Limit(Struct, frozen=True):
    """At most `burst` at once, refilled evenly over `period` seconds; `reason` is that of a reject beyond it.

    `resets`: none is refilled; all are after `period` seconds. Those begin at the first use, and again when they are
    extended. `counts`: none is refilled; the uses are only counted. Then the subject names the day of the uses, so that
    those of another day are counted separately.
    """

    name: str
    burst: int
    period: float
    reason: Reason
    resets: bool = False
    counts: bool = False


class LimitOperation(Struct, frozen=True):
    """An action on one limit for one subject: a user, phone, client, Calling-Station-Id, country, or the total.

    `amount` is how many uses it takes, checks or refunds.
    """

    limit: Limit
    subject: str
    action: LimitAction = LimitAction.TAKE
    amount: int = 1

    def __repr__(self) -> str:
        return f"LimitOperation({self.limit.name}, {self.action.value})"  # a subject may be a phone


class Limited(Struct, frozen=True):
    """A limit is reached; `retry_after` seconds from now one use is left again."""

    limit: Limit
    retry_after: float


class AlreadyRecorded(Struct, frozen=True):
    """The request is recorded already, with this `value`: nothing was written."""

    value: bytes


class SwapResult(Enum):
    """How a compare-and-swap ended, when no limit stopped it."""

    DONE = "done"
    STALE = "stale"
    BUSY = "busy"


class Unavailable(Exception):
    """A component that a login needs cannot be reached. The text never holds a secret."""

    def __init__(self, component: str, detail: str) -> None:
        super().__init__(f"{component}: {detail}")
        self.component = component
        self.detail = detail
