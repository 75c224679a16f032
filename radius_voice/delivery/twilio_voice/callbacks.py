"""Twilio's callbacks: their signature, and what they report.

Twilio signs the URL that it was given and the form fields with the account's auth token (HMAC-SHA1, in the header
X-Twilio-Signature). The SDK compares without stopping at the first difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from multidict import MultiDict
from twilio.request_validator import RequestValidator

from radius_voice.delivery.twilio_voice.statuses import STATUSES
from radius_voice.login.callbacks import Callback, CallbackRequest, StatusReported, Unusable
from radius_voice.twilio_provider import is_sid

STATUS = "status"
"""The action of callbacks that report the status of a call."""
STATUS_EVENTS = ["initiated", "ringing", "answered", "completed"]
SIGNATURE = "x-twilio-signature"
MAX_FIELDS = 100


class TwilioCallbacks:
    """The callbacks of one account. Without its `auth_token` none is authentic."""

    def __init__(self, auth_token: str | None) -> None:
        self._validator = RequestValidator(auth_token) if auth_token else None

    def receive(self, request: CallbackRequest) -> Callback | Unusable:
        """What a request reports, if Twilio has signed it for this URL."""
        fields = _fields(request.body)
        if self._validator is None or fields is None:
            return Unusable.UNSIGNED
        if not self._validator.validate(request.url, fields, request.headers.get(SIGNATURE, "")):
            return Unusable.UNSIGNED
        sid, event = fields.get("CallSid", ""), _event(request.action, fields)
        return Callback(sid, event) if is_sid(sid) and event is not None else Unusable.MALFORMED


def _fields(body: bytes) -> MultiDict[str] | None:
    """The fields of a form, None if it is none."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:  # also not UTF-8, or too many fields
        return None
    return MultiDict(pairs)


def _event(action: str, fields: Mapping[str, str]) -> StatusReported | None:
    status = STATUSES.get(fields.get("CallStatus", ""))
    return StatusReported(status) if action == STATUS and status is not None else None
