"""The configured limits, and the operations on them for each event of a login. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from radius_voice.events import Reason
from radius_voice.login.limits.costs import Costs
from radius_voice.login.limits.rate_limits import of_country
from radius_voice.login.limits.success import SuccessRule
from radius_voice.login.model import Limit, LimitAction, LimitOperation
from radius_voice.login.phone import Phone, country_of

CONFIGURED = ("wrong_passwords", "wrong_codes", "calls", "calls_per_day", "cost_per_day", "success", "approvals")
"""The sections of `limits` in the configuration. The name of a configured limit begins with its section."""

OWN_SCOPES = ("user", "phone")
"""The scopes of wrong codes that a correct code resets."""

FRAUD_LOCK = Limit("fraud_report.user", 1, 10 * 365 * 86400.0, Reason.LOCKED)
"""Locks a user who has reported a login as fraud, until an administrator unlocks the user."""


def subjects_of(user_key: str, phone: Phone, calling_station_id: str, client: str) -> Mapping[str, str]:
    """The subjects of a call or a code, by scope.

    A subject is empty if it is unknown: the calling station if the gateway sent none, phone and country without a call.
    """
    return {
        "user": user_key,
        "phone": phone.address,
        "calling_station": calling_station_id,
        "client": client,
        "country": country_of(phone) if phone.address else "",
        "total": "total",
    }


@dataclass(frozen=True, slots=True)
class Limits:
    """The configured limits. Mappings are by scope; a missing scope is not limited.

    `codes` and `calls` have every scope of `subjects_of`. The other scopes are listed below.
    """

    failures: Mapping[str, Limit] = field(default_factory=dict)
    """Wrong passwords: user, user_at_station, calling_station, client, total."""
    codes: Mapping[str, Limit] = field(default_factory=dict)
    """Wrong codes."""
    calls: Mapping[str, Limit] = field(default_factory=dict)
    daily: Mapping[str, Limit] = field(default_factory=dict)
    """Calls in a day: user, country, total."""
    daily_by_country: Mapping[str, Limit | None] = field(default_factory=dict)
    """By country: replaces the scope country of `daily`. None: calls to the country are not limited."""
    costs: Costs | None = None
    """None if neither prices nor a budget are configured."""
    success: SuccessRule | None = None
    approvals: Mapping[str, Limit] = field(default_factory=dict)
    """Calls that ask for an approval and that a user does not answer (unanswered) or does not approve (denied)."""

    def for_password(self, subject: str, calling_station_id: str, pair: str = "") -> tuple[LimitOperation, ...]:
        """The operations for a wrong password: on user, calling station, and both together (`pair`)."""
        subjects = {"user": subject, "calling_station": calling_station_id, "user_at_station": pair}
        return _operations(self.failures, subjects)

    def for_password_at_known_station(self, pair: str) -> tuple[LimitOperation, ...]:
        """The operations for a wrong password of a returning user: on an allowance that others cannot use up."""
        scope = "user_at_station" if "user_at_station" in self.failures else "user"
        return _operations(self.failures, {scope: pair})

    def for_wrong_password(self, client: str) -> tuple[LimitOperation, ...]:
        """The operations for a wrong password: on the client and the total.

        They are checked before the verification and taken after it, so that right passwords in parallel take no uses.
        """
        return _operations(self.failures, {"client": client, "total": "total"})

    def for_code(
        self, subjects: Mapping[str, str], action: LimitAction = LimitAction.TAKE
    ) -> tuple[LimitOperation, ...]:
        """The operations for a wrong code. They also check that the user has not reported fraud."""
        return (*_operations(self.codes, subjects, action), *self.for_fraud_report(subjects, LimitAction.CHECK))

    def for_fraud_report(
        self, subjects: Mapping[str, str], action: LimitAction = LimitAction.TAKE
    ) -> tuple[LimitOperation, ...]:
        """The operations for a report of fraud, which locks the user."""
        return _operations({"user": FRAUD_LOCK}, subjects, action)

    def for_approval(self, subjects: Mapping[str, str], action: LimitAction, *kinds: str) -> tuple[LimitOperation, ...]:
        """The operations for a call that asks for an approval. `kinds` are keys of `approvals`; none means all."""
        user = subjects.get("user", "")
        return _operations(self.approvals, dict.fromkeys(kinds or self.approvals, user), action)

    def for_correct_code(self, subjects: Mapping[str, str]) -> tuple[LimitOperation, ...]:
        """The operations for a correct code: check the limits of wrong codes, and reset those of user and phone."""
        own = {scope: self.codes[scope] for scope in OWN_SCOPES if scope in self.codes}
        return (*self.for_code(subjects, LimitAction.CHECK), *_operations(own, subjects, LimitAction.RESET))

    def for_phone(self, phone: Phone) -> tuple[LimitOperation, ...]:
        """The operations for a call to another phone of a session, after a provider rejected the first one."""
        return (*self.for_code(_of_phone(phone), LimitAction.CHECK), *self.of_phone(phone))

    def of_phone(self, phone: Phone) -> tuple[LimitOperation, ...]:
        """The operations for a call: only on the limits of the phone and its country."""
        return self.for_call(_of_phone(phone))

    def for_call(self, subjects: Mapping[str, str]) -> tuple[LimitOperation, ...]:
        """The operations for a call."""
        daily = of_country(self.daily, self.daily_by_country, subjects) if self.daily_by_country else self.daily
        return _operations(self.calls, subjects) + _operations(daily, subjects)

    def about(
        self, subjects: Mapping[str, str], password_subjects: Iterable[str] = (), pairs: Iterable[str] = ()
    ) -> tuple[LimitOperation, ...]:
        """An operation for every limit of these subjects, for commands that show or reset limits.

        `password_subjects` and `pairs` are the subjects of the user's wrong passwords (see `password_limits`).
        """
        shared = {scope: subject for scope, subject in subjects.items() if scope != "user"}
        return (
            *_operations(self.failures, shared),
            *(operation for subject in password_subjects for operation in self.for_password(subject, "")),
            *(operation for pair in pairs for operation in self.for_password_at_known_station(pair)),
            *self.for_code(subjects),
            *self.for_call(subjects),
            *self.for_approval(subjects, LimitAction.TAKE),
        )


def _of_phone(phone: Phone) -> Mapping[str, str]:
    return {"phone": phone.address, "country": country_of(phone)}


def _operations(
    limits: Mapping[str, Limit], subjects: Mapping[str, str], action: LimitAction = LimitAction.TAKE
) -> tuple[LimitOperation, ...]:
    return tuple(
        [LimitOperation(limit, subject, action) for scope, limit in limits.items() if (subject := subjects.get(scope))]
    )


def with_action(action: LimitAction, operations: Iterable[LimitOperation]) -> tuple[LimitOperation, ...]:
    """The operations with another action."""
    return tuple(LimitOperation(each.limit, each.subject, action, each.amount) for each in operations)


def rule_of(limit: Limit) -> str:
    """The path of a limit in the configuration; empty if the limit is not configurable."""
    return f"limits.{limit.name}" if limit.name.partition(".")[0] in CONFIGURED else ""
