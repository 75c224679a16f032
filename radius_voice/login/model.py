"""The nouns of a login. Frozen, plain, and free of RADIUS, YAML and vendors.

Times in rows are wall-clock seconds; hashes are keyed with `server.key` (see `codes.Keys`).
"""

from __future__ import annotations

from dataclasses import field
from enum import Enum, StrEnum
from typing import NamedTuple

from radius_voice.events import Outcome, Reason
from radius_voice.login.phone import Phone
from radius_voice.nouns import noun

SET_BACK = 600.0
"""What is dated further ahead than this, in seconds, was dated before the clock was set back, and is over."""

LoginKey = bytes
"""Names a row: a keyed hash of client entry and person. It leads every State handed out."""


@noun
class Claim:
    """A user name and password to verify, as typed.

    When verifications queue, those of a `returning` user go first, the others in turn for each `queue`.
    """

    name: str
    password: str = field(repr=False)
    queue: str = ""
    returning: bool = False


@noun
class User:
    """A person as the directory knows them. `id` is stable and never the name as typed."""

    id: str
    name: str
    phones: tuple[Phone, ...] = ()
    language: str = "en"
    groups: frozenset[str] = frozenset()
    disabled: bool = False


@noun
class Passed:
    """The first factor holds."""


@noun
class Denied:
    """The first factor does not hold. `user` is the user's name in the directory, empty if no user has the name.

    `password_right`: the password was right and something else forbids the login; it is no failure to be charged.
    """

    reason: Reason
    user: str = ""
    password_right: bool = False


@noun
class Attempt:
    """One verified packet of a login, in the domain's words.

    `source` is the Calling-Station-Id (empty when the gateway sent none), `packet` its Request
    Authenticator, `guess` the octets of its User-Name and encrypted User-Password. Monotonic seconds: `arrived`,
    and `answer_by`, after which the gateway no longer waits.
    """

    client: str
    policy: str
    name: str
    password: str = field(repr=False)
    source: str
    packet: bytes
    arrived: float
    answer_by: float
    state: bytes | None = field(default=None, repr=False)
    guess: bytes = field(default=b"", repr=False)


@noun
class Script:
    """What is heard: the phrases of one language around a code. Never shows the code."""

    language: str
    friendly_name: str
    code: str = field(repr=False)


@noun
class Order:
    """One call to be placed. `ring` is how many seconds the phone may ring; `login` names the row."""

    phone: Phone
    script: Script
    ring: int
    login: str


@noun
class CallRef:
    """A call at a provider: the provider's name in the configuration and its own reference."""

    provider: str
    reference: str


class CallStatus(StrEnum):
    """Where a call is, in the provider's words reduced to ours."""

    QUEUED = "queued"
    RINGING = "ringing"
    ANSWERED = "answered"
    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def over(self) -> bool:
        """Whether the phone has stopped ringing and speaking for good."""
        return self not in (CallStatus.QUEUED, CallStatus.RINGING, CallStatus.ANSWERED)


@noun
class Placed:
    """The provider has taken the call. `live` is False where nothing rings: it is over with being placed."""

    reference: str
    live: bool = True


@noun
class RefusedNumber:
    """The provider will not call this number: try the next phone."""

    detail: str
    alarm: bool = False


@noun
class NotPlaced:
    """The provider certainly did not place the call: try the next provider.

    `outage` is True if the provider could not have placed any call: no connection, or the account or caller ID is
    refused. Only an outage of every provider permits a bypass.
    """

    detail: str
    alarm: bool = False
    outage: bool = False


@noun
class Unknown:
    """Nobody knows whether the call was placed: never place it again."""

    detail: str


class Call(NamedTuple):
    """The latest call of a row. `number` counts them from 1; `live_until` is when it must be over."""

    number: int
    phone: Phone
    at: float
    live_until: float
    ref: CallRef | None = None
    answered_at: float | None = None
    over: bool = False


@noun
class Verdict:
    """What an answer, or the whole row, got."""

    outcome: Outcome
    reason: Reason
    at: float


@noun
class HandedOut:
    """A State that was given to the gateway: its keyed hash and, once used, with what and to what end."""

    state: bytes
    answer: bytes = b""
    verdict: Verdict | None = None


class FinalResult(NamedTuple):
    """The result of a session that a newer one replaced, kept so that a lost response can be repeated.

    `state` and `answer` are the keyed hashes of the response that got it; `reply` are the Accept's attributes.
    """

    state: bytes
    answer: bytes
    verdict: Verdict
    client: str
    login: str
    name: str
    phone: Phone
    reply: tuple[tuple[str, str], ...] = ()


class Login(NamedTuple):
    """The row: one login of one person at one client entry.

    `name` is the user's name in the directory. `ends_at` is the absolute cap; `code_until` the end of
    the present code's life. `version` grows by one with every swap. `reply` are the attributes
    an Accept will carry. `previous` are results of sessions that this one replaced. `bypass_allowed` becomes False
    when a provider refused a call for another reason than an outage. `returning` says that the pair of user and
    Calling-Station-Id has logged in within a day, so that it need not be stored again.
    """

    key: LoginKey
    id: str
    client: str
    person: str
    name: str
    password: bytes
    source: str
    code: bytes
    states: tuple[HandedOut, ...]
    phones: tuple[Phone, ...]
    tries: int
    redials: int
    call: Call
    opened_at: float
    code_until: float
    ends_at: float
    language: str = "en"
    reply: tuple[tuple[str, str], ...] = ()
    verdict: Verdict | None = None
    version: int = 1
    previous: tuple[FinalResult, ...] = ()
    bypass_allowed: bool = True
    returning: bool = False

    def __repr__(self) -> str:
        return f"Login({self.id}, version {self.version})"  # what it holds is for stores alone

    def open_at(self, now: float) -> bool:
        """Whether the row still waits for its code."""
        return self.verdict is None and self.opened_at - SET_BACK <= now < self.ends_at

    def live_at(self, now: float) -> bool:
        """Whether a call of this row may be ringing or speaking, also when the row itself has ended."""
        return not self.call.over and self.call.at - SET_BACK <= now < self.call.live_until


@noun
class Decision:
    """What the gateway is told and what the record says of it. `login_seconds` is set on the Accept decision.

    `user` is the user's name in the directory, empty if no user has the name that was typed. `new_station` is True on
    an Accept from a Calling-Station-Id that is not known for this user, or was last stored more than a day ago.
    """

    outcome: Outcome
    reason: Reason
    state: bytes = field(default=b"", repr=False)
    text: str = ""
    reply: tuple[tuple[str, str], ...] = ()
    user: str = ""
    login: str = ""
    phone: str = ""
    login_seconds: float = 0.0
    new_station: bool = False


class Act(Enum):
    """What is done to a limit: use one, ask whether one is left, give one back, or forget all."""

    TAKE = "take"
    PEEK = "peek"
    GIVE_BACK = "give_back"
    CLEAR = "clear"


@noun
class Limit:
    """At most `burst` at once, refilled evenly over `period` seconds. `reason` is what exceeding it means."""

    name: str
    burst: int
    period: float
    reason: Reason


class Spend(NamedTuple):
    """One limit touched on behalf of one subject (a person, phone, client, source, or packet)."""

    limit: Limit
    subject: str
    act: Act = Act.TAKE

    def __repr__(self) -> str:
        return f"Spend({self.limit.name}, {self.act.value})"  # a subject may be a phone


@noun
class Limited:
    """A limit is used up; `retry_after` seconds from now one is left again."""

    limit: Limit
    retry_after: float


class Record(NamedTuple):
    """A record of a request, written together with the request's effect (see `login.records`).

    It is written where no record is, or the record is `replaces`; an empty `value` removes it. Records of requests
    whose first factor held (`verified`) are counted separately: strangers cannot displace them.
    """

    key: bytes
    value: bytes
    replaces: bytes = b""
    verified: bool = False


@noun
class Recorded:
    """The request is recorded already, with this `value`: nothing was written."""

    value: bytes


class Swap(Enum):
    """How a swap ended, when no limit stopped it."""

    DONE = "done"
    STALE = "stale"
    BUSY = "busy"


class Unavailable(Exception):
    """A part that a login needs (`part`) is out of reach. Its text never holds a secret."""

    def __init__(self, part: str, detail: str) -> None:
        super().__init__(f"{part}: {detail}")
        self.part = part
        self.detail = detail
