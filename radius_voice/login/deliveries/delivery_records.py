"""Makes the record of a delivery request for the audit log, the metrics and the log. Pure."""

from __future__ import annotations

from radius_voice.events import DeliveryOutcome, Mode, PlacementRecord
from radius_voice.login.deliveries.requests import (
    DeliveryRequest,
    DeliveryResult,
    Indeterminate,
    NumberRejected,
    Placed,
)


def placement_record(
    at: float,
    seconds: float,
    session_id: str,
    provider: str,
    request: DeliveryRequest,
    answer: DeliveryResult,
    mode: Mode = Mode.ENFORCE,
) -> PlacementRecord:
    """The record of a provider's answer to a delivery request of the session."""
    match answer:
        case Placed(reference):
            result, detail, alarm, fix = DeliveryOutcome.PLACED, "", False, ""
        case Indeterminate(detail):
            result, reference, alarm, fix = DeliveryOutcome.INDETERMINATE, "", False, ""
        case NumberRejected(detail, alarm, fix):
            result, reference = DeliveryOutcome.NUMBER_REJECTED, ""
        case _:
            result, reference = DeliveryOutcome.NOT_PLACED, ""
            detail, alarm, fix = answer.detail, answer.alarm, answer.fix
    phone, method = request.phone.masked, request.method.value
    return PlacementRecord(
        at, seconds, session_id, provider, phone, result, reference, detail, alarm, fix, method, mode
    )
