"""The limits that operations show and reset: those of a user, and those that all users share."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from radius_voice.config.schema import NO_FIRST_FACTOR, Settings
from radius_voice.login.accounts import Account
from radius_voice.login.first_factor.password_limits import forwarded_to, known_pairs
from radius_voice.login.limits.configured import Limits
from radius_voice.login.limits.costs import UNITS, without_day
from radius_voice.login.limits.rate_limits import DAY_SECONDS, KEPT_DAYS, remaining
from radius_voice.login.model import Limit, LimitOperation, PapPassword, User, Verification
from radius_voice.login.phone import Phone
from radius_voice.login.policies.policy import user_key_of
from radius_voice.operations.context import DIRECTORY_SECONDS, OperationContext
from radius_voice.wiring.limits import limits_of

NAME_AND_STATION = "name and station"
WRONG_PASSWORDS = ("wrong_passwords.user", "directory_lockout.")


async def limits_of_user(context: OperationContext, source: str, user: User, typed: str) -> list[LimitOperation]:
    """The limits of a user: by account or name, by known Calling-Station-Id, by id and by phone, without duplicates.

    If the first factor finds no account, wrong passwords are counted by the name as typed. In an LDAP directory that
    can differ from the user's name.
    """
    configured, pairs = limits_of(context.settings), []
    subjects = await password_subjects(context, source, user, typed)
    for subject in subjects:
        pairs += await known_pairs(context.store, subject)
    user_subject = {"user": user_key_of(source, user.id)}
    operations = [*configured.about(user_subject, subjects, pairs), *_budgets(configured, user_subject)]
    for phone in user.phones:
        operations += configured.about({"phone": phone.address})
    return list(dict.fromkeys(operations))


async def password_subjects(context: OperationContext, source: str, user: User, typed: str) -> list[str]:
    """The subjects under which a user's wrong passwords are counted: the account, or the names if there is none."""
    keys, subjects = context.keys(), []
    for first_factor in first_factors(context.settings, source):
        account = await _account(context, first_factor, user)
        names = [keys.name_subject(first_factor, name) for name in (user.name, typed)]
        subjects += [keys.account_subject(first_factor, account.id)] if account.id else names
    return subjects


async def directory_lockouts(context: OperationContext, source: str, user: User) -> list[LimitOperation]:
    """The limits that keep directories from locking the user's accounts. `unlock` does not reset them."""
    operations: list[LimitOperation] = []
    for first_factor in first_factors(context.settings, source):
        account, keys = await _account(context, first_factor, user), context.keys()
        by_name = keys.name_subject(first_factor, user.name)
        subject = keys.account_subject(first_factor, account.id) if account.id else by_name
        operations += forwarded_to(account.lockout, subject, reserved=True)
    return operations


async def _account(context: OperationContext, first_factor: str, user: User) -> Account:
    """The user's account at a first factor."""
    verification = Verification(user.name, PapPassword(""))
    return await context.identity[first_factor].account(verification, time.monotonic() + DIRECTORY_SECONDS)


def first_factors(settings: Settings, source: str) -> set[str]:
    """The identity sources that verify the passwords of a directory's users, and the directory itself."""
    used = {each.first_factor for each in settings.policies.values() if each.directory == source}
    return (used | {source}) - {NO_FIRST_FACTOR}


def shared_limits(settings: Settings) -> Iterator[LimitOperation]:
    """The limits in total, for each client, and for each country and SIP domain in the policies and limits."""
    configured = limits_of(settings)
    yield from configured.about({"total": "total"})
    yield from _budgets(configured, {"total": "total"})
    for client in settings.clients:
        yield from configured.about({"client": client})
    countries = {country for each in settings.user_rules for country in each.countries or ()}
    countries |= {f"sip:{domain}" for each in settings.user_rules for domain in each.sip_domains}
    countries |= configured.daily_by_country.keys()
    if configured.costs is not None:
        countries |= configured.costs.by_country.keys()
    for country in sorted(countries):
        yield from configured.about({"country": country})
        yield from _budgets(configured, {"country": country})


def _budgets(configured: Limits, subjects: Mapping[str, str]) -> Sequence[LimitOperation]:
    """The budgets of these subjects today."""
    return () if configured.costs is None else configured.costs.about(subjects, time.time())


def earlier_budgets(settings: Settings, source: str, user: User) -> Iterator[LimitOperation]:
    """The budgets of a user on the days before today that the store still has."""
    costs = limits_of(settings).costs
    if costs is None:
        return
    for days in range(1, KEPT_DAYS + 2):
        yield from costs.about({"user": user_key_of(source, user.id)}, time.time() - days * DAY_SECONDS)


def limit_row(operation: LimitOperation, tat: float, now: float, currency: str) -> Mapping[str, Any]:
    """A limit as a row of `radius-voice limits`. `tat` is its stored time. A budget's amounts are in `currency`."""
    limit, left = operation.limit, remaining(tat, operation.limit, now)
    row = {"limit": limit.name, "of": subject_text(operation), "period": limit.period}
    if is_budget(limit):
        return {**row, "left": left / UNITS, "burst": limit.burst / UNITS, "currency": currency}
    return {**row, "left": left, "burst": limit.burst}


def is_budget(limit: Limit) -> bool:
    """Whether the limit is an amount of money."""
    return limit.name.startswith("cost_per_day.")


def subject_text(operation: LimitOperation) -> str:
    """The subject of a limit as an operator may see it: phones masked, hashes of names replaced by a word."""
    if operation.limit.name.endswith(".phone"):
        return Phone(operation.subject).masked
    if operation.limit.name.startswith(WRONG_PASSWORDS):
        return NAME_AND_STATION if "@" in operation.subject else "name"
    if is_budget(operation.limit):
        return without_day(operation.subject)
    return operation.subject
