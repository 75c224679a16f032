"""Rules between `voicemail` of policies, the callback listener and the providers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from radius_voice.config.adapters import ProviderSection
from radius_voice.config.errors import readable
from radius_voice.config.policy_rules import own_rules
from radius_voice.config.schema import PolicySettings
from radius_voice.config.section import Diagnostic
from radius_voice.login.model import Method

NEEDS_CALLBACKS = (
    "needs callbacks.public_url, because a pressed key reaches the server only by a callback; add the section "
    "callbacks, or write voicemail: detect, or methods: [sms]"
)
TWO_WAYS = (
    "providers that ask for the key themselves (dtmf_input_required) cannot be mixed with providers that need "
    "callbacks for it; remove one kind from delivery.voice"
)


def errors(
    policies: Mapping[str, PolicySettings],
    providers: Mapping[str, ProviderSection],
    voice: Collection[str] | None,
    *,
    has_callbacks: bool,
) -> Iterator[Diagnostic]:
    """Errors of policies; `voice` are the names of the providers that place calls, None for all that can."""
    callers = {
        name: provider
        for name, provider in providers.items()
        if (Method.VOICE in provider.methods if voice is None else name in voice)
    }
    for name, policy in policies.items():
        for above, rules in own_rules(policy, "voicemail"):
            path = ("policies", name, *above, "voicemail")
            if rules.voicemail == "off":
                continue
            if "voice" not in rules.methods:
                yield path, "has an effect only with voice among methods; remove it"
                continue
            if rules.voicemail == "press" and any(section.asks_for_key for section in callers.values()):
                if not provider_asks_for_key(callers.values()):
                    yield path, TWO_WAYS
                continue
            if rules.voicemail == "press" and not has_callbacks:
                yield path, NEEDS_CALLBACKS
            for provider, section in callers.items():
                if rules.voicemail not in section.VOICEMAIL:
                    kind = f"provider {readable(provider)} (type {section.type})"
                    yield path, f"{kind} cannot do this; remove it from delivery.voice, or write voicemail: off"


def provider_asks_for_key(callers: Iterable[ProviderSection]) -> bool:
    """Whether `press` is done by the providers that place calls, without a key press that reaches the server."""
    return all(section.asks_for_key for section in callers)
