"""The stored values that decide a user's next login, for `explain`: an issued code and a remembered login."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from hmac import compare_digest
from typing import Any

from radius_voice.login.codes.issued_codes import IssuedCodes
from radius_voice.login.first_factor.fingerprints import fingerprint_of
from radius_voice.login.model import SessionKey, User
from radius_voice.login.policies.policy import Policy
from radius_voice.login.second_factor.remembered import RememberedLogin, are_counted, remembered_login, wrong_codes_left
from radius_voice.operations.context import DIRECTORY_SECONDS, OperationContext
from radius_voice.wiring.limits import limits_of
from radius_voice.wiring.policies import policies_of


async def login_state(
    context: OperationContext, source: str, user: User, arguments: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The stored values for a login with the arguments `client`, `policy` and `calling_station_id`.

    `issued_until` is when an issued code expires, and `remembered_until` when a remembered login ends, both wall-clock
    seconds or None. `password_known` is False if the remembered login ends with a changed password and the first factor
    cannot tell whether it has changed. Raises ValueError or Unavailable.
    """
    policy = policies_of(context.settings, context.identity).get(str(arguments.get("policy")))
    if policy is None or policy.directory_name != source:
        raise ValueError(f"the running service has no policy {arguments.get('policy')} with the directory {source}")
    issued = await IssuedCodes(context.keys(), context.store, time.time).of(policy.user_key(user))
    client, station = str(arguments.get("client")), str(arguments.get("calling_station_id", ""))
    key = context.keys().session_key(client, policy.user_key(user))
    remember = policy.rules_of(policy.group_of(user)).remember
    login, known = None, True
    if remember is not None:
        login, known = await _remembered(context, policy, user, key, station, remember.seconds)
    return {
        "issued_until": None if issued is None else issued.expires_at,
        "remembered_until": None if login is None or remember is None else login.at + remember.seconds,
        "password_known": known,
    }


async def _remembered(
    context: OperationContext, policy: Policy, user: User, key: SessionKey, station: str, seconds: float
) -> tuple[RememberedLogin | None, bool]:
    """The remembered login for that Calling-Station-Id, and whether the password is known to be the same."""
    keys, store, user_key, now = context.keys(), context.store, policy.user_key(user), time.time()
    login = await remembered_login(keys, store, key, user_key, station, seconds, now)
    if login is None or are_counted(await wrong_codes_left(limits_of(context.settings), store, user_key, now)):
        return None, True
    first = ""
    if policy.first_factor is not None and policy.first_factor_name == policy.directory_name:
        first = await policy.first_factor.password_id(user.id, time.monotonic() + DIRECTORY_SECONDS)
    if not first:
        return login, False
    same = compare_digest(login.fingerprint, fingerprint_of(keys, key, policy, user, first))
    return (login if same else None), True


OF_A_USER: Mapping[str, Callable[..., Awaitable[Mapping[str, Any]]]] = {"login_state": login_state}
"""Commands about one user: functions of the context, the identity source, the user and the arguments."""
