"""Values of labels that only metrics have. Imports nothing of ours; every module may import it."""

from __future__ import annotations

from enum import StrEnum


class UpstreamEvent(StrEnum):
    """What an upstream RADIUS server sent, or how it was found to be. A fixed set: metrics use it as a label."""

    FOREIGN = "foreign"
    MALFORMED = "malformed"
    UNEXPECTED = "unexpected"
    NOT_AUTHENTIC = "not_authentic"
    NO_MESSAGE_AUTHENTICATOR = "no_message_authenticator"
    DEAD = "dead"
    ALIVE = "alive"


class CallbackResult(StrEnum):
    """What became of a callback, a request of a provider about a call. A fixed set: metrics use it as a label."""

    COUNTED = "counted"
    UNSIGNED = "unsigned"
    MALFORMED = "malformed"
    FOREIGN = "foreign"
    LATE = "late"
    UNAVAILABLE = "unavailable"
