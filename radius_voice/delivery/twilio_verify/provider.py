"""Delivers codes through Twilio Verify (REST API v2), with Twilio's SDK.

Starting a verification is not idempotent: see `twilio.provider`. `REFUSALS` maps Twilio's error codes to results.

A Verify service has at most one pending verification for a number. Starting another one sends the same code again. So
an earlier verification is canceled first, and a code that was delivered for another login is never correct for this
one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from functools import partial
from typing import Any

import twilio.rest.verify.v2.service.verification
import twilio.rest.verify.v2.service.verification_check  # noqa: F401 - else the SDK imports both during a login
from twilio.base import values
from twilio.base.exceptions import TwilioException

from radius_voice.delivery.twilio_verify.settings import TwilioVerifySettings
from radius_voice.login.deliveries.adapter_reports import AccountCheck
from radius_voice.login.deliveries.requests import (
    DeliveryRequest,
    DeliveryResult,
    Indeterminate,
    NotPlaced,
    NumberRejected,
    Placed,
)
from radius_voice.login.deliveries.verifications import CodeCheck
from radius_voice.login.model import Method, Unavailable
from radius_voice.login.phone import Phone
from radius_voice.twilio.checks import account_checks
from radius_voice.twilio.client import TwilioAccount, status_and_code
from radius_voice.twilio.provider import (
    CHECK_ACCOUNT,
    COMMON_REFUSALS,
    NOT_ALLOWED,
    TwilioRequests,
    account_of,
    is_sid,
)

CHANNELS = {Method.VOICE: "call", Method.SMS: "sms"}
EXTENSION_PAUSE = "wwww"
"""The pause between the answer of the call and the first digit of an extension: 2 s (`w` is half a second)."""
APPROVED, CANCELED, PENDING = "approved", "canceled", "pending"

TRIAL = "delivers to verified numbers only"
PARAMETER_FIX = (
    "Verify refused a parameter, mostly the number; look the detail up in Twilio's log of the Verify service"
)
CUSTOM_CODE_FIX = "ask Twilio to enable custom codes for the Verify service, or write custom_code: false"
ENROLMENT_FIX = "add a provider of another type, or ask Twilio for custom codes and write custom_code: true"
DTMF_FIX = "enable DtmfInputRequired of the Verify service, or write dtmf_input_required: false"
CHANNEL_FIX = "enable the channel of the Verify service in the Twilio console, or remove the method here"
FRAUD_FIX = "Twilio's Fraud Guard blocks this number or its prefix; allow it in the Twilio console"
COUNTRY_FIX = "enable the country in Twilio's geographic permissions for Verify, or forbid it here"
TRIAL_FIX = "a Twilio trial account delivers to verified numbers only; verify this one or upgrade the account"
SERVICE_FIX = f"compare account_sid and service_sid with the Twilio console; {CHECK_ACCOUNT}"

REFUSALS: dict[int, NumberRejected | NotPlaced] = {
    **COMMON_REFUSALS,
    20404: NotPlaced("20404: no such account or service", alarm=True, outage=True, fix=SERVICE_FIX),
    21608: NotPlaced("21608: trial account, number not verified", alarm=True, fix=TRIAL_FIX),
    60200: NumberRejected("60200: a parameter is not valid", alarm=True, fix=PARAMETER_FIX),
    60203: NumberRejected("60203: too many deliveries to this number"),
    60204: NotPlaced("60204: custom codes are not enabled", alarm=True, outage=True, fix=CUSTOM_CODE_FIX),
    60205: NumberRejected("60205: a landline receives no text messages"),
    60212: NumberRejected("60212: too many requests for this number at once"),
    60223: NotPlaced("60223: the channel is disabled", alarm=True, fix=CHANNEL_FIX),
    60410: NumberRejected("60410: blocked by Fraud Guard", alarm=True, fix=FRAUD_FIX),
    60605: NumberRejected("60605: country not enabled", alarm=True, fix=COUNTRY_FIX),
}

NOT_FOUND = frozenset({404, 20404})
ENDED = NOT_FOUND | {60202}
"""The error codes for a verification that is approved, canceled or expired, or that was checked too many times."""

COUNTRIES_NOT_CHECKED = AccountCheck(
    ok=True, text="countries: see the geographic permissions for Verify in the Twilio console", checked=False
)
NO_NUMBER = NumberRejected("not sent: Verify delivers to numbers only", sent=False)
NO_EXTENSION = NumberRejected("not sent: an extension receives no text messages", sent=False)
NO_CODE = NotPlaced("not sent: Verify delivers codes of logins only", sent=False)
NO_ENROLMENT = NotPlaced("not sent: Verify delivers codes of logins only", sent=False, fix=ENROLMENT_FIX)


def create(name: str, settings: TwilioVerifySettings) -> TwilioVerify:
    """The provider `name` that `settings` describe. Raises ValueError when this process cannot read its credentials."""
    return TwilioVerify(
        name,
        account_of(name, settings),
        settings.service_sid,
        custom_code=settings.custom_code,
        asks_for_key=settings.asks_for_key,
    )


class TwilioVerify:
    """Implements `Provider` and `RemoteVerifier` with one Verify service.

    `custom_code`: the service delivers codes that radius-voice creates; otherwise it creates its own. `asks_for_key`:
    the service is expected to speak a code only after a key press.
    """

    call_control = None
    message_control = None

    def __init__(
        self, name: str, account: TwilioAccount, service_sid: str, *, custom_code: bool, asks_for_key: bool
    ) -> None:
        self.name = name
        self._account = account
        self._requests = TwilioRequests(name, account, REFUSALS)
        self._service = service_sid
        self._custom_code = custom_code
        self._asks_for_key = asks_for_key

    def __repr__(self) -> str:
        return f"TwilioVerify({self.name!r})"

    @property
    def verifier(self) -> TwilioVerify:
        """Verifications can be checked and ended."""
        return self

    @property
    def keeps_code(self) -> bool:
        """Whether only the service has the code."""
        return not self._custom_code

    async def place(self, request: DeliveryRequest, deadline: float) -> DeliveryResult:
        """Cancel an earlier verification of the number, then request one call or text message, once.

        `deadline` is loop time. Details of results are fixed texts.
        """
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        phone = request.phone.address
        canceled = await self._requests.create(
            deadline, lambda client: self._cancel_earlier(client, phone), lambda _: Placed("")
        )
        match canceled:
            case Placed():
                return await self._requests.create(
                    deadline, lambda client: self._create(client, request), partial(_placed, request.method)
                )
            case Indeterminate(detail):
                return NotPlaced(f"not sent: the earlier verification was not canceled: {detail}", sent=False)
            case _:
                return canceled

    async def check(self, verification: str, phone: Phone, code: str, deadline: float) -> CodeCheck:
        """See `RemoteVerifier`. `verification` is a SID."""
        left = deadline - asyncio.get_running_loop().time()
        by = {"verification_sid": verification} if verification else {"to": phone.address}
        checks = self._of_service(self._account.client(left)).verification_checks
        checked = await self._requests.ask(checks.create_async(code=code, **by), ENDED)
        if checked is None:
            return CodeCheck.ENDED
        if not isinstance(checked.status, str):
            raise Unavailable(self.name, "response not understood")
        return {APPROVED: CodeCheck.CORRECT, PENDING: CodeCheck.WRONG}.get(checked.status, CodeCheck.ENDED)

    async def cancel(self, verification: str, phone: Phone) -> None:
        """See `RemoteVerifier`."""
        await self._update(verification, phone, CANCELED)

    async def approve(self, verification: str, phone: Phone) -> None:
        """See `RemoteVerifier`."""
        await self._update(verification, phone, APPROVED)

    async def check_account(self, countries: Collection[str] = ()) -> list[AccountCheck]:
        """Check the account and the service at Twilio. Delivers nothing and never raises Unavailable.

        Twilio has no API for the countries to which a Verify service may deliver.
        """
        try:
            checks = await account_checks(self._requests, self._account, self._fetched, TRIAL)
            return [*checks, await self._service_check(), *([COUNTRIES_NOT_CHECKED] if countries else [])]
        except Unavailable as error:
            return [AccountCheck(ok=False, text=error.detail)]

    async def close(self) -> None:
        """Close the connections."""
        await self._account.close()

    def _refusal(self, request: DeliveryRequest) -> NumberRejected | NotPlaced | None:
        """The result if the service cannot make this delivery, so that no request is sent; else None."""
        if not request.message.code:
            return NO_CODE
        if request.message.enrolment and self.keeps_code:
            return NO_ENROLMENT
        if request.phone.is_sip:
            return NO_NUMBER
        return NO_EXTENSION if request.phone.extension and request.method is Method.SMS else None

    async def _create(self, client: Any, request: DeliveryRequest) -> Any:
        extension = request.phone.extension
        return await self._of_service(client).verifications.create_async(
            to=request.phone.address,
            channel=CHANNELS[request.method],
            locale=request.message.language,
            send_digits=EXTENSION_PAUSE + extension if extension else values.unset,
            custom_code=request.message.code if self._custom_code else values.unset,
        )

    async def _cancel_earlier(self, client: Any, phone: str) -> None:
        try:
            await self._of_service(client).verifications(phone).update_async(status=CANCELED)
        except TwilioException as error:
            if NOT_FOUND.isdisjoint(status_and_code(error)):
                raise

    async def _update(self, verification: str, phone: Phone, status: str) -> None:
        resource = self._of_service(self._account.client()).verifications(verification or phone.address)
        await self._requests.ask(resource.update_async(status=status), NOT_FOUND)

    async def _fetched(self) -> Any:
        return await self._of_service(self._account.client()).fetch_async()

    async def _service_check(self) -> AccountCheck:
        service = await self._requests.ask(self._fetched(), NOT_ALLOWED)
        if service is None:
            return AccountCheck(ok=True, text="Verify service: the key may not read it", checked=False)
        if self._asks_for_key and service.dtmf_input_required is not True:
            return AccountCheck(ok=False, text=f"Verify service speaks codes without a pressed key; {DTMF_FIX}")
        if not self._custom_code:
            return AccountCheck(ok=True, text=f"Verify service exists, with codes of {_digits(service)} digits")
        if service.custom_code_enabled is not True:
            return AccountCheck(ok=False, text=f"Verify service has no custom codes; {CUSTOM_CODE_FIX}")
        return AccountCheck(ok=True, text="Verify service exists, with custom codes")

    def _of_service(self, client: Any) -> Any:
        return client.verify.v2.services(self._service)


def _placed(method: Method, verification: Any) -> DeliveryResult:
    if not is_sid(verification.sid):
        return Indeterminate("response names no verification")
    return Placed(verification.sid, live=method is Method.VOICE)


def _digits(service: Any) -> object:
    return service.code_length if isinstance(service.code_length, int) else "an unknown number of"
