"""Decides what follows the right password: a call, a help-desk code, an Accept without a call, or a reject. Pure.

`decide` is the only place where a policy's rules are applied to a user. Each decision has the path of the rule that
made it.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from radius_voice.events import Mode, Outcome, Reason
from radius_voice.login.model import AuthRequest, User
from radius_voice.login.policies.exemptions import RulePath
from radius_voice.login.policies.policy import Policy, UserRules
from radius_voice.login.second_factor.users import account_reason, phone_reason


class Call(Struct, frozen=True):
    """The user is called. `rule` is the path of the rules that apply."""

    rule: RulePath


class AskForIssuedCode(Struct, frozen=True):
    """The user is not called and must enter a code that the help desk issued."""

    rule: RulePath


class AcceptWithout(Struct, frozen=True):
    """The user is accepted without a call."""

    reason: Reason
    rule: RulePath  # in report mode, `rule` and `rule_reason` belong to the decision `would`
    rule_reason: str = ""  # the administrator's text of the rule
    would: Call | AskForIssuedCode | AcceptWithout | RejectFor | None = None  # only recorded, in report mode


class RejectFor(Struct, frozen=True):
    """The user is rejected."""

    reason: Reason
    rule: RulePath = ()  # empty if no rule decided, but the state of the user


SecondFactor: TypeAlias = Call | AskForIssuedCode | AcceptWithout | RejectFor
"""The decision about a user after the right password."""


def decide(
    policy: Policy,
    user: User,
    request: AuthRequest,
    now: float,
    *,
    has_issued_code: bool = False,
    is_remembered: bool = False,
    phones_removed: bool = False,
) -> SecondFactor:
    """The decision about a user whose password is right, at wall-clock time `now`.

    `has_issued_code`: the user has a valid code from the help desk. `is_remembered`: a login of the user from the same
    place is remembered. `phones_removed`: the user has no phones, but pins of former phones.
    """
    account = account_reason(user)
    if account is not None:
        return RejectFor(account)
    rules = policy.rules_of(policy.group_of(user))
    decided = _by_rules(rules, user, request, now, has_issued_code, is_remembered, phones_removed)
    mode = policy.report_mode
    return _reported(decided) if mode is not None and mode.applies(user, now) else decided


def decide_without_user(policy: Policy, request: AuthRequest, now: float) -> AcceptWithout | RejectFor:
    """The decision about a user whose password is right but who is not in the policy's directory: a reject.

    In report mode the reject is only recorded, if the first factor is not the directory.
    """
    refusal = RejectFor(Reason.UNKNOWN_USER)
    is_separate = policy.first_factor_name != policy.directory_name and not request.unlisted_realm
    return _reported(refusal) if is_separate and policy.mode_at(now) is Mode.REPORT else refusal


def outcome_of(decided: SecondFactor) -> tuple[Outcome, Reason]:
    """The response that a decision leads to, and its reason. For a call the reason is `call_placed`."""
    match decided:
        case Call():
            return Outcome.CHALLENGE, Reason.CALL_PLACED
        case AskForIssuedCode():
            return Outcome.CHALLENGE, Reason.ISSUED_CODE
        case AcceptWithout(reason):
            return Outcome.ACCEPT, reason
        case _:
            return Outcome.REJECT, decided.reason


def _reported(decided: SecondFactor) -> AcceptWithout:
    """The decision that report mode carries out instead of `decided`."""
    rule_reason = decided.rule_reason if isinstance(decided, AcceptWithout) else ""
    return AcceptWithout(Reason.REPORT_MODE, decided.rule, rule_reason, decided)


def _by_rules(
    rules: UserRules,
    user: User,
    request: AuthRequest,
    now: float,
    has_issued_code: bool,
    is_remembered: bool,
    phones_removed: bool,
) -> SecondFactor:
    """The decision of the first rule that applies."""
    if rules.allowed_hours is not None and not rules.allowed_hours.include(now):
        return RejectFor(Reason.OUTSIDE_ALLOWED_HOURS, rules.allowed_hours.rule)
    for exemption in rules.exemptions:
        if exemption.applies(user, request.attributes):
            return AcceptWithout(Reason.EXEMPT, exemption.rule, exemption.reason)
    phone = phone_reason(rules, user)
    if is_remembered and rules.remember is not None and phone is None:
        return AcceptWithout(Reason.REMEMBERED, rules.remember.rule)
    if has_issued_code:
        return AskForIssuedCode(rules.rule)
    grace = rules.grace_period
    if grace is not None and now < grace.until and not user.phones and not phones_removed:
        return AcceptWithout(Reason.GRACE_PERIOD, grace.rule)
    if phone is Reason.NUMBER_NOT_ALLOWED:
        return RejectFor(phone, rules.number_rule(user))
    return Call(rules.rule) if phone is None else RejectFor(phone)


def rule_name(path: RulePath) -> str:
    """The path of a rule in dotted form: `policies.staff.exemptions[0]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
