"""Who is it? The first factor and the directory, behind the limits on wrong passwords."""

from __future__ import annotations

from radius_voice.events import Reason, Trace
from radius_voice.login import told
from radius_voice.login.codes import Keys
from radius_voice.login.limits import Limits, acting
from radius_voice.login.model import Act, Attempt, Claim, Decision, Denied, Unavailable, User
from radius_voice.login.policy import Policy
from radius_voice.login.ports import FirstFactor, Store


async def identify(
    attempt: Attempt, policy: Policy, keys: Keys, limits: Limits, store: Store, trace: Trace
) -> User | Decision:
    """The person whose password holds, or what the gateway is told instead. Raises Unavailable."""
    if policy.first_factor is not None:
        refused = await _check_password(attempt, policy.first_factor, keys, limits, store, trace)
        if refused is not None:
            return refused
    user = await policy.directory.find(attempt.name, attempt.answer_by)
    if user is None:
        return told.refused(Reason.UNKNOWN_USER)
    if user.disabled:
        return told.refused(Reason.DISABLED, attempt.name)
    return user


async def _check_password(
    attempt: Attempt, first_factor: FirstFactor, keys: Keys, limits: Limits, store: Store, trace: Trace
) -> Decision | None:
    """Refuse, or None. A failure is paid for before anything expensive and given back when it was none."""
    own = limits.for_password(keys.name(attempt.name), attempt.source)
    shared = limits.for_wrong_password(attempt.client)
    limited = await store.spend((*acting(Act.PEEK, shared), *own))
    if limited is not None:
        trace.step("limited", limited.limit.name)
        return told.refused(limited.limit.reason)
    try:
        checked = await first_factor.verify(Claim(attempt.name, attempt.password), attempt.answer_by)
    except Unavailable:
        await store.spend(acting(Act.GIVE_BACK, own))
        raise
    trace.step("password", "wrong" if isinstance(checked, Denied) else "right")
    if isinstance(checked, Denied):
        await store.spend(shared)
        return told.refused(checked.reason, attempt.name if checked.name_known else "")
    await store.spend(acting(Act.GIVE_BACK, own))
    return None
