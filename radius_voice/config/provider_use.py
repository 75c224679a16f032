"""Warnings about providers that no policy uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from radius_voice.config.adapters import ProviderSection
from radius_voice.config.schema import UserRulesSettings
from radius_voice.config.section import Diagnostic
from radius_voice.config.strict_yaml import Path as KeyPath
from radius_voice.login.model import Method


def warnings(
    providers: Mapping[str, ProviderSection], user_rules: Iterable[tuple[KeyPath, UserRulesSettings]]
) -> Iterator[Diagnostic]:
    """Providers that deliver by no method of any policy. `user_rules` are the rules of all policies, by path."""
    used = {Method(name) for _, rules in user_rules for name in rules.methods}
    for name, section in providers.items():
        if used.isdisjoint(section.methods):
            able = " or ".join(sorted(section.methods))
            message = (
                f"no policy has {able} among methods, so logins do not use it; add it there, or remove the provider"
            )
            yield ("delivery", "providers", name), message
