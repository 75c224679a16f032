"""Stops deliveries to numbers whose share of right codes is too small: toll fraud.

Only phones that are not pinned count, and only they are rejected. One number is kept for each country, or for each
prefix of some digits: the failures. A delivery that ends without a right code adds one. A right code takes back as many
as leave the number unchanged while the share is at the floor. At `calls` failures, deliveries to the prefix are
rejected for `window` seconds; then the count begins again. Pure, except for `SuccessWatch`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil

from radius_voice.events import Alarm, Mode, Outcome, Reason
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.model import Limit, LimitAction, LimitOperation, Session, Unavailable
from radius_voice.login.phone import Phone, country_of
from radius_voice.login.rate_limits import DAY_SECONDS, with_action
from radius_voice.login.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class SuccessRule:
    """At least the share `floor` of deliveries to a country must end in a right code; `window` is seconds.

    Deliveries to it stop after `calls` failures more than the floor allows, of at least `users` different users.
    With `digits`, it counts for each prefix of that many digits in place of each country.
    """

    floor: float
    calls: int
    users: int
    window: float
    digits: int | None = None
    failures: Limit = field(init=False)
    of_user: Limit = field(init=False)
    alarm: Limit = field(init=False)

    def __post_init__(self) -> None:
        reason, each = Reason.TOLL_FRAUD_SUSPECTED, self.calls // self.users
        limits = {
            "failures": Limit("success.calls", self.calls, self.window, reason, resets=True),
            "of_user": Limit("success.users", each, float(DAY_SECONDS), reason, resets=True),
            "alarm": Limit("success.alarm", 1, self.window, reason, resets=True),
        }
        for name, limit in limits.items():
            object.__setattr__(self, name, limit)

    def prefix(self, phone: Phone) -> str:
        """The country of a number, or its first digits; `sip:` and the domain of a SIP address; empty for no phone."""
        if not phone.address:
            return ""
        return country_of(phone) if self.digits is None or phone.is_sip else phone.address[: self.digits + 1]

    def check(self, session: Session, phone: Phone) -> tuple[LimitOperation, ...]:
        """The operations that forbid a delivery to that phone while deliveries to its prefix are rejected."""
        return self._operations(session, phone, LimitAction.CHECK)

    def refund(self, session: Session) -> tuple[LimitOperation, ...]:
        """The operations of a right code. It also takes back the failure of its own delivery, if that has ended."""
        failures = ceil((1 - self.floor) / self.floor) + session.delivery.over
        return self._operations(session, session.delivery.phone, LimitAction.REFUND, failures)

    def _operations(
        self, session: Session, phone: Phone, action: LimitAction, amount: int = 1
    ) -> tuple[LimitOperation, ...]:
        prefix = self.prefix(phone) if phone in session.unpinned else ""
        return (LimitOperation(self.failures, prefix, action, amount),) if prefix else ()


class SuccessWatch:
    """Counts the deliveries that end without a right code, by tasks of the supervisor."""

    def __init__(self, dependencies: Dependencies, supervisor: Supervisor, rule: SuccessRule) -> None:
        self._dependencies = dependencies
        self._supervisor = supervisor
        self._rule = rule

    def on_end(self, session: Session) -> None:
        """Count the delivery of a session, which has ended or was replaced, unless the right code was typed."""
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
        """A user counts for a prefix at most as many times as the least number of users allows.

        So neither a user who does not answer nor an attacker with the password of one user stops the calls of others.
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
