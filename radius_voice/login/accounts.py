"""Accounts at a first factor, as far as they are known before a password is verified. Pure."""

from __future__ import annotations

from msgspec import Struct


class LockoutRule(Struct, frozen=True):
    """The first factor locks an account after `attempts` wrong passwords.

    It counts those that follow each other within `window` seconds.
    """

    attempts: int
    window: float


class Account(Struct, frozen=True):
    """The account that a user name means.

    `id` is what `Authenticated.user_id` would be; it is empty for a name that no user has, and if the first factor
    cannot tell before the verification. `lockout` is None if it locks no account, or that is not known.
    """

    id: str = ""
    lockout: LockoutRule | None = None


UNKNOWN_ACCOUNT = Account()
