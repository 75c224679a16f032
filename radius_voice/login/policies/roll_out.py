"""Dated exceptions while a second factor is rolled out: report mode, and a grace period. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from radius_voice.login.model import User
from radius_voice.login.policies.exemptions import RulePath


@dataclass(frozen=True, slots=True)
class ReportMode:
    """Before `until`, wall-clock seconds, decisions are recorded and not carried out, except for `pilot_groups`.

    `rule` is where the configuration has it.
    """

    rule: RulePath
    until: float
    pilot_groups: frozenset[str] = frozenset()

    def applies(self, user: User, now: float) -> bool:
        """Whether decisions about that user are only recorded."""
        return now < self.until and self.pilot_groups.isdisjoint(user.groups)


@dataclass(frozen=True, slots=True)
class GracePeriod:
    """Before `until`, wall-clock seconds, users without a phone are accepted without a call."""

    rule: RulePath
    until: float
