"""Values that a login exchanges with a first factor that asks another server."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

RequestAttribute: TypeAlias = tuple[int, bytes]
"""An encoded attribute of a gateway's request: its type and its value."""


class HiddenAttribute(Struct, frozen=True):
    """An attribute of an Accept whose value is encrypted for the gateway when the response is sent.

    `prefix` are the octets of the value before the encrypted ones, and `encryption` is how they are encrypted, as in
    `radius.encrypted`: by default with a salt.
    """

    type: int
    prefix: bytes
    plain: bytes
    encryption: int = 2

    def __repr__(self) -> str:
        return f"HiddenAttribute({self.type})"


AcceptAttributes: TypeAlias = tuple[tuple[int, bytes] | HiddenAttribute, ...]
"""Attributes of an Accept: encoded, or to be encrypted."""


class ChallengeRequired(Struct, frozen=True):
    """The first factor asks the user something before it decides, such as for a new password.

    `context` is for the first factor to continue, `text` is shown to the user, and `echo` says whether the answer may
    be shown.
    """

    context: bytes
    text: str
    echo: bool = False

    def __repr__(self) -> str:
        return "ChallengeRequired()"
