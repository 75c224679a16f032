"""Enrolments: calls that verify a user's phone, by a code that the user reads to the help desk.

Its codes have a domain of their own: a login's session holds only hashes of login codes, and an enrolment only that of
its own code. So neither code is ever valid in place of the other.
"""

from __future__ import annotations

import secrets

import msgspec

from radius_voice.events import Reason
from radius_voice.login.model import CallRef, Limit, LimitOperation

LIFETIME_SECONDS = 600.0
ID_OCTETS = 16


class Enrolment(msgspec.Struct, frozen=True, omit_defaults=True):
    """An enrolment as the store keeps it, until wall-clock time `expires_at`.

    `phone` is the keyed hash of the pin to be made (`Keys.pin`), `code` that of the code. `attempts` is the number of
    codes that may be compared (`one_attempt`). `call` is the call, None while it is not known.
    """

    user_key: str
    phone: bytes
    code: bytes
    attempts: int = msgspec.field(name="attempts_left")
    expires_at: float
    call: CallRef | None = None

    def __repr__(self) -> str:
        return "Enrolment()"


encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Enrolment)


def new_enrolment_id() -> str:
    """The id of a new enrolment: 32 hexadecimal digits."""
    return secrets.token_hex(ID_OCTETS)


def enrolment_key(enrolment_id: str) -> bytes:
    """Where the store keeps an enrolment."""
    return b"enrolment\0" + enrolment_id.encode()


def one_attempt(enrolment_id: str, enrolment: Enrolment) -> LimitOperation:
    """The operation that uses one attempt. A limit, so that simultaneous codes are counted like successive ones."""
    limit = Limit("enrolment_attempts", enrolment.attempts, 2 * LIFETIME_SECONDS, Reason.NO_ATTEMPTS_LEFT, resets=True)
    return LimitOperation(limit, enrolment_id)


def decode(value: bytes | None) -> Enrolment | None:
    """The enrolment in a stored value; None if there is none, or it has ended."""
    return _decoder.decode(value) if value else None
