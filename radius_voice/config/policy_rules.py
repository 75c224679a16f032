"""Rules between the settings of policies, and between policies and clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from radius_voice.config.client_settings import ClientSettings
from radius_voice.config.errors import readable
from radius_voice.config.policy_settings import CALLING_STATION_ID, ExemptionSettings, ReportModeSettings
from radius_voice.config.schema import NO_FIRST_FACTOR, BypassSettings, PolicySettings, UserRulesSettings
from radius_voice.config.section import Diagnostic
from radius_voice.config.strict_yaml import Path as KeyPath

if TYPE_CHECKING:
    from radius_voice.radius.dictionary import AttributeDictionary

MAX_ROLL_OUT_SECONDS = 90 * 86400
MAX_BYPASS_SECONDS = 240 * 60
NEED_A_PASSWORD = ("exemptions", "remember", "grace_until")
"""Keys of rules by which a right password is sufficient."""


def errors(
    policies: Mapping[str, PolicySettings],
    clients: Mapping[str, ClientSettings],
    dictionary: Callable[[], AttributeDictionary],
    now: float,
) -> Iterator[Diagnostic]:
    """Errors of policies at wall-clock time `now`.

    `dictionary` reads the attribute dictionary, which few configurations need.
    """
    for name, policy in policies.items():
        yield from _groups_listed_twice(policy, ("policies", name, "group_rules"))
        yield from _numbers_listed_twice(policy, ("policies", name))
        yield from _unverified_passwords(policy, ("policies", name))
        for path, until in roll_out_ends(policy):
            if until > now + MAX_ROLL_OUT_SECONDS:
                yield ("policies", name, *path), "must be at most 90 days ahead; write an earlier time"
        for path, until in _bypass_ends(policy, ("policies", name)):
            if until > now + MAX_BYPASS_SECONDS:
                yield path, "must be at most 240 minutes ahead; write an earlier time"
        for path, exemption in _exemptions(policy, ("policies", name)):
            yield from _exemption_errors(exemption, path, dictionary)
    for name, client in clients.items():
        for policy_name in sorted(client.policies & policies.keys()):
            yield from _alterable_addresses(name, client, policy_name, policies[policy_name])


def warnings(policies: Mapping[str, PolicySettings], now: float) -> Iterator[Diagnostic]:
    """Warnings about policies at wall-clock time `now`."""
    for name, policy in policies.items():
        for path, until in roll_out_ends(policy):
            if until <= now:
                key = "mode" if path[0] == "mode" else "grace_until"
                yield ("policies", name, *path), f"has passed, so the policy is enforced; remove {key}"
        for path, until in _bypass_ends(policy, ("policies", name)):
            if until <= now:
                yield path, "this bypass has ended; remove it"


def _bypass_ends(policy: PolicySettings, path: KeyPath) -> Iterator[tuple[KeyPath, float]]:
    for above, rules in policy.rules_with_paths():
        if isinstance(rules.on_delivery_failure, BypassSettings):
            yield (*path, *above, "on_delivery_failure", "bypass_until"), rules.on_delivery_failure.bypass_until


def _numbers_listed_twice(policy: PolicySettings, path: KeyPath) -> Iterator[Diagnostic]:
    """Prefixes that are both allowed and rejected. A group that inherits them is not reported again."""
    for below, rules in policy.rules_with_paths():
        twice = sorted(set(rules.allow_numbers) & set(rules.reject_numbers))
        inherited = (rules.allow_numbers, rules.reject_numbers) == (policy.allow_numbers, policy.reject_numbers)
        if twice and (rules is policy or not inherited):
            yield (*path, *below, "reject_numbers"), f"{twice[0]} is also in allow_numbers; remove one of the two"


def roll_out_ends(policy: PolicySettings) -> Iterator[tuple[KeyPath, float]]:
    """The ends of report mode and grace periods, wall-clock seconds, with the paths from the policy to them."""
    if isinstance(policy.mode, ReportModeSettings):
        yield ("mode", "report_until"), policy.mode.report_until
    for above, rules in own_rules(policy, "grace_until"):
        if rules.grace_until is not None:
            yield (*above, "grace_until"), rules.grace_until


def own_rules(policy: PolicySettings, key: str) -> Iterator[tuple[KeyPath, UserRulesSettings]]:
    """The policy's rules, and the group rules with another value of the key, by their paths from the policy.

    Once loaded, group rules also have the values that they inherit from the policy.
    """
    for path, rules in policy.rules_with_paths():
        if rules is policy or getattr(rules, key) != getattr(policy, key):
            yield path, rules


def _groups_listed_twice(policy: PolicySettings, path: KeyPath) -> Iterator[Diagnostic]:
    groups = [rule.when.group for rule in policy.group_rules]
    for index, group in enumerate(groups):
        if group in groups[:index]:
            first = groups.index(group)
            yield (*path, index, "when", "group"), f"already has a rule, group_rules[{first}]; merge the two rules"


def _exemptions(policy: PolicySettings, path: KeyPath) -> Iterator[tuple[KeyPath, ExemptionSettings]]:
    for above, rules in own_rules(policy, "exemptions"):
        for index, exemption in enumerate(rules.exemptions):
            yield (*path, *above, "exemptions", index), exemption


def _unverified_passwords(policy: PolicySettings, path: KeyPath) -> Iterator[Diagnostic]:
    gateway_only = policy.first_factor == NO_FIRST_FACTOR
    if policy.decoys and not gateway_only:
        yield (*path, "decoys"), "has an effect only with first_factor: none; remove it"
    if policy.gateway_checks_password:
        if not gateway_only:
            fix = "has an effect only with first_factor: none; remove it"
            yield (*path, "gateway_checks_password"), fix
        return
    if gateway_only:
        message = (
            "would accept users without any check, because first_factor is none; remove it, or, if the gateway itself "
            "rejects wrong passwords, add gateway_checks_password: true to the policy"
        )
        for inner in _accepting_keys(policy):
            yield (*path, *inner), message


def _accepting_keys(policy: PolicySettings) -> Iterator[KeyPath]:
    """The paths from the policy to the keys by which a right password is sufficient."""
    if isinstance(policy.mode, ReportModeSettings):
        yield ("mode",)
    for key in NEED_A_PASSWORD:
        for above, rules in own_rules(policy, key):
            if getattr(rules, key):
                yield (*above, key)


def _exemption_errors(
    exemption: ExemptionSettings, path: KeyPath, dictionary: Callable[[], AttributeDictionary]
) -> Iterator[Diagnostic]:
    for index, network in enumerate(exemption.networks or ()):
        if network.prefixlen == 0:
            yield (*path, "networks", index), "includes every address; write the networks that need no call"
    if exemption.address_attribute == CALLING_STATION_ID:
        return
    try:
        dictionary().address_attribute(exemption.address_attribute)
    except ValueError as problem:
        text = str(problem).removeprefix(f"{exemption.address_attribute}: ")
        yield (*path, "address_attribute"), text


def _alterable_addresses(
    name: str, client: ClientSettings, policy_name: str, policy: PolicySettings
) -> Iterator[Diagnostic]:
    uses = {
        "has exemptions by network": any(exemption.networks for _, exemption in _exemptions(policy, ())),
        "remembers logins": any(rules.remember is not None for _, rules in policy.rules_with_paths()),
    }
    for use in (use for use, is_used in uses.items() if is_used and client.require_message_authenticator != "yes"):
        message = (
            f"must be yes where policy {readable(policy_name)} {use}, because otherwise an attacker can change the "
            "address in a request"
        )
        yield ("clients", name, "require_message_authenticator"), message
