"""Explains the next login of a user through a client: every decision, with the settings that it depends on.

No password is verified, no call is placed, and nothing changes. The policy's rules are applied by the login's own
`second_factor.decide`. A reject does not end the list, so that it shows everything that must be corrected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import msgspec

from radius_voice.config.field_types import duration_text
from radius_voice.config.load import Loaded
from radius_voice.config.schema import Settings
from radius_voice.config.second_factors import approval_providers
from radius_voice.events import Outcome, Reason, SecondFactorMode
from radius_voice.explain.login_facts import LimitUse, LoginFacts, facts_of
from radius_voice.explain.meanings import meaning
from radius_voice.explain.modes import Explanation, mode_text
from radius_voice.explain.steps import Step, issued_code, not_known, remembered
from radius_voice.login.first_factor.realms import split
from radius_voice.login.limits.configured import FRAUD_LOCK
from radius_voice.login.model import Method
from radius_voice.login.names import canonical_name
from radius_voice.login.policies.exemptions import Exemption
from radius_voice.login.second_factor.rules import (
    AcceptWithout,
    AskForIssuedCode,
    Call,
    RejectFor,
    SecondFactor,
    decide,
    decide_without_user,
)
from radius_voice.operations.shown_limits import NAME_AND_STATION
from radius_voice.wiring.limits import limits_of

OF_DIRECTORY, NEW_STATIONS = "directory_lockout.", "directory_lockout.new_stations"
WRONG_PASSWORDS, WRONG_CODES = ("wrong_passwords.", OF_DIRECTORY), "wrong_codes."
LOCKS = (f"{WRONG_CODES}user", FRAUD_LOCK.name)


async def explain(
    configuration: Loaded,
    client: str,
    name: str,
    calling_station_id: str = "",
    attributes: Sequence[tuple[str, str]] = (),
) -> Explanation:
    """The decisions about a login of the user with that name through a client. Raises OperationFailed.

    `attributes` are names and values of further attributes of the request.
    """
    facts = await facts_of(configuration, client, name, calling_station_id, attributes)
    steps = tuple(step for decisions in DECISIONS for step in decisions(facts))
    return Explanation(steps, *_result(facts, steps), _second_factor_mode(facts), facts.policy.first_factor is not None)


def _result(facts: LoginFacts, steps: Iterable[Step]) -> tuple[Outcome, Reason]:
    reason = next((step.reason for step in steps if step.reason is not None), None)
    if _is_decoy(facts):
        return Outcome.CHALLENGE, Reason.DECOY
    if reason is not None:
        return (facts.policy.on_unavailable if facts.unavailable else Outcome.REJECT), reason
    decided = _effective_decision(facts)
    if isinstance(decided, AcceptWithout):
        return Outcome.ACCEPT, decided.reason
    if isinstance(decided, AskForIssuedCode):
        return Outcome.CHALLENGE, Reason.ISSUED_CODE
    if _approves(facts):
        return Outcome.ACCEPT, Reason.APPROVED
    return Outcome.CHALLENGE, Reason.CALL_PLACED if facts.rules.methods[0] is Method.VOICE else Reason.TEXT_SENT


def _effective_decision(facts: LoginFacts) -> SecondFactor | None:
    """The decision that is carried out. Without a user it is None, unless report mode accepts the login."""
    if facts.user is None:
        decided = None if facts.unavailable else decide_without_user(facts.policy, facts.request, facts.now)
        return decided if isinstance(decided, AcceptWithout) else None
    stored = facts.stored
    return decide(
        facts.policy,
        facts.user,
        facts.request,
        facts.now,
        has_issued_code=stored is not None and stored.issued_until is not None and not _approves(facts),
        is_remembered=stored is not None and stored.remembered_until is not None,
        phones_removed=facts.pins is not None and facts.pins.phones_removed,
    )


def _is_decoy(facts: LoginFacts) -> bool:
    """Whether the user cannot log in, and is challenged without a call."""
    decision = _effective_decision(facts)
    refused = decision is None or isinstance(decision, RejectFor) or _pins_refuse(facts)
    return facts.policy.decoys and not facts.unavailable and refused


# The decisions, in the order of the login


def _client(facts: LoginFacts) -> Iterator[Step]:
    client = facts.request.client
    entry, places = facts.settings.clients[client], facts.places
    yield Step("client", f"{client}: policy {entry.policy}", (places.of("clients", client, "policy"),))
    if entry.profile is not None:
        yield Step("profile", places.profile_text(client, entry), (places.of("clients", client, "profile"),))


def _second_factor_mode(facts: LoginFacts) -> SecondFactorMode:
    return SecondFactorMode(facts.settings.clients[facts.request.client].second_factor)


def _approves(facts: LoginFacts) -> bool:
    """Whether users approve the login by a key press instead of a code."""
    return _second_factor_mode(facts) is SecondFactorMode.APPROVE


def _mode(facts: LoginFacts) -> Iterator[Step]:
    client = facts.request.client
    entry = facts.settings.clients[client]
    shown = mode_text(entry)
    if shown is not None:
        yield Step(*shown, (facts.places.of_client(client, entry, "second_factor"),))


def _realm(facts: LoginFacts) -> Iterator[Step]:
    client, name = facts.request.client, split(facts.typed)[1]
    realms = {canonical_name(realm): realm for realm in facts.settings.clients[client].realms}
    if not realms or name is None:
        return
    if facts.request.unlisted_realm:
        place = facts.places.of("clients", client, "realms")
        yield Step("realm", "not listed, so no user has the name", (place,))
    else:
        text = f"{realms[name]}: user {facts.request.user_name}, policy {facts.policy.name}"
        yield Step("realm", text, (facts.places.of("clients", client, "realms", realms[name]),))


def _unknown_limits(facts: LoginFacts) -> Iterator[Step]:
    if facts.limits_unknown:
        yield Step("limits", f"their use is not known: {facts.limits_unknown}", (facts.places.of("limits"),))


def _wrong_passwords(facts: LoginFacts) -> Iterator[Step]:
    if facts.policy.first_factor is not None:
        yield from _used_up(facts, "wrong passwords", [use for use in facts.limits if _is_of_passwords(use)])


def _first_factor(facts: LoginFacts) -> Iterator[Step]:
    policy, place = facts.policy, facts.places.of_policy("first_factor")
    if policy.first_factor is None:
        yield Step("first factor", "none: the gateway has verified the password", (place,))
    elif facts.has_no_password:
        yield Step("first factor", "the user has no password hash", (place,), Reason.NO_PASSWORD)
    else:
        yield Step("first factor", f"{policy.first_factor_name} verifies the password (not done here)", (place,))


def _directory(facts: LoginFacts) -> Iterator[Step]:
    name = facts.policy.directory_name
    places = (facts.places.of_policy("directory"), facts.places.of("identity", name))
    if facts.unavailable:
        on_unavailable = facts.places.of_policy("on_unavailable")
        yield Step("directory", facts.unavailable, (*places, on_unavailable), Reason.IDENTITY_UNAVAILABLE)
    elif facts.user is None:
        reason = None if _effective_decision(facts) else Reason.UNKNOWN_USER
        yield Step("directory", f"{name} has no user of this name", places, reason)
    else:
        disabled = ", who is disabled" if facts.user.disabled else ""
        yield Step("directory", f"{name} has the user {facts.user.name}{disabled}", places)


def _group_rule(facts: LoginFacts) -> Iterator[Step]:
    if facts.user is None or not facts.policy.group_rules:
        return
    group = facts.policy.group_of(facts.user)
    if group:
        yield Step("group rule", f"for members of {group}", (facts.places.of(*facts.rules.rule),))
    else:
        yield Step("group rule", "none: the policy's own rules apply", (facts.places.of_policy("group_rules"),))


def _allowed_hours(facts: LoginFacts) -> Iterator[Step]:
    hours = facts.rules.allowed_hours
    if facts.user is not None and hours is not None:
        include = "include" if hours.include(facts.now) else "do not include"
        yield Step("allowed hours", f"{include} this time", (facts.places.of(*hours.rule),))


def _exemptions(facts: LoginFacts) -> Iterator[Step]:
    for exemption in facts.rules.exemptions if facts.user is not None else ():
        yield Step("exemption", _exemption_text(facts, exemption), (facts.places.of(*exemption.rule),))


def _exemption_text(facts: LoginFacts, exemption: Exemption) -> str:
    user, attributes = facts.user, facts.request.attributes
    if user is None or exemption.applies(user, attributes):
        return f"applies: {exemption.reason}"
    if exemption.networks and replace(exemption, networks=()).applies(user, attributes):
        return f"applies only to callers from {', '.join(map(str, exemption.networks))}"
    return "does not apply to the user"


def _phones(facts: LoginFacts) -> Iterator[Step]:
    rules = facts.rules
    for phone in facts.user.phones if facts.user is not None else ():
        refused = rules.numbers.refusal(phone)
        text = f"{phone.masked} is not called: {refused.text}" if refused else f"{phone.masked} may be called"
        narrowest = msgspec.structs.replace(rules.numbers, countries=frozenset(), sip_domains=frozenset())
        decided = refused or narrowest.refusal(phone)
        key = decided.key if decided else "allow_numbers"
        yield Step("phone", text, (facts.places.of_rule(rules.rule, key),))


def _pins(facts: LoginFacts) -> Iterator[Step]:
    pins, rules = facts.pins, facts.rules
    if _call_of(facts) is None:
        return
    first_phone = facts.places.of_rule(rules.rule, "first_phone")
    if pins is None:
        yield Step("pins", not_known(facts, facts.pins_unknown), (first_phone,))
        return
    changed = ", ".join(phone.masked for phone in pins.compared.changed)
    reason = _refusal_of_pins(facts)
    if changed:
        text = f"not pinned: {changed}; changed_phone is {rules.changed_phone}"
    elif reason:
        text = "no phone is verified"
    else:
        text = "all phones are pinned" if pins.has_pins else "no phone is pinned yet; a correct code pins the phones"
    place = facts.places.of_rule(rules.rule, "changed_phone") if changed else first_phone
    yield Step("pins", text, (place,), reason if _pins_refuse(facts) else None)


def _call_of(facts: LoginFacts) -> Call | None:
    """The decision to call the user, carried out or only recorded by report mode."""
    decided = _recorded_decision(facts) or _effective_decision(facts)
    return decided if isinstance(decided, Call) else None


def _refusal_of_pins(facts: LoginFacts) -> Reason | None:
    """Why the user is not called, or in report mode would not be called, because of the pins."""
    called = None if _call_of(facts) is None else facts.called_phones
    return called if isinstance(called, Reason) else None


def _pins_refuse(facts: LoginFacts) -> bool:
    """Whether the pins refuse the call. In report mode they refuse nothing."""
    return _recorded_decision(facts) is None and _refusal_of_pins(facts) is not None


def _second_factor(facts: LoginFacts) -> Iterator[Step]:
    would, by_pins = _recorded_decision(facts), _refusal_of_pins(facts)
    decided = would or _effective_decision(facts)
    match RejectFor(by_pins, facts.rules.rule) if by_pins else decided:
        case RejectFor(reason, rule):
            path = rule or ("identity", facts.policy.directory_name)
            text = f"the login {'would be' if would else 'is'} rejected: {meaning(reason)}"
            yield Step("rules", text, (facts.places.of(*path),), None if would else reason)
        case AcceptWithout(_, rule, rule_reason):
            text = f"the user is accepted without a call{f': {rule_reason}' if rule_reason else ''}"
            yield Step("rules", text, (facts.places.of(*rule),))
        case Call(rule):
            is_called = _approves(facts) or facts.rules.methods[0] is Method.VOICE
            text = "the user is called" if is_called else "the user gets a text message"
            yield Step("rules", text, (facts.places.of(*rule),))
        case AskForIssuedCode(rule):
            yield Step("rules", "the user is asked for the issued code, without a call", (facts.places.of(*rule),))
        case _:
            pass


def _decoy(facts: LoginFacts) -> Iterator[Step]:
    if _is_decoy(facts):
        place = facts.places.of_policy("decoys")
        yield Step("decoy", "the user is challenged all the same, without a call, and every code is rejected", (place,))


def _report_mode(facts: LoginFacts) -> Iterator[Step]:
    mode = facts.policy.report_mode
    if mode is None or _effective_decision(facts) is None or facts.now >= mode.until:
        return
    would = _recorded_decision(facts) is not None
    text = "this is only recorded: the user is accepted without a call" if would else "does not apply to the user"
    yield Step("report mode", text, (facts.places.of(*mode.rule),))


def _recorded_decision(facts: LoginFacts) -> SecondFactor | None:
    """The decision of the rules that report mode does not carry out."""
    decided = _effective_decision(facts)
    return decided.would if isinstance(decided, AcceptWithout) else None


def _codes_and_calls(facts: LoginFacts) -> Iterator[Step]:
    """The limits on codes and calls. A lock also rejects a user who needs no call, except in report mode."""
    if _recorded_decision(facts) is not None:
        return
    uses = [use for use in facts.limits if not _is_of_passwords(use)]
    match _effective_decision(facts):
        case AcceptWithout():
            uses = [use for use in uses if use.limit in LOCKS]
        case AskForIssuedCode():
            uses = [use for use in uses if use.limit.startswith((WRONG_CODES, FRAUD_LOCK.name))]
    yield from _used_up(facts, "codes and calls", uses)


def _call(facts: LoginFacts) -> Iterator[Step]:
    if facts.phone is None or not isinstance(_effective_decision(facts), Call) or _pins_refuse(facts):
        return
    approves = _approves(facts)
    for method in (Method.VOICE,) if approves else facts.rules.methods:
        names = facts.settings.delivery.order_of(method)
        first, *others = approval_providers(names, facts.settings.delivery.providers) if approves else names
        failover = f", else {', else '.join(others)}" if others else ""
        does = "calls" if method is Method.VOICE else "sends a text message to"
        instead = (
            "" if approves or method is facts.rules.methods[0] else ", if no delivery by the methods before is possible"
        )
        text = f"{first} {does} {facts.phone.masked}{failover}{instead}"
        yield Step("delivery", text, (facts.places.of("delivery", method.value),))
    if facts.rules.bypass_until > facts.now:
        place = facts.places.of_rule(facts.rules.rule, "on_delivery_failure")
        yield Step("delivery", "if every provider fails by an outage, the login is accepted without a call", (place,))


DECISIONS: tuple[Callable[[LoginFacts], Iterator[Step]], ...] = (
    _client,
    _mode,
    _realm,
    _unknown_limits,
    _wrong_passwords,
    _first_factor,
    _directory,
    _group_rule,
    _allowed_hours,
    _exemptions,
    remembered,
    issued_code,
    _phones,
    _pins,
    _second_factor,
    _decoy,
    _report_mode,
    _codes_and_calls,
    _call,
)


def _is_of_passwords(use: LimitUse) -> bool:
    return use.limit.startswith(WRONG_PASSWORDS)


def _used_up(facts: LoginFacts, what: str, uses: list[LimitUse]) -> Iterator[Step]:
    """The limits that are used up. Those for Calling-Station-Ids reject only logins from these: they give no reason."""
    for use in uses:
        if use.left == 0:
            lockout = ("identity", facts.policy.first_factor_name, "lockout")
            path = lockout if use.limit.startswith(OF_DIRECTORY) else ("limits", *use.limit.split("."))
            place = facts.places.of(*path)
            amount = f"{use.burst:.2f} {use.currency}" if use.currency else f"{use.burst}"
            text = f"{use.limit} of {use.of}: all {amount} per {duration_text(use.period)} are used"
            of_stations = use.of == NAME_AND_STATION or use.limit == NEW_STATIONS
            yield Step("limits", text, (place,), None if of_stations else _reason_of(facts.settings, use.limit))
    if uses and all(use.left for use in uses):
        yield Step("limits", f"{what}: none is used up", (facts.places.of("limits"),))


def _reason_of(settings: Settings, limit: str) -> Reason:
    """The reason of a login that the limit rejects."""
    if limit.startswith((OF_DIRECTORY, FRAUD_LOCK.name)):
        return Reason.LOCKED
    limits = limits_of(settings)
    scopes = [limits.failures, limits.codes, limits.calls, limits.daily, limits.daily_by_country, limits.approvals]
    if limits.costs is not None:
        scopes += [limits.costs.budgets, limits.costs.by_country]
    return next(each.reason for scope in scopes for each in scope.values() if each is not None and each.name == limit)
