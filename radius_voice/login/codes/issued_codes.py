"""Codes that the help desk issues: one login without a call, for a user who cannot be called.

The store keeps the keyed hash of a user's newest code until it expires. Its use is a limit of one, taken in the
transaction that accepts the login, so a code is never accepted twice, at any client, process or node.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from hmac import compare_digest

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from radius_voice.events import Reason
from radius_voice.login.codes.keys import Keys, tidy_code
from radius_voice.login.codes.pins import pins_key
from radius_voice.login.model import (
    CLOCK_STEP_SECONDS,
    DeliveryAttempt,
    Limit,
    LimitOperation,
    Method,
    Session,
    SessionKey,
)
from radius_voice.login.phone import NO_PHONE
from radius_voice.login.ports import Store

ALPHABET = "ACDEFGHJKMNPQRTVWXY34679"
"""Capital letters and digits without look-alikes: no 0 O, 1 I L, 2 Z, 5 S, 8 B, and no U, which looks like V."""
GROUPS, GROUP_LENGTH = 3, 4
"""12 characters of 24 are 55 bits."""
MIN_SECONDS, MAX_SECONDS = 60.0, 86400.0
"""For how long a code may be valid."""
STORED_UNDER = b"issued code\0"
"""How the store's key of every issued code begins."""
ONE_USE = Limit("issued_code", 1, 2 * MAX_SECONDS, Reason.EXPIRED)
"""A use stays stored for twice the longest time that a code can be valid."""


class IssuedCode(Struct, frozen=True):
    """A code that was issued at `issued_at` and is valid until `expires_at`, wall-clock seconds.

    `code` is its keyed hash. `issued_at` is 0 in values of versions that did not store it.
    """

    code: bytes
    expires_at: float
    issued_at: float = 0.0

    def valid_at(self, now: float) -> bool:
        """Whether the code is valid at that time. A clock that is set back extends it by CLOCK_STEP_SECONDS at most."""
        begin = max(self.issued_at, self.expires_at - MAX_SECONDS)
        return begin - CLOCK_STEP_SECONDS <= now < self.expires_at


_decoder = msgspec.msgpack.Decoder(IssuedCode)


def new_issued_code() -> str:
    """A new code, in groups that are easy to read aloud: `ACDE-FGHJ-KMNP`."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS))
    return "-".join(groups)


def tidy_issued_code(typed: str) -> str:
    """A typed code without spaces and hyphens, in capital letters."""
    return tidy_code(typed).upper()


def looks_issued(typed: str) -> bool:
    """Whether a typed text has the length and the characters of a code from the help desk."""
    tidy = tidy_issued_code(typed)
    return len(tidy) == GROUPS * GROUP_LENGTH and set(tidy) <= set(ALPHABET)


def typed_code(keys: Keys, key: SessionKey, session: Session | None, typed: str) -> bytes:
    """The keyed hash of what the user typed as a code, as the session under `key` stores its code."""
    if session is not None and is_issued(session):
        return keys.issued_code(session.user_key, tidy_issued_code(typed))
    return keys.code(key, tidy_code(typed))


def one_use(session: Session) -> LimitOperation:
    """The operation that uses up the issued code of a session."""
    return LimitOperation(ONE_USE, session.code.hex())


def is_issued(session: Session) -> bool:
    """Whether the session waits for an issued code, and not for one that a call speaks."""
    return session.delivery.method is Method.ISSUED_CODE


def for_issued_code(session: Session, issued: IssuedCode) -> Session:
    """A new session, changed so that it waits for that code and places no call."""
    now = session.opened_at
    return replace(
        session,
        code=issued.code,
        phones=(),
        delivery=DeliveryAttempt(1, NO_PHONE, now, now, over=True, method=Method.ISSUED_CODE),
        code_until=min(issued.expires_at, session.ends_at),
    )


class IssuedCodes:
    """The issued codes in a store. `now` is wall-clock seconds. Methods raise Unavailable."""

    def __init__(self, keys: Keys, store: Store, now: Callable[[], float]) -> None:
        self._keys = keys
        self._store = store
        self._now = now

    async def issue(self, user_key: str, seconds: float) -> tuple[str, float]:
        """A new code for a user and when it expires, wall-clock seconds. It replaces the user's earlier code."""
        code, now = new_issued_code(), self._now()
        expires_at = now + seconds
        issued = IssuedCode(self._keys.issued_code(user_key, tidy_issued_code(code)), expires_at, now)
        await self._store.put(self._key(user_key), msgspec.msgpack.encode(issued), seconds)
        return code, expires_at

    async def withdraw(self, user_key: str) -> bool:
        """Delete the user's code; returns whether there was a valid one."""
        issued = await self.of(user_key)
        if issued is not None:
            await self._store.put(self._key(user_key), b"", 0.0)
        return issued is not None

    async def of(self, user_key: str) -> IssuedCode | None:
        """The user's code, if it is valid and has not been used."""
        return await self._valid(await self._store.get(self._key(user_key)))

    async def with_pins(self, user_key: str) -> tuple[IssuedCode | None, bytes | None]:
        """The same, and the durable value with the user's pins (`login.pins`), read together."""
        stored, pins = await self._store.get_with_durable(self._key(user_key), pins_key(user_key))
        return await self._valid(stored), pins

    async def _valid(self, stored: bytes | None) -> IssuedCode | None:
        issued = None if not stored else _decoder.decode(stored)
        if issued is None or not issued.valid_at(self._now()):
            return None
        use = LimitOperation(ONE_USE, issued.code.hex())
        used_until = (await self._store.arrival_times([use]))[use]
        return None if used_until > self._now() else issued

    async def is_current(self, session: Session) -> bool:
        """Whether the code that a session waits for is still the user's code."""
        issued = await self.of(session.user_key)
        return issued is not None and compare_digest(issued.code, session.code)

    def _key(self, user_key: str) -> bytes:
        return STORED_UNDER + self._keys.issued_code_key(user_key)
