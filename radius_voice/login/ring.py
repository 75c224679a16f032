"""Rings: phones x providers.

Why nothing rings twice. A row has one present call, counted by `Call.number`; only the swap that
wrote that number leads here, so `place_call` runs once a number. Inside, each answer leaves one way on:

- Placed and Unknown end the ring: the phone rings, or may.
- RefusedNumber rules out the phone: the next phone is tried, none twice.
- NotPlaced is given only when the provider certainly did not place the call: the next provider is
  tried with the same phone.

So after an answer that could mean a ringing phone nothing is ever placed again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from radius_voice.events import CallResult
from radius_voice.login.model import CallRef, Order, Placed, RefusedNumber, Unknown
from radius_voice.login.phone import Phone
from radius_voice.login.ports import Delivery
from radius_voice.nouns import noun


@noun
class Rung:
    """How a ring ended: `ref` is the call that lives.

    `refused`: a provider refused the number, or the call for another reason than an outage.
    """

    result: CallResult
    phone: Phone
    ref: CallRef | None = None
    refused: bool = False


Report = Callable[[str, Phone, CallResult, str, str, bool], None]
"""Gets every provider's answer: provider, phone, result, reference, detail, alarm."""


async def place_call(
    order: Order,
    phones: Sequence[Phone],
    providers: Mapping[str, Delivery],
    may_ring: Callable[[Phone], Awaitable[bool]],
    report: Report,
    deadline: float,
) -> Rung:
    """Place one call of `order`, at its phone or else at the others of `phones` that `may_ring` allows."""
    ended = await _through_providers(order, providers, report, deadline)
    for phone in (other for other in phones if other != order.phone):
        if ended.result is not CallResult.NUMBER_REFUSED:
            break
        if await may_ring(phone):
            rung = await _through_providers(replace(order, phone=phone), providers, report, deadline)
            ended = replace(rung, refused=True)
    return ended


async def _through_providers(order: Order, providers: Mapping[str, Delivery], report: Report, deadline: float) -> Rung:
    refused = False
    for name, provider in providers.items():
        match await provider.place(order, deadline):
            case Placed(reference, live):
                report(name, order.phone, CallResult.PLACED, reference, "", False)
                ref = CallRef(name, reference) if live else None
                return Rung(CallResult.PLACED, order.phone, ref, refused)
            case Unknown(detail):
                report(name, order.phone, CallResult.UNKNOWN, "", detail, False)
                return Rung(CallResult.UNKNOWN, order.phone, refused=refused)
            case RefusedNumber(detail, alarm):
                report(name, order.phone, CallResult.NUMBER_REFUSED, "", detail, alarm)
                return Rung(CallResult.NUMBER_REFUSED, order.phone, refused=True)
            case not_placed:
                refused = refused or not not_placed.outage
                report(name, order.phone, CallResult.NOT_PLACED, "", not_placed.detail, not_placed.alarm)
    return Rung(CallResult.NOT_PLACED, order.phone, refused=refused)
