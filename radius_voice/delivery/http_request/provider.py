"""Delivers a code by one HTTP request to the administrator's own gateway.

A request is sent once, on one connection, whatever its method. If it was sent and no complete response arrived, the
gateway may have delivered the code. `responses` classifies complete responses.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection, Mapping

from radius_voice.config.secrets import secret_text
from radius_voice.delivery.http_request import templates
from radius_voice.delivery.http_request.responses import result_of
from radius_voice.delivery.http_request.settings import HttpRequestSettings
from radius_voice.http_client import NOT_SENT_FIX, HttpPool, NotSent, SentUnknown, pool_of
from radius_voice.login.deliveries.adapter_reports import AccountCheck
from radius_voice.login.deliveries.code_message import Say, lines, text_of
from radius_voice.login.deliveries.requests import (
    CodeMessage,
    DeliveryRequest,
    DeliveryResult,
    Indeterminate,
    NotPlaced,
    NumberRejected,
)
from radius_voice.login.model import Method
from radius_voice.login.sip import user_of

REQUEST_ID_OCTETS = 16
SUBSCRIBER_DIGITS = 7
"""The last digits of a number, by which the phone is recognized in a reference of the gateway."""
CONTENT_TYPES = {
    "form": "application/x-www-form-urlencoded",
    "json": "application/json",
    "xml": "application/xml; charset=utf-8",
    "text": "text/plain; charset=utf-8",
}
TEXT_FIX = "write {text} into a template; a notice about a code of the help desk has no code"


def create(name: str, settings: HttpRequestSettings) -> HttpRequest:
    """The provider `name` that `settings` describe. Raises ValueError when this process cannot read a secret."""
    key = f"delivery.providers.{name}"
    values = {
        templates.NAMESPACE + secret: secret_text(value, f"{key}.secrets.{secret}")
        for secret, value in settings.secrets.items()
    }
    basic = settings.basic_auth
    auth = None if basic is None else (basic.username, secret_text(basic.password, f"{key}.basic_auth.password"))
    return HttpRequest(name, settings, pool_of(settings), values, auth)


class HttpRequest:
    """Implements `Provider`. `secret_values` are secrets by placeholder name, `auth` is for basic authentication."""

    call_control = None
    message_control = None
    verifier = None

    def __init__(
        self,
        name: str,
        settings: HttpRequestSettings,
        pool: HttpPool,
        secret_values: Mapping[str, str],
        auth: tuple[str, str] | None,
    ) -> None:
        self.name = name
        self._settings = settings
        self._pool = pool
        self._secret_values = secret_values
        self._auth = auth
        self._used = settings.used_names
        self._host, self._path = settings.url_parts
        of_body = {"Content-Type": CONTENT_TYPES[settings.content_type]} if settings.content_type else {}
        written = {each.lower() for each in settings.headers}
        self._headers = {each: value for each, value in of_body.items() if each.lower() not in written}

    def __repr__(self) -> str:
        return f"HttpRequest({self.name!r})"

    async def place(self, request: DeliveryRequest, deadline: float) -> DeliveryResult:
        """Send one request, once. `deadline` is loop time. Details of results are fixed texts."""
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            return NotPlaced("not sent: no time left", sent=False)
        if problem := self._no_template_for(request):
            return NumberRejected(f"not sent: {problem}", sent=False)
        if not request.message.code and "text" not in self._used:
            return NotPlaced("not sent: no template has the text", alarm=True, fix=TEXT_FIX, sent=False)
        return await self._send(request, left)

    async def check_account(self, countries: Collection[str] = ()) -> list[AccountCheck]:  # noqa: ARG002
        """Empty: there is no general way to ask a gateway about an account."""
        return []

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    def _no_template_for(self, request: DeliveryRequest) -> str | None:
        """Why the gateway cannot deliver to the phone: no template has this kind of phone. None if it can."""
        phone = request.phone
        if phone.is_sip and request.method is Method.SMS:
            return "a SIP address receives no text messages"
        if self._used.isdisjoint(templates.SIP if phone.is_sip else templates.NUMBER):
            return f"no template has the {'SIP address' if phone.is_sip else 'phone number'}"
        return "no template has the extension" if phone.extension and "extension" not in self._used else None

    async def _send(self, request: DeliveryRequest, seconds: float) -> DeliveryResult:
        settings, values = self._settings, self._values(request)
        headers = {
            name: templates.render(text, values, templates.for_header) for name, text in settings.headers.items()
        }
        try:
            response = await self._pool.send(
                settings.method,
                self._host + templates.render(self._path, values, templates.for_url),
                seconds=seconds,
                content=self._body(values),
                headers={**self._headers, **headers},
                auth=self._auth,
                once=True,
            )
        except NotSent as error:
            return NotPlaced(f"not sent: {error}", outage=True, fix=NOT_SENT_FIX, sent=False)
        except SentUnknown as error:
            return Indeterminate(f"sent, then: {error}")
        number = values["phone_digits"][-SUBSCRIBER_DIGITS:]
        hidden = [text for text in (request.message.code, number, values["sip_user"]) if text]
        return result_of(response, settings, live=request.method is Method.VOICE, hidden=hidden)

    def _body(self, values: Mapping[str, str]) -> bytes | None:
        settings = self._settings
        if settings.body is None or settings.content_type is None:
            return None
        return templates.render(settings.body, values, templates.ESCAPES[settings.content_type]).encode()

    def _values(self, request: DeliveryRequest) -> dict[str, str]:
        message, phone = request.message, request.phone
        number = "" if phone.is_sip else phone.address
        return {
            "phone": number,
            "phone_digits": number.removeprefix("+"),
            "sip_address": phone.address if phone.is_sip else "",
            "sip_user": user_of(phone.address),
            "extension": phone.extension,
            "code": message.code,
            "code_spaced": " ".join(message.code),
            "text": _text(request) if "text" in self._used else "",
            "friendly_name": message.friendly_name,
            "language": message.texts.language,
            "method": request.method.value,
            "ring_timeout": str(request.ring_timeout),
            "request_id": secrets.token_hex(REQUEST_ID_OCTETS),
            **self._secret_values,
        }


def _text(request: DeliveryRequest) -> str:
    """The text of the text message, or the words that a call speaks, with spaces between the digits."""
    return text_of(request.message) if request.method is Method.SMS else _speech(request.message)


def _speech(message: CodeMessage) -> str:
    return " ".join(line.text for line in lines(message) if isinstance(line, Say))
