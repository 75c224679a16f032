"""What a first factor knows about an account before it verifies a password. Pure."""

from __future__ import annotations

from msgspec import Struct


class LockoutRule(Struct, frozen=True):
    """When the first factor locks an account: after `attempts` wrong passwords within `window` seconds."""

    attempts: int
    window: float


class Account(Struct, frozen=True):
    """The account that belongs to a user name."""

    id: str = ""  # as `Authenticated.user_id`; empty if no user has the name, or the first factor cannot tell yet
    lockout: LockoutRule | None = None  # None if accounts are never locked, or that is unknown


UNKNOWN_ACCOUNT = Account()
