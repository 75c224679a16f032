"""Stops deliveries to numbers whose share of right codes is too small: toll fraud.

Only phones that are not pinned count, and only they are rejected. One number is kept for each country, or for each
prefix of some digits: the failures. A delivery that ends without a right code adds one. A right code takes back as many
as leave the number unchanged while the share is at the floor. At `calls` failures, deliveries to the prefix are
rejected for `window` seconds; then the count begins again. `success_watch` counts the failures. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil

from radius_voice.events import Reason
from radius_voice.login.limits.rate_limits import DAY_SECONDS
from radius_voice.login.model import Limit, LimitAction, LimitOperation, Session
from radius_voice.login.phone import Phone, country_of


@dataclass(frozen=True, slots=True)
class SuccessRule:
    """At least the share `floor` of deliveries to a country must end in a right code; `window` is seconds.

    Deliveries to it stop after `calls` failures more than the floor allows, of at least `users` different users.
    With `digits`, it counts for each prefix of that many digits in place of each country.
    """

    floor: float
    calls: int
    users: int
    window: float
    digits: int | None = None
    failures: Limit = field(init=False)
    of_user: Limit = field(init=False)
    alarm: Limit = field(init=False)

    def __post_init__(self) -> None:
        reason, each = Reason.TOLL_FRAUD_SUSPECTED, self.calls // self.users
        limits = {
            "failures": Limit("success.calls", self.calls, self.window, reason, resets=True),
            "of_user": Limit("success.users", each, float(DAY_SECONDS), reason, resets=True),
            "alarm": Limit("success.alarm", 1, self.window, reason, resets=True),
        }
        for name, limit in limits.items():
            object.__setattr__(self, name, limit)

    def prefix(self, phone: Phone) -> str:
        """The country of a number, or its first digits; `sip:` and the domain of a SIP address; empty for no phone."""
        if not phone.address:
            return ""
        return country_of(phone) if self.digits is None or phone.is_sip else phone.address[: self.digits + 1]

    def check(self, session: Session, phone: Phone) -> tuple[LimitOperation, ...]:
        """The operations that forbid a delivery to that phone while deliveries to its prefix are rejected."""
        return self._operations(session, phone, LimitAction.CHECK)

    def refund(self, session: Session) -> tuple[LimitOperation, ...]:
        """The operations of a right code. It also takes back the failure of its own delivery, if that has ended."""
        failures = ceil((1 - self.floor) / self.floor) + session.delivery.over
        return self._operations(session, session.delivery.phone, LimitAction.REFUND, failures)

    def _operations(
        self, session: Session, phone: Phone, action: LimitAction, amount: int = 1
    ) -> tuple[LimitOperation, ...]:
        prefix = self.prefix(phone) if phone in session.unpinned else ""
        return (LimitOperation(self.failures, prefix, action, amount),) if prefix else ()
