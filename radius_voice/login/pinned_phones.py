"""Compares a user's phones with the pins, before a call."""

from __future__ import annotations

import shlex

from msgspec import Struct

from radius_voice.events import Alarm, Reason
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.model import User
from radius_voice.login.phone import Phone
from radius_voice.login.pins import (
    ChangedPhone,
    called_phones,
    compare,
    encode,
    new_pins,
)
from radius_voice.login.policy import Policy, UserRules


class PinnedPhones(Struct, frozen=True):
    """The phones of a user that may be called. A correct code writes `pins`, if there are any, as the first pins."""

    phones: tuple[Phone, ...]
    pins: bytes = b""


def pinned_phones(
    dependencies: Dependencies, policy: Policy, rules: UserRules, user: User, client: str, stored: bytes | None
) -> PinnedPhones | Reason:
    """The phones that a login at that client entry may call, or the reason to reject it.

    `stored` is the durable value with the user's pins. An alarm reports a phone that is not pinned.
    """
    keys, user_key = dependencies.keys, policy.user_key(user)
    compared = compare(keys, user_key, user.phones, stored)
    if compared.changed and rules.changed_phone is not ChangedPhone.ALLOW:
        report_changed_phones(dependencies, policy.directory_name, user.name, client, compared.changed)
    called = called_phones(compared, rules.phones_of(user), rules.first_phone, rules.changed_phone)
    if isinstance(called, Reason):
        return called
    first = () if stored is not None else new_pins(keys, user_key, user.phones, dependencies.now(), verified=False)
    return PinnedPhones(called, encode(first) if first else b"")


def report_changed_phones(
    dependencies: Dependencies, source: str, name: str, client: str, changed: tuple[Phone, ...]
) -> None:
    """Raise the alarm for phones that are not pinned."""
    phones = ", ".join(phone.masked for phone in changed)
    command = f"radius-voice users confirm --config FILE --source {shlex.quote(source)} {shlex.quote(name)}"
    detail = f"the directory has phones that are not pinned: {phones}; if they are right, run: {command}"
    dependencies.alarm(Alarm.PHONE_CHANGED, detail, user=name, client=client)
