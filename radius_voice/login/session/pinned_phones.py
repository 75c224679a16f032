"""Compares a user's phones with the pins, before a call."""

from __future__ import annotations

import shlex

from msgspec import Struct

from radius_voice.events import Alarm, Reason
from radius_voice.login.codes.keys import Keys
from radius_voice.login.codes.pins import (
    ChangedPhone,
    called_phones,
    compare,
    encode,
    new_pins,
)
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.model import User
from radius_voice.login.phone import Phone
from radius_voice.login.policies.policy import Policy


class PinnedPhones(Struct, frozen=True):
    """The phones that the pins allow to call."""

    phones: tuple[Phone, ...] = ()
    pins: bytes = b""  # the first pins, stored after a correct code; empty if the user has pins
    alarm: tuple[Phone, ...] = ()  # phones that are not pinned, to be reported once the request is recorded
    unpinned: tuple[Phone, ...] = ()  # the elements of `phones` that are not pinned


class RefusedPhones(Struct, frozen=True):
    """The login is rejected because of the pins. `alarm` is as in `PinnedPhones`."""

    reason: Reason
    alarm: tuple[Phone, ...] = ()


def pinned_phones(
    keys: Keys, policy: Policy, user: User, stored: bytes | None, now: float
) -> PinnedPhones | RefusedPhones:
    """The phones that a login may call at wall-clock time `now`, or the reason to reject the login. Pure.

    `stored` is the durable value with the user's pins.
    """
    rules, user_key = policy.rules_of(policy.group_of(user)), policy.user_key(user)
    compared = compare(keys, user_key, user.phones, stored)
    alarm = () if rules.changed_phone is ChangedPhone.ALLOW else compared.changed
    called = called_phones(compared, rules.phones_of(user), rules.first_phone, rules.changed_phone)
    if isinstance(called, Reason):
        return RefusedPhones(called, alarm)
    first = new_pins(keys, user_key, user.phones, now, verified=False)
    unpinned = called if stored is None else tuple(phone for phone in compared.changed if phone in called)
    return PinnedPhones(called, encode(first) if stored is None else b"", alarm, unpinned)


def report_changed_phones(
    dependencies: Dependencies, policy: Policy, name: str, client: str, changed: tuple[Phone, ...]
) -> None:
    """Raise an alarm about the phones `changed` of the user `name`, which are not pinned, if there are any."""
    if not changed:
        return
    phones = ", ".join(phone.masked for phone in changed)
    source = shlex.quote(policy.directory_name)
    command = f"radius-voice users confirm --source {source} {shlex.quote(name)}"
    detail = f"the directory has phones that are not pinned: {phones}; if they are right, run: {command}"
    mode = policy.mode_at(dependencies.now())
    dependencies.alarm(Alarm.PHONE_CHANGED, detail, user=name, client=client, mode=mode)
