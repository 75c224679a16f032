"""Warnings about users that do not fit the configuration: for `check`, and for `serve` at start and reload."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from radius_voice.config.errors import readable
from radius_voice.config.policy_rules import own_rules
from radius_voice.config.policy_settings import ReportModeSettings
from radius_voice.config.schema import PolicySettings, Settings
from radius_voice.config.section import Diagnostic
from radius_voice.config.suggestions import suggestion
from radius_voice.login.model import User
from radius_voice.login.names import canonical_name
from radius_voice.login.phone import Refusal, country_of, is_fictional
from radius_voice.login.ports import IdentitySource
from radius_voice.wiring.policies import numbers_of

MAX_NAMED = 3
"""How many users or countries a warning names."""


def user_warnings(settings: Settings, sources: Mapping[str, IdentitySource]) -> Iterator[Diagnostic]:
    """Warnings about the users of the identity sources that can list them. They name a few users and no phone.

    Takes about 30 us per phone, so it must not run in the event loop.
    """
    used = sorted({policy for client in settings.clients.values() for policy in client.policies})
    listed = {name: all_users for name, source in sources.items() if (all_users := source.all_users()) is not None}
    for name, all_users in listed.items():
        section = settings.identity[name]
        path = ("identity", name, *section.USERS_KEY)
        if not all_users:
            yield path, f"holds no user, so every login is rejected; {section.ADD_USERS}"
        passwords = [readable(user.name) for user in sources[name].without_password() if not user.disabled]
        if passwords and any(settings.policies[policy].first_factor == name for policy in used):
            yield path, f"users without a password cannot log in: {_some(passwords)}"
        active = [user for user in all_users if not user.disabled]
        policies = [policy for each in used if (policy := settings.policies[each]).directory == name]
        if policies:
            called = [user for user in active if not any(_may_be_exempt(user, policy) for policy in policies)]
            without = [user for user in called if not user.phones]
            later = [user for user in without if any(_is_accepted_for_now(user, policy) for policy in policies)]
            yield from _without_phone(path, without, later)
            if not settings.development:
                yield from _fictional(path, called)
    for name in used:
        policy = settings.policies[name]
        active = [user for user in listed.get(policy.directory, ()) if not user.disabled]
        if active:
            yield from _group_warnings(name, policy, active)
            yield from _exemption_warnings(name, policy, active)
            yield from _pilot_warnings(name, policy, active)
        yield from _phone_warnings(name, policy, active, settings)
        if settings.callbacks is None:
            yield from _extension_warnings(name, policy, active)
    yield from _probe_warnings(settings, listed)


def _probe_warnings(settings: Settings, listed: Mapping[str, Sequence[User]]) -> Iterator[Diagnostic]:
    """Probe users that are also users of the client's identity sources."""
    for name, client in settings.clients.items():
        if client.probe is None:
            continue
        used = [settings.policies[policy] for policy in client.policies]
        for source in sorted({each for policy in used for each in (policy.directory, policy.first_factor)}):
            if any(canonical_name(user.name) == canonical_name(client.probe.user) for user in listed.get(source, ())):
                text = f"is a user of {readable(source)} too, who cannot log in at this client; choose another name"
                yield ("clients", name, "probe", "user"), text


def _may_be_exempt(user: User, policy: PolicySettings) -> bool:
    """Whether an exemption applies to the user at some address."""
    return any(
        (exemption.users is None or canonical_name(user.name) in map(canonical_name, exemption.users))
        and (exemption.groups is None or not user.groups.isdisjoint(exemption.groups))
        for exemption in policy.rules_of(user.groups).exemptions
    )


def _is_accepted_for_now(user: User, policy: PolicySettings) -> bool:
    """Whether report mode or a grace period accepts the user without a phone at this time."""
    until = policy.rules_of(user.groups).grace_until or 0
    mode = policy.mode
    if isinstance(mode, ReportModeSettings) and user.groups.isdisjoint(mode.pilot_groups or ()):
        until = max(until, mode.report_until)
    return time.time() < until


def _without_phone(path: tuple[str, ...], without: Sequence[User], later: Sequence[User]) -> Iterator[Diagnostic]:
    """Users without a phone; those of `later` are accepted until report mode or the grace period ends."""
    accepted = {user.id for user in later}
    if refused := [readable(user.name) for user in without if user.id not in accepted]:
        yield path, f"users without a phone cannot log in: {_some(refused)}"
    if later:
        names = _some([readable(user.name) for user in later])
        yield path, f"users without a phone cannot log in after report mode or the grace period ends: {names}"


def _fictional(path: tuple[str, ...], users: Sequence[User]) -> Iterator[Diagnostic]:
    fictional = [readable(user.name) for user in users if user.phones and all(map(is_fictional, user.phones))]
    if fictional:
        yield path, f"users whose phones are reserved for fiction cannot be reached: {_some(fictional)}"


def _pilot_warnings(name: str, policy: PolicySettings, users: Sequence[User]) -> Iterator[Diagnostic]:
    """Pilot groups that no user is in."""
    groups = {group for user in users for group in user.groups}
    mode = policy.mode
    for index, group in enumerate((isinstance(mode, ReportModeSettings) and mode.pilot_groups) or ()):
        if group not in groups:
            path = ("policies", name, "mode", "pilot_groups", index)
            yield path, f"no user of {readable(policy.directory)} is in this group{suggestion(group, groups)}"


def _exemption_warnings(name: str, policy: PolicySettings, users: Sequence[User]) -> Iterator[Diagnostic]:
    """Names and groups in exemptions that no user has, which are probably mistyped."""
    names = {canonical_name(user.name) for user in users}
    groups = {group for user in users for group in user.groups}
    for above, rules in own_rules(policy, "exemptions"):
        for index, exemption in enumerate(rules.exemptions):
            path = ("policies", name, *above, "exemptions", index)
            for user in exemption.users or ():
                if canonical_name(user) not in names:
                    yield path, f"{readable(policy.directory)} has no user {readable(user)}{suggestion(user, names)}"
            for group in exemption.groups or ():
                if group not in groups:
                    where = f"no user of {readable(policy.directory)} is in group {readable(group)}"
                    yield path, f"{where}{suggestion(group, groups)}"


def _group_warnings(name: str, policy: PolicySettings, users: Sequence[User]) -> Iterator[Diagnostic]:
    groups = {group for user in users for group in user.groups}
    conditions = [(("reply", index), rule.when) for index, rule in enumerate(policy.reply)]
    conditions += [(("group_rules", index), rule.when) for index, rule in enumerate(policy.group_rules)]
    for path, when in conditions:
        if when and when.group not in groups:
            where = ("policies", name, *path, "when", "group")
            yield where, f"no user of {readable(policy.directory)} is in this group{suggestion(when.group, groups)}"


def _phone_warnings(
    name: str, policy: PolicySettings, users: Sequence[User], settings: Settings
) -> Iterator[Diagnostic]:
    numbers = {id(rules): numbers_of(settings, rules) for _, rules in policy.rules_with_paths()}

    def refusals(user: User) -> list[Refusal]:
        """Why the phones of a user are not called, empty if one of them is called."""
        refused = [numbers[id(policy.rules_of(user.groups))].refusal(phone) for phone in user.phones]
        return [] if None in refused else [each for each in refused if each is not None]

    reasons = {user.name: refusals(user) for user in users if user.phones}
    uncalled = {user: why for user, why in reasons.items() if why}
    if not uncalled:
        return
    phones = [phone for user in users for phone in user.phones]
    none_is_called = len(uncalled) == len(reasons) and not any(phone.is_sip for phone in phones)
    countries = {country_of(phone) for phone in phones} if none_is_called else set()
    if policy.countries and countries and policy.countries.isdisjoint(countries):
        path = ("policies", name, "countries")
        yield path, f"allow none of the phones of {readable(policy.directory)}, which are in {_some(sorted(countries))}"
    else:
        some = _some([f"{readable(user)} ({why[0].text})" for user, why in uncalled.items()])
        has_sip = any(each.key == "sip_domains" for why in uncalled.values() for each in why)
        fix = "; write the domains whose SIP addresses may be called into sip_domains" if has_sip else ""
        yield ("policies", name), f"users without a phone that this policy calls cannot log in: {some}{fix}"


def _extension_warnings(name: str, policy: PolicySettings, users: Sequence[User]) -> Iterator[Diagnostic]:
    """Users whose calls would need machine detection behind an extension, which providers do not have."""
    detected = [user for user in users if policy.rules_of(user.groups).voicemail == "detect"]
    unusable = [readable(user.name) for user in detected if any(phone.extension for phone in user.phones)]
    if unusable:
        text = (
            "detect does not work for numbers with an extension, so these are not called; write press for these users, "
            f"or configure callbacks, so that they are asked for a key: {_some(unusable)}"
        )
        yield ("policies", name, "voicemail"), text


def _some(items: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = f" and {len(items) - MAX_NAMED} more" if len(items) > MAX_NAMED else ""
    return ", ".join(items[:MAX_NAMED]) + more
