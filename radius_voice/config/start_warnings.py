"""Warnings about settings that are unsafe or temporary. They are repeated at every start and by `check`."""

from __future__ import annotations

import time

from radius_voice.config.schema import NO_FIRST_FACTOR, BypassSettings, Settings


def bypass_until(settings: Settings) -> float:
    """When the last bypass of any policy ends, wall-clock seconds; 0 without one."""
    rules = (each for policy in settings.policies.values() for _, each in policy.rules_with_paths())
    failures = (each.on_delivery_failure for each in rules)
    return max((failure.bypass_until for failure in failures if isinstance(failure, BypassSettings)), default=0.0)


def start_warnings(settings: Settings) -> list[str]:
    """Warnings that are repeated at every start."""
    warnings = []
    if settings.development:
        warnings.append(
            "development: true allows settings that are unsafe in production: providers on this machine or by plain "
            "HTTP, a fixed code, port 0, calls to Twilio's test numbers, and readable secrets in the configuration; "
            "remove it"
        )
    for name, policy in settings.policies.items():
        if policy.first_factor == NO_FIRST_FACTOR:
            warnings.append(
                f"policy {name}: first_factor is none: only the gateway checks passwords, and this server places calls "
                "without checking one"
            )
    for name, provider in settings.delivery.providers.items():
        if provider.ANNOUNCEMENT:
            warnings.append(f"development: provider {name} {provider.ANNOUNCEMENT}")
    if bypass_until(settings) > time.time():
        warnings.append("a bypass is active: while no provider can place calls, a correct password is sufficient")
    return warnings
