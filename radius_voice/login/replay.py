"""Records of initial requests: a recorded request never has a second effect. Pure; stores keep records for a day.

A request is recorded in the same transaction as its first effect: a failure is charged, a session is opened, joined or
redialled, a user is accepted without a call, a challenge of the first factor is kept, or the request is rejected. A
request that gets no response has no effect, so its retransmission is processed.

A failure is charged before the password is verified. Several nodes may verify copies of one request at the same time.
The limits change only together with the record, so at most one failure is charged, whichever node finishes first:

================== ===================== =========================================================================
record before      record after          what happens
================== ===================== =========================================================================
none, `refunded`   `charged`             the failure is charged, and the verification begins
`charged`          `refunded`            no result, or no response to the gateway: the failure is refunded
`charged`          `session`, `accepted` the password is right: the failure is refunded
`charged`          `rejected`            the failure is refunded if the password is right; otherwise it stays
`charged`          `challenged`          the first factor asks the user something: the failure stays
================== ===================== =========================================================================

A response to a challenge of the first factor is recorded by its State. It takes over the charge of the request that got
the challenge, so its record begins as `charged` without a second charge.

If another node refunds the charge while this node still verifies, this node charges a wrong password again and refunds
nothing for a right one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from msgspec import Struct

from radius_voice.login.model import Session, SessionKey

RECORD_SECONDS = 86400.0
MAX_RECORDS = 250_000
FINGERPRINT_OCTETS = 16
KEY_OCTETS = 16
_CHARGED, _CHALLENGED, _REFUNDED, _REJECTED, _SESSION, _ACCEPTED = b"c", b"u", b"f", b"r", b"s", b"a"


class ReplayRecord(Struct, frozen=True):
    """The record of a request, written in the same transaction as the request's effect.

    It is written only if `key` has no record, or its record is equal to `replaces`.
    """

    key: bytes
    value: bytes  # empty: remove the record
    replaces: bytes = b""
    verified: bool = False  # the first factor was right; other requests cannot displace these records


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a request is recorded. The hashes identify the request, and reveal nothing to a reader of the store."""

    key: bytes  # keyed hash of client entry and Request Authenticator
    fingerprint: bytes  # also covers User-Name and encrypted User-Password; the start of the record's value
    is_refunded: bool = False  # the result replaces the record `refunded` instead of `charged`

    @property
    def alternative(self) -> Slot:
        """The slot for a request whose Request Authenticator another request has used already."""
        return replace(self, key=self.fingerprint)

    def holds(self, value: bytes) -> bool:
        """Whether `value` records this request, and not another one with the same Request Authenticator."""
        return value[:FINGERPRINT_OCTETS] == self.fingerprint

    def after(self, value: bytes) -> Slot:
        """The slot for a result that replaces the record `value`, which is `charged` or `refunded`."""
        return replace(self, is_refunded=is_refunded(value))

    @property
    def unless_charged(self) -> Slot:
        """The slot for a result of a request that was not charged."""
        return replace(self, is_refunded=True)

    def charged(self) -> ReplayRecord:
        """The record of a charged failure, while the password is being verified."""
        return ReplayRecord(self.key, self.fingerprint + _CHARGED, replaces=self.fingerprint + _REFUNDED)

    def continued(self) -> ReplayRecord:
        """The record of a response to a challenge of the first factor, which takes over the charge."""
        return ReplayRecord(self.key, self.fingerprint + _CHARGED)

    def challenged(self) -> ReplayRecord:
        """The record of a request that got a challenge of the first factor; the failure stays charged."""
        return ReplayRecord(self.key, self.fingerprint + _CHALLENGED, replaces=self._before)

    def refunded(self) -> ReplayRecord:
        """The record of a refunded charge: the request gets no response and counts as new again."""
        return ReplayRecord(self.key, self.fingerprint + _REFUNDED, replaces=self.fingerprint + _CHARGED)

    def rejected(self, *, verified: bool) -> ReplayRecord:
        """The record of a reject. `verified`: the first factor was right."""
        return ReplayRecord(self.key, self.fingerprint + _REJECTED, replaces=self._before, verified=verified)

    def session(self, session: Session) -> ReplayRecord:
        """The record of a request that opened or joined `session`."""
        value = self.fingerprint + _SESSION + session.key + session.id.encode()
        return ReplayRecord(self.key, value, replaces=self._before, verified=True)

    def accepted(self, accept: bytes) -> ReplayRecord:
        """The record of an Accept without a call. `accept` is the encrypted `AcceptedRequest`."""
        return ReplayRecord(self.key, self.fingerprint + _ACCEPTED + accept, replaces=self._before, verified=True)

    @property
    def _before(self) -> bytes:
        return self.fingerprint + (_REFUNDED if self.is_refunded else _CHARGED)


def is_charged(value: bytes) -> bool:
    """Whether a record is `charged`: the request has no result yet."""
    return value[FINGERPRINT_OCTETS:] == _CHARGED


def is_challenged(value: bytes) -> bool:
    """Whether a record is `challenged`."""
    return value[FINGERPRINT_OCTETS:] == _CHALLENGED


def is_refunded(value: bytes) -> bool:
    """Whether a record is `refunded`: the request has no result yet."""
    return value[FINGERPRINT_OCTETS:] == _REFUNDED


def is_pending(value: bytes) -> bool:
    """Whether a record is `charged` or `refunded`, so that the request has no result yet."""
    return is_charged(value) or is_refunded(value)


def accepted_of(value: bytes) -> bytes | None:
    """The encrypted `AcceptedRequest` of an Accept without a call; None if the request got another result."""
    kind, rest = value[FINGERPRINT_OCTETS : FINGERPRINT_OCTETS + 1], value[FINGERPRINT_OCTETS + 1 :]
    return rest if kind == _ACCEPTED else None


def session_of(value: bytes) -> tuple[SessionKey, str] | None:
    """The key and id of the session that a recorded request opened or joined, or None."""
    kind, rest = value[FINGERPRINT_OCTETS : FINGERPRINT_OCTETS + 1], value[FINGERPRINT_OCTETS + 1 :]
    if kind != _SESSION:
        return None
    return rest[:KEY_OCTETS], rest[KEY_OCTETS:].decode()
