"""Sends text messages through Twilio's REST API 2010-04-01, with Twilio's SDK.

Sending a text message is not idempotent: see `twilio.provider`. `REFUSALS` maps Twilio's error codes to results.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from twilio.base import values

from radius_voice.config.text_senders import NUMERIC_ONLY, is_alphanumeric, masked
from radius_voice.delivery.twilio_sms.settings import TwilioSmsSettings
from radius_voice.login.deliveries.adapter_reports import AccountCheck
from radius_voice.login.deliveries.code_message import text_of
from radius_voice.login.deliveries.requests import (
    DeliveryRequest,
    DeliveryResult,
    Indeterminate,
    MessageStatus,
    NotPlaced,
    NumberRejected,
    Placed,
)
from radius_voice.login.model import Unavailable
from radius_voice.login.phone import country_of
from radius_voice.twilio.checks import account_checks
from radius_voice.twilio.client import TwilioAccount
from radius_voice.twilio.provider import (
    CHECK_ACCOUNT,
    COMMON_REFUSALS,
    DEFAULT_FIX,
    TwilioRequests,
    account_of,
    is_sid,
)

MAX_QUEUE_SECONDS = 600
"""How long Twilio may keep a message in its queue. After that, the login has ended."""

FAILED = "failed"
"""Twilio's status of a message that it could not send."""

STATUSES = {
    "accepted": MessageStatus.QUEUED,
    "scheduled": MessageStatus.QUEUED,
    "queued": MessageStatus.QUEUED,
    "sending": MessageStatus.QUEUED,
    "sent": MessageStatus.SENT,
    "delivered": MessageStatus.DELIVERED,
    "read": MessageStatus.DELIVERED,
    "undelivered": MessageStatus.NOT_DELIVERED,
    "canceled": MessageStatus.NOT_DELIVERED,
    FAILED: MessageStatus.NOT_DELIVERED,
}

TRIAL = "sends to verified numbers only, with a text before the message"

COUNTRY_FIX = "enable the country in Twilio's geographic permissions for messaging, or forbid it here"
SENDER_FIX = "write a sender that this country accepts in from_by_country"
NO_SENDER_FIX = f"`from` is no number of this Twilio account that can send text messages; {CHECK_ACCOUNT}"
SERVICE_FIX = f"compare messaging_service_sid with the Twilio console; {CHECK_ACCOUNT}"
EMPTY_SERVICE_FIX = "add a sender for this country to the messaging service in the Twilio console"
STOP_FIX = "the user's phone has sent STOP to the sender; START ends that"
FROM_FIX = "put a number of the account that can send text messages into from or from_by_country"
TRIAL_FIX = "a Twilio trial account sends to verified numbers only; verify this one or upgrade the account"
TRIAL_SENDER_FIX = "a Twilio trial account sends from numbers only; upgrade the account or write a number"
LENGTH_FIX = "shorten delivery.friendly_name"
SUSPENDED_FIX = "look up in the Twilio console why the account is suspended"
FILTER_FIX = "look up in the Twilio console how to register the sender in this country"
PUMPING_FIX = "Twilio protects this number or its prefix from SMS pumping; allow it in the Twilio console"

REFUSALS: dict[int, NumberRejected | NotPlaced] = {
    **COMMON_REFUSALS,
    21211: NumberRejected("21211: not a valid number"),
    21212: NotPlaced("21212: the sender is not valid", alarm=True, outage=True, fix=NO_SENDER_FIX),
    21217: NumberRejected("21217: not a valid number"),
    21265: NumberRejected("21265: a short code"),
    21266: NumberRejected("21266: the number of the sender"),
    21267: NotPlaced("21267: trial account, alphanumeric sender", alarm=True, fix=TRIAL_SENDER_FIX),
    21408: NumberRejected("21408: country not enabled", alarm=True, fix=COUNTRY_FIX),
    21606: NotPlaced("21606: the sender cannot send this message", alarm=True, fix=NO_SENDER_FIX),
    21608: NotPlaced("21608: trial account, number not verified", alarm=True, fix=TRIAL_FIX),
    21610: NumberRejected("21610: the recipient has unsubscribed", alarm=True, fix=STOP_FIX),
    21611: NotPlaced("21611: too many messages queued for the sender"),
    21612: NumberRejected("21612: not reachable from the sender", alarm=True, fix=SENDER_FIX),
    21614: NumberRejected("21614: not a mobile number"),
    21617: NotPlaced("21617: message too long", alarm=True, fix=LENGTH_FIX),
    21635: NumberRejected("21635: a landline"),
    21659: NotPlaced("21659: the sender is no number of Twilio", alarm=True, fix=NO_SENDER_FIX),
    21660: NotPlaced("21660: the sender is not ours", alarm=True, outage=True, fix=NO_SENDER_FIX),
    21661: NotPlaced("21661: the sender cannot send messages", alarm=True, outage=True, fix=NO_SENDER_FIX),
    21701: NotPlaced("21701: no such messaging service", alarm=True, outage=True, fix=SERVICE_FIX),
    21703: NotPlaced("21703: the messaging service has no sender", alarm=True, fix=EMPTY_SERVICE_FIX),
    21705: NotPlaced("21705: messaging service is not valid", alarm=True, outage=True, fix=SERVICE_FIX),
    30001: NotPlaced("30001: queue overflow"),
    30002: NotPlaced("30002: account suspended", alarm=True, outage=True, fix=SUSPENDED_FIX),
    30003: NumberRejected("30003: phone cannot be reached"),
    30004: NumberRejected("30004: number is blocked"),
    30005: NumberRejected("30005: unknown number"),
    30006: NumberRejected("30006: a landline, or a network that cannot be reached"),
    30007: NotPlaced("30007: filtered by the network", alarm=True, fix=FILTER_FIX),
    30008: NotPlaced("30008: unknown error"),
    30034: NotPlaced("30034: the sender is not registered", alarm=True, fix=FILTER_FIX),
    30450: NumberRejected("30450: blocked as SMS pumping", alarm=True, fix=PUMPING_FIX),
}

NO_MESSAGES = NumberRejected("not sent: an extension or SIP address receives no text messages", sent=False)
SERVICE_NOT_CHECKED = AccountCheck(ok=True, text="messaging service: to check it, run radius-voice text", checked=False)
COUNTRIES_NOT_CHECKED = AccountCheck(
    ok=True, text="countries: see the geographic permissions for messaging in the Twilio console", checked=False
)
NO_SENDER = NumberRejected("not sent: no sender for this country", alarm=True, fix=SENDER_FIX, sent=False)


def create(name: str, settings: TwilioSmsSettings) -> TwilioSms:
    """The provider `name` that `settings` describe. Raises ValueError when this process cannot read its credentials."""
    return TwilioSms(
        name,
        account_of(name, settings),
        sender=settings.from_,
        service=settings.messaging_service_sid,
        senders=settings.from_by_country,
    )


class TwilioSms:
    """Implements `Provider` and `MessageControl` with one Twilio account.

    `sender` is a number or a name; None if the messaging service `service` selects the sender. `senders` are other
    senders by the country of the user's number (ISO 3166).
    """

    call_control = None
    verifier = None

    def __init__(
        self,
        name: str,
        account: TwilioAccount,
        *,
        sender: str | None = None,
        service: str | None = None,
        senders: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._account = account
        self._requests = TwilioRequests(name, account, REFUSALS)
        self._sender = sender
        self._service = service
        self._senders = senders or {}

    def __repr__(self) -> str:
        return f"TwilioSms({self.name!r})"

    @property
    def message_control(self) -> TwilioSms:
        """Messages can be queried."""
        return self

    async def message_status(self, reference: str) -> tuple[MessageStatus, str]:
        """The status of a message and, if it was not delivered, why. Raises Unavailable."""
        message = await self._requests.ask(self._account.client().messages(reference).fetch_async())
        status, code = getattr(message, "status", ""), getattr(message, "error_code", None)
        known = STATUSES.get(status) if isinstance(status, str) else None
        if known is None or not isinstance(code, int | None):
            raise Unavailable(self.name, "response not understood")
        refusal = REFUSALS.get(code) if code is not None else None
        return known, refusal.detail if refusal is not None else ""

    async def place(self, request: DeliveryRequest, deadline: float) -> DeliveryResult:
        """Request one text message, once. `deadline` is loop time. Details of results are fixed texts."""
        phone = request.phone
        if phone.extension or phone.is_sip:
            return NO_MESSAGES
        country = country_of(phone)
        sender = self._senders.get(country, self._sender)
        if sender is not None and is_alphanumeric(sender) and country in NUMERIC_ONLY:
            return NO_SENDER
        return await self._requests.create(deadline, lambda client: self._create(client, request, sender), _sent)

    async def check_account(self, countries: Collection[str] = ()) -> list[AccountCheck]:
        """Check the account and the senders at Twilio. Sends no message and never raises Unavailable.

        Twilio has no API for the countries to which an account may send text messages.
        """
        senders = dict.fromkeys(each for each in (self._sender, *self._senders.values()) if each is not None)
        try:
            checks = await account_checks(self._requests, self._account, self._newest, TRIAL)
            if self._service is not None:
                checks.append(SERVICE_NOT_CHECKED)
            if countries:
                checks.append(COUNTRIES_NOT_CHECKED)
            return [*checks, *[await self._sender_check(sender) for sender in senders]]
        except Unavailable as error:
            return [AccountCheck(ok=False, text=error.detail)]

    async def close(self) -> None:
        """Close the connections."""
        await self._account.close()

    async def _create(self, client: Any, request: DeliveryRequest, sender: str | None) -> Any:
        return await client.messages.create_async(
            to=request.phone.address,
            from_=values.unset if sender is None else sender,
            messaging_service_sid=self._service if sender is None else values.unset,
            body=text_of(request.message),
            validity_period=MAX_QUEUE_SECONDS,
        )

    async def _newest(self) -> Any:
        return await self._account.client().messages.page_async(page_size=1)

    async def _sender_check(self, sender: str) -> AccountCheck:
        if is_alphanumeric(sender):
            return AccountCheck(ok=True, text=f"alphanumeric sender {sender}: countries decide", checked=False)
        number = masked(sender)
        found = await self._requests.first(
            self._account.client().api.account.incoming_phone_numbers, phone_number=sender
        )
        if found is None:
            return AccountCheck(ok=True, text=f"from number {number}: the key may not list numbers", checked=False)
        if not found:
            return AccountCheck(ok=False, text=f"from number {number} is no number of the account; {FROM_FIX}")
        able = _can_send(found[0])
        text = "belongs to the account and can send text messages" if able else f"cannot send text messages; {FROM_FIX}"
        return AccountCheck(ok=able, text=f"from number {number} {text}")


def _sent(message: Any) -> DeliveryResult:
    if message.status == FAILED:
        known = REFUSALS.get(message.error_code) if isinstance(message.error_code, int) else None
        return known or NotPlaced("accepted, then failed", alarm=True, fix=DEFAULT_FIX)
    return Placed(message.sid, live=False) if is_sid(message.sid) else Indeterminate("response names no message")


def _can_send(number: Any) -> bool:
    capabilities = number.capabilities
    return isinstance(capabilities, dict) and capabilities.get("sms") is True
