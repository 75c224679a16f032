"""Callbacks: requests of a provider about its calls, and the responses to them. Pure.

The path of a callback is `/PROVIDER/DELIVERY` or `/PROVIDER/DELIVERY/ACTION`. DELIVERY is a `DeliveryId` and contains
no code, phone or secret. ACTION is defined by the provider's adapter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import TypeAlias

from msgspec import Struct

from radius_voice.login.model import CallStatus, Session, SessionKey
from radius_voice.metric_labels import CallbackResult

_DELIVERY = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{16})\.([1-9][0-9]{0,2})")


class DeliveryId(Struct, frozen=True):
    """Identifies a delivery of a session."""

    key: SessionKey
    session_id: str
    number: int  # `DeliveryAttempt.number`

    def __str__(self) -> str:
        """The id as it is written in the path of a callback."""
        return f"{self.key.hex()}.{self.session_id}.{self.number}"


def delivery_id_of(session: Session) -> DeliveryId:
    """The id of the session's current delivery."""
    return DeliveryId(session.key, session.id, session.delivery.number)


def delivery_id_in(text: str) -> DeliveryId | None:
    """The id in the path of a callback; None if the text is not an id."""
    found = _DELIVERY.fullmatch(text)
    return DeliveryId(bytes.fromhex(found[1]), found[2], int(found[3])) if found else None


class CallbackRequest(Struct, frozen=True):
    """A request to the callback listener, not verified yet."""

    url: str  # begins with the configured public URL, not with the Host header
    delivery: str  # these two are parts of the path
    action: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    def __repr__(self) -> str:
        return f"CallbackRequest({self.action})"


class StatusReported(Struct, frozen=True):
    """The call has a new status."""

    status: CallStatus


class KeyPressed(Struct, frozen=True):
    """The user pressed a key: a digit, `*` or `#`. The response contains the next script of the call."""

    key: str

    def __repr__(self) -> str:
        return "KeyPressed()"


class CallAnswered(Struct, frozen=True):
    """The call was answered. The response contains the next script of the call."""

    by: CallStatus | None  # HUMAN or MACHINE; None if unknown


CallbackEvent: TypeAlias = StatusReported | KeyPressed | CallAnswered
"""The content of a callback."""


class Callback(Struct, frozen=True):
    """An authentic callback."""

    reference: str  # the provider's reference of the call
    event: CallbackEvent


class Unusable(Enum):
    """Why a request is not a usable callback: it has no valid signature, or its content is malformed."""

    UNSIGNED = "unsigned"
    MALFORMED = "malformed"


class CallbackResponse(Struct, frozen=True):
    """The response to a callback; `body` is empty if it has no body."""

    result: CallbackResult
    content_type: str = ""
    body: str = ""

    def __repr__(self) -> str:
        return f"CallbackResponse({self.result})"  # a body may speak a code
