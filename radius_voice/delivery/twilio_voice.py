"""Voice calls through Twilio's REST API 2010-04-01 and Twilio's SDK.

Placing a call is not idempotent. `REFUSALS` and `place` classify every result: a call that Twilio cannot have placed
may be tried elsewhere, and one that it may have placed is never repeated.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

import twilio.rest.api  # noqa: F401 - else the SDK imports it during a login, when that may fail
from twilio.base.exceptions import TwilioException
from twilio.base.version import Version
from twilio.http.response import Response
from twilio.rest import Client
from twilio.twiml.voice_response import VoiceResponse

from radius_voice.delivery.http_client import HttpPool, NotSent, SentUnknown
from radius_voice.login.model import (
    CallRef,
    CallStatus,
    NotPlaced,
    Order,
    Placed,
    RefusedNumber,
    Script,
    Unavailable,
    Unknown,
)
from radius_voice.login.phone import Phone
from radius_voice.login.script import SCRIPT_SECONDS, TIMES_SPOKEN, Say, lines, phrases_for

T = TypeVar("T")

MAX_TWIML = 4000
MAX_PAGE = 1000
FETCHES_AT_ONCE = 8

DIGIT = "\ue000"
"""Placeholder for a digit in a template. It is not printable (private use), so it is never in a friendly name."""

REFUSALS: dict[int, RefusedNumber | NotPlaced] = {
    429: NotPlaced("HTTP 429: too many requests"),
    10004: NotPlaced("10004: too many concurrent calls"),
    13224: RefusedNumber("13224: not a valid number"),
    13227: RefusedNumber("13227: country not enabled", alarm=True),
    20003: NotPlaced("20003: credentials refused", alarm=True, outage=True),
    20404: NotPlaced("20404: no such account or resource", alarm=True, outage=True),
    20429: NotPlaced("20429: too many requests"),
    21202: RefusedNumber("21202: premium number"),
    21210: NotPlaced("21210: the from number is not ours", alarm=True, outage=True),
    21211: RefusedNumber("21211: not a valid number"),
    21212: NotPlaced("21212: the from number is not valid", alarm=True, outage=True),
    21214: RefusedNumber("21214: number cannot be reached"),
    21215: RefusedNumber("21215: country not enabled", alarm=True),
    21216: RefusedNumber("21216: number is blocked"),
    21217: RefusedNumber("21217: not a valid number"),
    21219: NotPlaced("21219: trial account, number not verified", alarm=True),
    32205: RefusedNumber("32205: country not enabled", alarm=True),
}

STATUSES = {
    "queued": CallStatus.QUEUED,
    "initiated": CallStatus.QUEUED,
    "ringing": CallStatus.RINGING,
    "in-progress": CallStatus.ANSWERED,
    "completed": CallStatus.COMPLETED,
    "busy": CallStatus.BUSY,
    "no-answer": CallStatus.NO_ANSWER,
    "failed": CallStatus.FAILED,
    "canceled": CallStatus.CANCELED,
}

SID = re.compile(r"[A-Za-z0-9]{1,64}")
"""A call's SID: `CA` and 32 hexadecimal digits at Twilio; other services with the same API have other forms."""

NO_SUCH_CALL = frozenset({404, 20404})
ALREADY_OVER = NO_SUCH_CALL | {21220}
MAY_NOT_LOOK = frozenset({401, 403, 20003, 70051})


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check of an account. The text holds no secret and no complete number."""

    ok: bool
    text: str


class TwilioVoice:
    """Implements `LiveCalls` with one Twilio account.

    `username` and `password` are the account SID and its auth token, or an API key's SID and secret. `region` and
    `edge` are Twilio's names (`ie1`, `dublin`). See `HttpPool` for the other arguments.
    """

    def __init__(
        self,
        *,
        name: str,
        account_sid: str,
        username: str,
        password: str,
        from_number: str,
        region: str | None = None,
        edge: str | None = None,
        base_url: str | None = None,
        proxy: str | None = None,
        ca_file: str | None = None,
        connect_timeout: float = 3.0,
        total_timeout: float = 10.0,
    ) -> None:
        self.name = name
        self._account_sid = account_sid
        self._username = username
        self._password = password
        self._from = from_number
        self._region = region
        self._edge = edge
        self._pool = HttpPool(
            connect_timeout=connect_timeout,
            total_timeout=total_timeout,
            base_url=base_url,
            proxy=proxy,
            ca_file=ca_file,
        )
        self._templates: dict[tuple[str, str, int], list[str]] = {}

    def __repr__(self) -> str:
        return f"TwilioVoice({self.name!r})"

    async def place(self, order: Order, deadline: float) -> Placed | RefusedNumber | NotPlaced | Unknown:
        """Request one call, once. `deadline` is in seconds of the running loop's clock. Details are fixed texts."""
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            return NotPlaced("not sent: no time left")
        twiml = self._twiml(order.script)
        if len(twiml) > MAX_TWIML:
            return NotPlaced(f"not sent: message longer than {MAX_TWIML} characters", alarm=True)
        return await self._create(order, twiml, left)

    async def progress(self, calls: Sequence[CallRef]) -> Mapping[CallRef, CallStatus]:
        """The statuses of these calls, from one listing; calls that are not on its page are fetched one by one.

        A call that Twilio does not know is left out. Raises Unavailable.
        """
        if not calls:
            return {}
        wanted = {call.reference: call for call in calls}
        listed = await self._ask(self._listed(page_size=min(MAX_PAGE, max(50, 2 * len(wanted))))) or {}
        gate = asyncio.Semaphore(FETCHES_AT_ONCE)

        async def fetched(reference: str) -> tuple[str, Any]:
            async with gate:
                call = await self._ask(self._client().calls(reference).fetch_async(), NO_SUCH_CALL)
                return reference, call and call.status

        missing = await asyncio.gather(*[fetched(reference) for reference in wanted if reference not in listed])
        return {
            wanted[reference]: STATUSES[status]
            for reference, status in chain(listed.items(), missing)
            if reference in wanted and isinstance(status, str) and status in STATUSES
        }

    async def hang_up(self, call: CallRef) -> None:
        """End a call, ringing or answered. No error if it is already over. Raises Unavailable."""
        await self._ask(self._client().calls(call.reference).update_async(status="completed"), ALREADY_OVER)

    async def credentials(self) -> list[Finding]:
        """Check the credentials and the `from` number at Twilio. Places no call and never raises Unavailable."""
        try:
            return [*await self._account_findings(), await self._number_finding()]
        except Unavailable as error:
            return [Finding(ok=False, text=error.detail)]

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    async def _create(self, order: Order, twiml: str, left: float) -> Placed | RefusedNumber | NotPlaced | Unknown:
        try:
            call = await self._client(left).calls.create_async(
                to=order.phone.e164, from_=self._from, twiml=twiml, timeout=order.ring, time_limit=SCRIPT_SECONDS
            )
        except NotSent as error:
            return NotPlaced(f"not sent: {error}", outage=True)
        except SentUnknown as error:
            return Unknown(f"sent, then: {error}")
        except TwilioException as error:
            return _refusal(*_told(error))
        except Exception:  # noqa: BLE001  # Twilio accepted the call: if its response cannot be read, the phone may ring
            return Unknown("answer not understood")
        return Placed(call.sid) if _is_sid(call.sid) else Unknown("answer names no call")

    async def _account_findings(self) -> list[Finding]:
        if self._username != self._account_sid:
            # a key that is restricted to placing calls cannot read its account
            await self._ask(self._listed(page_size=1))
            return [Finding(ok=True, text="API key accepted")]
        account = await self._ask(self._client().api.accounts(self._account_sid).fetch_async())
        active = account is not None and account.status == "active"
        findings = [Finding(ok=active, text="account is active" if active else "account is not active")]
        if account is not None and account.type == "Trial":
            findings.append(Finding(ok=True, text="trial account: calls verified numbers only, after a preamble"))
        return findings

    async def _number_finding(self) -> Finding:
        number = Phone(self._from).masked
        account = self._client().api.account
        asked = [
            await self._ask(_any(resource, phone_number=self._from), MAY_NOT_LOOK)
            for resource in (account.incoming_phone_numbers, account.outgoing_caller_ids)
        ]
        if any(asked):
            return Finding(ok=True, text=f"from number {number} belongs to the account")
        if None in asked:
            return Finding(ok=True, text=f"from number {number} not checked: the key may not list numbers")
        return Finding(ok=False, text=f"from number {number} is neither a number nor a verified caller of the account")

    async def _listed(self, page_size: int) -> dict[str, str]:
        """SID -> Twilio's status of the newest calls.

        Filtered by number and not by start time: a call in Twilio's queue has no start time.
        """
        page = await self._client().calls.page_async(from_=self._from, page_size=page_size)
        return {call.sid: call.status for call in page}

    async def _ask(self, request: Awaitable[T], fine: frozenset[int] = frozenset()) -> T | None:
        """The response, or None if Twilio refused with one of the codes in `fine`. Raises Unavailable."""
        try:
            return await request
        except (NotSent, SentUnknown) as error:
            raise Unavailable(self.name, str(error)) from None
        except TwilioException as error:
            status, code = _told(error)
            if code in fine or status in fine:
                return None
            raise Unavailable(self.name, _refusal(status, code).detail) from None
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
            raise Unavailable(self.name, "answer not understood") from None

    def _client(self, seconds: float = math.inf) -> Any:
        """The SDK's client for one request. Creating it takes a few microseconds; connections are in the pool."""
        return Client(
            self._username,
            self._password,
            self._account_sid,
            region=self._region,
            edge=self._edge,
            http_client=self._pool.within(seconds),
            # not empty: otherwise the SDK reads the process's environment
            environment={"TWILIO_REGION": "", "TWILIO_EDGE": ""},
        )

    def _twiml(self, script: Script) -> str:
        key = (phrases_for(script.language).language, script.friendly_name, len(script.code))
        parts = self._templates.get(key)
        if parts is None:
            parts = self._templates[key] = _template(script)
        digits = script.code * TIMES_SPOKEN
        return "".join(chain.from_iterable(zip(parts, digits, strict=False))) + parts[-1]


def _template(script: Script) -> list[str]:
    """The message's TwiML, split at the places of the digits."""
    name = "".join(letter for letter in script.friendly_name if letter.isprintable())
    response = VoiceResponse()
    locale = phrases_for(script.language).locale
    for line in lines(Script(script.language, name, DIGIT * len(script.code))):
        if isinstance(line, Say):
            response.say(line.text, language=locale)
        else:
            response.pause(length=line.seconds)
    return str(response.to_xml()).split(DIGIT)


async def _any(resource: Any, phone_number: str) -> bool:
    page = await resource.page_async(phone_number=phone_number, page_size=1)
    return any(True for _ in page)


def _is_sid(sid: object) -> bool:
    return isinstance(sid, str) and SID.fullmatch(sid) is not None


def _told(error: TwilioException) -> tuple[int, int]:
    """HTTP status and Twilio's code (or the status again) of any of the SDK's exceptions."""
    response = next((part for part in error.args if isinstance(part, Response)), None)
    if response is not None:  # the SDK's listings raise without reading the body
        error = Version.exception("GET", "", response, "")
    status = getattr(error, "status", 0)
    code = getattr(error, "code", status)
    return status, code if isinstance(code, int) else status


def _refusal(status: int, code: int) -> RefusedNumber | NotPlaced | Unknown:
    """What a response without a call means. After a server error the call may have been placed, so it comes first."""
    if not 300 <= status < 500:  # noqa: PLR2004
        return Unknown(f"HTTP {status}, code {code}")
    return REFUSALS.get(code) or REFUSALS.get(status) or NotPlaced(f"HTTP {status}, code {code}", alarm=True)
