"""Rules between the settings of policies, and between policies and clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from radius_voice.config.errors import readable
from radius_voice.config.policy_settings import CALLING_STATION_ID, ExemptionSettings
from radius_voice.config.schema import NO_FIRST_FACTOR, ClientSettings, PolicySettings, UserRulesSettings
from radius_voice.config.section import Diagnostic
from radius_voice.config.strict_yaml import Path as KeyPath

if TYPE_CHECKING:
    from radius_voice.radius.dictionary import AttributeDictionary

NEED_A_PASSWORD = ("exemptions",)
"""Keys of rules by which a right password is sufficient."""


def errors(
    policies: Mapping[str, PolicySettings],
    clients: Mapping[str, ClientSettings],
    dictionary: Callable[[], AttributeDictionary],
) -> Iterator[Diagnostic]:
    """Errors of policies. `dictionary` reads the attribute dictionary, which few configurations need."""
    for name, policy in policies.items():
        yield from _unverified_passwords(policy, ("policies", name))
        for path, exemption in _exemptions(policy, ("policies", name)):
            yield from _exemption_errors(exemption, path, dictionary)
    for name, client in clients.items():
        for policy_name in sorted(client.policies & policies.keys()):
            yield from _alterable_addresses(name, client, policy_name, policies[policy_name])


def own_rules(policy: PolicySettings, key: str) -> Iterator[tuple[KeyPath, UserRulesSettings]]:
    """The rules that have a value of that key of their own, and the paths from the policy to them.

    Once loaded, the rules of a group also have the values of their policy.
    """
    for path, rules in policy.rules_with_paths():
        if rules is policy or getattr(rules, key) != getattr(policy, key):
            yield path, rules


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
    for key in NEED_A_PASSWORD if gateway_only else ():
        for above, rules in own_rules(policy, key):
            if getattr(rules, key):
                message = (
                    "accepts users without any check here, because first_factor is none; remove it, or add "
                    "gateway_checks_password: true to the policy if the gateway itself rejects wrong passwords"
                )
                yield (*path, *above, key), message


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
    by_network = any(exemption.networks for _, exemption in _exemptions(policy, ()))
    if by_network and client.require_message_authenticator != "yes":
        message = (
            f"must be yes where policy {readable(policy_name)} has exemptions by network, because otherwise an "
            "attacker can change the address in a request"
        )
        yield ("clients", name, "require_message_authenticator"), message
