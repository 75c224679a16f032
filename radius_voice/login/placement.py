"""Placing one call of a session: phones x providers.

Why no call is placed twice: a session has one present delivery, counted by `DeliveryAttempt.number`. Only the
compare-and-swap that wrote that number leads here, so `place_call` runs once for each number. Each answer of a provider
then has one consequence:

- Placed and Indeterminate end the placement: the phone rings, or may ring.
- NumberRejected excludes the phone: the next phone is tried, none twice.
- NotPlaced means that the provider certainly did not place the call: the next provider is tried with the same phone.

So no further call is placed after an answer that could mean a ringing phone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from radius_voice.events import CallResult
from radius_voice.login.deliveries import DeliveryRequest, DeliveryResult, Indeterminate, NumberRejected, Placed
from radius_voice.login.model import CallRef
from radius_voice.login.phone import Phone
from radius_voice.login.ports import Provider


class PlacementResult(Struct, frozen=True):
    """The result of a placement; `ref` is the live call, if there is one.

    `refused`: a provider rejected a number, or refused the call for another reason than an outage. `counted`: it had
    received the request, so that the call counts towards the limits although it was not placed.
    """

    result: CallResult
    phone: Phone
    ref: CallRef | None = None
    refused: bool = False
    counted: bool = False


Report = Callable[[str, Phone, DeliveryResult], None]
"""Gets every answer of a provider: the provider's name, the phone, the answer."""


async def place_call(
    delivery: DeliveryRequest,
    phones: Sequence[Phone],
    providers: Mapping[str, Provider],
    may_call: Callable[[Phone], Awaitable[bool]],
    report: Report,
    deadline: float,
) -> PlacementResult:
    """Place one call, to the phone of `delivery` or else to the others of `phones` that `may_call` allows.

    `deadline` is monotonic seconds.
    """
    placement = await _through_providers(delivery, providers, report, deadline)
    rejected = {delivery.phone.e164}
    for phone in phones:
        if placement.result is not CallResult.NUMBER_REJECTED:
            break
        if phone.e164 in rejected:  # a provider that rejects a number rejects it with every extension
            continue
        rejected.add(phone.e164)
        if await may_call(phone):
            placement = await _through_providers(replace(delivery, phone=phone), providers, report, deadline)
            placement = replace(placement, refused=True, counted=True)
    return placement


async def _through_providers(
    delivery: DeliveryRequest, providers: Mapping[str, Provider], report: Report, deadline: float
) -> PlacementResult:
    refused = counted = False
    for name, provider in providers.items():
        answer = await provider.place(delivery, deadline)
        report(name, delivery.phone, answer)
        match answer:
            case Placed(reference, live):
                ref = CallRef(name, reference) if live else None
                return PlacementResult(CallResult.PLACED, delivery.phone, ref, refused)
            case Indeterminate():
                return PlacementResult(CallResult.INDETERMINATE, delivery.phone, refused=refused)
            case NumberRejected():
                return PlacementResult(CallResult.NUMBER_REJECTED, delivery.phone, refused=True, counted=True)
            case _:
                refused = refused or not answer.outage
                counted = counted or (answer.sent and not answer.outage)
    return PlacementResult(CallResult.NOT_PLACED, delivery.phone, refused=refused, counted=counted)
