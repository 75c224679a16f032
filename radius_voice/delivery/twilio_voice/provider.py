"""Places calls through Twilio's REST API 2010-04-01, with Twilio's SDK.

Placing a call is not idempotent: see `twilio.provider`. `REFUSALS` maps Twilio's error codes to results.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any, TypeAlias

from msgspec import structs
from twilio.base import values
from twilio.twiml.voice_response import VoiceResponse

from radius_voice.config.secrets import secret_text
from radius_voice.delivery.twilio_voice.callbacks import ANSWER, KEY, STATUS, STATUS_EVENTS, TwilioCallbacks
from radius_voice.delivery.twilio_voice.settings import TwilioVoiceSettings
from radius_voice.delivery.twilio_voice.statuses import status_of
from radius_voice.delivery.twilio_voice.twiml import add_lines, printable, twiml_of
from radius_voice.login.deliveries.adapter_reports import AccountCheck
from radius_voice.login.deliveries.call_scripts import Speak, opening_of
from radius_voice.login.deliveries.caller_numbers import CallerNumbers
from radius_voice.login.deliveries.code_message import MAX_SPEECH_SECONDS, lines
from radius_voice.login.deliveries.requests import (
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
from radius_voice.login.texts.speech import Speech
from radius_voice.login.voicemail import Voicemail
from radius_voice.messages import Messages
from radius_voice.turns import Turns
from radius_voice.twilio.checks import account_checks, country_checks
from radius_voice.twilio.client import TwilioAccount
from radius_voice.twilio.provider import (
    CHECK_ACCOUNT,
    COMMON_REFUSALS,
    DEFAULT_FIX,
    TwilioRequests,
    account_of,
    is_sid,
)

MAX_TWIML = 4000
MAX_PAGE = 1000
EXTENSION_PAUSE = "wwww"
"""The pause between the answer of the call and the first digit of an extension: 2 s (`w` is half a second)."""
MAX_PAGES = 10
MAX_FETCHES = 40
FETCHES_AT_ONCE = 8

TemplateKey: TypeAlias = tuple[Messages, str, int, bool, str, Speech]
"""Texts, friendly name, number of digits, `enrolment`, voice and speech of a message."""
DIGIT = "\ue000"
"""Replaces a digit in a template. It is in the private use area, so `printable` removes it from friendly names."""

COUNTRY_FIX = "the provider does not call this country; enable it in Twilio's geographic permissions, or forbid it here"
NOT_VERIFIED_FIX = f"a number in `from` or `from_by_country` is not verified in this Twilio account; {CHECK_ACCOUNT}"
NOT_VALID_FIX = f"a number in `from` or `from_by_country` is not valid; {CHECK_ACCOUNT}"
TRIAL = "calls verified numbers only, after a preamble"
FROM_FIX = "put a number or verified caller ID of the account into from or from_by_country"
TRIAL_FIX = "a Twilio trial account calls verified numbers only; verify this one or upgrade the account"

REFUSALS: dict[int, NumberRejected | NotPlaced] = {
    **COMMON_REFUSALS,
    10004: NotPlaced("10004: too many concurrent calls"),
    13224: NumberRejected("13224: not a valid number"),
    13227: NumberRejected("13227: country not enabled", alarm=True, fix=COUNTRY_FIX),
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

NO_LISTENER = "not sent: a key press needs the callback listener"
RESTART_FIX = "restart radius-voice, because callbacks takes effect at a restart"
NOT_WITH_EXTENSION = "not sent: Twilio detects no machine behind an extension"
EXTENSION_FIX = "write voicemail: press for users with an extension, or configure callbacks"

NO_SUCH_CALL = frozenset({404, 20404})
ALREADY_OVER = NO_SUCH_CALL | {21220}


def create(name: str, settings: TwilioVoiceSettings) -> TwilioVoice:
    """The provider `name` that `settings` describe. Raises ValueError when this process cannot read its credentials."""
    key, token, password = f"delivery.providers.{name}", settings.auth_token, settings.sip_auth_password
    callbacks = TwilioCallbacks(secret_text(token, f"{key}.auth_token") if token is not None else None)
    sip_auth = None
    if password is not None and settings.sip_auth_username is not None:
        sip_auth = settings.sip_auth_username, secret_text(password, f"{key}.sip_auth_password")
    return TwilioVoice(name, account_of(name, settings), settings.callers, callbacks, sip_auth)


class TwilioVoice:
    """Implements `Provider`, `CallControl`, `CallSpeaker` and `CallbackReceiver` with one Twilio account.

    `callers` are the caller numbers. `sip_auth` is the user name and password for calls to SIP addresses.
    """

    message_control = None
    verifier = None

    def __init__(
        self,
        name: str,
        account: TwilioAccount,
        callers: CallerNumbers,
        callbacks: TwilioCallbacks,
        sip_auth: tuple[str, str] | None = None,
    ) -> None:
        self.name = name
        self._account = account
        self._requests = TwilioRequests(name, account, REFUSALS)
        self._callers = callers
        self._sip_auth = sip_auth
        self.receive = callbacks.receive
        self.rendered = callbacks.rendered
        self._fetches = Turns(MAX_FETCHES)
        self._templates: dict[TemplateKey, list[str]] = {}

    def __repr__(self) -> str:
        return f"TwilioVoice({self.name!r})"

    @property
    def call_control(self) -> TwilioVoice:
        """Calls can be queried and ended."""
        return self

    async def place(self, request: DeliveryRequest, deadline: float) -> DeliveryResult:
        """Request one call, once. `deadline` is loop time. Details of results are fixed texts."""
        script = self._script(request)
        if isinstance(script, NotPlaced):
            return script
        if len(script.get("twiml", "")) > MAX_TWIML:
            detail = f"not sent: message longer than {MAX_TWIML} characters"
            return NotPlaced(detail, alarm=True, fix=DEFAULT_FIX, sent=False)
        return await self._requests.create(deadline, lambda client: self._create(client, request, script), _placed)

    async def progress(self, calls: Sequence[CallRef]) -> Mapping[CallRef, CallStatus]:
        """The statuses of these calls, from a list of the newest calls; calls that are not listed are fetched singly.

        At most MAX_PAGES pages for each caller number and MAX_FETCHES single calls are requested. Calls beyond that,
        and calls that Twilio does not know, are left out. Raises Unavailable.
        """
        if not calls:
            return {}
        wanted = {call.reference: call for call in calls}
        listed = await self._requests.ask(self._listed(wanted)) or {}
        gate = asyncio.Semaphore(FETCHES_AT_ONCE)

        async def fetched(reference: str) -> tuple[str, CallStatus | None]:
            async with gate:
                call = await self._requests.ask(self._account.client().calls(reference).fetch_async(), NO_SUCH_CALL)
                return reference, call and status_of(call)

        missing = self._fetches.next([reference for reference in wanted if reference not in listed])
        return {
            wanted[reference]: status
            for reference, status in chain(listed.items(), await asyncio.gather(*map(fetched, missing)))
            if reference in wanted and status is not None
        }

    async def hang_up(self, call: CallRef) -> None:
        """End a call, ringing or answered. No error if it has ended already. Raises Unavailable."""
        resource = self._account.client().calls(call.reference)
        await self._requests.ask(resource.update_async(status="completed"), ALREADY_OVER)

    async def speak(self, call: CallRef, script: Speak) -> None:
        """Change what an answered call speaks. No error if it has ended already. Raises Unavailable."""
        resource = self._account.client().calls(call.reference)
        await self._requests.ask(resource.update_async(twiml=twiml_of(script, "")), ALREADY_OVER)

    async def check_account(self, countries: Collection[str] = ()) -> list[AccountCheck]:
        """Check account, caller numbers and these countries at Twilio. Places no call and never raises Unavailable."""
        requests, account = self._requests, self._account
        try:
            checks = await account_checks(requests, account, lambda: self._listed(()), TRIAL)
            checks += [await self._number_check(number) for number in self._callers.every]
            return [*checks, *await country_checks(requests, account, countries, COUNTRY_FIX)]
        except Unavailable as error:
            return [AccountCheck(ok=False, text=error.detail)]

    async def close(self) -> None:
        """Close the connections."""
        await self._account.close()

    async def _create(self, client: Any, request: DeliveryRequest, script: Mapping[str, str]) -> Any:
        return await client.calls.create_async(
            to=request.phone.address,
            send_digits=_send_digits(request.phone),
            from_=self._callers.of_call_to(request.phone).address,
            timeout=request.ring_timeout,
            time_limit=MAX_SPEECH_SECONDS,
            **script,
            **self._sip_arguments(request.phone),
            **self._callbacks(request),
        )

    def _script(self, request: DeliveryRequest) -> dict[str, str] | NotPlaced:
        """The arguments with the TwiML of the call or the URL to request it from, and with machine detection."""
        opening, detects = opening_of(request), request.voicemail is Voicemail.DETECT
        if opening is None:
            return {"twiml": self._twiml(request.message)}
        answer_url = request.callback_url(self.name, ANSWER)
        if detects and answer_url:
            return {"url": answer_url, "machine_detection": "Enable"}
        if not detects and not answer_url:
            return NotPlaced(NO_LISTENER, alarm=True, fix=RESTART_FIX, sent=False)
        if detects and request.phone.extension:
            return NotPlaced(NOT_WITH_EXTENSION, alarm=True, fix=EXTENSION_FIX, sent=False)
        twiml = twiml_of(opening, request.callback_url(self.name, KEY))
        return {"twiml": twiml, **({"machine_detection": "Enable"} if detects else {})}

    def _sip_arguments(self, phone: Phone) -> dict[str, str]:
        """The credentials for a SIP address. They are not sent in calls to numbers, which go to other networks."""
        if self._sip_auth is None or not phone.is_sip:
            return {}
        username, password = self._sip_auth
        return {"sip_auth_username": username, "sip_auth_password": password}

    def _callbacks(self, request: DeliveryRequest) -> dict[str, Any]:
        """The arguments that make Twilio report each status of the call; none without a callback listener."""
        url = request.callback_url(self.name, STATUS)
        return {"status_callback": url, "status_callback_event": STATUS_EVENTS} if url else {}

    async def _number_check(self, caller: Phone) -> AccountCheck:
        number = caller.masked
        account = self._account.client().api.account
        found = []
        for resource in (account.incoming_phone_numbers, account.outgoing_caller_ids):
            found.append(await self._requests.first(resource, phone_number=caller.address))
            if found[-1]:
                return AccountCheck(ok=True, text=f"from number {number} belongs to the account")
        if None in found:
            return AccountCheck(ok=True, text=f"from number {number}: the key may not list numbers", checked=False)
        text = f"from number {number} is neither a number nor a verified caller ID of the account; {FROM_FIX}"
        return AccountCheck(ok=False, text=text)

    async def _listed(self, wanted: Collection[str]) -> dict[str, CallStatus | None]:
        """SID -> status of the newest calls, from as many pages as are needed to find all of `wanted`.

        Calls are listed by caller number, and not by start time, because queued calls have no start time.
        """
        listed: dict[str, CallStatus | None] = {}
        for number in self._callers.every:
            listed |= await self._listed_from(number, wanted)
            if listed.keys() >= set(wanted):
                break
        return listed

    async def _listed_from(self, caller: Phone, wanted: Collection[str]) -> dict[str, CallStatus | None]:
        size = min(MAX_PAGE, max(50, 2 * len(wanted)))
        page = await self._account.client().calls.page_async(from_=caller.address, page_size=size)
        listed = {call.sid: status_of(call) for call in page}
        for _ in range(MAX_PAGES - 1):
            if listed.keys() >= set(wanted) or len(wanted) <= size // 2:
                break
            page = await page.next_page_async()
            if page is None:
                break
            listed |= {call.sid: status_of(call) for call in page}
        return listed

    def _twiml(self, message: CodeMessage) -> str:
        texts, voice, digits = message.texts, message.voice, len(message.code)
        key = (texts, message.friendly_name, digits, message.enrolment, voice, message.speech)
        parts = self._templates.get(key)
        if parts is None:
            parts = self._templates[key] = _template(message)
        spoken = message.code * message.speech.repetitions
        return "".join(chain.from_iterable(zip(parts, spoken, strict=False))) + parts[-1]


def _template(message: CodeMessage) -> list[str]:
    """The TwiML of a message, split at the positions of the digits."""
    name = printable(message.friendly_name)
    response = VoiceResponse()
    add_lines(response, message, lines(structs.replace(message, friendly_name=name, code=DIGIT * len(message.code))))
    return str(response.to_xml()).split(DIGIT)


def _send_digits(phone: Phone) -> str | object:
    return EXTENSION_PAUSE + phone.extension if phone.extension else values.unset


def _placed(call: Any) -> DeliveryResult:
    return Placed(call.sid) if is_sid(call.sid) else Indeterminate("response names no call")
