"""Verifies and reads Twilio's callbacks.

Twilio signs the requested URL and the form fields with the account's auth token (HMAC-SHA1, in the header
X-Twilio-Signature). The SDK compares signatures in constant time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from multidict import MultiDict
from twilio.request_validator import RequestValidator

from radius_voice.delivery.twilio_voice.statuses import STATUSES, detected
from radius_voice.delivery.twilio_voice.twiml import CONTENT_TYPE, twiml_of
from radius_voice.login.deliveries.call_scripts import CallScript
from radius_voice.login.deliveries.callbacks import (
    CallAnswered,
    Callback,
    CallbackEvent,
    CallbackRequest,
    KeyPressed,
    StatusReported,
    Unusable,
)
from radius_voice.twilio.provider import is_sid

STATUS = "status"
"""The action of callbacks that report the status of a call."""
KEY = "key"
"""The action of callbacks that report a pressed key."""
ANSWER = "answer"
"""The action of callbacks that request the TwiML of an answered call."""
STATUS_EVENTS = ["initiated", "ringing", "answered", "completed"]
SIGNATURE = "x-twilio-signature"
MAX_FIELDS = 100
_KEY = re.compile(r"[0-9*#]")


class TwilioCallbacks:
    """Implements `CallbackReceiver` for one account. Without its `auth_token`, no callback is authentic."""

    def __init__(self, auth_token: str | None) -> None:
        self._validator = RequestValidator(auth_token) if auth_token else None

    def receive(self, request: CallbackRequest) -> Callback | Unusable:
        """The content of a request, if Twilio has signed it for this URL."""
        fields = _fields(request.body)
        if self._validator is None or fields is None:
            return Unusable.UNSIGNED
        if not self._validator.validate(request.url, fields, request.headers.get(SIGNATURE, "")):
            return Unusable.UNSIGNED
        sid, event = fields.get("CallSid", ""), _event(request.action, fields)
        return Callback(sid, event) if is_sid(sid) and event is not None else Unusable.MALFORMED

    def rendered(self, script: CallScript, request: CallbackRequest) -> tuple[str, str]:
        """The content type and the TwiML of a script. A pressed key is reported for the same delivery."""
        return CONTENT_TYPE, twiml_of(script, f"{request.url.removesuffix(request.action)}{KEY}")


def _fields(body: bytes) -> MultiDict[str] | None:
    """The fields of a form; None if the body is not a form."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:  # also not UTF-8, or too many fields
        return None
    return MultiDict(pairs)


def _event(action: str, fields: Mapping[str, str]) -> CallbackEvent | None:
    status, key = STATUSES.get(fields.get("CallStatus", "")), fields.get("Digits", "")
    match action:
        case "status" if status is not None:
            return StatusReported(status)
        case "key" if _KEY.fullmatch(key):
            return KeyPressed(key)
        case "answer":
            return CallAnswered(detected(fields.get("AnsweredBy")))
        case _:
            return None
