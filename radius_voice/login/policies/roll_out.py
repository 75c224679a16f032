"""Dated exceptions while a second factor is rolled out: report mode, and a grace period. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from radius_voice.login.model import User
from radius_voice.login.policies.exemptions import RulePath


@dataclass(frozen=True, slots=True)
class ReportMode:
    """Report mode: decisions are recorded and not carried out."""

    rule: RulePath
    until: float  # wall-clock seconds
    pilot_groups: frozenset[str] = frozenset()  # decisions about their members are carried out

    def applies(self, user: User, now: float) -> bool:
        """Whether decisions about that user are only recorded."""
        return now < self.until and self.pilot_groups.isdisjoint(user.groups)


@dataclass(frozen=True, slots=True)
class GracePeriod:
    """Users without a phone are accepted without a call until `until` (wall-clock seconds)."""

    rule: RulePath
    until: float
