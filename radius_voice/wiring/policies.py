"""Creates the login's policies from settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, TypeAlias
from zoneinfo import ZoneInfo

from radius_voice.config.attributes import attribute_dictionary, encoded_reply
from radius_voice.config.policy_settings import (
    CALLING_STATION_ID,
    AllowedHoursSettings,
    ExemptionSettings,
    ReportModeSettings,
    SpeechSettings,
)
from radius_voice.config.schema import NO_FIRST_FACTOR, BypassSettings, PolicySettings, Settings, UserRulesSettings
from radius_voice.config.voicemail_rules import provider_asks_for_key
from radius_voice.events import Outcome
from radius_voice.login.codes.pins import ChangedPhone, FirstPhone
from radius_voice.login.deliveries.requests import CodeMessage
from radius_voice.login.model import Method
from radius_voice.login.names import canonical_name
from radius_voice.login.phone import NumberRules
from radius_voice.login.policies.allowed_hours import AllowedHours
from radius_voice.login.policies.exemptions import Exemption, RulePath
from radius_voice.login.policies.policy import Policy, Remember, ReplyRule, UserRules
from radius_voice.login.policies.roll_out import GracePeriod, ReportMode
from radius_voice.login.ports import Directory, IdentitySource
from radius_voice.login.texts.speech import Speech, Speed
from radius_voice.login.upstream import HiddenAttribute
from radius_voice.login.voicemail import Voicemail
from radius_voice.messages import normal_tag
from radius_voice.radius.caller_address import CALLING_STATION

if TYPE_CHECKING:
    from radius_voice.radius.dictionary import AttributeDictionary, EncodedAttribute

ReadDictionary: TypeAlias = Callable[[], "AttributeDictionary"]
"""Returns the attribute dictionary, and reads it at the first call."""
KEYS_OF_RULES = ("countries", "allow_numbers", "reject_numbers", "sip_domains", "first_phone", "changed_phone")
"""The keys of rules that say which phones may be called."""
POLICY_DEPTH = 2
"""The length of the path of a policy."""


def numbers_of(settings: Settings, rules: UserRulesSettings) -> NumberRules:
    """The phones that may be called under these rules."""
    providers = settings.delivery.providers.values() if settings.development else ()
    test_numbers = (prefix for provider in providers for prefix in provider.TEST_NUMBERS)
    allowed = (*rules.allow_numbers, *test_numbers)
    return NumberRules(rules.countries, allowed, rules.reject_numbers, frozenset(rules.sip_domains))


def remembers_logins(settings: Settings, source: str) -> bool:
    """Whether a policy remembers logins of users in that identity source."""
    policies = [policy for policy in settings.policies.values() if policy.directory == source]
    return any(rules.remember is not None for policy in policies for _, rules in policy.rules_with_paths())


def friendly_name_of(settings: Settings, rules: UserRulesSettings) -> str:
    """The name of the service for users with these rules."""
    return rules.friendly_name or settings.delivery.friendly_name


def speech_of(speech: SpeechSettings) -> Speech:
    """The login's settings for speech."""
    voices = tuple(sorted((normal_tag(language) or language, voice) for language, voice in speech.voices.items()))
    return Speech(voices, Speed(speech.speed), speech.repetitions)


def code_message_of(
    settings: Settings, rules: UserRulesSettings, language: str, code: str, *, enrolment: bool = False
) -> CodeMessage:
    """The message to a user with these rules; see `CodeMessage`."""
    name, catalog = friendly_name_of(settings, rules), settings.delivery.messages
    return CodeMessage(language, name, code, enrolment, catalog, speech_of(rules.speech))


def policies_of(settings: Settings, identity: Mapping[str, IdentitySource]) -> dict[str, Policy]:
    """The policies by name, with their identity sources. Raises ValueError."""
    dictionary = cache(attribute_dictionary)
    return {name: _policy(name, settings, identity, dictionary) for name in settings.policies}


def _policy(
    name: str, settings: Settings, identity: Mapping[str, IdentitySource], dictionary: ReadDictionary
) -> Policy:
    policy = settings.policies[name]
    own, *of_groups = [
        _user_rules(settings, policy, rules, ("policies", name, *path), dictionary)
        for path, rules in policy.rules_with_paths()
    ]
    return Policy(
        name=name,
        first_factor_name=policy.first_factor,
        directory_name=policy.directory,
        first_factor=None if policy.first_factor == NO_FIRST_FACTOR else identity[policy.first_factor],
        directory=_directory(policy.directory, identity),
        on_unavailable=Outcome(policy.on_unavailable),
        decoys=policy.decoys,
        report_mode=_report_mode(policy.mode, ("policies", name, "mode")),
        rules=own,
        group_rules={rule.when.group: rules for rule, rules in zip(policy.group_rules, of_groups, strict=True)},
    )


def _directory(name: str, identity: Mapping[str, IdentitySource]) -> Directory:
    """The directory of an identity source. The configuration is checked, so there should be one."""
    directory = identity[name].directory
    if directory is None:
        raise ValueError(f"identity.{name}: only verifies passwords and has no users")
    return directory


def _user_rules(
    settings: Settings, policy: PolicySettings, rules: UserRulesSettings, path: RulePath, dictionary: ReadDictionary
) -> UserRules:
    """The rules at `path`: a policy's own, or a group's."""
    challenge, failure = rules.challenge, rules.on_delivery_failure
    return UserRules(
        digits=challenge.digits,
        code_lifetime=challenge.code_lifetime,
        attempts=challenge.attempts,
        redials=challenge.redials,
        ring_timeout=round(challenge.ring_timeout),
        session_timeout=challenge.session_timeout,
        methods=tuple(Method(method) for method in rules.methods),
        voicemail=_voicemail(settings, rules),
        numbers=numbers_of(settings, rules),
        key_rules={key: _path_of(policy, rules, path, key) for key in KEYS_OF_RULES},
        first_phone=FirstPhone(rules.first_phone),
        changed_phone=ChangedPhone(rules.changed_phone),
        bypass_until=failure.bypass_until if isinstance(failure, BypassSettings) else 0.0,
        reply=tuple(
            ReplyRule(
                rule.when.group if rule.when else None,
                tuple(map(_reply_attribute, encoded_reply(rule, dictionary()))),
            )
            for rule in rules.reply
        ),
        rule=path,
        exemptions=tuple(
            _exemption(exemption, (*_path_of(policy, rules, path, "exemptions"), index), dictionary)
            for index, exemption in enumerate(rules.exemptions)
        ),
        grace_period=_grace_period(rules.grace_until, _path_of(policy, rules, path, "grace_until")),
        remember=_remembering(rules.remember, _path_of(policy, rules, path, "remember")),
        friendly_name=friendly_name_of(settings, rules),
        speech=speech_of(rules.speech),
        allowed_hours=_allowed_hours(rules.allowed_hours, _path_of(policy, rules, path, "allowed_hours")),
    )


def _voicemail(settings: Settings, rules: UserRulesSettings) -> Voicemail:
    """How calls keep codes out of voicemail boxes. OFF if the provider itself asks for a key before it speaks."""
    delivery = settings.delivery
    callers = [delivery.providers[name] for name in delivery.order_of(Method.VOICE)]
    by_provider = rules.voicemail == "press" and provider_asks_for_key(callers)
    return Voicemail.OFF if by_provider else Voicemail(rules.voicemail)


def _reply_attribute(encoded: EncodedAttribute) -> tuple[int, bytes] | HiddenAttribute:
    if isinstance(encoded, tuple):
        return encoded
    return HiddenAttribute(encoded.type, encoded.prefix, encoded.plain, encoded.encryption)


def _path_of(policy: PolicySettings, rules: UserRulesSettings, path: RulePath, key: str) -> RulePath:
    """The path of the value of `key` that applies to the rules at `path`: in these rules, or in their policy."""
    inherited = rules is not policy and getattr(rules, key) == getattr(policy, key)
    return (*path[:POLICY_DEPTH], key) if inherited else (*path, key)


def _remembering(seconds: float | None, path: RulePath) -> Remember | None:
    return None if seconds is None else Remember(path, seconds)


def _grace_period(until: float | None, path: RulePath) -> GracePeriod | None:
    return GracePeriod(path, until) if until is not None else None


def _report_mode(mode: ReportModeSettings | str, path: RulePath) -> ReportMode | None:
    if not isinstance(mode, ReportModeSettings):
        return None
    return ReportMode(path, mode.report_until, frozenset(mode.pilot_groups or ()))


def _allowed_hours(allowed: AllowedHoursSettings | None, path: RulePath) -> AllowedHours | None:
    return AllowedHours(path, ZoneInfo(allowed.time_zone), allowed.hours) if allowed else None


def _exemption(exemption: ExemptionSettings, path: RulePath, dictionary: ReadDictionary) -> Exemption:
    attribute = CALLING_STATION
    if exemption.address_attribute != CALLING_STATION_ID:
        attribute = dictionary().address_attribute(exemption.address_attribute)
    return Exemption(
        rule=path,
        reason=exemption.reason,
        read_address=attribute.address,
        users=frozenset(map(canonical_name, exemption.users or ())),
        groups=frozenset(exemption.groups or ()),
        networks=exemption.networks or (),
    )
