"""What is recorded: one frozen `Event` a packet, read by the audit log, the metrics and the log.

A leaf that everybody may import. No field can hold a code, a password or a whole phone number;
the enumerations below are the fixed sets that metrics use as labels.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from radius_voice.nouns import noun


class Outcome(StrEnum):
    """What the gateway got for a packet."""

    ACCEPT = "accept"
    CHALLENGE = "challenge"
    REJECT = "reject"
    SILENCE = "silence"


class Reason(StrEnum):
    """Why a verified packet got its outcome. Fixed: metrics use it as a label."""

    # accept
    CODE_RIGHT = "code_right"
    REPEATED = "repeated"
    BYPASSED = "bypassed"
    STATUS = "status"
    # challenge
    CALLED = "called"
    CALLING = "calling"
    CALL_UNKNOWN = "call_unknown"
    JOINED = "joined"
    REDIALLED = "redialled"
    WRONG_CODE = "wrong_code"
    PASSWORD_AGAIN = "password_again"
    CANNOT_REDIAL = "cannot_redial"
    # reject
    WRONG_PASSWORD = "wrong_password"
    UNKNOWN_USER = "unknown_user"
    DISABLED = "disabled"
    LOCKED = "locked"
    FAILURE_LIMIT = "failure_limit"
    NO_PHONE = "no_phone"
    PHONE_CHANGED = "phone_changed"
    NUMBER_NOT_ALLOWED = "number_not_allowed"
    CALL_LIMIT = "call_limit"
    BUSY = "busy"
    REPLAY = "replay"
    JOIN_LIMIT = "join_limit"
    NO_REDIALS = "no_redials"
    NUMBER_REFUSED = "number_refused"
    DELIVERY_FAILED = "delivery_failed"
    NO_TRIES = "no_tries"
    EXPIRED = "expired"
    UNKNOWN_STATE = "unknown_state"
    USED_STATE = "used_state"
    METHOD_NOT_SUPPORTED = "method_not_supported"
    BAD_REQUEST = "bad_request"
    # silence
    IDENTITY_UNAVAILABLE = "identity_unavailable"
    STORE_UNAVAILABLE = "store_unavailable"
    TOO_LATE = "too_late"
    OVERLOAD = "overload"
    INTERNAL_ERROR = "internal_error"


class Discard(StrEnum):
    """Why a datagram was dropped before anybody's login was looked at."""

    UNKNOWN_CLIENT = "unknown_client"
    MALFORMED = "malformed"
    WRONG_CODE = "wrong_code"
    NO_MESSAGE_AUTHENTICATOR = "no_message_authenticator"
    BAD_MESSAGE_AUTHENTICATOR = "bad_message_authenticator"
    DUPLICATE = "duplicate"
    IDENTIFIER_IN_USE = "identifier_in_use"
    OVERLOAD = "overload"


class CallResult(StrEnum):
    """How asking a provider to call ended."""

    PLACED = "placed"
    NUMBER_REFUSED = "number_refused"
    NOT_PLACED = "not_placed"
    UNKNOWN = "unknown"


@noun
class Step:
    """One thing that happened to a packet: its name, seconds after arrival, and a detail without secrets."""

    name: str
    after: float
    detail: str = ""


class Trace:
    """Collects the steps of one packet while it is handled; `arrived` and the clock are monotonic."""

    __slots__ = ("_arrived", "_clock", "steps")

    def __init__(self, arrived: float, clock: Callable[[], float]) -> None:
        self._arrived = arrived
        self._clock = clock
        self.steps: list[Step] = []

    def step(self, name: str, detail: str = "") -> None:
        """Note that something happened just now."""
        self.steps.append(Step(name, self._clock() - self._arrived, detail))


@noun
class Event:
    """One verified Access-Request and what became of it.

    `at` is wall-clock seconds at arrival, `seconds` the time until the decision. `user` is the user's name in
    the directory and `typed` what was typed, where it differs; both are empty for a name that no user has,
    because people type passwords there. `phone` is masked. `secret` is 1 or 2, the secret that the packet was made
    with, for a client with two; 0 where there is one, or where it is unknown.
    `packet` is a hash of the packet's octets that holds for this run of the program (0: not known); it is
    never written down. `repeated` is the number of identical packets that this record stands for; 0 means one.
    """

    at: float
    seconds: float
    client: str
    source: str
    identifier: int
    outcome: Outcome
    reason: Reason
    user: str = ""
    login: str = ""
    calling_station: str = ""
    phone: str = ""
    login_seconds: float = 0.0
    steps: tuple[Step, ...] = ()
    typed: str = ""
    secret: int = 0
    packet: int = 0
    repeated: int = 0


@noun
class Called:
    """A provider was asked to call, and what it said; `seconds` is since the request's arrival."""

    at: float
    seconds: float
    login: str
    provider: str
    phone: str
    result: CallResult
    reference: str = ""
    detail: str = ""
    alarm: bool = False


@noun
class Followed:
    """A call that was placed changed its status, as the provider reports it."""

    at: float
    login: str
    provider: str
    reference: str
    status: str


@noun
class Discarded:
    """A datagram was dropped; `client` is empty when its source is no client of ours."""

    at: float
    client: str
    source: str
    reason: Discard
    detail: str = ""


@noun
class Resent:
    """A retransmission of an answered packet got the same octets again."""

    at: float
    client: str


@noun
class Ended:
    """Open logins that nobody answered ended by their absolute cap."""

    at: float
    count: int


@noun
class Lifecycle:
    """The service itself: `started`, `reloaded`, `reload_failed`, `draining`, `stopped`, or `warning`.

    Of a users file while it runs: `users_file_invalid`, `users_file_valid`.
    """

    at: float
    what: str
    detail: str = ""


@noun
class Operated:
    """An administrator's command changed something: `unlocked` cleared what was counted for a user.

    `user` is the name in the directory and `sources` the identity sources that have it. `uid` is the user id of the
    process that asked, on this machine; None where the system does not tell.
    """

    at: float
    what: str
    user: str
    sources: tuple[str, ...]
    uid: int | None


Recorded = Event | Called | Followed | Discarded | Resent | Ended | Lifecycle | Operated
Observer = Callable[[Recorded], None]
