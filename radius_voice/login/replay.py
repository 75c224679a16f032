"""Records of initial requests: a recorded request never has a second effect. Pure; stores keep records for a day.

A request is recorded in the same transaction as its first effect: a failure charged, a session opened, joined or
redialled, or a rejection. One that gets no response is not recorded, so its retransmission is processed.
"""

from __future__ import annotations

from dataclasses import dataclass

from radius_voice.login.model import ReplayRecord, Session, SessionKey

RECORD_SECONDS = 86400.0
MAX_RECORDS = 250_000
FINGERPRINT_OCTETS = 16
KEY_OCTETS = 16
_CHARGED, _REJECTED, _SESSION = b"c", b"r", b"s"


@dataclass(frozen=True, slots=True)
class Slot:
    """The key under which one request is recorded, and the start of the record's value.

    `key` is a keyed hash of client entry and Request Authenticator. `fingerprint` also covers User-Name and encrypted
    User-Password. Together they identify the request, and reveal nothing else to a reader of the store.
    """

    key: bytes
    fingerprint: bytes

    @property
    def alternative(self) -> Slot:
        """The slot for a request whose Request Authenticator another request has used before."""
        return Slot(self.fingerprint, self.fingerprint)

    def holds(self, value: bytes) -> bool:
        """Whether `value` is the record of this request and not of another one with the same Request Authenticator."""
        return value[:FINGERPRINT_OCTETS] == self.fingerprint

    def charged(self) -> ReplayRecord:
        """A failure was charged for this request; its password is still being verified."""
        return ReplayRecord(self.key, self._charged)

    def dropped(self) -> ReplayRecord:
        """The charge was refunded because nothing was verified: the request counts as new again."""
        return ReplayRecord(self.key, b"", replaces=self._charged)

    def rejected(self, *, verified: bool) -> ReplayRecord:
        """This request was rejected; `verified`: after its first factor was right."""
        return ReplayRecord(self.key, self.fingerprint + _REJECTED, replaces=self._charged, verified=verified)

    def session(self, session: Session) -> ReplayRecord:
        """This request opened or joined the session of `session`."""
        value = self.fingerprint + _SESSION + session.key + session.id.encode()
        return ReplayRecord(self.key, value, replaces=self._charged, verified=True)

    @property
    def _charged(self) -> bytes:
        return self.fingerprint + _CHARGED


def is_charged(value: bytes) -> bool:
    """Whether a record says that a failure was charged and nothing else has happened yet."""
    return value[FINGERPRINT_OCTETS:] == _CHARGED


def session_of(value: bytes) -> tuple[SessionKey, str] | None:
    """The key and id of the session that a recorded request belongs to, or None for a rejected one."""
    kind, rest = value[FINGERPRINT_OCTETS : FINGERPRINT_OCTETS + 1], value[FINGERPRINT_OCTETS + 1 :]
    if kind != _SESSION:
        return None
    return rest[:KEY_OCTETS], rest[KEY_OCTETS:].decode()
