"""The records that the audit log, the metrics and the log read, among them one `Event` per verified request.

Imports only `nouns`; every module may import it. No field holds a code, a password or a complete phone number. Metrics
use the enumerations below as labels.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from radius_voice.nouns import noun


class Outcome(StrEnum):
    """The response to the gateway; SILENCE is no response."""

    ACCEPT = "accept"
    CHALLENGE = "challenge"
    REJECT = "reject"
    SILENCE = "silence"


class Reason(StrEnum):
    """Why a verified request got its outcome. A fixed set: metrics use it as a label."""

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
    """Why a datagram was discarded before its login was processed."""

    UNKNOWN_CLIENT = "unknown_client"
    MALFORMED = "malformed"
    WRONG_CODE = "wrong_code"
    NO_MESSAGE_AUTHENTICATOR = "no_message_authenticator"
    BAD_MESSAGE_AUTHENTICATOR = "bad_message_authenticator"
    DUPLICATE = "duplicate"
    IDENTIFIER_IN_USE = "identifier_in_use"
    OVERLOAD = "overload"


class CallResult(StrEnum):
    """The result of a request to a provider to place a call."""

    PLACED = "placed"
    NUMBER_REFUSED = "number_refused"
    NOT_PLACED = "not_placed"
    UNKNOWN = "unknown"


@noun
class Step:
    """One step in processing a packet: its name, `after` in seconds since arrival, a detail without secrets."""

    name: str
    after: float
    detail: str = ""


class Trace:
    """Collects the steps of one packet; `arrived` and `clock` are monotonic seconds."""

    __slots__ = ("_arrived", "_clock", "steps")

    def __init__(self, arrived: float, clock: Callable[[], float]) -> None:
        self._arrived = arrived
        self._clock = clock
        self.steps: list[Step] = []

    def step(self, name: str, detail: str = "") -> None:
        """Add a step that happened now."""
        self.steps.append(Step(name, self._clock() - self._arrived, detail))


@noun
class Event:
    """One verified Access-Request or Status-Server, and its result.

    `at` is wall-clock seconds at arrival, `seconds` the time until the decision. `user` is the user's name in the
    directory; `typed` is the name as typed, if it differs. Both are empty for a name that no user has, because users
    type passwords there by mistake. `login` is the session's id and `phone` is masked. `login_seconds`, on an accept,
    is the time since the login's first packet. For a client with two secrets, `secret` is the one that the packet was
    made with, 1 or 2; it is 0 if that is unknown and for other clients. `packet` is a hash of the packet's octets, only
    valid in this process (0: not known) and never written. `repeated` is the number of identical packets that this
    record stands for; 0 means one.
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
    """A request to a provider to place a call, and its result; `seconds` is the time since the packet's arrival."""

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
    """The provider reported a new status of a placed call."""

    at: float
    login: str
    provider: str
    reference: str
    status: str


@noun
class Discarded:
    """A datagram was discarded; `client` is empty if the source address belongs to no client."""

    at: float
    client: str
    source: str
    reason: Discard
    detail: str = ""


@noun
class Resent:
    """A retransmission got the octets of the first response again."""

    at: float
    client: str


@noun
class Ended:
    """Number of open logins that expired without their code."""

    at: float
    count: int


@noun
class Lifecycle:
    """An event of the service: `started`, `reloaded`, `reload_failed`, `draining`, `stopped` or `warning`.

    For a users file while the service runs: `users_file_invalid` or `users_file_valid`.
    """

    at: float
    what: str
    detail: str = ""


@noun
class Operated:
    """An administrator's command changed something: `unlocked` reset what was counted for a user.

    `user` is the name in the directory and `sources` the identity sources that have it. `uid` is the local user id of
    the requesting process, None on systems that do not provide it.
    """

    at: float
    what: str
    user: str
    sources: tuple[str, ...]
    uid: int | None


Recorded = Event | Called | Followed | Discarded | Resent | Ended | Lifecycle | Operated
Observer = Callable[[Recorded], None]
