"""The reservation of limits and budgets for one placement, which moves when another phone or method is tried."""

from __future__ import annotations

from msgspec.structs import replace

from radius_voice.login.deliveries.requests import DeliveryRequest
from radius_voice.login.inputs import Reservation
from radius_voice.login.limits.configured import Limits, with_action
from radius_voice.login.limits.costs import Target
from radius_voice.login.model import LimitAction, LimitOperation, Session
from radius_voice.login.phone import Phone
from radius_voice.login.ports import Store


class PlacementReservation:
    """The reservation for the current delivery of a session. Its call lasts at most `call_seconds`."""

    def __init__(self, store: Store, limits: Limits, session: Session, call_seconds: float) -> None:
        self._store = store
        self._limits = limits
        self._session = session
        self._call_seconds = call_seconds
        delivery = session.delivery
        self._target = Target(delivery.phone, Reservation(delivery.cost, delivery.minute_price))

    @property
    def phone(self) -> Phone:
        """The phone that the reservation is for."""
        return self._target.phone

    @property
    def reserved(self) -> Reservation | None:
        """The reserved cost; None if no budget is configured."""
        return None if self._limits.costs is None else self._target.reserved

    async def move(self, request: DeliveryRequest, *, counted: bool) -> bool:
        """Reserve the delivery of `request` instead of the earlier one. False if a limit forbids it.

        With `counted` the earlier delivery keeps its uses, so this one takes further uses. Raises Unavailable.
        """
        target = replace(self._target, phone=request.phone)
        operations = [*self._of_phone(request.phone, counted=counted)]
        if self._limits.success is not None:
            operations += self._limits.success.check(self._session, request.phone)
        costs = self._limits.costs
        if costs is not None:
            language = request.message.language
            reserved = costs.reservation(request.method, request.phone, self._call_seconds, language)
            target = replace(target, reserved=reserved)
            operations += costs.moved(self._session, self._target, target)
        if operations and await self._store.apply_limits(operations) is not None:
            return False
        self._target = target
        return True

    def _of_phone(self, phone: Phone, *, counted: bool) -> tuple[LimitOperation, ...]:
        """The operations on the limits of phones and countries."""
        if counted:
            return self._limits.for_phone(phone)
        if phone == self.phone:
            return ()
        return (*with_action(LimitAction.REFUND, self._limits.of_phone(self.phone)), *self._limits.for_phone(phone))
