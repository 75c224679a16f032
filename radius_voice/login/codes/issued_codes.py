"""Codes that the help desk issues, for one login of a user who cannot be called.

The store keeps the keyed hash of a user's newest code until it expires. The transaction that accepts the login takes
the only use of a limit, so a code is never accepted twice, at any client, process or node.
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
"""The minimum and maximum validity of a code."""
STORED_UNDER = b"issued code\0"
"""The prefix of the store keys of all issued codes."""
ONE_USE = Limit("issued_code", 1, 2 * MAX_SECONDS, Reason.EXPIRED)
"""A use is stored for twice the maximum validity of a code."""


class IssuedCode(Struct, frozen=True):
    """A code that the help desk issued. Times are wall-clock seconds."""

    code: bytes  # keyed hash
    expires_at: float
    issued_at: float = 0.0  # 0 if an earlier version, which did not store it, issued the code

    def valid_at(self, now: float) -> bool:
        """Whether the code is valid at that time. Setting the clock back extends it by at most CLOCK_STEP_SECONDS."""
        begin = max(self.issued_at, self.expires_at - MAX_SECONDS)
        return begin - CLOCK_STEP_SECONDS <= now < self.expires_at


_decoder = msgspec.msgpack.Decoder(IssuedCode)


def new_issued_code() -> str:
    """A new code, in groups that are easy to read aloud: `ACDE-FGHJ-KMNP`."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS))
    return "-".join(groups)


def tidy_issued_code(typed: str) -> str:
    """A typed code in its normal form: capital letters, without spaces and hyphens."""
    return tidy_code(typed).upper()


def looks_issued(typed: str) -> bool:
    """Whether a typed text has the length and the alphabet of a code from the help desk."""
    tidy = tidy_issued_code(typed)
    return len(tidy) == GROUPS * GROUP_LENGTH and set(tidy) <= set(ALPHABET)


def typed_code(keys: Keys, key: SessionKey, session: Session | None, typed: str) -> bytes:
    """The keyed hash of the typed text, comparable with `Session.code` of the session under `key`."""
    if session is not None and is_issued(session):
        return keys.issued_code(session.user_key, tidy_issued_code(typed))
    return keys.code(key, tidy_code(typed))


def one_use(session: Session) -> LimitOperation:
    """The operation that uses up the issued code of a session."""
    return LimitOperation(ONE_USE, session.code.hex())


def is_issued(session: Session) -> bool:
    """Whether the session waits for an issued code instead of a delivered one."""
    return session.delivery.method is Method.ISSUED_CODE


def for_issued_code(session: Session, issued: IssuedCode) -> Session:
    """The new session, changed so that it waits for the issued code and places no call."""
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
        """Issue a new code, which replaces the user's earlier one; returns it and its expiry in wall-clock seconds."""
        code, now = new_issued_code(), self._now()
        expires_at = now + seconds
        issued = IssuedCode(self._keys.issued_code(user_key, tidy_issued_code(code)), expires_at, now)
        await self._store.put(self._key(user_key), msgspec.msgpack.encode(issued), seconds)
        return code, expires_at

    async def withdraw(self, user_key: str) -> bool:
        """Delete the user's code. False if the user had no valid code."""
        issued = await self.of(user_key)
        if issued is not None:
            await self._store.put(self._key(user_key), b"", 0.0)
        return issued is not None

    async def of(self, user_key: str) -> IssuedCode | None:
        """The user's code, if it is valid and has not been used."""
        return await self._valid(await self._store.get(self._key(user_key)))

    async def with_pins(self, user_key: str) -> tuple[IssuedCode | None, bytes | None]:
        """The result of `of`, and the durable value with the user's pins (see `pins`), read in one operation."""
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
