"""Places calls through Vonage's Voice API v1.

Placing a call is not idempotent. `place` and `refusals.refusal` classify every response: a call that Vonage certainly
did not place may be tried elsewhere, and a call that it may have placed is never repeated.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar

import msgspec

from radius_voice.config.secrets import secret_text
from radius_voice.delivery.vonage_voice.ncco import ncco_of
from radius_voice.delivery.vonage_voice.refusals import DEFAULT_FIX, refusal
from radius_voice.delivery.vonage_voice.settings import VonageVoiceSettings
from radius_voice.delivery.vonage_voice.tokens import ApplicationTokens
from radius_voice.http_client import NOT_SENT_FIX, HttpPool, HttpResponse, NotSent, SentUnknown, pool_of
from radius_voice.login.deliveries.adapter_reports import AccountCheck
from radius_voice.login.deliveries.caller_numbers import CallerNumbers
from radius_voice.login.deliveries.code_message import MAX_SPEECH_SECONDS
from radius_voice.login.deliveries.requests import DeliveryRequest, DeliveryResult, Indeterminate, NotPlaced, Placed
from radius_voice.login.model import CallRef, CallStatus, Unavailable
from radius_voice.login.phone import Phone
from radius_voice.turns import Turns

T = TypeVar("T")

CALLS = "https://api.nexmo.com/v1/calls"
MAX_PAGE = 100
MAX_PAGES = 5
MAX_FETCHES = 5
"""The maximum number of single calls in one `progress`. Vonage allows 15 requests a second besides new calls."""

EXTENSION_PAUSE = "pppp"
"""The pause between the answer of the call and the first digit of an extension: 2 s (`p` is half a second)."""

STATUSES = {
    "started": CallStatus.QUEUED,
    "ringing": CallStatus.RINGING,
    "answered": CallStatus.ANSWERED,
    "machine": CallStatus.ANSWERED,
    "completed": CallStatus.COMPLETED,
    "busy": CallStatus.BUSY,
    "rejected": CallStatus.BUSY,  # declined by the user, or refused by the carrier
    "timeout": CallStatus.NO_ANSWER,
    "unanswered": CallStatus.NO_ANSWER,
    "failed": CallStatus.FAILED,
    "cancelled": CallStatus.CANCELED,
}

CREATED = {200, 201, 202}
NOT_FOUND = 404
NOT_IN_PROGRESS = {400, 404, 409}
"""The HTTP statuses for a request to end a call that has ended already. Vonage documents only 404."""

REFERENCE = re.compile(r"[A-Za-z0-9-]{1,64}")
"""A call's UUID, which becomes a part of URLs."""


class Created(msgspec.Struct, frozen=True):
    """The response to a request for a call."""

    uuid: str


class Call(msgspec.Struct, frozen=True):
    """A call in later responses."""

    uuid: str
    status: str = ""


class Embedded(msgspec.Struct, frozen=True):
    """The calls of a page."""

    calls: list[Call]


class Page(msgspec.Struct, frozen=True):
    """A page of a list of calls."""

    embedded: Embedded = msgspec.field(name="_embedded")


def create(name: str, settings: VonageVoiceSettings) -> VonageVoice:
    """The provider `name` that `settings` describe. Raises ValueError when this process cannot read its private key."""
    private_key = secret_text(settings.private_key, f"delivery.providers.{name}.private_key")
    tokens = ApplicationTokens(settings.application_id, private_key, time.time)
    return VonageVoice(name, pool_of(settings, settings.base_url), tokens, settings.callers)


class VonageVoice:
    """Implements `Provider` and `CallControl` with one Vonage application. `callers` are the caller numbers."""

    message_control = None
    verifier = None

    def __init__(self, name: str, pool: HttpPool, tokens: ApplicationTokens, callers: CallerNumbers) -> None:
        self.name = name
        self._pool = pool
        self._tokens = tokens
        self._callers = callers
        self._fetches = Turns(MAX_FETCHES)

    def __repr__(self) -> str:
        return f"VonageVoice({self.name!r})"

    @property
    def call_control(self) -> VonageVoice:
        """Calls can be queried and ended."""
        return self

    async def place(self, request: DeliveryRequest, deadline: float) -> DeliveryResult:
        """Request one call, once. `deadline` is loop time. Details of results are fixed texts."""
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            return NotPlaced("not sent: no time left", sent=False)
        try:
            body = self._call_request(request)
        except ValueError as error:
            return NotPlaced(f"not sent: {error}", alarm=True, fix=DEFAULT_FIX, sent=False)
        try:
            response = await self._send("POST", CALLS, body, seconds=left)
        except NotSent as error:
            return NotPlaced(f"not sent: {error}", outage=True, fix=NOT_SENT_FIX, sent=False)
        except SentUnknown as error:
            return Indeterminate(f"sent, then: {error}")
        return _placed(response.text) if response.status in CREATED else refusal(response.status, response.text)

    async def progress(self, calls: Sequence[CallRef]) -> Mapping[CallRef, CallStatus]:
        """The statuses of these calls, from a list of the newest calls; calls that are not listed are fetched singly.

        Calls beyond MAX_FETCHES, and calls that Vonage does not know, are left out. Raises Unavailable.
        """
        wanted = {call.reference: call for call in calls}
        found = await self._listed(wanted.keys())
        for reference in self._fetches.next([each for each in wanted if each not in found]):
            call = await self._fetched(reference)
            if call is not None:
                found[reference] = call.status
        return {
            wanted[reference]: STATUSES[status]
            for reference, status in found.items()
            if reference in wanted and status in STATUSES
        }

    async def hang_up(self, call: CallRef) -> None:
        """End a call, ringing or answered. No error if it has ended already. Raises Unavailable."""
        response = await self._ask("PUT", f"{CALLS}/{call.reference}", {"action": "hangup"}, fine=NOT_IN_PROGRESS)
        if response.status in NOT_IN_PROGRESS:
            present = await self._fetched(call.reference)
            if present is not None and not STATUSES.get(present.status, CallStatus.QUEUED).over:
                raise Unavailable(self.name, f"HTTP {response.status}")

    async def check_account(self, countries: Collection[str] = ()) -> list[AccountCheck]:  # noqa: ARG002
        """Check the credentials by listing one call. Places no call and never raises Unavailable."""
        try:
            await self._page(index=0, size=1)
        except Unavailable as error:
            return [AccountCheck(ok=False, text=error.detail)]
        numbers = [f"from number {number.masked}: the Voice API lists no numbers" for number in self._callers.every]
        not_checked = [AccountCheck(ok=True, text=text, checked=False) for text in numbers]
        return [AccountCheck(ok=True, text="application accepted"), *not_checked]

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    def _call_request(self, request: DeliveryRequest) -> dict[str, Any]:
        """The body of a request for a call. Raises ValueError if the message is too long."""
        return {
            "to": [_endpoint(request.phone)],
            "from": {"type": "phone", "number": _digits(self._callers.of_call_to(request.phone))},
            "ncco": ncco_of(request.message),
            "ringing_timer": int(request.ring_timeout),
            "length_timer": MAX_SPEECH_SECONDS,
        }

    async def _listed(self, wanted: AbstractSet[str]) -> dict[str, str]:
        """UUID -> Vonage's status of the newest calls, from enough pages for that many calls, at most MAX_PAGES."""
        found: dict[str, str] = {}
        for number in range(min(MAX_PAGES, math.ceil(len(wanted) / MAX_PAGE))):
            calls = await self._page(index=number * MAX_PAGE, size=MAX_PAGE)
            found |= {call.uuid: call.status for call in calls}
            if len(calls) < MAX_PAGE or found.keys() >= wanted:
                break
        return found

    async def _page(self, index: int, size: int) -> list[Call]:
        params = {"order": "desc", "page_size": size, "record_index": index}
        return self._decoded(await self._ask("GET", CALLS, params=params), Page).embedded.calls

    async def _fetched(self, reference: str) -> Call | None:
        """A single call; None if Vonage does not know it."""
        response = await self._ask("GET", f"{CALLS}/{reference}", fine={NOT_FOUND})
        return None if response.status == NOT_FOUND else self._decoded(response, Call)

    def _decoded(self, response: HttpResponse, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(response.text, type=kind)
        except (msgspec.DecodeError, RecursionError):
            raise Unavailable(self.name, "response not understood") from None

    async def _ask(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        fine: Collection[int] = frozenset(),
    ) -> HttpResponse:
        """The response. Raises Unavailable for errors, except for the statuses in `fine`."""
        try:
            response = await self._send(method, url, body, params=params)
        except NotSent as error:
            raise Unavailable(self.name, f"{error}; {NOT_SENT_FIX}") from None
        except SentUnknown as error:
            raise Unavailable(self.name, str(error)) from None
        if 200 <= response.status < 300 or response.status in fine:  # noqa: PLR2004
            return response
        result = refusal(response.status, response.text)
        fix = f"; {result.fix}" if not isinstance(result, Indeterminate) and result.fix not in ("", DEFAULT_FIX) else ""
        raise Unavailable(self.name, f"{result.detail}{fix}")

    async def _send(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None,
        *,
        params: Mapping[str, Any] | None = None,
        seconds: float = math.inf,
    ) -> HttpResponse:
        headers = {"Authorization": f"Bearer {self._tokens.current()}", "Accept": "application/json"}
        if body is None:
            return await self._pool.send(method, url, params=params, headers=headers, seconds=seconds)
        headers["Content-Type"] = "application/json"
        return await self._pool.send(method, url, content=msgspec.json.encode(body), headers=headers, seconds=seconds)


def _endpoint(phone: Phone) -> dict[str, str]:
    """The endpoint of a call: a SIP address, or a phone number with the digits of its extension."""
    if phone.is_sip:
        return {"type": "sip", "uri": phone.address}
    endpoint = {"type": "phone", "number": _digits(phone)}
    return {**endpoint, "dtmfAnswer": EXTENSION_PAUSE + phone.extension} if phone.extension else endpoint


def _digits(phone: Phone) -> str:
    """The number as Vonage writes it, without `+`."""
    return phone.address.removeprefix("+")


def _placed(text: str) -> DeliveryResult:
    """The result for a response with a success status."""
    try:
        call = msgspec.json.decode(text, type=Created)
    except (msgspec.DecodeError, RecursionError):
        return Indeterminate("response not understood")
    return Placed(call.uuid) if REFERENCE.fullmatch(call.uuid) else Indeterminate("response names no call")
