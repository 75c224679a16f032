"""Warnings about settings that are unsafe or temporary. They are repeated at every start and by `check`."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from radius_voice.config.errors import dotted, readable
from radius_voice.config.policy_rules import roll_out_ends
from radius_voice.config.policy_settings import ReportModeSettings
from radius_voice.config.schema import NO_FIRST_FACTOR, BypassSettings, PolicySettings, Settings


def bypass_until(settings: Settings) -> float:
    """When the last bypass of any policy ends, wall-clock seconds; 0 without one."""
    failures = (each.on_delivery_failure for each in settings.user_rules)
    return max((failure.bypass_until for failure in failures if isinstance(failure, BypassSettings)), default=0.0)


def report_modes(settings: Settings, now: float) -> dict[str, bool]:
    """Whether each policy is in report mode at wall-clock time `now`."""
    modes = {name: policy.mode for name, policy in settings.policies.items()}
    return {name: isinstance(mode, ReportModeSettings) and now < mode.report_until for name, mode in modes.items()}


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
                f"policy {name}: first_factor is none, so this server places calls without checking a password; the "
                "gateway must check it"
            )
        warnings += _roll_out_warnings(name, policy)
    for name, provider in settings.delivery.providers.items():
        if provider.ANNOUNCEMENT:
            warnings.append(f"development: provider {name} {provider.ANNOUNCEMENT}")
    if bypass_until(settings) > time.time():
        warnings.append("a bypass is active: while no provider can place calls, a correct password is sufficient")
    return warnings


def _roll_out_warnings(name: str, policy: PolicySettings) -> list[str]:
    """Warnings about report mode and grace periods that have not ended."""
    warnings = []
    for path, until in roll_out_ends(policy):
        if until <= time.time():
            continue
        end = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%d %H:%M UTC")
        where = f"policy {name}: {dotted(path)}: until {end}"
        if isinstance(policy.mode, ReportModeSettings) and path[0] == "mode":
            pilots = ", ".join(map(readable, policy.mode.pilot_groups or ()))
            except_pilots = f", except members of {pilots}" if pilots else ""
            text = "the right password is sufficient, and other decisions are only recorded"
            warnings.append(f"{where} {text}{except_pilots}")
        else:
            warnings.append(f"{where} the right password is sufficient for users without a phone")
    return warnings
