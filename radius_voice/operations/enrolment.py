"""Operations of an enrolment: call a user's phone, and verify the code that the user reads to the help desk.

`operations` performs them for commands. Calls and wrong codes count towards the same limits as those of logins.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from hmac import compare_digest
from typing import Any

from msgspec.structs import replace

from radius_voice.config.field_types import duration_text
from radius_voice.config.schema import Settings, UserRulesSettings
from radius_voice.events import DeliveryOutcome
from radius_voice.login.calls.placement import PlacementResult, deliver
from radius_voice.login.codes.keys import Keys, tidy_code
from radius_voice.login.codes.pins import Pin, compare, new_pins, pins_key
from radius_voice.login.deliveries.delivery_records import placement_record
from radius_voice.login.deliveries.requests import DeliveryRequest, DeliveryResult
from radius_voice.login.limits.configured import subjects_of, with_action
from radius_voice.login.limits.rate_limits import remaining
from radius_voice.login.model import AlreadyRecorded, LimitAction, Limited, Method, Unavailable, User
from radius_voice.login.phone import Phone, parse_phone
from radius_voice.login.policies.enrolment import (
    LIFETIME_SECONDS,
    Enrolment,
    decode,
    encode,
    enrolment_key,
    new_enrolment_id,
    one_attempt,
)
from radius_voice.login.policies.policy import user_key_of
from radius_voice.operations.context import OperationContext
from radius_voice.operations.notices import budgets_of, methods_of, no_other_delivery, opened_providers
from radius_voice.operations.pins import replace_pins
from radius_voice.wiring.generation import by_method, code_generator
from radius_voice.wiring.limits import limits_of
from radius_voice.wiring.policies import code_message_of, numbers_of

ENDED = "the enrolment has ended or expired; run this again"
PLACEMENT_SECONDS = 8.0
"""How long placing the call may take. A command waits 10 seconds for the service."""


async def call(context: OperationContext, source: str, user: User, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Call a phone of a user and speak a code. The argument `phone` is its number; the default is the user's first.

    Raises Unavailable, or ValueError with the reason if the phone is not called.
    """
    phone, rules = _phone_to_call(context.settings, source, user, str(arguments.get("phone", "")))
    keys, user_key, now = context.keys(), user_key_of(source, user.id), time.time()
    limits, subjects = limits_of(context.settings), subjects_of(user_key, phone, "", "")
    charged = limits.for_call(subjects)
    reserved = budgets_of(context.settings, user_key, phone, rules, user.language)
    limited = await context.store.apply_limits((*limits.for_code(subjects, LimitAction.CHECK), *charged, *reserved))
    _require_unlimited(limited)
    enrolment_id, code = new_enrolment_id(), code_generator(context.settings)(rules.challenge.digits)
    enrolment = Enrolment(
        user_key,
        keys.pin(user_key, phone),
        keys.enrolment_code(enrolment_id, code),
        rules.challenge.attempts,
        now + LIFETIME_SECONDS,
    )
    await _store(context, enrolment_id, enrolment)  # before the call, so that its code can be verified
    message = code_message_of(context.settings, rules, user.language, code, enrolment=True)
    methods = methods_of(rules)
    request = DeliveryRequest(phone, message, round(rules.challenge.ring_timeout), methods[0])
    placement, answers = await _deliver(context, enrolment_id, request, methods)
    if placement.result not in (DeliveryOutcome.PLACED, DeliveryOutcome.INDETERMINATE):
        refunded = reserved if placement.counted else (*charged, *reserved)
        await context.store.apply_limits(with_action(LimitAction.REFUND, refunded))
        reasons = dict.fromkeys(answers)  # a provider of several methods may have refused each for the same reason
        raise ValueError(f"{phone.masked} is not called: {'; '.join(reasons)}")
    await _store(context, enrolment_id, replace(enrolment, call=placement.ref))
    pins = await context.store.durable(pins_key(user_key))
    return {
        "user": user.name,
        "source": source,
        "phone": phone.masked,
        "changed": bool(compare(keys, user_key, [phone], pins).changed),
        "enrolment": enrolment_id,
        "attempts": enrolment.attempts,
        "method": placement.method.value,
        "certain": placement.result is DeliveryOutcome.PLACED,
        "not_recorded": context.record_change("enrolment_called", source, user, arguments),
    }


async def verify(context: OperationContext, source: str, user: User, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Compare the code of an enrolment. If it is right, pin the phone as verified. Raises ValueError or Unavailable.

    If the user had no pins, the user's other phones are pinned too, as not verified, like at a first login.
    """
    enrolment_id, typed = str(arguments.get("enrolment", "")), tidy_code(str(arguments.get("code", "")))
    keys, user_key = context.keys(), user_key_of(source, user.id)
    enrolment = decode(await context.store.get(enrolment_key(enrolment_id)))
    if enrolment is None or enrolment.user_key != user_key:
        raise ValueError(ENDED)
    phone = next((each for each in user.phones if keys.pin(user_key, each) == enrolment.phone), None)
    if phone is None:
        raise ValueError(f"the directory no longer has the phone that was called for {user.name}; run this again")
    charged = limits_of(context.settings).for_code(subjects_of(user_key, phone, "", ""))
    attempt = one_attempt(enrolment_id, enrolment)
    limited = await context.store.apply_limits((*charged, attempt))
    if isinstance(limited, Limited) and limited.limit == attempt.limit:
        raise ValueError(ENDED)
    _require_unlimited(limited)
    if not compare_digest(keys.enrolment_code(enrolment_id, typed), enrolment.code):
        left = await _attempts_left(context, enrolment_id, enrolment)
        detail = f"attempts left: {left}"
        not_recorded = context.record_change("enrolment_code_wrong", source, user, arguments, detail)
        return {"verified": False, "user": user.name, "attempts_left": left, "not_recorded": not_recorded}
    await context.store.apply_limits(with_action(LimitAction.REFUND, charged))
    await _end(context, enrolment_id)
    at = time.time()
    pins = await _pin(context, keys, user_key, user, phone, at)
    await _hang_up(context, enrolment)
    verified = {pin.phone for pin in pins if pin.verified}
    return {
        "verified": True,
        "user": user.name,
        "source": source,
        "phone": phone.masked,
        "at": at,
        "not_verified": [each.masked for each in user.phones if keys.pin(user_key, each) not in verified],
        "not_recorded": context.record_change("phone_verified", source, user, arguments),
    }


def _phone_to_call(settings: Settings, source: str, user: User, wanted: str) -> tuple[Phone, UserRulesSettings]:
    """The phone, and the rules of the first policy that allows calls to it. Raises ValueError with the reason."""
    if not user.phones:
        raise ValueError(f"the directory has no phone of {user.name}; add one there first")
    phone = parse_phone(wanted) if wanted else user.phones[0]
    if phone not in user.phones:
        known = ", ".join(each.masked for each in user.phones)
        raise ValueError(
            f"the directory does not have {phone.masked} for {user.name}; it has {known}; add the phone there first"
        )
    refusals = {}
    for name, policy in settings.policies.items():
        if policy.directory == source:
            rules = policy.rules_of(user.groups)
            refused = numbers_of(settings, rules).refusal(phone)
            if refused is None:
                return phone, rules
            refusals[name] = refused.text
    reasons = ", ".join(f"policies.{name}: {reason}" for name, reason in refusals.items())
    raise ValueError(f"{phone.masked} is not called: {reasons or f'no policy has the directory {source}'}")


async def _deliver(
    context: OperationContext, enrolment_id: str, request: DeliveryRequest, methods: Sequence[Method]
) -> tuple[PlacementResult, Sequence[str]]:
    """Call or text the phone; returns the result, and each provider's answer as text."""
    loop, answers = asyncio.get_running_loop(), list[str]()
    began = loop.time()

    def report(provider: str, asked: DeliveryRequest, answer: DeliveryResult) -> None:
        record = placement_record(time.time(), loop.time() - began, enrolment_id, provider, asked, answer)
        context.record(record)
        answers.append(f"{provider}: {record.detail}{f' ({record.fix})' if record.fix else ''}")

    async with opened_providers(context.settings) as providers:
        by_methods, deadline = by_method(context.settings, providers), began + PLACEMENT_SECONDS
        phones = (request.phone,)
        placement = await deliver(request, phones, methods, by_methods, no_other_delivery, report, deadline)
    return placement, answers


async def _pin(
    context: OperationContext, keys: Keys, user_key: str, user: User, phone: Phone, at: float
) -> Sequence[Pin]:
    """Pin a phone as verified; returns the pins of the user."""
    (pin,) = new_pins(keys, user_key, [phone], at, verified=True)

    def change(present: tuple[Pin, ...] | None) -> tuple[Pin, ...]:
        others = new_pins(keys, user_key, user.phones, at, verified=False) if present is None else present
        return (pin, *(each for each in others if each.phone != pin.phone))

    return await replace_pins(context.store, user_key, change) or ()


async def _hang_up(context: OperationContext, enrolment: Enrolment) -> None:
    """End the call. If that fails, the call ends after its message."""
    if enrolment.call is None:
        return
    async with opened_providers(context.settings) as providers:
        provider = providers.get(enrolment.call.provider)
        control = None if provider is None else provider.call_control
        if control is not None:
            with suppress(Unavailable):
                await control.hang_up(enrolment.call)


async def _store(context: OperationContext, enrolment_id: str, enrolment: Enrolment) -> None:
    seconds = max(1.0, enrolment.expires_at - time.time())
    await context.store.put(enrolment_key(enrolment_id), encode(enrolment), seconds)


async def _end(context: OperationContext, enrolment_id: str) -> None:
    """End an enrolment: no further code is compared."""
    await context.store.put(enrolment_key(enrolment_id), b"", LIFETIME_SECONDS)


async def _attempts_left(context: OperationContext, enrolment_id: str, enrolment: Enrolment) -> int:
    """How many attempts are left after a wrong code. If none is left, the enrolment is ended."""
    attempt = one_attempt(enrolment_id, enrolment)
    used = await context.store.arrival_times([attempt])
    left = remaining(used[attempt], attempt.limit, time.time())
    if not left:
        await _end(context, enrolment_id)
    return left


def _require_unlimited(limited: Limited | AlreadyRecorded | None) -> None:
    """Raise ValueError with the limit and the fix if a limit is reached."""
    if not isinstance(limited, Limited):
        return
    name, minutes = limited.limit.name, max(1, math.ceil(limited.retry_after / 60))
    raise ValueError(
        f"the limit {name} is reached; try again in {duration_text(minutes * 60.0)}, or run: radius-voice users unlock"
    )


OF_A_USER: Mapping[str, Callable[..., Awaitable[Mapping[str, Any]]]] = {"enroll_call": call, "enroll_verify": verify}
"""Commands about one user: functions of the context, the identity source, the user and the arguments."""
