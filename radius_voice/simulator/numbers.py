"""The outcome of a call, by number: Twilio's magic test numbers, and further numbers of the simulator.

Any other well-formed number rings and is answered. Every number here is in +1 500 555, which has no subscribers. A SIP
address whose user is the digits of one of these numbers has the same outcome: sip:15005550010@pbx.example.org is busy.

| to | outcome |
| --- | --- |
| +15005550001 | 400, 21217: not a valid number (Twilio's own) |
| +15005550002 | 400, 21214: cannot be reached (Twilio's own) |
| +15005550003 | 400, 21215: country not enabled (Twilio's own) |
| +15005550004 | 400, 21216: blocked (Twilio's own) |
| +15005550010 | busy |
| +15005550011 | rings until its Timeout, is not answered |
| +15005550012 | fails |
| +15005550020 | 429, 20429: too many requests |
| +15005550021 | 429, 10004: too many concurrent calls |
| +15005550022 | 400, 21219: trial account, number not verified |
| +15005550023 | 400, 13224: not a valid number |
| +15005550024 | 400, 13227: country not enabled |
| +15005550025 | 400, 32205: country not enabled |
| +15005550030 | 500, no call |
| +15005550031 | 500, although the call is placed |
| +15005550032 | the call is placed, then the connection is reset |
| +15005550033 | the call is placed, the HTTP response never arrives |
| +15005550034 | the call is placed, the response's body is garbage |

| from | outcome |
| --- | --- |
| +15005550001 | 400, 21212: not a valid number (Twilio's own) |
| +15005550006, and any number outside +1 500 555 | good |
| other +1 500 555 | 400, 21210: not a number of the account (Twilio's own) |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
SIP = re.compile(r"sips?:(?P<user>[^\s@:<>\"?%]+)@[^\s@<>\"?%]+")
GOOD_FROM = "+15005550006"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of Twilio's API: the HTTP status, and the code and message of the body."""

    status: int
    code: int
    message: str


class FinalStatus(Enum):
    """How a placed call ends."""

    ANSWERED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"


class Misbehaviour(Enum):
    """A response to a create request that does not say whether the call was placed."""

    ERROR = "500"
    ERROR_PLACED = "500, placed"
    RESET = "reset"
    NO_RESPONSE = "no response"
    GARBAGE = "garbage"


INVALID_TO = Refusal(400, 21211, "Invalid 'To' Phone Number")
INVALID_FROM = Refusal(400, 21212, "Invalid 'From' Number")
FOREIGN_FROM = Refusal(400, 21210, "'From' phone number not verified")

REFUSED = {
    "+15005550001": Refusal(400, 21217, "Phone number does not appear to be valid"),
    "+15005550002": Refusal(400, 21214, "'To' phone number cannot be reached"),
    "+15005550003": Refusal(400, 21215, "Geographic permissions do not allow this call"),
    "+15005550004": Refusal(400, 21216, "This number may not be called"),
    "+15005550020": Refusal(429, 20429, "Too Many Requests"),
    "+15005550021": Refusal(429, 10004, "Call concurrency limit exceeded"),
    "+15005550022": Refusal(400, 21219, "'To' phone number not verified"),
    "+15005550023": Refusal(400, 13224, "Invalid phone number"),
    "+15005550024": Refusal(400, 13227, "No international permission"),
    "+15005550025": Refusal(400, 32205, "Destination not allowed"),
}

FINAL_STATUSES = {
    "+15005550010": FinalStatus.BUSY,
    "+15005550011": FinalStatus.NO_ANSWER,
    "+15005550012": FinalStatus.FAILED,
}

MISBEHAVIOURS = {
    "+15005550030": Misbehaviour.ERROR,
    "+15005550031": Misbehaviour.ERROR_PLACED,
    "+15005550032": Misbehaviour.RESET,
    "+15005550033": Misbehaviour.NO_RESPONSE,
    "+15005550034": Misbehaviour.GARBAGE,
}


def is_callable(to: str) -> bool:
    """Whether a call can have this destination: a number or a SIP address."""
    return E164.fullmatch(to) is not None or SIP.fullmatch(to) is not None


def number_of(to: str) -> str:
    """The number whose outcome a call has: the destination, or `+` and the user of a SIP address."""
    found = SIP.fullmatch(to)
    return f"+{found['user']}" if found else to


def refused_to(to: str) -> Refusal | None:
    """Why a number or SIP address cannot be called, or None."""
    return REFUSED.get(number_of(to)) if is_callable(to) else INVALID_TO


def refused_from(number: str) -> Refusal | None:
    """Why `number` cannot be the caller, or None if the account owns it."""
    if not E164.fullmatch(number) or number == "+15005550001":
        return INVALID_FROM
    if number.startswith("+1500555") and number != GOOD_FROM:
        return FOREIGN_FROM
    return None
