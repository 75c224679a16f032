"""The simulated Verify services: what happens by number and service, and their representation in Twilio's API v2.

Numbers of calls that fail by a fault of HTTP (see `numbers`) do the same for verifications. Every other well-formed
number receives its code.

| to | outcome |
| --- | --- |
| +15005550001 | 400, 60200: not a valid number |
| +15005550003 | 403, 60605: country not enabled |
| +15005550004 | 403, 60410: blocked by Fraud Guard |
| +15005550009 | 400, 60205: a landline, for text messages only |
| +15005550020 | 429, 20429: too many requests |
| +15005550022 | 403, 21608: trial account, number not verified |
| +15005550040 | delivered; the first check of all gets 503 |
| +15005550041 | delivered; the first check of all is carried out, then the connection is reset |
| +15005550042 | delivered; it cannot be canceled: 503 |

| service | outcome |
| --- | --- |
| VA and 32 zeros | 404, 20404: no such service |
| VA and 32 ones | custom codes are not enabled: 400, 60204 |
| VA and 32 twos | speaks a code only after a pressed key (`DtmfInputRequired`) |
| any other | good, with codes of six digits |
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from radius_voice.simulator.calls import KEPT
from radius_voice.simulator.numbers import E164, Refusal

VERIFY_API = "/v2"
LIFETIME = 600.0
"""Seconds after which a verification expires, as at Twilio."""
MAX_DELIVERIES, MAX_CHECKS = 5, 5
"""The maximum number of deliveries and checks of one verification, as at Twilio."""
DIGITS = 6
SERVICE = re.compile("VA[0-9a-f]{32}")
NO_SERVICE, NO_CUSTOM_CODES, DTMF_REQUIRED = ("VA" + digit * 32 for digit in "012")
CUSTOM_CODE = re.compile("[0-9A-Za-z]{4,10}")
EXTENSION = re.compile("[0-9*#wW]{1,32}")
LANDLINE, FLAKY_CHECK, RESET_CHECK, NO_CANCEL = "+15005550009", "+15005550040", "+15005550041", "+15005550042"

BAD_PARAMETER = Refusal(400, 60200, "Invalid parameter")
TOO_MANY_CHECKS = Refusal(429, 60202, "Max check attempts reached")
TOO_MANY_DELIVERIES = Refusal(429, 60203, "Max send attempts reached")
CUSTOM_CODE_REFUSED = Refusal(400, 60204, "Custom code not allowed")
NO_TEXTS = Refusal(400, 60205, "SMS is not supported by landline phone number")
UNAVAILABLE = Refusal(503, 20503, "Service unavailable")

REFUSED = {
    "+15005550003": Refusal(403, 60605, "Verifications to this country are blocked"),
    "+15005550004": Refusal(403, 60410, "The prefix is blocked by Fraud Guard"),
    "+15005550020": Refusal(429, 20429, "Too Many Requests"),
    "+15005550022": Refusal(403, 21608, "The number is unverified"),
}


@dataclass(slots=True)
class Verification:
    """One verification. Times are wall-clock seconds. `channels` are those of its deliveries, oldest first."""

    sid: str
    service: str
    to: str
    code: str
    locale: str
    digits: str
    at: float
    channels: list[str]
    state: str = "pending"
    checks: int = 0

    def status(self, now: float) -> str:
        """Twilio's name for the verification's status."""
        return "expired" if self.state == "pending" and now >= self.at + LIFETIME else self.state

    def is_pending(self, now: float) -> bool:
        """Whether its code may still be right."""
        return self.status(now) == "pending"


def refusal_of(form: Mapping[str, str], service: str) -> Refusal | None:
    """The error with which Twilio would refuse this verification, or None."""
    to, channel = form.get("To", ""), form.get("Channel", "")
    if not E164.fullmatch(to) or to == "+15005550001" or channel not in ("call", "sms"):
        return BAD_PARAMETER
    if not CUSTOM_CODE.fullmatch(form.get("CustomCode", "0000")) or not EXTENSION.fullmatch(
        form.get("SendDigits", "w")
    ):
        return BAD_PARAMETER
    if "CustomCode" in form and service == NO_CUSTOM_CODES:
        return CUSTOM_CODE_REFUSED
    return NO_TEXTS if (to, channel) == (LANDLINE, "sms") else REFUSED.get(to)


class Verifications:
    """All verifications, oldest first, by SID."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Verification] = {}

    def start(self, form: Mapping[str, str], service: str, now: float) -> Verification | Refusal:
        """Start a verification, or deliver the code of the pending one of the number again."""
        pending = self.of(service, form["To"], now)
        if pending is not None:
            if len(pending.channels) >= MAX_DELIVERIES:
                return TOO_MANY_DELIVERIES
            pending.channels.append(form["Channel"])
            return pending
        verification = Verification(
            sid=f"VE{secrets.token_hex(16)}",
            service=service,
            to=form["To"],
            code=form.get("CustomCode") or f"{secrets.randbelow(10**DIGITS):0{DIGITS}}",
            locale=form.get("Locale", "en"),
            digits=form.get("SendDigits", ""),
            at=now,
            channels=[form["Channel"]],
        )
        self._by_sid[verification.sid] = verification
        if len(self._by_sid) > KEPT:
            del self._by_sid[next(iter(self._by_sid))]
        return verification

    def of(self, service: str, name: str, now: float) -> Verification | None:
        """The pending verification of a service with that SID or number, None if there is none."""
        for each in reversed(self._by_sid.values()):
            if each.service == service and name in (each.sid, each.to) and each.is_pending(now):
                return each
        return None

    def oldest_first(self, to: str | None = None) -> list[Verification]:
        """All verifications, or those of one number, oldest first."""
        return [each for each in self._by_sid.values() if to in (None, each.to)]


def resource(verification: Verification, account_sid: str, base: str, now: float) -> dict[str, Any]:
    """The verification's resource in the API, with every field that Twilio documents. `base` is the URL of the API."""
    shared = _shared(verification, account_sid, now)
    return {
        **shared,
        "lookup": {},
        "send_code_attempts": [
            {"time": _time(verification.at), "channel": channel.upper(), "attempt_sid": f"VL{number:032x}"}
            for number, channel in enumerate(verification.channels)
        ],
        "sna": None,
        "url": f"{base}{VERIFY_API}/Services/{verification.service}/Verifications/{verification.sid}",
    }


def check_resource(verification: Verification, account_sid: str, now: float) -> dict[str, Any]:
    """The resource of a check, with every field that Twilio documents."""
    return {**_shared(verification, account_sid, now), "sna_attempts_error_codes": []}


def _shared(verification: Verification, account_sid: str, now: float) -> dict[str, Any]:
    status = verification.status(now)
    return {
        "sid": verification.sid,
        "service_sid": verification.service,
        "account_sid": account_sid,
        "to": verification.to,
        "channel": verification.channels[-1],
        "status": status,
        "valid": status == "approved",
        "amount": None,
        "payee": None,
        "date_created": _time(verification.at),
        "date_updated": _time(now),
    }


def service_resource(service: str, account_sid: str, base: str) -> dict[str, Any]:
    """The resource of a service, with every field that Twilio documents."""
    url = f"{base}{VERIFY_API}/Services/{service}"
    return {
        "sid": service,
        "account_sid": account_sid,
        "friendly_name": "simulator",
        "code_length": DIGITS,
        "lookup_enabled": False,
        "psd2_enabled": False,
        "skip_sms_to_landlines": False,
        "dtmf_input_required": service == DTMF_REQUIRED,
        "tts_name": None,
        "do_not_share_warning_enabled": False,
        "custom_code_enabled": service != NO_CUSTOM_CODES,
        "push": {},
        "totp": {},
        "default_template_sid": None,
        "whatsapp": {},
        "passkeys": {},
        "verify_event_subscription_enabled": False,
        "date_created": _time(0.0),
        "date_updated": _time(0.0),
        "url": url,
        "links": {"verifications": f"{url}/Verifications", "verification_checks": f"{url}/VerificationCheck"},
    }


def history(verification: Verification, now: float) -> dict[str, Any]:
    """The verification as `/simulator/verifications` shows it, with its code."""
    return {
        "sid": verification.sid,
        "service": verification.service,
        "to": verification.to,
        "code": verification.code,
        "locale": verification.locale,
        "digits": verification.digits,
        "channels": verification.channels,
        "checks": verification.checks,
        "status": verification.status(now),
        "at": verification.at,
    }


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
