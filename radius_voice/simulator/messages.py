"""The simulated text messages: their outcome by number and sender, and their representation in Twilio's API.

Numbers of calls that fail by a fault of HTTP (see `numbers`) do the same for messages. Every other well-formed number
receives its message.

| to | outcome |
| --- | --- |
| +15005550001 | 400, 21211: not a valid number (Twilio's own) |
| +15005550002 | 400, 21612: cannot be reached from this sender (Twilio's own) |
| +15005550003 | 400, 21408: country not enabled (Twilio's own) |
| +15005550004 | 400, 21610: the recipient has unsubscribed (Twilio's own) |
| +15005550009 | 400, 21614: not a mobile number (Twilio's own) |
| +15005550012 | accepted, and not delivered: 30005 |
| +15005550013 | accepted with the status `failed`: 30006, a landline |
| +15005550020 | 429, 20429: too many requests |
| +15005550022 | 400, 21608: trial account, number not verified |

| from | outcome |
| --- | --- |
| +15005550001 | 400, 21212: not a valid number (Twilio's own) |
| +15005550008 | 400, 21611: the sender's queue is full (Twilio's own) |
| +15005550006, and any number outside +1 500 555 | good |
| other +1 500 555 | 400, 21606: no number of the account that can send messages (Twilio's own) |
| an alphanumeric sender | good; 400, 21612 to numbers of +1 |
| a messaging service | good; 400, 21701 if its SID ends in 32 zeros |
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from radius_voice.login.texts.segments import segments
from radius_voice.simulator.calls import API, KEPT, rfc2822_time
from radius_voice.simulator.numbers import E164, GOOD_FROM, Refusal

MAX_BODY = 1600
MAX_VALIDITY = 36_000
SERVICE = re.compile("MG[0-9a-f]{32}")
NO_SERVICE = "MG" + "0" * 32
ALPHANUMERIC = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 +_&-]{1,11}")
CODE = re.compile(r"(?<!\d)\d{4,10}(?!\d)")
NUMBER = re.compile("[0-9]{1,5}")

NO_BODY = Refusal(400, 21602, "Message body is required")
NO_SENDER = Refusal(400, 21603, "A 'From' phone number is required")
NO_TO = Refusal(400, 21604, "A 'To' phone number is required")
LONG_BODY = Refusal(400, 21617, f"The message body exceeds the {MAX_BODY} character limit")
BAD_VALIDITY = Refusal(400, 20001, "Invalid parameter ValidityPeriod")
INVALID_TO = Refusal(400, 21211, "Invalid 'To' Phone Number")
INVALID_SENDER = Refusal(400, 21212, "Invalid 'From' Number")
FOREIGN_SENDER = Refusal(400, 21606, "The 'From' number is not a message-capable number of the account")
FULL_QUEUE = Refusal(400, 21611, "This 'From' number has exceeded the maximum number of queued messages")
UNREACHABLE = Refusal(400, 21612, "Message cannot be sent with the current combination of 'To' and 'From'")
UNKNOWN_SERVICE = Refusal(400, 21701, "The Messaging Service does not exist")

REFUSED = {
    "+15005550001": INVALID_TO,
    "+15005550002": UNREACHABLE,
    "+15005550003": Refusal(400, 21408, "Permission to send an SMS has not been enabled for the region"),
    "+15005550004": Refusal(400, 21610, "Attempt to send to unsubscribed recipient"),
    "+15005550009": Refusal(400, 21614, "'To' number is not a valid mobile number"),
    "+15005550020": Refusal(429, 20429, "Too Many Requests"),
    "+15005550022": Refusal(400, 21608, "The number is unverified"),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """How a message that was accepted fails: its final status and Twilio's error code."""

    status: str
    code: int


FAILURES = {"+15005550012": Failure("undelivered", 30005), "+15005550013": Failure("failed", 30006)}


@dataclass(frozen=True, slots=True)
class Message:
    """One message. Times are wall-clock seconds; it arrives, or fails, at `arrives_at`."""

    sid: str
    to: str
    sender: str
    service: str
    body: str
    at: float
    arrives_at: float

    @property
    def failure(self) -> Failure | None:
        """How it fails, None if it is delivered."""
        return FAILURES.get(self.to)

    def status(self, now: float) -> str:
        """Twilio's name for the message's status."""
        if self.failure is not None and (now >= self.arrives_at or self.failure.status == "failed"):
            return self.failure.status
        return "delivered" if now >= self.arrives_at else "queued"


def new_message(form: Mapping[str, str], delay: float, now: float) -> Message:
    """The message of a form that `refusal_of` accepts. It arrives after `delay` seconds."""
    return Message(
        sid=f"SM{secrets.token_hex(16)}",
        to=form["To"],
        sender=form.get("From", GOOD_FROM),
        service=form.get("MessagingServiceSid", ""),
        body=form["Body"],
        at=now,
        arrives_at=now + delay,
    )


def refusal_of(form: Mapping[str, str]) -> Refusal | None:
    """The error with which Twilio would refuse this message, or None."""
    if not form.get("To"):
        return NO_TO
    if not form.get("Body"):
        return NO_BODY
    if len(form["Body"]) > MAX_BODY:
        return LONG_BODY
    validity = form.get("ValidityPeriod", "1")
    if not NUMBER.fullmatch(validity) or not 1 <= int(validity) <= MAX_VALIDITY:
        return BAD_VALIDITY
    if not E164.fullmatch(form["To"]):
        return INVALID_TO
    return _refused_sender(form) or REFUSED.get(form["To"])


def _refused_sender(form: Mapping[str, str]) -> Refusal | None:
    service, sender = form.get("MessagingServiceSid"), form.get("From")
    if service is not None and (not SERVICE.fullmatch(service) or service == NO_SERVICE):
        return UNKNOWN_SERVICE
    if not sender:
        return None if service else NO_SENDER
    if ALPHANUMERIC.fullmatch(sender):
        return UNREACHABLE if form["To"].startswith("+1") else None
    if not E164.fullmatch(sender) or sender == "+15005550001":
        return INVALID_SENDER
    if sender == "+15005550008":
        return FULL_QUEUE
    return FOREIGN_SENDER if sender.startswith("+1500555") and sender != GOOD_FROM else None


class Messages:
    """All messages, oldest first, by SID."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Message] = {}

    def add(self, message: Message) -> None:
        """Add a message; the oldest is dropped if there are more than `KEPT`."""
        self._by_sid[message.sid] = message
        if len(self._by_sid) > KEPT:
            del self._by_sid[next(iter(self._by_sid))]

    def get(self, sid: str) -> Message | None:
        """The message with that SID, or None."""
        return self._by_sid.get(sid)

    def oldest_first(self, to: str | None = None) -> list[Message]:
        """All messages, or those to one number, oldest first."""
        return [each for each in self._by_sid.values() if to in (None, each.to)]

    def page(self, number: int, size: int, to: str | None, sender: str | None) -> tuple[list[Message], bool]:
        """Page `number`, counted from 0, of the messages to and from these numbers, newest first; whether more follow.

        None stands for any number.
        """
        matching: Iterator[Message] = (
            each for each in reversed(self._by_sid.values()) if to in (None, each.to) and sender in (None, each.sender)
        )
        found = list(islice(matching, number * size, (number + 1) * size + 1))
        return found[:size], len(found) > size


def resource(message: Message, account_sid: str, now: float) -> dict[str, Any]:
    """The message's resource in the REST API, with every field that Twilio documents."""
    uri = f"{API}/Accounts/{account_sid}/Messages/{message.sid}"
    status = message.status(now)
    failure = message.failure if status not in ("queued", "delivered") else None
    return {
        "sid": message.sid,
        "account_sid": account_sid,
        "messaging_service_sid": message.service or None,
        "api_version": API.strip("/"),
        "body": message.body,
        "date_created": rfc2822_time(message.at),
        "date_updated": rfc2822_time(min(now, message.arrives_at)),
        "date_sent": rfc2822_time(message.arrives_at) if now >= message.arrives_at else None,
        "direction": "outbound-api",
        "error_code": failure.code if failure else None,
        "error_message": "not delivered" if failure else None,
        "from": message.sender,
        "num_media": "0",
        "num_segments": str(segments(message.body)),
        "price": None,
        "price_unit": "USD",
        "status": status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": message.to,
        "uri": f"{uri}.json",
    }


def history(message: Message, now: float) -> dict[str, Any]:
    """The message as `/simulator/messages` shows it. `code` is the code in its text, empty if there is none."""
    code = CODE.search(message.body)
    return {
        "sid": message.sid,
        "to": message.to,
        "from": message.sender,
        "service": message.service,
        "body": message.body,
        "segments": segments(message.body),
        "code": code[0] if code else "",
        "status": message.status(now),
        "at": message.at,
    }
