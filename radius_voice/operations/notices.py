"""A call or a text message that tells a user that the help desk has issued a code for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from radius_voice.config.schema import Settings, UserRulesSettings
from radius_voice.events import DeliveryOutcome, Reason
from radius_voice.exceptions import message_of
from radius_voice.login.calls.placement import PlacementResult, deliver
from radius_voice.login.codes.keys import Keys
from radius_voice.login.codes.pins import ChangedPhone, FirstPhone, called_phones, compare, pins_key
from radius_voice.login.deliveries.code_message import MAX_SPEECH_SECONDS
from radius_voice.login.deliveries.requests import DeliveryRequest, DeliveryResult
from radius_voice.login.limits.configured import subjects_of, with_action
from radius_voice.login.model import LimitAction, Limited, LimitOperation, Method, Unavailable, User
from radius_voice.login.phone import Phone
from radius_voice.login.policies.policy import user_key_of
from radius_voice.login.ports import Provider, Store
from radius_voice.wiring.adapters import provider_of
from radius_voice.wiring.generation import by_method
from radius_voice.wiring.limits import limits_of
from radius_voice.wiring.policies import code_message_of, numbers_of

PLACING_SECONDS = 5.0
"""How long the command waits for the provider."""
WHY_NOT_CALLED = {Reason.PHONE_NOT_CONFIRMED: "not pinned", Reason.PHONE_NOT_VERIFIED: "not verified"}


async def call_about_issued_code(settings: Settings, store: Store, keys: Keys, source: str, user: User) -> str:
    """Call or text one phone of a user of the identity source `source`; returns the result as text for the audit log.

    The limits on calls and the pins of a login apply. The progress of the call is not followed, and a failure is not
    repeated.
    """
    candidates = _callable_phones(settings, source, user)
    if not candidates:
        return "no phone to notify"
    (phone, rules), user_key = candidates[0], user_key_of(source, user.id)
    try:
        stored = await store.durable(pins_key(user_key))
        refused = [_refused_by_pins(keys, user_key, *candidate, stored) for candidate in candidates]
        if all(refused):
            return f"{phone.masked} not notified: {refused[0]}"
        phone, rules = candidates[refused.index("")]
        charged = limits_of(settings).for_call(subjects_of(user_key, phone, "", ""))
        reserved = budgets_of(settings, user_key, phone, rules, user.language)
        limited = await store.apply_limits((*charged, *reserved))
        if isinstance(limited, Limited):
            return f"{phone.masked} not notified: limit {limited.limit.name}"
        placement = await _place(settings, phone, rules, user.language)
        if placement.result not in (DeliveryOutcome.PLACED, DeliveryOutcome.INDETERMINATE):
            refunded = reserved if placement.counted else (*charged, *reserved)
            await store.apply_limits(with_action(LimitAction.REFUND, refunded))
    except (Unavailable, ValueError, OSError) as problem:
        return f"{phone.masked} not notified: {message_of(problem)}"
    return _result_text(phone, placement)


def _callable_phones(settings: Settings, source: str, user: User) -> list[tuple[Phone, UserRulesSettings]]:
    """The user's phones that a policy of this directory allows, each with that policy's rules for the user."""
    policies = [policy for policy in settings.policies.values() if policy.directory == source]
    return [
        (phone, rules)
        for phone in user.phones
        for rules in (policy.rules_of(user.groups) for policy in policies)
        if numbers_of(settings, rules).refusal(phone) is None
    ]


def _refused_by_pins(keys: Keys, user_key: str, phone: Phone, rules: UserRulesSettings, stored: bytes | None) -> str:
    """Why the pins do not allow a call to this phone; empty if they do. Changes of other phones have no effect."""
    first, changed = FirstPhone(rules.first_phone), ChangedPhone(rules.changed_phone)
    called = called_phones(compare(keys, user_key, [phone], stored), [phone], first, changed)
    return WHY_NOT_CALLED[called] if isinstance(called, Reason) else ""


async def _place(settings: Settings, phone: Phone, rules: UserRulesSettings, language: str) -> PlacementResult:
    message = code_message_of(settings, rules, language, code="")
    methods = methods_of(rules)
    request = DeliveryRequest(phone, message, round(rules.challenge.ring_timeout), methods[0])
    deadline = asyncio.get_running_loop().time() + PLACING_SECONDS
    async with opened_providers(settings) as providers:
        by_methods = by_method(settings, providers)
        return await deliver(request, (phone,), methods, by_methods, no_other_delivery, _unreported, deadline)


def budgets_of(
    settings: Settings, user_key: str, phone: Phone, rules: UserRulesSettings, language: str
) -> tuple[LimitOperation, ...]:
    """The operations that reserve the maximum cost of a delivery by these rules. The difference is not refunded."""
    costs = limits_of(settings).costs
    if costs is None:
        return ()
    seconds = rules.challenge.ring_timeout + MAX_SPEECH_SECONDS
    reserved = [costs.reservation(method, phone, seconds, language).cost for method in methods_of(rules)]
    return costs.operations(user_key, phone, time.time(), max(reserved))


def methods_of(rules: UserRulesSettings) -> tuple[Method, ...]:
    """The delivery methods of the rules, in their order."""
    return tuple(Method(method) for method in rules.methods)


@asynccontextmanager
async def opened_providers(settings: Settings) -> AsyncIterator[Mapping[str, Provider]]:
    """The providers by name; closed at the end. Raises ValueError."""
    async with AsyncExitStack() as stack:
        providers: dict[str, Provider] = {}
        for name, section in settings.delivery.providers.items():
            providers[name] = provider_of(name, section)
            stack.push_async_callback(providers[name].close)
        yield providers


async def no_other_delivery(request: DeliveryRequest, *, counted: bool) -> bool:  # noqa: ARG001
    """For `placement.deliver`: nothing more is delivered once a provider has received a request."""
    return not counted


def _unreported(_provider: str, _request: DeliveryRequest, _answer: DeliveryResult) -> None:
    """The result of the placement is in the record of the command."""


def _result_text(phone: Phone, placement: PlacementResult) -> str:
    match placement.result:
        case DeliveryOutcome.PLACED:
            return f"{phone.masked} notified by {_by(placement.method)}"
        case DeliveryOutcome.INDETERMINATE:
            return f"{phone.masked} may have been notified by {_by(placement.method)}"
        case _:
            return f"{phone.masked} not notified: no provider delivered"


def _by(method: Method) -> str:
    return "a text message" if method is Method.SMS else "a call"
