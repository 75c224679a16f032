"""The costs of deliveries, and the daily budgets. Pure.

The transaction that stores a delivery reserves its maximum cost. When the delivery has ended, the unused rest is
refunded. Budgets are for UTC days; a delivery belongs to the day on which it was requested, even if it ends on the
next. Costs are whole numbers of units: one unit of the currency is `UNITS` of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

from msgspec import Struct
from msgspec.structs import replace

from radius_voice.login.deliveries.code_message import text_of
from radius_voice.login.deliveries.requests import CodeMessage
from radius_voice.login.inputs import (
    CallProgress,
    Charge,
    CostChange,
    DeliveryFailed,
    DeliveryPlaced,
    Input,
    Reservation,
    Transition,
)
from radius_voice.login.limits.rate_limits import DAY_SECONDS, of_country
from radius_voice.login.model import CallStatus, DeliveryAttempt, Limit, LimitAction, LimitOperation, Method, Session
from radius_voice.login.phone import Phone, country_of
from radius_voice.login.policies.policy import PROVIDER_SECONDS
from radius_voice.login.texts.segments import segments
from radius_voice.messages import SHIPPED, Catalog

UNITS = 10_000
"""Prices have up to four decimals."""
MAX_DIGITS = 10
"""The maximum length of a code."""
SIP_ADDRESSES = "sip:"
"""The key of the price of calls to SIP addresses in a price table; also for `sips:`."""
NOT_CHARGED = frozenset({CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED, CallStatus.CANCELED})
"""Statuses of unanswered calls, which providers do not charge for."""


class Prices(Struct, frozen=True):
    """Prices in units: of a minute of a call, or of a segment of a text message."""

    by_method: Mapping[str, Mapping[str, int]]  # by method, and by prefix of E.164 numbers or `SIP_ADDRESSES`

    def price(self, method: Method, phone: Phone) -> int:
        """The price of the longest matching prefix, or of SIP addresses; 0 if there is none."""
        prices = self.by_method.get(method, {})
        if phone.is_sip:
            return prices.get(SIP_ADDRESSES, 0)
        number = phone.address
        lengths = range(len(number), 0, -1)
        return next((prices[number[:length]] for length in lengths if number[:length] in prices), 0)


@dataclass(frozen=True, slots=True)
class Costs:
    """The prices and the budgets."""

    prices: Prices
    friendly_names: tuple[str, ...]  # of all policies: the longest one determines the length of text messages
    budgets: Mapping[str, Limit] = field(default_factory=dict)  # by scope: user, country, total
    by_country: Mapping[str, Limit | None] = field(default_factory=dict)  # replaces the scope country; None: no budget
    catalog: Catalog = SHIPPED

    def reservation(self, method: Method, phone: Phone, seconds: float, language: str) -> Reservation:
        """The maximum cost of a call of that many seconds, ringing included, or of a text message."""
        price = self.prices.price(method, phone)
        if method is Method.VOICE:
            return Reservation(price * minutes(seconds), price)
        code = "0" * MAX_DIGITS
        texts = [text_of(CodeMessage(language, name, code, catalog=self.catalog)) for name in self.friendly_names]
        return Reservation(price * max(map(segments, texts)))

    def operations(
        self, user_key: str, phone: Phone, at: float, amount: int, action: LimitAction = LimitAction.TAKE
    ) -> tuple[LimitOperation, ...]:
        """The operations on the budgets for a delivery that was requested at wall-clock time `at`."""
        if amount <= 0:
            return ()
        return self.about({"user": user_key, "country": country_of(phone), "total": "total"}, at, amount, action)

    def about(
        self, subjects: Mapping[str, str], at: float, amount: int = 1, action: LimitAction = LimitAction.TAKE
    ) -> tuple[LimitOperation, ...]:
        """The operations on the budgets of these subjects, by scope, on the UTC day of wall-clock time `at`."""
        budgets = of_country(self.budgets, self.by_country, subjects)
        return tuple(
            LimitOperation(budget, subject_at(subjects[scope], at), action, amount)
            for scope, budget in budgets.items()
            if scope in subjects
        )

    def accounted(
        self, old: Session | None, new: Session, transition: Transition, event: Input, now: float
    ) -> Transition:
        """The transition from `old` to `new`, with the change of the budgets and the cost in the session."""
        if new.is_decoy:
            return transition
        delivery = new.delivery
        if transition.charge is Charge.CALL:
            seconds = delivery.live_until - delivery.at - PROVIDER_SECONDS
            reserved = self.reservation(delivery.method, delivery.phone, seconds, new.language)
            taken = self.operations(new.user_key, delivery.phone, delivery.at, reserved.cost)
            return _with(new, transition, reserved, CostChange(delivery.method, taken, reserved=reserved.cost))
        if old is None or not isinstance(event, DeliveryPlaced | DeliveryFailed | CallProgress):
            return transition
        before = Reservation(old.delivery.cost, old.delivery.minute_price)
        match event:
            case DeliveryFailed():
                return self._settled(new, transition, event.reserved or before, event.phone or delivery.phone, 0)
            case DeliveryPlaced():
                reserved = event.reserved or before
                if delivery.over:
                    return self._settled(new, transition, reserved, delivery.phone, _cost_of(delivery, reserved, now))
                return _with(new, transition, reserved, None)
            case _ if event.status.over and old.delivery.ref is not None:
                return self._settled(new, transition, before, delivery.phone, _cost_of(delivery, before, now))
            case _:  # without a reference, DeliveryPlaced follows, with the reservation
                return transition

    def moved(self, session: Session, before: Target, after: Target) -> tuple[LimitOperation, ...]:
        """The operations that move a reservation to another phone or method."""
        user, at = session.user_key, session.delivery.at
        return (
            *self.operations(user, before.phone, at, before.reserved.cost, LimitAction.REFUND),
            *self.operations(user, after.phone, at, after.reserved.cost),
        )

    def _settled(
        self, new: Session, transition: Transition, before: Reservation, phone: Phone, cost: int
    ) -> Transition:
        """The transition for a delivery to `phone` that has ended: refund the rest of the reservation."""
        rest = before.cost - cost
        refunded = self.operations(new.user_key, phone, new.delivery.at, rest, LimitAction.REFUND)
        return _with(new, transition, Reservation(cost), CostChange(new.delivery.method, refunded, settled=cost))


class Target(Struct, frozen=True):
    """The phone of a delivery, and its reservation."""

    phone: Phone
    reserved: Reservation


def _with(new: Session, transition: Transition, reserved: Reservation, change: CostChange | None) -> Transition:
    delivery = replace(new.delivery, cost=reserved.cost, minute_price=reserved.minute_price)
    return replace(transition, session=replace(new, delivery=delivery), cost=change)


def _cost_of(delivery: DeliveryAttempt, reserved: Reservation, now: float) -> int:
    """The cost of a delivery that has ended, at most its reservation.

    The duration of a call is at most the time since its request. A text message, and a call whose end is unknown, cost
    the whole reservation.
    """
    if not reserved.minute_price or not delivery.status.over:
        return reserved.cost
    if delivery.status in NOT_CHARGED:
        return 0
    return min(reserved.cost, reserved.minute_price * minutes(now - delivery.at))


def minutes(seconds: float) -> int:
    """The billed minutes of a call of that many seconds: each minute that has begun."""
    return max(1, ceil(seconds / 60))


def subject_at(subject: str, at: float) -> str:
    """The subject of a budget on the UTC day of wall-clock time `at`."""
    return f"{subject} {at // DAY_SECONDS:.0f}"


def without_day(subject: str) -> str:
    """The subject of a budget without its day."""
    return subject.rpartition(" ")[0]
