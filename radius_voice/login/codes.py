"""Codes, States and keyed hashes: the only place where randomness and `server.key` enter a login.

A State is a keyed hash of the request that gets it: unpredictable without `server.key`, and the same for a
retransmission, at whichever node it arrives.
"""

from __future__ import annotations

import secrets
import unicodedata
from hashlib import blake2b

from radius_voice.login.model import LoginKey
from radius_voice.login.names import canonical_name
from radius_voice.login.records import Slot

KEY_OCTETS = 16
STATE_OCTETS = 16
_FILLERS = dict.fromkeys(map(ord, " -.\t\r\n"))


def new_code(digits: int) -> str:
    """A fresh one-time code of that many decimal digits."""
    return f"{secrets.randbelow(10**digits):0{digits}}"


def key_in(state: bytes) -> LoginKey | None:
    """The row's key in a State that may be ours, or None when it cannot be."""
    return state[:KEY_OCTETS] if len(state) == KEY_OCTETS + STATE_OCTETS else None


def tidy_code(typed: str) -> str:
    """A typed code without the spaces, dashes and wide digits that people and keyboards add."""
    return unicodedata.normalize("NFKC", typed).translate(_FILLERS)


def new_login_id() -> str:
    """A name for a new session: 16 hexadecimal digits."""
    return secrets.token_hex(8)


class Keys:
    """Keyed hashes (BLAKE2b, 16 octets), each kind in a domain of its own so that none passes for another."""

    def __init__(self, key: bytes) -> None:
        def keyed(kind: bytes) -> blake2b:
            return blake2b(key=key, digest_size=KEY_OCTETS, person=kind)

        self._login, self._state, self._code = keyed(b"login"), keyed(b"state"), keyed(b"code")
        self._password, self._answer, self._name = keyed(b"password"), keyed(b"answer"), keyed(b"name")
        self._first, self._next = keyed(b"first state"), keyed(b"next state")
        self._packet, self._guess, self._station = keyed(b"packet"), keyed(b"guess"), keyed(b"station")

    def login(self, client: str, person: str) -> LoginKey:
        """The key of the row of that person at that client entry."""
        return _hash(self._login, _prefixed(client) + person.encode())

    def first_state(self, key: LoginKey, fingerprint: bytes) -> bytes:
        """The State that the initial request with that fingerprint gets, however often and wherever it is sent."""
        return key + _hash(self._first, key + fingerprint)

    def next_state(self, key: LoginKey, state: bytes, typed: str) -> bytes:
        """The State that follows `state` when `typed` was the response: the same when the response is repeated."""
        return key + _hash(self._next, state + typed.encode())

    def state(self, state: bytes) -> bytes:
        """What is stored of a State."""
        return _hash(self._state, state)

    def code(self, key: LoginKey, code: str) -> bytes:
        """What is stored of a code."""
        return _hash(self._code, key + code.encode())

    def password(self, key: LoginKey, password: str) -> bytes:
        """What is stored of a password for as long as a row is open."""
        return _hash(self._password, key + password.encode())

    def answer(self, key: LoginKey, typed: str) -> bytes:
        """What is stored of an answer, to know it again."""
        return _hash(self._answer, key + typed.encode())

    def name(self, source: str, typed: str) -> str:
        """The subject under which failures of a user name at an identity source are counted.

        A hash, because people type passwords into the field of the user name.
        """
        return _hash(self._name, _prefixed(source) + canonical_name(typed).encode()).hex()

    def calling_station(self, name: str, calling_station: str) -> bytes:
        """What is stored of a Calling-Station-Id from which the user with that `name` subject has logged in."""
        return _hash(self._station, name.encode() + calling_station.encode())

    def slot(self, client: str, authenticator: bytes, guess: bytes) -> Slot:
        """Where a request of that client entry is recorded; `guess` are its User-Name and encrypted User-Password."""
        key = _hash(self._packet, _prefixed(client) + authenticator)
        return Slot(key, _hash(self._guess, key + guess))


def _prefixed(text: str) -> bytes:
    """`text` behind its length, so that no other pair of texts gives the same message."""
    octets = text.encode()
    return len(octets).to_bytes(2) + octets


def _hash(keyed: blake2b, message: bytes) -> bytes:
    """`message` under a key and kind; of several parts all but the last have a fixed or a written length."""
    hashing = keyed.copy()
    hashing.update(message)
    return hashing.digest()
