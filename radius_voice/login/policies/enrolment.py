"""Enrolments: calls that verify a user's phone. The user reads the spoken code to the help desk.

The hashes of enrolment codes and of login codes have different domains (`Keys`), so a code of one kind is never valid
as the other kind.
"""

from __future__ import annotations

import secrets

import msgspec

from radius_voice.events import Reason
from radius_voice.login.model import CallRef, Limit, LimitOperation

LIFETIME_SECONDS = 600.0
ID_OCTETS = 16


class Enrolment(msgspec.Struct, frozen=True, omit_defaults=True):
    """An enrolment, as it is stored."""

    user_key: str
    phone: bytes  # keyed hash of the phone to be pinned (`Keys.pin`)
    code: bytes  # keyed hash
    attempts: int = msgspec.field(name="attempts_left")  # how many codes may be typed (`one_attempt`)
    expires_at: float  # wall-clock seconds
    call: CallRef | None = None  # None while it is unknown

    def __repr__(self) -> str:
        return "Enrolment()"


encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Enrolment)


def new_enrolment_id() -> str:
    """The id of a new enrolment: 32 hexadecimal digits."""
    return secrets.token_hex(ID_OCTETS)


def enrolment_key(enrolment_id: str) -> bytes:
    """The store key of an enrolment."""
    return b"enrolment\0" + enrolment_id.encode()


def one_attempt(enrolment_id: str, enrolment: Enrolment) -> LimitOperation:
    """The operation that uses one attempt. As a limit, parallel attempts are counted like successive ones."""
    limit = Limit("enrolment_attempts", enrolment.attempts, 2 * LIFETIME_SECONDS, Reason.NO_ATTEMPTS_LEFT, resets=True)
    return LimitOperation(limit, enrolment_id)


def decode(value: bytes | None) -> Enrolment | None:
    """The enrolment in a stored value; None if there is none or it has ended."""
    return _decoder.decode(value) if value else None
