"""Callbacks: requests of a provider about its calls, what they report, and how a call goes on. Pure.

The path of a callback is `/PROVIDER/DELIVERY` or `/PROVIDER/DELIVERY/ACTION`. DELIVERY identifies the session and the
delivery, and holds no code, phone or secret. ACTION is the provider's own.
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
    """A delivery of a session: the session's key and id, and `DeliveryAttempt.number`."""

    key: SessionKey
    session_id: str
    number: int

    def __str__(self) -> str:
        """The form in the path of a callback."""
        return f"{self.key.hex()}.{self.session_id}.{self.number}"


def delivery_id_of(session: Session) -> DeliveryId:
    """The id of the session's present delivery."""
    return DeliveryId(session.key, session.id, session.delivery.number)


def delivery_id_in(text: str) -> DeliveryId | None:
    """The id in the path of a callback, None if it is none."""
    found = _DELIVERY.fullmatch(text)
    return DeliveryId(bytes.fromhex(found[1]), found[2], int(found[3])) if found else None


class CallbackRequest(Struct, frozen=True):
    """A request as it arrived. `url` begins with the configured public URL, whatever the Host header says.

    `delivery` and `action` are parts of its path. Names of `headers` are in lower case.
    """

    url: str
    delivery: str
    action: str
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"CallbackRequest({self.action})"


class StatusReported(Struct, frozen=True):
    """The call has a new status."""

    status: CallStatus


class KeyPressed(Struct, frozen=True):
    """The user pressed a key: a digit, `*` or `#`. The provider waits for how the call goes on."""

    key: str

    def __repr__(self) -> str:
        return "KeyPressed()"


class CallAnswered(Struct, frozen=True):
    """The call was answered by a HUMAN or a MACHINE, None if that is not known. The provider waits for its script."""

    by: CallStatus | None


CallbackEvent: TypeAlias = StatusReported | KeyPressed | CallAnswered
"""What a callback reports."""


class Callback(Struct, frozen=True):
    """An authentic callback: the provider's reference of the call, and what it reports."""

    reference: str
    event: CallbackEvent


class Unusable(Enum):
    """Why a request is no callback: the provider has not signed it, or it cannot be understood."""

    UNSIGNED = "unsigned"
    MALFORMED = "malformed"


class CallbackResponse(Struct, frozen=True):
    """The response to a callback. Without `body` it has none."""

    result: CallbackResult
    content_type: str = ""
    body: str = ""

    def __repr__(self) -> str:
        return f"CallbackResponse({self.result})"  # a body may speak a code
