"""Encodes sessions as MessagePack maps with names and defaults.

If a version adds a field with a default, it can read the sessions of the version before, and vice versa. Any other
change of `Session` needs a new `FORMAT`.
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
