"""The keyed hash of the facts that must not change while a login is remembered. Pure."""

from __future__ import annotations

import msgspec

from radius_voice.login.codes.keys import Keys
from radius_voice.login.first_factor.checked import Checked
from radius_voice.login.model import Authenticated, AuthRequest, SessionKey, User
from radius_voice.login.policies.policy import Policy

PASSWORD_TAG_OCTETS = 2


def fingerprint_of(keys: Keys, key: SessionKey, policy: Policy, user: User, first: str, password: str = "") -> bytes:
    """The fingerprint of a user: first factor, password, phones and groups.

    `first` is `Authenticated.password_id`. If it is empty, a short hash of the typed `password` is used instead.
    """
    tag = b"" if first else keys.password(key, password)[:PASSWORD_TAG_OCTETS]
    parts = (policy.first_factor_name, first, tag, user.phones, sorted(user.groups))
    return keys.remembered(key, msgspec.msgpack.encode(parts))


def to_remember(
    keys: Keys, key: SessionKey, request: AuthRequest, policy: Policy, user: User, checked: Checked
) -> bytes:
    """The fingerprint that a correct code will store for this request; empty if the login must not be remembered."""
    if policy.rules_of(policy.group_of(user)).remember is None or not request.calling_station_id:
        return b""
    first = checked.result.password_id if isinstance(checked.result, Authenticated) else ""
    return fingerprint_of(keys, key, policy, user, first, request.credentials.text)
