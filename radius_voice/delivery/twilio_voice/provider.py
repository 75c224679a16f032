"""Voice calls through Twilio's REST API 2010-04-01 and Twilio's SDK.

Placing a call is not idempotent. `REFUSALS` and `place` classify every result: a call that Twilio cannot have placed
may be tried elsewhere, and one that it may have placed is never repeated.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

from twilio.base import values
from twilio.base.exceptions import TwilioException
from twilio.twiml.voice_response import VoiceResponse

from radius_voice.config.secrets import secret_text
from radius_voice.delivery.twilio_voice.settings import TwilioVoiceSettings
from radius_voice.http_client import HttpPool, NotSent, SentUnknown
from radius_voice.login.adapter_reports import AccountCheck
from radius_voice.login.code_message import MAX_SPEECH_SECONDS, TIMES_SPOKEN, Say, lines
from radius_voice.login.deliveries import (
    CodeMessage,
    DeliveryRequest,
    DeliveryResult,
    Indeterminate,
    NotPlaced,
    NumberRejected,
    Placed,
)
from radius_voice.login.model import CallRef, CallStatus, Unavailable
from radius_voice.login.phone import Phone
from radius_voice.messages import messages_for
from radius_voice.twilio_client import TwilioAccount, status_and_code

T = TypeVar("T")

MAX_TWIML = 4000
MAX_PAGE = 1000
EXTENSION_PAUSE = "wwww"
"""Two seconds (`w` is half a second) from the answer of the number to the first digit of an extension."""
FETCHES_AT_ONCE = 8

DIGIT = "\ue000"
"""Placeholder for a digit in a template. It is not printable (private use), so it is never in a friendly name."""

CHECK_ACCOUNT = "run radius-voice test-credentials"
DEFAULT_FIX = f"{CHECK_ACCOUNT}, and look the detail up at the provider"
CREDENTIALS_FIX = "compare account_sid and auth_token, or the API key, with the Twilio console"
ACCOUNT_FIX = "compare account_sid with the Twilio console"
COUNTRY_FIX = "the provider does not call this country; enable it in Twilio's geographic permissions, or forbid it here"
NOT_VERIFIED_FIX = f"`from` is no verified number of this Twilio account; {CHECK_ACCOUNT}"
NOT_VALID_FIX = f"`from` is not a valid number; {CHECK_ACCOUNT}"
TRIAL_FIX = "a Twilio trial account calls verified numbers only; verify this one or upgrade the account"

REFUSALS: dict[int, NumberRejected | NotPlaced] = {
    429: NotPlaced("HTTP 429: too many requests"),
    10004: NotPlaced("10004: too many concurrent calls"),
    13224: NumberRejected("13224: not a valid number"),
    13227: NumberRejected("13227: country not enabled", alarm=True, fix=COUNTRY_FIX),
    20003: NotPlaced("20003: credentials refused", alarm=True, outage=True, fix=CREDENTIALS_FIX),
    20404: NotPlaced("20404: no such account or resource", alarm=True, outage=True, fix=ACCOUNT_FIX),
    20429: NotPlaced("20429: too many requests"),
    21202: NumberRejected("21202: premium number"),
    21210: NotPlaced("21210: the from number is not ours", alarm=True, outage=True, fix=NOT_VERIFIED_FIX),
    21211: NumberRejected("21211: not a valid number"),
    21212: NotPlaced("21212: the from number is not valid", alarm=True, outage=True, fix=NOT_VALID_FIX),
    21214: NumberRejected("21214: number cannot be reached"),
    21215: NumberRejected("21215: country not enabled", alarm=True, fix=COUNTRY_FIX),
    21216: NumberRejected("21216: number is blocked"),
    21217: NumberRejected("21217: not a valid number"),
    21219: NotPlaced("21219: trial account, number not verified", alarm=True, fix=TRIAL_FIX),
    32205: NumberRejected("32205: country not enabled", alarm=True, fix=COUNTRY_FIX),
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


def create(name: str, settings: TwilioVoiceSettings) -> TwilioVoice:
    """The provider `name` that `settings` describe. Raises ValueError when this process cannot read its credentials."""
    secrets = {"auth_token": settings.auth_token, "api_secret": settings.api_secret}
    (password,) = (
        secret_text(secret, f"delivery.providers.{name}.{key}") for key, secret in secrets.items() if secret is not None
    )
    pool = HttpPool(
        connect_timeout=settings.connect_timeout,
        total_timeout=settings.timeout,
        base_url=settings.base_url,
        proxy=settings.proxy,
        ca_file=str(settings.ca_file) if settings.ca_file else None,
    )
    account = TwilioAccount(
        pool,
        account_sid=settings.account_sid,
        username=settings.api_key or settings.account_sid,
        password=password,
        region=settings.region,
        edge=settings.edge,
    )
    return TwilioVoice(name, account, settings.from_.e164)


class TwilioVoice:
    """Implements `Provider` and `CallControl` with one Twilio account; `from_number` is the caller's number."""

    def __init__(self, name: str, account: TwilioAccount, from_number: str) -> None:
        self.name = name
        self._account = account
        self._from = from_number
        self._templates: dict[tuple[str, str, int, bool], list[str]] = {}

    def __repr__(self) -> str:
        return f"TwilioVoice({self.name!r})"

    @property
    def call_control(self) -> TwilioVoice:
        """Calls can be queried and ended."""
        return self

    async def place(self, request: DeliveryRequest, deadline: float) -> DeliveryResult:
        """Request one call, once. `deadline` is in seconds of the running loop's clock. Details are fixed texts."""
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            return NotPlaced("not sent: no time left", sent=False)
        twiml = self._twiml(request.message)
        if len(twiml) > MAX_TWIML:
            detail = f"not sent: message longer than {MAX_TWIML} characters"
            return NotPlaced(detail, alarm=True, fix=DEFAULT_FIX, sent=False)
        return await self._create(request, twiml, left)

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
                call = await self._ask(self._account.client().calls(reference).fetch_async(), NO_SUCH_CALL)
                return reference, call and call.status

        missing = await asyncio.gather(*[fetched(reference) for reference in wanted if reference not in listed])
        return {
            wanted[reference]: STATUSES[status]
            for reference, status in chain(listed.items(), missing)
            if reference in wanted and isinstance(status, str) and status in STATUSES
        }

    async def hang_up(self, call: CallRef) -> None:
        """End a call, ringing or answered. No error if it is already over. Raises Unavailable."""
        await self._ask(self._account.client().calls(call.reference).update_async(status="completed"), ALREADY_OVER)

    async def check_account(self) -> list[AccountCheck]:
        """Check the credentials and the `from` number at Twilio. Places no call and never raises Unavailable."""
        try:
            return [*await self._account_checks(), await self._number_check()]
        except Unavailable as error:
            return [AccountCheck(ok=False, text=error.detail)]

    async def close(self) -> None:
        """Close the connections."""
        await self._account.close()

    async def _create(self, request: DeliveryRequest, twiml: str, left: float) -> DeliveryResult:
        try:
            call = await self._account.client(left).calls.create_async(
                to=request.phone.e164,
                send_digits=_send_digits(request.phone),
                from_=self._from,
                twiml=twiml,
                timeout=request.ring_timeout,
                time_limit=MAX_SPEECH_SECONDS,
            )
        except NotSent as error:
            return NotPlaced(f"not sent: {error}", outage=True, sent=False)
        except SentUnknown as error:
            return Indeterminate(f"sent, then: {error}")
        except TwilioException as error:
            return _refusal(*status_and_code(error))
        except Exception:  # noqa: BLE001  # Twilio accepted the call; the phone may ring even if the response cannot be read
            return Indeterminate("response not understood")
        return Placed(call.sid) if _is_sid(call.sid) else Indeterminate("response names no call")

    async def _account_checks(self) -> list[AccountCheck]:
        if self._account.by_api_key:
            # A key that is restricted to calls cannot read its account.
            await self._ask(self._listed(page_size=1))
            return [AccountCheck(ok=True, text="API key accepted")]
        account = await self._ask(self._account.client().api.accounts(self._account.sid).fetch_async())
        active = account is not None and account.status == "active"
        checks = [AccountCheck(ok=active, text="account is active" if active else "account is not active")]
        if account is not None and account.type == "Trial":
            checks.append(AccountCheck(ok=True, text="trial account: calls verified numbers only, after a preamble"))
        return checks

    async def _number_check(self) -> AccountCheck:
        number = Phone(self._from).masked
        account = self._account.client().api.account
        found = [
            await self._ask(_any(resource, phone_number=self._from), MAY_NOT_LOOK)
            for resource in (account.incoming_phone_numbers, account.outgoing_caller_ids)
        ]
        if any(found):
            return AccountCheck(ok=True, text=f"from number {number} belongs to the account")
        if None in found:
            return AccountCheck(ok=True, text=f"from number {number} not checked: the key may not list numbers")
        return AccountCheck(
            ok=False, text=f"from number {number} is neither a number nor a verified caller of the account"
        )

    async def _listed(self, page_size: int) -> dict[str, str]:
        """SID -> Twilio's status of the newest calls.

        Filtered by number and not by start time: a call in Twilio's queue has no start time.
        """
        page = await self._account.client().calls.page_async(from_=self._from, page_size=page_size)
        return {call.sid: call.status for call in page}

    async def _ask(self, request: Awaitable[T], fine: frozenset[int] = frozenset()) -> T | None:
        """The response, or None if Twilio refused with one of the codes in `fine`. Raises Unavailable."""
        try:
            return await request
        except (NotSent, SentUnknown) as error:
            raise Unavailable(self.name, str(error)) from None
        except TwilioException as error:
            status, code = status_and_code(error)
            if code in fine or status in fine:
                return None
            known = REFUSALS.get(code)
            fix = f"; {known.fix}" if known is not None and known.fix else ""
            raise Unavailable(self.name, f"{_refusal(status, code).detail}{fix}") from None
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
            raise Unavailable(self.name, "response not understood") from None

    def _twiml(self, message: CodeMessage) -> str:
        key = (messages_for(message.language).language, message.friendly_name, len(message.code), message.enrolment)
        parts = self._templates.get(key)
        if parts is None:
            parts = self._templates[key] = _template(message)
        digits = message.code * TIMES_SPOKEN
        return "".join(chain.from_iterable(zip(parts, digits, strict=False))) + parts[-1]


def _template(message: CodeMessage) -> list[str]:
    """The message's TwiML, split at the positions of the digits."""
    name = "".join(letter for letter in message.friendly_name if letter.isprintable())
    response = VoiceResponse()
    locale = messages_for(message.language).spoken.locale
    for line in lines(CodeMessage(message.language, name, DIGIT * len(message.code), message.enrolment)):
        if isinstance(line, Say):
            response.say(line.text, language=locale)
        else:
            response.pause(length=line.seconds)
    return str(response.to_xml()).split(DIGIT)


async def _any(resource: Any, phone_number: str) -> bool:
    page = await resource.page_async(phone_number=phone_number, page_size=1)
    return any(True for _ in page)


def _send_digits(phone: Phone) -> str | object:
    return EXTENSION_PAUSE + phone.extension if phone.extension else values.unset


def _is_sid(sid: object) -> bool:
    return isinstance(sid, str) and SID.fullmatch(sid) is not None


def _refusal(status: int, code: int) -> NumberRejected | NotPlaced | Indeterminate:
    """The result for an error response. Server errors come first, because the call may have been placed."""
    if not 300 <= status < 500:  # noqa: PLR2004
        return Indeterminate(f"HTTP {status}, code {code}")
    return (
        REFUSALS.get(code)
        or REFUSALS.get(status)
        or NotPlaced(f"HTTP {status}, code {code}", alarm=True, fix=DEFAULT_FIX)
    )
