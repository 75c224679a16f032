"""Pinned phones: the numbers of a user that logins may call. Pure.

The store keeps the pins of a user as one durable value. A pin has a keyed hash of its number and not the number, so a
copy of the store is no list of phone numbers. All functions identify a user by `Policy.user_key`.
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
    """Which phones of a user without pins are called."""

    TRUST = "trust"
    VERIFIED = "verified"


class ChangedPhone(StrEnum):
    """What happens in a login of a user who has a phone that is not pinned."""

    REFUSE = "refuse"
    ALARM = "alarm"
    ALLOW = "allow"


class Pin(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A pinned phone: the keyed hash of its number, the number masked, and the wall-clock time of the pin.

    `verified` is False for a phone that a first login pinned.
    """

    phone: bytes
    masked: str
    at: float
    verified: bool = False


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[Pin, ...])


def pins_key(user_key: str) -> bytes:
    """The key of the durable value that has the user's pins."""
    return b"pins\0" + user_key.encode()


def new_pins(keys: Keys, user_key: str, phones: Iterable[Phone], now: float, *, verified: bool) -> tuple[Pin, ...]:
    """Pins of these phones, made at wall-clock time `now`."""
    return tuple(Pin(keys.pin(user_key, phone), phone.masked, now, verified) for phone in phones)


def encode(pins: Sequence[Pin]) -> bytes:
    """The durable value of these pins."""
    return FORMAT + _encoder.encode(pins)


def decode(value: bytes) -> tuple[Pin, ...]:
    """The pins in a durable value. Of a value that this version cannot read none, so that no phone is called."""
    try:
        return _decoder.decode(value[1:]) if value[:1] == FORMAT else ()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ()


def unpinned(keys: Keys, user_key: str, phones: Iterable[Phone], pins: Iterable[Pin]) -> list[Phone]:
    """The phones that no pin has."""
    known = {pin.phone for pin in pins}
    return [phone for phone in phones if keys.pin(user_key, phone) not in known]


class ComparedPhones(msgspec.Struct, frozen=True):
    """The phones of a user, compared with the pins: those that a user with pins has beside them, and the verified ones.

    A user without pins has no changed phone.
    """

    changed: tuple[Phone, ...] = ()
    verified: tuple[Phone, ...] = ()


def compare(keys: Keys, user_key: str, phones: Sequence[Phone], stored: bytes | None) -> ComparedPhones:
    """The phones of a user, compared with the pins in the durable value `stored`; None is no pins."""
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
    """Those of `phones` that the pins allow to call, or the reason to call none of them.

    Logins, notices about issued codes and `explain` all decide by this function.
    """
    if compared.changed and changed is ChangedPhone.REFUSE:
        return Reason.PHONE_NOT_CONFIRMED
    if first is FirstPhone.TRUST:
        return tuple(phones)
    return tuple(phone for phone in phones if phone in compared.verified) or Reason.PHONE_NOT_VERIFIED


def phones_removed(phones: Sequence[Phone], stored: bytes | None) -> bool:
    """Whether a user has no `phones`, but pins of former ones, in the durable value `stored`."""
    return not phones and stored not in (None, encode(()))


def covers(stored: bytes, wanted: bytes) -> bool:
    """Whether the pins in the value `stored` have every phone of those in `wanted`."""
    return {pin.phone for pin in decode(wanted)} <= {pin.phone for pin in decode(stored)}
