"""Detects toll fraud: stops deliveries to a country or prefix where too few deliveries end in a correct code. Pure.

Only phones that are not pinned count, and only deliveries to them are stopped. Each country or prefix has a count of
failures. A delivery that ends without a correct code adds one failure. A correct code removes some, so that the count
stays the same on average while the share of correct codes is at the floor. At `calls` failures, deliveries to the
prefix are rejected for `window` seconds; then the count begins again. `success_watch` counts the failures.
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
    """When deliveries to a country or prefix are stopped."""

    floor: float  # the minimum share of deliveries that end in a correct code
    calls: int  # stop after this many failures more than the floor allows
    users: int  # of at least this many users
    window: float  # seconds
    digits: int | None = None  # count by prefixes of this many digits; None: by country
    failures: Limit = field(init=False)  # of all users, for each country or prefix
    of_user: Limit = field(init=False)  # of one user, for each country or prefix
    alarm: Limit = field(init=False)  # one alarm for each country or prefix in a window

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
        """The country of a number, or its first digits; `sip:DOMAIN` for a SIP address; empty for no phone."""
        if not phone.address:
            return ""
        return country_of(phone) if self.digits is None or phone.is_sip else phone.address[: self.digits + 1]

    def check(self, session: Session, phone: Phone) -> tuple[LimitOperation, ...]:
        """The operations that forbid a delivery to `phone` while deliveries to its prefix are stopped."""
        return self._operations(session, phone, LimitAction.CHECK)

    def refund(self, session: Session) -> tuple[LimitOperation, ...]:
        """The operations for a correct code. If its delivery has ended, they also remove the delivery's failure."""
        failures = ceil((1 - self.floor) / self.floor) + session.delivery.over
        return self._operations(session, session.delivery.phone, LimitAction.REFUND, failures)

    def _operations(
        self, session: Session, phone: Phone, action: LimitAction, amount: int = 1
    ) -> tuple[LimitOperation, ...]:
        prefix = self.prefix(phone) if phone in session.unpinned else ""
        return (LimitOperation(self.failures, prefix, action, amount),) if prefix else ()
