"""Values that a login exchanges with a first factor that asks another server (an upstream)."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

RequestAttribute: TypeAlias = tuple[int, bytes]
"""An encoded attribute of a gateway's request: its type and its value."""


class HiddenAttribute(Struct, frozen=True):
    """An attribute of an Access-Accept whose value is encrypted when the response is sent."""

    type: int
    prefix: bytes  # the octets of the value before the encrypted ones
    plain: bytes
    encryption: int = 2  # a constant of `radius.encrypted`; 2 is SALTED

    def __repr__(self) -> str:
        return f"HiddenAttribute({self.type})"


AcceptAttributes: TypeAlias = tuple[tuple[int, bytes] | HiddenAttribute, ...]
"""Attributes of an Access-Accept: encoded ones, and others that are still to be encrypted."""


class ChallengeRequired(Struct, frozen=True):
    """The first factor asks the user something before it decides, such as a new password."""

    context: bytes  # passed back to the first factor with the answer
    text: str  # shown to the user
    echo: bool = False  # whether the gateway may show the answer while the user types it

    def __repr__(self) -> str:
        return "ChallengeRequired()"
