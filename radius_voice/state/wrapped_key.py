"""Encrypts the data key with each value of `server.key`. Pure.

Everything in a store is hashed and encrypted with the data key, which is random and never changes. `server.key`
encrypts only the data key, so changing `server.key` does not affect logins, locks and pinned phones.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from radius_voice.sealing import Cipher

FORMAT = b"\x01"
NAME = b"data key"
ID_OCTETS = 8

_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(dict[bytes, bytes])


def wrap(data_key: bytes, server_keys: Iterable[bytes]) -> bytes:
    """The data key, encrypted with each of these keys."""
    return FORMAT + _encode({_id(key): _cipher(key).seal(NAME, data_key) for key in server_keys})


def unwrap(wrapped: bytes, server_keys: Iterable[bytes]) -> bytes | None:
    """The data key, decrypted with the first of these keys that can decrypt it; None if none can."""
    copies = _copies(wrapped)
    opened = (_cipher(key).unseal(NAME, copies[_id(key)]) for key in server_keys if _id(key) in copies)
    return next((data_key for data_key in opened if data_key is not None), None)


def is_wrapped_for(wrapped: bytes, server_keys: Iterable[bytes]) -> bool:
    """Whether the data key is encrypted with exactly these keys."""
    return _copies(wrapped).keys() == {_id(key) for key in server_keys}


def _copies(wrapped: bytes) -> dict[bytes, bytes]:
    """The encrypted copies by the id of the key; empty if this version cannot read the value."""
    try:
        return _decoder.decode(wrapped[1:]) if wrapped[:1] == FORMAT else {}
    except msgspec.MsgspecError:
        return {}


def _id(server_key: bytes) -> bytes:
    return blake2b(b"server key id", key=server_key, digest_size=ID_OCTETS).digest()


def _cipher(server_key: bytes) -> Cipher:
    return Cipher(server_key, NAME)
