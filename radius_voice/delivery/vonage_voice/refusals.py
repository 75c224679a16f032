"""Classifies Vonage's error responses. Details are fixed texts, because a response may repeat the phone number."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from radius_voice.login.deliveries.requests import Indeterminate, NotPlaced, NumberRejected

CHECK_ACCOUNT = "run radius-voice test-credentials"
DEFAULT_FIX = f"{CHECK_ACCOUNT}, and look the status up at the provider"
CREDENTIALS_FIX = (
    "compare application_id and private_key with the application in the Vonage dashboard, "
    "and the clock of this machine with the right time"
)
CREDIT_FIX = "add credit to the account in the Vonage dashboard"
FROM_FIX = "put numbers that the Vonage dashboard lists as linked to the application into `from` and `from_by_country`"
HOST_FIX = "remove base_url, or put a host of Vonage's Voice API there"

NO_CREDIT = {"low-balance", "out-of-credit"}
"""The fragments of the URIs in `type` which say that the account has no credit."""

BY_STATUS = {
    401: NotPlaced("HTTP 401: credentials refused", alarm=True, outage=True, fix=CREDENTIALS_FIX),
    402: NotPlaced("HTTP 402: not enough credit", alarm=True, outage=True, fix=CREDIT_FIX),
    403: NotPlaced("HTTP 403: credentials refused", alarm=True, outage=True, fix=CREDENTIALS_FIX),
    404: NotPlaced("HTTP 404: no such resource", alarm=True, outage=True, fix=HOST_FIX),
    429: NotPlaced("HTTP 429: too many requests"),
}

INVALID = {400, 422}
"""The statuses of responses that may name invalid parameters."""

TO_PARAMETER = re.compile(r"to\b")
FROM_PARAMETER = re.compile(r"from\b")


def refusal(status: int, text: str) -> NumberRejected | NotPlaced | Indeterminate:
    """The result for an error response to a request for a call. `text` is its body."""
    if not 300 <= status < 500:  # noqa: PLR2004
        return Indeterminate(f"HTTP {status}")
    problem = _problem(text)
    if _kind(problem) in NO_CREDIT:
        return NotPlaced(f"HTTP {status}: not enough credit", alarm=True, outage=True, fix=CREDIT_FIX)
    names = _invalid_parameters(problem) if status in INVALID else []
    if _all_match(TO_PARAMETER, names):
        return NumberRejected(f"HTTP {status}: not a valid number")
    if _all_match(FROM_PARAMETER, names):
        detail = f"HTTP {status}: the from number is refused"
        return NotPlaced(detail, alarm=True, outage=True, fix=FROM_FIX)
    return BY_STATUS.get(status) or NotPlaced(f"HTTP {status}", alarm=True, fix=DEFAULT_FIX)


def _problem(text: str) -> dict[str, Any]:
    """The members of a problem details object (RFC 9457); empty if the body is not one."""
    try:
        body = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _kind(problem: dict[str, Any]) -> str:
    kind = problem.get("type")
    return kind.rpartition("#")[2] if isinstance(kind, str) else ""


def _invalid_parameters(problem: dict[str, Any]) -> list[str]:
    """The names in `invalid_parameters`, which is a list of objects or an object with the names as keys."""
    found = problem.get("invalid_parameters")
    if isinstance(found, dict):
        return list(found)
    items = found if isinstance(found, list) else []
    return [str(item.get("name")) if isinstance(item, dict) else "" for item in items]


def _all_match(pattern: re.Pattern[str], names: Iterable[str]) -> bool:
    matches = [pattern.match(name) is not None for name in names]
    return bool(matches) and all(matches)
