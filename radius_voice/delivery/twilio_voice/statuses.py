"""Maps Twilio's call statuses to `CallStatus`."""

from __future__ import annotations

from typing import Any

from radius_voice.login.model import CallStatus

STATUSES = {
    "queued": CallStatus.QUEUED,
    "initiated": CallStatus.QUEUED,
    "ringing": CallStatus.RINGING,
    "in-progress": CallStatus.ANSWERED,
    "completed": CallStatus.COMPLETED,
    "busy": CallStatus.BUSY,
    "no-answer": CallStatus.NO_ANSWER,
    "failed": CallStatus.FAILED,
    "canceled": CallStatus.CANCELED,
}


def detected(answered_by: object) -> CallStatus | None:
    """The result of machine detection: HUMAN or MACHINE; None if it is unknown."""
    match answered_by:
        case "human":
            return CallStatus.HUMAN
        case "fax":
            return CallStatus.MACHINE
        case str() if answered_by.startswith("machine_"):
            return CallStatus.MACHINE
        case _:
            return None


def status_of(call: Any) -> CallStatus | None:
    """The status of a call resource; None if it is not understood.

    For an answered call, it is the result of machine detection, if that was requested and has ended. An unknown result
    counts as MACHINE, because a polled call cannot ask for a key.
    """
    status = STATUSES.get(call.status) if isinstance(call.status, str) else None
    found = call.answered_by
    if status is CallStatus.ANSWERED and isinstance(found, str):
        return detected(found) or CallStatus.MACHINE
    machine = status is CallStatus.COMPLETED and detected(found) is CallStatus.MACHINE
    return CallStatus.MACHINE if machine else status
