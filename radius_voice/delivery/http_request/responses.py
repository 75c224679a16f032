"""Classifies the responses of a gateway. Pure.

The first configured rule that applies decides. If none applies, the status decides: NotPlaced only for statuses that
say that the gateway refused the request (`_by_status`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

from radius_voice.delivery.http_request.settings import HttpRequestSettings, ResponseRuleSettings
from radius_voice.http_client import HttpResponse
from radius_voice.login.deliveries.requests import DeliveryResult, Indeterminate, NotPlaced, NumberRejected, Placed

REFERENCE = re.compile("[A-Za-z0-9_.:@/+=-]{1,128}")
REQUEST_TIMEOUT, UNAUTHORIZED, TOO_MANY_REQUESTS = 408, 401, 429
"""Proxies also send 408 if their server has not responded; the server may have got the request."""

RULE_FIX = "look up this response in the documentation of the gateway"
CREDENTIALS_FIX = "compare the secrets, headers and basic_auth with what the gateway expects"
REDIRECT_FIX = "write the URL that the gateway redirects to; redirects are not followed"
REFUSED_FIX = "compare url, headers and body with the documentation of the gateway, or add a rule to responses"


def result_of(
    response: HttpResponse, settings: HttpRequestSettings, *, live: bool, hidden: Collection[str]
) -> DeliveryResult:
    """The result for a complete response. `live`: the delivery is a call.

    Details are fixed texts. A reference that contains one of the texts in `hidden`, even with other characters between
    its digits, is not kept, because gateways may repeat parts of the request.
    """
    body = _json_of(response.text)
    for index, rule in enumerate(settings.responses):
        if _applies(rule, response, body):
            detail = f"HTTP {response.status}, responses[{index}]"
            return _by_rule(rule, detail, _reference(settings, body, hidden), live=live)
    if 200 <= response.status < 300:  # noqa: PLR2004
        if any(rule.result == "placed" for rule in settings.responses):
            return Indeterminate(f"HTTP {response.status}, and no rule of responses applies")
        return Placed(_reference(settings, body, hidden), live)
    return _by_status(response.status)


def _by_rule(rule: ResponseRuleSettings, detail: str, reference: str, *, live: bool) -> DeliveryResult:
    fix = RULE_FIX if rule.alarm else ""
    match rule.result:
        case "placed":
            return Placed(reference, live)
        case "number_rejected":
            return NumberRejected(detail, rule.alarm, fix)
        case "not_placed":
            return NotPlaced(detail, alarm=rule.alarm, fix=fix)
        case "indeterminate":
            return Indeterminate(detail)


def _by_status(status: int) -> NotPlaced | Indeterminate:
    """The result for a status outside of 2xx that no rule names."""
    detail = f"HTTP {status}"
    if status == UNAUTHORIZED:
        return NotPlaced(detail, alarm=True, outage=True, fix=CREDENTIALS_FIX)
    if status == TOO_MANY_REQUESTS:
        return NotPlaced(detail)
    if 300 <= status < 400:  # noqa: PLR2004
        return NotPlaced(detail, alarm=True, fix=REDIRECT_FIX)
    if 400 <= status < 500 and status != REQUEST_TIMEOUT:  # noqa: PLR2004
        return NotPlaced(detail, alarm=True, fix=REFUSED_FIX)
    return Indeterminate(detail)


def _applies(rule: ResponseRuleSettings, response: HttpResponse, body: Any) -> bool:
    if rule.status is not None and not any(response.status in each for each in rule.status):
        return False
    if rule.contains is not None and rule.contains not in response.text:
        return False
    return rule.field is None or rule.value is None or _text_at(body, rule.field) in rule.value


def _reference(settings: HttpRequestSettings, body: Any, hidden: Collection[str]) -> str:
    """The gateway's reference of the delivery; empty if there is none that can be logged."""
    found = (settings.reference and _text_at(body, settings.reference)) or ""
    digits = "".join(filter(str.isdecimal, found))
    is_safe = REFERENCE.fullmatch(found) and not any(text in found or text in digits for text in hidden)
    return found if is_safe else ""


def _json_of(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _text_at(body: Any, path: str) -> str | None:
    """The value at a path of keys and list indexes, as text; None if there is none."""
    for step in path.split("."):
        match body:
            case dict() if step in body:
                body = body[step]
            case list() if step.isdecimal() and int(step) < len(body):
                body = body[int(step)]
            case _:
                return None
    match body:
        case str():
            return body
        case bool():
            return str(body).lower()
        case int():
            return str(body)
    return None
