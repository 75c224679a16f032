"""The simulated calls: their status at a given time, and their representation in Twilio's API.

A call's status is computed from the time it was placed; nothing runs in the background.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from itertools import islice
from typing import Any

from radius_voice.simulator.call_requests import CallRequest
from radius_voice.simulator.numbers import FINAL_STATUSES, FinalStatus, number_of
from radius_voice.simulator.twiml import Step, code_in, speech_of

API = "/2010-04-01"
DETECTION_SECONDS = 0.3
MAX_SPEECH = 20_000
"""Maximum number of characters that are kept of the speech of a call, because a script may loop."""
KEPT = 100_000
"""Maximum number of calls that are kept; the oldest are dropped."""

SUBRESOURCES = {
    name: f"{name.title().replace('_', '')}.json"
    for name in (
        "events",
        "notifications",
        "payments",
        "recordings",
        "siprec",
        "streams",
        "transcriptions",
        "user_defined_message_subscriptions",
        "user_defined_messages",
    )
}


@dataclass(frozen=True, slots=True)
class CallTimings:
    """Durations of the stages of a call, in seconds."""

    queued: float
    ringing: float
    talking: float


@dataclass(slots=True)
class Call:
    """One call. Times are wall-clock seconds. `ended_as` is the final status of a call that was ended by a request.

    `digits` are the keys dialled once the number answers, with `w` and `W` for pauses. `answerer` is the result of
    machine detection, if `detects`. The script is `steps`, or is fetched from `url`. `status_url` gets the
    `status_events`. `keys` are the keys that the phone has pressed, and `requests` the callbacks that were sent.
    """

    sid: str
    to: str
    from_number: str
    speech: str
    digits: str
    placed_at: float
    rings_at: float
    picks_up_at: float
    ends_at: float
    talking: float
    final_status: FinalStatus
    ended_as: str = ""
    answerer: str = "human"
    detects: bool = False
    steps: tuple[Step, ...] = ()
    url: str = ""
    status_url: str = ""
    status_events: tuple[str, ...] = ()
    keys: str = ""
    requests: list[dict[str, object]] = field(default_factory=list)

    def status(self, now: float) -> str:
        """Twilio's name for the call's status."""
        if now >= self.ends_at:
            return self.ended_as or self.final_status.value
        if now >= self.picks_up_at:
            return "in-progress"
        return "ringing" if now >= self.rings_at else "queued"

    def started(self, now: float) -> bool:
        """Whether it has been dialed. A queued call, or one that was canceled while queued, has not."""
        return self.rings_at <= min(now, self.ends_at)

    def over(self, now: float) -> bool:
        """Whether it has ended."""
        return now >= self.ends_at

    @property
    def detected_at(self) -> float:
        """When the script begins: after the phone is answered and machine detection, if requested, has ended."""
        return self.picks_up_at + (DETECTION_SECONDS if self.detects else 0.0)

    def answered_by(self, now: float) -> str | None:
        """What machine detection has found, None if nothing yet."""
        answered = self.final_status is FinalStatus.ANSWERED and self.ends_at > self.picks_up_at
        return self.answerer if self.detects and answered and now >= self.detected_at else None

    def say(self, speech: str, now: float) -> None:
        """Append to the speech. The call then lasts for another `talking` seconds."""
        if speech:
            self.speech = f"{self.speech} {speech}".lstrip()[:MAX_SPEECH]
            self.ends_at = max(self.ends_at, now + self.talking)

    def end(self, status: str, now: float) -> None:
        """End the call; `status` is `completed` or `canceled`."""
        self.ends_at, self.ended_as = now, status


def new_call(wanted: CallRequest, answerer: str, timings: CallTimings, now: float) -> Call:
    """A new call, with the times of all its stages. `answerer` is who answers it."""
    final_status = FINAL_STATUSES.get(number_of(wanted.to), FinalStatus.ANSWERED)
    rings_at = now + timings.queued
    if final_status is FinalStatus.ANSWERED and timings.ringing > wanted.timeout:
        final_status = FinalStatus.NO_ANSWER
    answered = final_status is FinalStatus.ANSWERED
    ringing_ends_at = rings_at + (wanted.timeout if final_status is FinalStatus.NO_ANSWER else timings.ringing)
    detection = DETECTION_SECONDS if wanted.detects else 0.0
    at_once = answered and not wanted.needs_callbacks
    return Call(
        sid=f"CA{secrets.token_hex(16)}",
        to=wanted.to,
        from_number=wanted.from_number,
        speech=speech_of(wanted.steps)[:MAX_SPEECH] if at_once else "",
        digits=wanted.digits if answered else "",
        placed_at=now,
        rings_at=rings_at,
        picks_up_at=ringing_ends_at,
        ends_at=ringing_ends_at + (timings.talking + detection if answered else 0.0),
        talking=timings.talking,
        final_status=final_status,
        answerer=answerer,
        detects=wanted.detects,
        steps=wanted.steps,
        url=wanted.url,
        status_url=wanted.status_url,
        status_events=wanted.status_events,
    )


class Calls:
    """All calls, oldest first, by SID and by the number called."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Call] = {}
        self._by_to: dict[str, dict[str, Call]] = {}

    def add(self, call: Call) -> None:
        """Add a call; the oldest is dropped if there are more than `KEPT`."""
        self._by_sid[call.sid] = call
        self._by_to.setdefault(call.to, {})[call.sid] = call
        if len(self._by_sid) > KEPT:
            oldest = self._by_sid.pop(next(iter(self._by_sid)))
            same_number = self._by_to[oldest.to]
            del same_number[oldest.sid]
            if not same_number:
                del self._by_to[oldest.to]

    def get(self, sid: str) -> Call | None:
        """The call with that SID, or None."""
        return self._by_sid.get(sid)

    def oldest_first(self, to: str | None = None) -> Iterator[Call]:
        """All calls, or those to one number, oldest first."""
        return iter((self._by_sid if to is None else self._by_to.get(to, {})).values())

    def newest_first(self, to: str | None = None) -> Iterator[Call]:
        """All calls, or those to one number, newest first."""
        return iter(reversed((self._by_sid if to is None else self._by_to.get(to, {})).values()))


def slice_of(calls: Iterator[Call], number: int, size: int) -> tuple[list[Call], bool]:
    """The calls of page `number`, counted from 0, and whether there are more."""
    found = list(islice(calls, number * size, (number + 1) * size + 1))
    return found[:size], len(found) > size


def rfc2822_time(moment: float) -> str:
    """A time as Twilio formats it: RFC 2822, UTC, whole seconds."""
    return _second(int(moment))


@lru_cache
def _second(moment: int) -> str:
    return format_datetime(datetime.fromtimestamp(moment, UTC))


def resource(call: Call, account_sid: str, now: float) -> dict[str, Any]:
    """The call's resource in the REST API, with every field that Twilio documents."""
    uri = f"{API}/Accounts/{account_sid}/Calls/{call.sid}"
    talked = call.over(now) and call.ends_at > call.picks_up_at
    return {
        "sid": call.sid,
        "date_created": rfc2822_time(call.placed_at),
        "date_updated": rfc2822_time(min(now, call.ends_at)),
        "parent_call_sid": None,
        "account_sid": account_sid,
        "to": call.to,
        "to_formatted": call.to,
        "from": call.from_number,
        "from_formatted": call.from_number,
        "phone_number_sid": None,
        "status": call.status(now),
        "start_time": rfc2822_time(call.rings_at) if call.started(now) else None,
        "end_time": rfc2822_time(call.ends_at) if call.over(now) else None,
        "duration": str(int(call.ends_at - call.picks_up_at)) if talked else ("0" if call.over(now) else None),
        "price": None,
        "price_unit": "USD",
        "direction": "outbound-api",
        "answered_by": call.answered_by(now),
        "api_version": API.strip("/"),
        "forwarded_from": None,
        "group_sid": None,
        "caller_name": None,
        "queue_time": str(int((call.rings_at - call.placed_at) * 1000)),
        "trunk_sid": None,
        "uri": f"{uri}.json",
        "subresource_uris": {name: f"{uri}/{file}" for name, file in SUBRESOURCES.items()},
    }


def history(call: Call, now: float) -> dict[str, Any]:
    """The call as `/simulator/calls` shows it. `ended` is None until the call is over."""
    return {
        "sid": call.sid,
        "to": call.to,
        "from": call.from_number,
        "digits": call.digits,
        "said": call.speech,
        "code": code_in(call.speech),
        "answered_by": call.answered_by(now),
        "keys": call.keys,
        "callbacks": call.requests,
        "status": call.status(now),
        "at": call.placed_at,
        "ended": call.ends_at if call.over(now) else None,
    }
