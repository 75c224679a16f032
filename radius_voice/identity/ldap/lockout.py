"""The lockout rules of a directory (wrong passwords until an account is locked): configured, or read from AD.

Active Directory has one rule in the root object of the domain and others in Password Settings objects (PSO). A user's
`msDS-ResultantPSO` names the PSO that applies. Runs in the thread of a request.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from radius_voice.config.adapters import MAX_LOCKOUT_ATTEMPTS
from radius_voice.identity.ldap.client import Entry
from radius_voice.identity.ldap.pool import Lease
from radius_voice.identity.ldap.settings import LdapSettings
from radius_voice.login.accounts import LockoutRule

KEPT_SECONDS = 600.0
"""How long a rule is used before it is read again."""
EVERY_ENTRY = "(objectClass=*)"
RESULTANT_PSO = "msDS-ResultantPSO"
DOMAIN_RULE = ("lockoutThreshold", "lockOutObservationWindow")
PSO_RULE = ("msDS-LockoutThreshold", "msDS-LockoutObservationWindow")
INTERVALS_A_SECOND = 10_000_000
"""Active Directory stores durations as negative numbers of intervals of 100 ns."""
MAX_WINDOW = 99_999 * 60.0
"""The maximum that the policy of a domain allows, in seconds."""


class LockoutRules:
    """The lockout rules of users. `warn` is called about rules that cannot be read. `clock` is monotonic seconds."""

    def __init__(
        self, settings: LdapSettings, warn: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        configured = settings.lockout
        self.configured = LockoutRule(configured.attempts, configured.window) if configured else None
        self._is_read = configured is None and settings.server_type == "active_directory"
        self._warn = warn
        self._clock = clock
        self._rules: dict[str, tuple[LockoutRule | None, float]] = {}

    def of(self, lease: Lease, entry: Entry | None) -> LockoutRule | None:
        """The lockout rule for the user of `entry`, or for None the domain's rule. None if accounts are never locked.

        Raises ServerFailed or RequestRefused.
        """
        if not self._is_read:
            return self.configured
        dn = entry.text(RESULTANT_PSO) if entry is not None else ""
        rule, until = self._rules.get(dn, (None, 0.0))
        if self._clock() >= until:
            rule = self._of_pso(lease, dn) if dn else self._of_domain(lease)
            self._rules[dn] = rule, self._clock() + KEPT_SECONDS
        return rule

    def describe(self, rule: LockoutRule | None) -> str:
        """The text about a lockout rule that `check` shows."""
        origin = "configured" if self.configured else "read from the domain"
        if rule is None:
            return "accounts are never locked, read from the domain" if self._is_read else "lockout is not configured"
        locks = f"accounts are locked after {rule.attempts} wrong passwords within {rule.window / 60:g} minutes"
        return f"{locks} ({origin}); at most {max(1, rule.attempts - 1)} are sent"

    def _of_domain(self, lease: Lease) -> LockoutRule | None:
        (root,) = lease.search("", "BASE", EVERY_ENTRY, ("defaultNamingContext",)) or (None,)
        domain = root.text("defaultNamingContext") if root else ""
        found = lease.search(domain, "BASE", EVERY_ENTRY, DOMAIN_RULE) if domain else []
        return self._rule(f"the domain {domain or '(unknown)'}", found, DOMAIN_RULE)

    def _of_pso(self, lease: Lease, dn: str) -> LockoutRule | None:
        found = lease.search(dn, "BASE", EVERY_ENTRY, PSO_RULE)
        if not found or not found[0].text(PSO_RULE[0]):
            self._warn(f"{dn}: {PSO_RULE[0]} cannot be read, so the domain's rule is used; {_FIX}")
            return self._of_domain(lease)
        return self._rule(dn, found, PSO_RULE)

    def _rule(self, place: str, found: list[Entry], attributes: tuple[str, str]) -> LockoutRule | None:
        threshold, window = (_number(found[0].text(name) if found else "") for name in attributes)
        if threshold is None or window is None:
            self._warn(f"{place}: {attributes[0]} cannot be read, so guesses at the gateway can lock accounts; {_FIX}")
            return None
        if threshold == 0:
            return None
        if threshold == 1:
            self._warn(
                f"{place}: {attributes[0]} is 1, so one wrong password at the gateway locks an account; raise it"
            )
        attempts = min(threshold, MAX_LOCKOUT_ATTEMPTS)  # a PSO may have more than `rate_limits.MAX_USES`
        return LockoutRule(attempts, min(-window / INTERVALS_A_SECOND, MAX_WINDOW))


_FIX = "let bind_dn read it, or write lockout: {attempts: N, window: DURATION}"


def _number(text: str) -> int | None:
    return int(text) if text.lstrip("-").isdecimal() else None
