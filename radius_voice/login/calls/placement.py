"""Requests one delivery of a session: methods x phones x providers.

Nothing is delivered twice. A session has one current delivery, counted by `DeliveryAttempt.number`, and `deliver` runs
only after the compare-and-swap that stored the number, so once for each number. Each answer of a provider then has one
consequence:

- Placed, Indeterminate: the placement ends, because the delivery was made or may have been made.
- NumberRejected: the phone is not tried again by this method. The next phone is tried, and after all phones the next
  method. If the provider got no request, because it cannot deliver to this kind of phone, the next provider is tried
  first.
- NotPlaced: the provider certainly delivered nothing. The next provider is tried with the same phone, and after all
  providers the next method.

A request that is postponed to a later `Stage` was not sent. It is sent there if nothing was delivered before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from itertools import product
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from radius_voice.events import DeliveryOutcome
from radius_voice.login.deliveries.requests import (
    DeliveryRequest,
    DeliveryResult,
    Indeterminate,
    NumberRejected,
    Placed,
)
from radius_voice.login.model import CallRef, Method
from radius_voice.login.phone import Phone
from radius_voice.login.ports import Provider


class PlacementResult(Struct, frozen=True):
    """The result of a placement, or of the part of it that has been tried."""

    result: DeliveryOutcome
    phone: Phone  # the last one tried
    ref: CallRef | None = None  # the call; None if its provider has no `CallControl`
    live: bool = False  # a call may be ringing
    refused: bool = False  # a provider rejected a number, or refused the delivery for another reason than an outage
    counted: bool = False  # that provider got the request, so the delivery counts towards the limits
    method: Method = Method.VOICE
    unable: bool = False  # a provider cannot deliver to this kind of phone, and got no request
    verification: CallRef | None = None  # at a provider that checks codes
    keeps_code: bool = False  # only that provider has the code


Report = Callable[[str, DeliveryRequest, DeliveryResult], None]
"""Called with every answer of a provider: the provider's name, the request, the answer."""


class MayDeliver(Protocol):
    """Whether the limits allow a delivery instead of one that was not made.

    With `counted` it counts as a further delivery, because a provider had received the earlier request.
    """

    async def __call__(self, request: DeliveryRequest, *, counted: bool) -> bool: ...  # noqa: D102


class Stage(Enum):
    """The stages of a placement. All methods, phones and providers are tried in one before the next begins.

    So a provider with a long queue or an outage is still asked if no other one delivers.
    """

    AVAILABLE = "available"
    """Providers that deliver soon."""
    QUEUED = "queued"
    """Providers with a long queue of calls."""
    SKIPPED = "skipped"
    """Providers whose circuit breaker is open."""


Ask = Callable[[Stage, str, Provider, DeliveryRequest, float], Awaitable[DeliveryResult | None]]
"""Requests a delivery from the provider with that name, once. Returns None to postpone it to a later stage."""


async def ask_at_once(
    _stage: Stage, _name: str, provider: Provider, request: DeliveryRequest, deadline: float
) -> DeliveryResult | None:
    """Request a delivery without limits and queues: no provider is postponed."""
    return await provider.place(request, deadline)


async def deliver(
    request: DeliveryRequest,
    phones: Sequence[Phone],
    methods: Sequence[Method],
    providers: Mapping[Method, Mapping[str, Provider]],
    may_deliver: MayDeliver,
    report: Report,
    deadline: float,
    ask: Ask = ask_at_once,
) -> PlacementResult:
    """Make one delivery: first as in `request`, then to the other `phones`, then by the other `methods`.

    `providers` are by method and name, in order of failover. `deadline` is monotonic seconds. Raises Unavailable from
    `may_deliver` and `ask`.
    """
    failed = PlacementResult(DeliveryOutcome.NOT_PLACED, request.phone, method=request.method)
    results: set[DeliveryOutcome] = set()
    begun = False
    order = (request.method, *(other for other in methods if other is not request.method))
    left = {method: providers.get(method, {}) for method in order}
    rejected: dict[Method, set[str]] = {method: set() for method in order}
    for stage, method in product(Stage, order):
        offered, left[method] = left[method], {}
        for phone in dict.fromkeys((request.phone, *phones)) if offered else ():
            if phone.address in rejected[method]:
                continue
            tried = replace(request, phone=phone, method=method)
            if begun and not await may_deliver(tried, counted=failed.counted):
                continue
            begun = True
            placement, left[method] = await _through_providers(tried, offered, partial(ask, stage), report, deadline)
            if placement is None:
                break
            if placement.result is DeliveryOutcome.NUMBER_REJECTED and placement.counted:
                rejected[method].add(phone.address)  # with every extension; one that got no request rejects one phone
            refused, counted = failed.refused or placement.refused, failed.counted or placement.counted
            placement = replace(placement, refused=refused, counted=counted)
            if placement.result in (DeliveryOutcome.PLACED, DeliveryOutcome.INDETERMINATE):
                return placement
            failed = placement
            results.add(placement.result)
            if placement.result is DeliveryOutcome.NOT_PLACED and not placement.unable:
                break
    rejected_by_all = results == {DeliveryOutcome.NUMBER_REJECTED}
    return replace(failed, result=DeliveryOutcome.NUMBER_REJECTED if rejected_by_all else DeliveryOutcome.NOT_PLACED)


async def _through_providers(
    request: DeliveryRequest,
    providers: Mapping[str, Provider],
    ask: Callable[[str, Provider, DeliveryRequest, float], Awaitable[DeliveryResult | None]],
    report: Report,
    deadline: float,
) -> tuple[PlacementResult | None, dict[str, Provider]]:
    """The result of asking the providers in order (None if none was asked), and the providers that were postponed."""
    postponed: dict[str, Provider] = {}
    failed: PlacementResult | None = None
    for name, provider in providers.items():
        answer = await ask(name, provider, request, deadline)
        if answer is None:
            postponed[name] = provider
            continue
        report(name, request, answer)
        result = _result(name, provider, request, answer)
        failed = result if failed is None else _combined(failed, result)
        if result.result is not DeliveryOutcome.NOT_PLACED and not result.unable:
            break
    return failed, postponed


def _combined(before: PlacementResult, result: PlacementResult) -> PlacementResult:
    """The result after one more answer, where the answers before it delivered nothing."""
    return replace(
        result,
        result=before.result if result.unable else result.result,
        refused=result.refused or before.refused,
        counted=result.counted or before.counted,
        unable=result.unable or before.unable,
    )


def _result(name: str, provider: Provider, request: DeliveryRequest, answer: DeliveryResult) -> PlacementResult:
    """The result of a placement whose only answer is `answer`."""
    phone, method = request.phone, request.method
    match answer:
        case Placed(reference, live):
            ref = CallRef(name, reference) if live and provider.call_control is not None else None
            placed = PlacementResult(DeliveryOutcome.PLACED, phone, ref, live, method=method)
            return _with_verification(placed, name, provider, reference)
        case Indeterminate():
            unknown = PlacementResult(DeliveryOutcome.INDETERMINATE, phone, method=method)
            return _with_verification(unknown, name, provider, "")
        case NumberRejected(sent=sent):
            rejected = DeliveryOutcome.NUMBER_REJECTED
            return PlacementResult(rejected, phone, refused=True, counted=sent, method=method, unable=not sent)
        case _:
            refused, counted = not answer.outage, answer.sent and not answer.outage
            return PlacementResult(DeliveryOutcome.NOT_PLACED, phone, refused=refused, counted=counted, method=method)


def _with_verification(placement: PlacementResult, name: str, provider: Provider, reference: str) -> PlacementResult:
    """The placement with its verification, if the provider can check codes."""
    verifier = provider.verifier
    if verifier is None:
        return placement
    return replace(placement, verification=CallRef(name, reference), keeps_code=verifier.keeps_code)
