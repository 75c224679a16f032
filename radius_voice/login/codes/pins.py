"""Pinned phones: the phones of a user that logins may call. Pure.

The store keeps the pins of a user as one durable value. A pin contains a keyed hash of the phone instead of the phone,
so that a copy of the store reveals no phone numbers. All functions identify a user by `Policy.user_key`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from radius_voice.events import Reason
from radius_voice.login.codes.keys import Keys
from radius_voice.login.phone import Phone

FORMAT = b"\x01"


class FirstPhone(StrEnum):
    """Which phones of a user without pins may be called."""

    TRUST = "trust"
    """All; the first login pins them."""
    VERIFIED = "verified"
    """None, until an enrolment or an administrator has verified a phone."""


class ChangedPhone(StrEnum):
    """What happens if a user with pins has a phone that is not pinned: reject the login, raise an alarm, or nothing."""

    REFUSE = "refuse"
    ALARM = "alarm"
    ALLOW = "allow"


class Pin(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A pinned phone."""

    phone: bytes  # keyed hash
    masked: str
    at: float  # wall-clock time of the pin
    verified: bool = False  # False if a first login pinned the phone


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[Pin, ...])


def pins_key(user_key: str) -> bytes:
    """The key of the durable value with the user's pins."""
    return b"pins\0" + user_key.encode()


def new_pins(keys: Keys, user_key: str, phones: Iterable[Phone], now: float, *, verified: bool) -> tuple[Pin, ...]:
    """New pins for these phones at wall-clock time `now`."""
    return tuple(Pin(keys.pin(user_key, phone), phone.masked, now, verified) for phone in phones)


def encode(pins: Sequence[Pin]) -> bytes:
    """The durable value of these pins."""
    return FORMAT + _encoder.encode(pins)


def decode(value: bytes) -> tuple[Pin, ...]:
    """The pins in a durable value. A value that this version cannot read has none, so no phone is called."""
    try:
        return _decoder.decode(value[1:]) if value[:1] == FORMAT else ()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ()


def unpinned(keys: Keys, user_key: str, phones: Iterable[Phone], pins: Iterable[Pin]) -> list[Phone]:
    """The phones that are not pinned."""
    known = {pin.phone for pin in pins}
    return [phone for phone in phones if keys.pin(user_key, phone) not in known]


class ComparedPhones(msgspec.Struct, frozen=True):
    """The phones of a user, compared with the pins."""

    changed: tuple[Phone, ...] = ()  # not pinned; empty if the user has no pins
    verified: tuple[Phone, ...] = ()  # with a verified pin


def compare(keys: Keys, user_key: str, phones: Sequence[Phone], stored: bytes | None) -> ComparedPhones:
    """Compare the phones of a user with the pins in the durable value `stored`; None means no pins."""
    if stored is None:
        return ComparedPhones()
    pins = decode(stored)
    verified = {pin.phone for pin in pins if pin.verified}
    return ComparedPhones(
        changed=tuple(unpinned(keys, user_key, phones, pins)),
        verified=tuple(phone for phone in phones if keys.pin(user_key, phone) in verified),
    )


def called_phones(
    compared: ComparedPhones, phones: Sequence[Phone], first: FirstPhone, changed: ChangedPhone
) -> tuple[Phone, ...] | Reason:
    """The `phones` that may be called according to the pins, or the reason why none may be called.

    Logins, notices about issued codes, and the command `explain` use this function.
    """
    if compared.changed and changed is ChangedPhone.REFUSE:
        return Reason.PHONE_NOT_CONFIRMED
    if first is FirstPhone.TRUST:
        return tuple(phones)
    return tuple(phone for phone in phones if phone in compared.verified) or Reason.PHONE_NOT_VERIFIED


def phones_removed(phones: Sequence[Phone], stored: bytes | None) -> bool:
    """Whether a user has no `phones`, but has pins of former phones in the durable value `stored`."""
    return not phones and stored not in (None, encode(()))


def covers(stored: bytes, wanted: bytes) -> bool:
    """Whether every phone pinned in the durable value `wanted` is also pinned in `stored`."""
    return {pin.phone for pin in decode(wanted)} <= {pin.phone for pin in decode(stored)}
