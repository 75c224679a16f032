"""Sessions as stores outside this process keep them: MessagePack maps with names and defaults.

A version of the program that adds a field with a default reads the sessions of the version before, and the other way
round. Any other change of a session needs a new `FORMAT`.
"""

from __future__ import annotations

import msgspec

from radius_voice.login.model import Session

FORMAT = 1
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Session)


class UnreadableSession(ValueError):
    """This version cannot read the session. The message does not quote it."""


def encode(session: Session) -> bytes:
    """The octets of a session."""
    return _encoder.encode(session)


def decode(octets: bytes) -> Session:
    """The session that `encode` wrote. Raises UnreadableSession for anything else."""
    try:
        return _decoder.decode(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise UnreadableSession("a session that this version cannot read") from None
