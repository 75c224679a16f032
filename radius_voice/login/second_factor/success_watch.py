"""Counts the deliveries that end without a correct code, for `limits.success`."""

from __future__ import annotations

from math import ceil

from radius_voice.events import Alarm, Mode, Outcome
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.limits.configured import with_action
from radius_voice.login.limits.success import SuccessRule
from radius_voice.login.model import LimitAction, LimitOperation, Session, Unavailable
from radius_voice.login.supervisor import Supervisor


class SuccessWatch:
    """Counts failed deliveries in background tasks."""

    def __init__(self, dependencies: Dependencies, supervisor: Supervisor, rule: SuccessRule) -> None:
        self._dependencies = dependencies
        self._supervisor = supervisor
        self._rule = rule

    def on_end(self, session: Session) -> None:
        """Count the delivery of a session, which has ended or was replaced, unless the user typed the correct code."""
        result, phone = session.result, session.delivery.phone
        accepted = result is not None and result.outcome is Outcome.ACCEPT
        if not accepted and phone in session.unpinned and self._rule.prefix(phone):
            self._supervisor.run(self._count(session.user_key, self._rule.prefix(phone)))

    async def _count(self, user_key: str, prefix: str) -> None:
        try:
            await self._failed(user_key, prefix)
        except Unavailable as problem:
            self._dependencies.warn(f"a delivery without a right code was not counted: {problem}")

    async def _failed(self, user_key: str, prefix: str) -> None:
        """Count a failure. The failures of one user count only up to the limit `of_user`.

        So a user who does not answer, or an attacker with one user's password, cannot stop the calls to others.
        """
        rule, store = self._rule, self._dependencies.store
        failures, of_user = LimitOperation(rule.failures, prefix), LimitOperation(rule.of_user, f"{user_key}@{prefix}")
        if await store.apply_limits((of_user, failures)) is not None:
            return
        if await store.apply_limits(with_action(LimitAction.CHECK, [failures])) is None:
            return
        await store.apply_limits(with_action(LimitAction.EXTEND, [failures]))
        if await store.apply_limits((LimitOperation(rule.alarm, prefix),)) is None:
            self._dependencies.alarm(Alarm.TOLL_FRAUD_SUSPECTED, _alarm_text(rule, prefix), mode=Mode.ENFORCE)


def _alarm_text(rule: SuccessRule, prefix: str) -> str:
    return (
        f"deliveries to {prefix} are rejected for {ceil(rule.window / 60)} minutes, except to pinned phones: less than "
        f"{rule.floor:.0%} of the recent ones ended in a right code; look in the audit log for the logins there"
    )
