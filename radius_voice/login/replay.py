"""Records of initial requests: a recorded request never has a second effect. Pure; stores keep records for a day.

A request is recorded in the same transaction as its first effect: a failure charged, a session opened, joined or
redialled, an Accept without a call, a challenge of the first factor kept, or a rejection. One that gets no response has
no effect, so its retransmission is processed.

Several nodes may verify copies of one request at the same time. Its record says whether a failure is charged for it,
and limits change only together with the record. So at most one failure is charged, in whatever order the nodes finish:

- none or `refunded` -> `charged`: the failure is charged, and the verification begins;
- `charged` -> `refunded`: nothing was verified, or the request got no response; the failure is refunded;
- `charged` -> `session`, `accepted` or `rejected`, with a right password: the failure is refunded;
- `charged` -> `rejected`, with a wrong password: the failure stays charged;
- `charged` -> `challenged`: the first factor asks the user something, and the failure stays charged meanwhile.

A response to a challenge of the first factor is recorded in the same way, by its State. It takes over the charge of the
request that got the challenge, so it becomes `charged` without another one.

Another node may have refunded the charge before a node knows its own result. This node then charges a wrong password
again, and has nothing to refund for a right one.
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
    """A record of a request, written together with the request's effect.

    It is written where no record is, or the record is `replaces`; an empty `value` removes it. Records of requests
    whose first factor was right (`verified`) are counted separately: other requests cannot displace them.
    """

    key: bytes
    value: bytes
    replaces: bytes = b""
    verified: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """The key under which one request is recorded, and the start of the record's value.

    `key` is a keyed hash of client entry and Request Authenticator. `fingerprint` also covers User-Name and encrypted
    User-Password. Together they identify the request, and reveal nothing else to a reader of the store. A result
    replaces the record of a charge, or if `is_refunded`, that of a refund.
    """

    key: bytes
    fingerprint: bytes
    is_refunded: bool = False

    @property
    def alternative(self) -> Slot:
        """The slot for a request whose Request Authenticator another request has used before."""
        return replace(self, key=self.fingerprint)

    def holds(self, value: bytes) -> bool:
        """Whether `value` is the record of this request and not of another one with the same Request Authenticator."""
        return value[:FINGERPRINT_OCTETS] == self.fingerprint

    def after(self, value: bytes) -> Slot:
        """The slot for a result that replaces the record `value`, of a charge or a refund."""
        return replace(self, is_refunded=is_refunded(value))

    @property
    def unless_charged(self) -> Slot:
        """The slot for a result that replaces no charge."""
        return replace(self, is_refunded=True)

    def charged(self) -> ReplayRecord:
        """A failure was charged for this request; its password is still being verified."""
        return ReplayRecord(self.key, self.fingerprint + _CHARGED, replaces=self.fingerprint + _REFUNDED)

    def continued(self) -> ReplayRecord:
        """This response to a challenge of the first factor takes over the charge; it is still being verified."""
        return ReplayRecord(self.key, self.fingerprint + _CHARGED)

    def challenged(self) -> ReplayRecord:
        """This request got a challenge of the first factor; the failure stays charged until that is answered."""
        return ReplayRecord(self.key, self.fingerprint + _CHALLENGED, replaces=self._before)

    def refunded(self) -> ReplayRecord:
        """The charge was refunded because the request gets no response: the request counts as new again."""
        return ReplayRecord(self.key, self.fingerprint + _REFUNDED, replaces=self.fingerprint + _CHARGED)

    def rejected(self, *, verified: bool) -> ReplayRecord:
        """This request was rejected; `verified`: after its first factor was right."""
        return ReplayRecord(self.key, self.fingerprint + _REJECTED, replaces=self._before, verified=verified)

    def session(self, session: Session) -> ReplayRecord:
        """This request opened or joined the session of `session`."""
        value = self.fingerprint + _SESSION + session.key + session.id.encode()
        return ReplayRecord(self.key, value, replaces=self._before, verified=True)

    def accepted(self, accept: bytes) -> ReplayRecord:
        """This request was accepted without a call; `accept` is what its repetition needs, encrypted."""
        return ReplayRecord(self.key, self.fingerprint + _ACCEPTED + accept, replaces=self._before, verified=True)

    @property
    def _before(self) -> bytes:
        return self.fingerprint + (_REFUNDED if self.is_refunded else _CHARGED)


def is_charged(value: bytes) -> bool:
    """Whether a record says that a failure was charged and nothing else has happened yet."""
    return value[FINGERPRINT_OCTETS:] == _CHARGED


def is_challenged(value: bytes) -> bool:
    """Whether a record says that the request got a challenge of the first factor."""
    return value[FINGERPRINT_OCTETS:] == _CHALLENGED


def is_refunded(value: bytes) -> bool:
    """Whether a record says that a failure was charged and refunded and nothing else has happened yet."""
    return value[FINGERPRINT_OCTETS:] == _REFUNDED


def is_pending(value: bytes) -> bool:
    """Whether a record says that the request has no result yet."""
    return is_charged(value) or is_refunded(value)


def accepted_of(value: bytes) -> bytes | None:
    """What the repetition of an Accept without a call needs, encrypted; None if the request got another result."""
    kind, rest = value[FINGERPRINT_OCTETS : FINGERPRINT_OCTETS + 1], value[FINGERPRINT_OCTETS + 1 :]
    return rest if kind == _ACCEPTED else None


def session_of(value: bytes) -> tuple[SessionKey, str] | None:
    """The key and id of the session that a recorded request belongs to, or None if it has none."""
    kind, rest = value[FINGERPRINT_OCTETS : FINGERPRINT_OCTETS + 1], value[FINGERPRINT_OCTETS + 1 :]
    if kind != _SESSION:
        return None
    return rest[:KEY_OCTETS], rest[KEY_OCTETS:].decode()
