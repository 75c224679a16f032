"""Codes, States and keyed hashes: the only place where randomness and `server.key` enter a login."""

from __future__ import annotations

import secrets
import unicodedata
from hashlib import blake2b

from radius_voice.login.model import LoginKey

KEY_OCTETS = 16
STATE_RANDOM = 16
RANDOM_PAGE = 1024
_FILLERS = dict.fromkeys(map(ord, " -.\t\r\n"))


def new_code(digits: int) -> str:
    """A fresh one-time code of that many decimal digits."""
    return f"{secrets.randbelow(10**digits):0{digits}}"


class States:
    """Makes States. The system's random octets are fetched a page at a time: each fetch is a system call."""

    def __init__(self) -> None:
        self._random = b""

    def new(self, key: LoginKey) -> bytes:
        """A fresh State: the row's key, by which it is found, and 16 random octets, by which it is believed."""
        if len(self._random) < STATE_RANDOM:
            self._random = secrets.token_bytes(RANDOM_PAGE)
        fresh, self._random = self._random[:STATE_RANDOM], self._random[STATE_RANDOM:]
        return key + fresh


def key_in(state: bytes) -> LoginKey | None:
    """The row's key in a State that may be ours, or None when it cannot be."""
    return state[:KEY_OCTETS] if len(state) == KEY_OCTETS + STATE_RANDOM else None


def tidy_code(typed: str) -> str:
    """A typed code without the spaces, dashes and wide digits that people and keyboards add."""
    return unicodedata.normalize("NFKC", typed).translate(_FILLERS)


def fold(name: str) -> str:
    """A name as typed, without the differences that are none: composition, case, spaces around it."""
    return unicodedata.normalize("NFC", name).strip().casefold()


class Keys:
    """Keyed hashes (BLAKE2b, 16 octets), each kind in a domain of its own so that none passes for another."""

    def __init__(self, key: bytes) -> None:
        def keyed(kind: bytes) -> blake2b:
            return blake2b(key=key, digest_size=KEY_OCTETS, person=kind)

        self._login, self._state, self._code = keyed(b"login"), keyed(b"state"), keyed(b"code")
        self._password, self._answer, self._name = keyed(b"password"), keyed(b"answer"), keyed(b"name")

    def login(self, client: str, person: str) -> LoginKey:
        """The key of the row of that person at that client entry."""
        name = client.encode()
        return _hash(self._login, len(name).to_bytes(2) + name + person.encode())

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

    def name(self, typed: str) -> str:
        """A typed name for counting failures: people type passwords there, so it is never kept as it is."""
        return _hash(self._name, fold(typed).encode()).hex()


def _hash(keyed: blake2b, message: bytes) -> bytes:
    """`message` under a key and kind; messages of two parts begin with one of fixed or told length."""
    hashing = keyed.copy()
    hashing.update(message)
    return hashing.digest()
