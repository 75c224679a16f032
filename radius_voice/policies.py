"""Policies of the configuration -> policies of the login."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from radius_voice.config.schema import NO_FIRST_FACTOR, BypassSettings, Settings, UserRulesSettings
from radius_voice.events import Outcome
from radius_voice.login.policy import Policy, ReplyRule, UserRules
from radius_voice.login.ports import Directory, IdentitySource
from radius_voice.resources import shipped

EncodeAttribute = Callable[[str, str], tuple[int, bytes]]
"""Encodes a reply attribute from its name and value."""


def allowed_numbers(settings: Settings, rules: UserRulesSettings) -> tuple[str, ...]:
    """The numbers and prefixes that rules allow to be called whatever their type and country."""
    providers = settings.delivery.providers.values() if settings.development else ()
    return (*rules.allow_numbers, *(prefix for provider in providers for prefix in provider.TEST_NUMBERS))


def policies_of(settings: Settings, identity: Mapping[str, IdentitySource]) -> dict[str, Policy]:
    """The policies, by name, with the identity sources that they name. Raises ValueError."""
    encode = _reply_encoder(settings)
    return {name: _policy(name, settings, identity, encode) for name in settings.policies}


def _reply_encoder(settings: Settings) -> EncodeAttribute:
    """Encodes reply attributes. The dictionary is read only if a policy has rules."""
    rules = (each for policy in settings.policies.values() for _, each in policy.rules_with_paths())
    if not any(each.reply for each in rules):
        return lambda _name, _value: (0, b"")
    from radius_voice.radius.dictionary import AttributeDictionary  # noqa: PLC0415 - few configurations need it

    return AttributeDictionary(shipped("dictionaries")).encode


def _policy(name: str, settings: Settings, identity: Mapping[str, IdentitySource], encode: EncodeAttribute) -> Policy:
    policy = settings.policies[name]
    return Policy(
        name=name,
        first_factor_name=policy.first_factor,
        directory_name=policy.directory,
        first_factor=None if policy.first_factor == NO_FIRST_FACTOR else identity[policy.first_factor],
        directory=_directory(policy.directory, identity),
        on_unavailable=Outcome(policy.on_unavailable),
        rules=_user_rules(settings, policy, encode),
        group_rules={rule.when.group: _user_rules(settings, rule, encode) for rule in policy.group_rules},
    )


def _directory(name: str, identity: Mapping[str, IdentitySource]) -> Directory:
    """The directory of an identity source, which the configuration's rules require."""
    directory = identity[name].directory
    if directory is None:
        raise ValueError(f"identity.{name}: only verifies passwords and has no users")
    return directory


def _user_rules(settings: Settings, rules: UserRulesSettings, encode: EncodeAttribute) -> UserRules:
    challenge, failure = rules.challenge, rules.on_delivery_failure
    return UserRules(
        digits=challenge.digits,
        code_lifetime=challenge.code_lifetime,
        attempts=challenge.attempts,
        redials=challenge.redials,
        ring_timeout=round(challenge.ring_timeout),
        session_timeout=challenge.session_timeout,
        countries=rules.countries,
        allow_numbers=allowed_numbers(settings, rules),
        bypass_until=failure.bypass_until if isinstance(failure, BypassSettings) else 0.0,
        reply=tuple(
            ReplyRule(
                rule.when.group if rule.when else None,
                tuple(encode(attribute, str(value)) for attribute, value in rule.set.items()),
            )
            for rule in rules.reply
        ),
    )
