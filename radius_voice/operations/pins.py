"""Operations on pinned phones: show, confirm, pin and delete them. `operations` performs them for commands.

Phones are masked. Pins are replaced by compare-and-swap, so that the pin of a login at the same time is kept.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from radius_voice.login.codes.keys import Keys
from radius_voice.login.codes.pins import Pin, compare, decode, encode, new_pins, phones_removed, pins_key, unpinned
from radius_voice.login.model import Unavailable, User
from radius_voice.login.policies.policy import user_key_of
from radius_voice.login.ports import Store
from radius_voice.operations.context import DIRECTORY_SECONDS, OperationContext

MAX_CAS_RETRIES = 16


async def show(context: OperationContext, source: str, user: User, _arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """The pins of a user and the phones that the directory has now.

    `phones_id` identifies the phones: `confirm` pins them only if they are still the same.
    """
    keys, user_key = context.keys(), user_key_of(source, user.id)
    stored = await context.store.durable(pins_key(user_key))
    pins = decode(stored or b"")
    present = {keys.pin(user_key, each) for each in user.phones}
    not_pinned = unpinned(keys, user_key, user.phones, pins)
    verified = compare(keys, user_key, user.phones, stored).verified
    return {
        "user": user.name,
        "source": source,
        "pins": [{"phone": pin.masked, "at": pin.at, "verified": pin.verified} for pin in pins],
        "phones": [
            {"phone": phone.masked, "pinned": phone not in not_pinned, "verified": phone in verified}
            for phone in user.phones
        ],
        "has_pins": stored is not None,
        "phones_removed": phones_removed(user.phones, stored),
        "confirmed": bool(pins) and {pin.phone for pin in pins} == present and len(verified) == len(user.phones),
        "phones_id": _phones_id(keys, user_key, user),
    }


async def confirm(
    context: OperationContext, source: str, user: User, arguments: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Replace the user's pins with the phones that the directory has now, as verified."""
    keys, user_key = context.keys(), user_key_of(source, user.id)
    if not user.phones:
        raise ValueError(f"the directory has no phone of {user.name}; add one there first")
    if arguments.get("phones_id") != _phones_id(keys, user_key, user):
        raise ValueError(f"the phones of {user.name} have changed in the directory meanwhile; run this again")
    await _pin_all(context.store, keys, user_key, user)
    not_recorded = context.record_change("phones_confirmed", source, user, arguments)
    return {"user": user.name, "source": source, "not_recorded": not_recorded}


async def pin(context: OperationContext, source: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Pin the present phones of the users with the ids in the argument `ids`, as verified.

    Returns how many of these users exist, and how many have no phone. For a user without a phone, an empty set is
    pinned, so that a phone added later is a changed phone.
    """
    keys, directory = context.keys(), context.identity[source].directory
    not_recorded, pinned, without_phone = "", 0, 0
    for user_id in _ids(arguments):
        deadline = time.monotonic() + DIRECTORY_SECONDS
        user = None if directory is None else await directory.get(user_id, deadline)
        if user is None:
            continue
        await _pin_all(context.store, keys, user_key_of(source, user_id), user)
        not_recorded = context.record_change("phones_pinned", source, user, arguments) or not_recorded
        pinned += 1
        without_phone += not user.phones
    return {"pinned": pinned, "without_phone": without_phone, "not_recorded": not_recorded}


async def forget_pins(store: Store, user_key: str) -> int:
    """Delete the pins of a user; returns how many there were. Raises Unavailable."""
    stored = await store.durable(pins_key(user_key))
    await replace_pins(store, user_key, lambda _pins: None)
    return len(decode(stored or b""))


async def replace_pins(
    store: Store, user_key: str, change: Callable[[tuple[Pin, ...] | None], Sequence[Pin] | None]
) -> Sequence[Pin] | None:
    """Replace the pins of a user with the result of `change`, which gets the present pins. Returns the new pins.

    None means that the user has never been pinned. Raises Unavailable.
    """
    key = pins_key(user_key)
    for _ in range(MAX_CAS_RETRIES):
        stored = await store.durable(key)
        pins = change(None if stored is None else decode(stored))
        if await store.replace_durable(key, stored, None if pins is None else encode(pins)):
            return pins
    raise Unavailable("store", "the pins of a user changed too often")


async def _pin_all(store: Store, keys: Keys, user_key: str, user: User) -> None:
    """Pin the user's phones as verified. A phone that was verified before keeps the time of its pin."""

    def change(present: tuple[Pin, ...] | None) -> list[Pin]:
        verified = {pin.phone: pin for pin in present or () if pin.verified}
        return [verified.get(each.phone, each) for each in new_pins(keys, user_key, user.phones, now, verified=True)]

    now = time.time()
    await replace_pins(store, user_key, change)


def _phones_id(keys: Keys, user_key: str, user: User) -> str:
    return blake2b(b"".join(sorted(keys.pin(user_key, phone) for phone in user.phones)), digest_size=16).hexdigest()


def _ids(arguments: Mapping[str, Any]) -> Iterable[str]:
    ids = arguments.get("ids")
    return [each for each in ids if isinstance(each, str)] if isinstance(ids, list) else []


OF_A_USER: Mapping[str, Callable[..., Awaitable[Mapping[str, Any]]]] = {"pins": show, "confirm_phones": confirm}
"""Commands about one user: functions of the context, the identity source, the user and the arguments."""
OF_A_SOURCE: Mapping[str, Callable[..., Awaitable[Mapping[str, Any]]]] = {"pin_phones": pin}
"""Commands about users by id: functions of the context, the identity source and the arguments."""
