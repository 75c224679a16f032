"""Deletes all stored data about a user: logins, counters, known Calling-Station-Ids, an issued code, pins."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from radius_voice.events import Outcome, Reason
from radius_voice.login.codes.issued_codes import IssuedCodes
from radius_voice.login.first_factor.password_limits import stations_key
from radius_voice.login.limits.calling_stations import stations_in
from radius_voice.login.limits.configured import with_action
from radius_voice.login.model import LimitAction, LimitOperation, Result, SessionKey, SwapResult, Unavailable, User
from radius_voice.login.policies.policy import user_key_of
from radius_voice.login.ports import Store
from radius_voice.login.second_factor import remembered
from radius_voice.login.session.sessions import MAX_CAS_RETRIES
from radius_voice.operations.context import OperationContext
from radius_voice.operations.pins import forget_pins


async def delete(
    context: OperationContext,
    source: str,
    user: User,
    counters: Iterable[LimitOperation],
    subjects: Iterable[str],
    arguments: Mapping[str, Any],
) -> Mapping[str, Any]:
    """Delete the data of a user. Raises Unavailable; the deletion may then be repeated.

    `counters` are the user's limits. `subjects` are the subjects of wrong passwords, by account and by name.
    """
    store, keys, counters, now = context.store, context.keys(), tuple(counters), time.time()
    user_key = user_key_of(source, user.id)
    ended = [await _end_session(store, keys.session_key(client, user_key), now) for client in context.settings.clients]
    used = (await store.arrival_times(counters)).values()
    await store.apply_limits(with_action(LimitAction.RESET, counters))
    stations = [await _forget_stations(store, subject) for subject in dict.fromkeys(subjects)]
    await remembered.forget(keys, store, user_key)
    withdrawn = await IssuedCodes(keys, store, time.time).withdraw(user_key)
    pins = await forget_pins(store, user_key)
    deleted = {
        "open logins": sum(ended),
        "counters": sum(tat > now for tat in used),
        "known Calling-Station-Ids": max(stations, default=0),  # stored by account and by name
        "issued codes": int(withdrawn),
        "pinned phones": pins,
    }
    detail = ", ".join(f"{kind}: {count}" for kind, count in deleted.items())
    not_recorded = context.record_change("user_data_deleted", source, user, arguments, detail)
    return {"user": user.name, "source": source, "deleted": deleted, "not_recorded": not_recorded}


async def _end_session(store: Store, key: SessionKey, now: float) -> bool:
    """End an open session, so that its code is not accepted. The next sweep deletes it. False if none was open."""
    for _ in range(MAX_CAS_RETRIES):
        session = await store.load(key)
        if session is None or not session.open_at(now):
            return False
        result = Result(Outcome.REJECT, Reason.UNKNOWN_USER, now)
        ended = replace(session, result=result, version=session.version + 1)
        if await store.compare_and_swap(session, ended) is SwapResult.DONE:
            return True
    raise Unavailable("store", "a session changed too often")


async def _forget_stations(store: Store, subject: str) -> int:
    """Delete the known Calling-Station-Ids of a subject of wrong passwords; returns how many there were."""
    key = stations_key(subject)
    stored = await store.get(key)
    if not stored:
        return 0
    await store.put(key, b"", 0.0)
    return len(stations_in(stored))
