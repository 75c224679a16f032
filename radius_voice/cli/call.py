"""`call` and `text`: make one delivery, and print its statuses until it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from radius_voice.cli.common import callable_phone, config_option, loaded, run

if TYPE_CHECKING:
    from radius_voice.config.schema import Settings
    from radius_voice.login.deliveries.requests import DeliveryRequest
    from radius_voice.login.model import CallRef, Method
    from radius_voice.login.phone import Phone
    from radius_voice.login.ports import CallControl, MessageControl, Provider

Status = TypeVar("Status", bound=StrEnum)
CODE = "123456"
NOT_SENT = "not sent: "
"""How details of providers begin; this command prints the same before them."""

RING_TIMEOUT = 30
POLL_SECONDS = 1.0
MAX_POLLS = 180


@click.command()
@config_option
@click.argument("number")
def call(path: Path, number: str) -> None:
    """Place one test call to NUMBER and follow it to its end.

    The call speaks 1 2 3 4 5 6. NUMBER begins with + and the country code, or is a SIP
    address like sip:3105@pbx.example.org.
    """
    from radius_voice.login.model import Method

    _deliver_to(path, number, Method.VOICE)


@click.command()
@config_option
@click.argument("number")
def text(path: Path, number: str) -> None:
    """Send one text message to NUMBER and follow it to its end.

    Its code is 123456. NUMBER begins with + and the country code.
    """
    from radius_voice.login.model import Method

    _deliver_to(path, number, Method.SMS)


def _deliver_to(path: Path, number: str, method: Method) -> None:
    from radius_voice.wiring.policies import numbers_of

    settings = loaded(path).settings
    rules = [numbers_of(settings, policy) for policy in settings.policies.values()]
    allowed = tuple(prefix for each in rules for prefix in each.allowed)
    sip_domains = {domain for each in rules for domain in each.sip_domains}
    if not run(_deliver(settings, callable_phone(number, allowed, sip_domains), method)):
        raise click.exceptions.Exit(1)


async def _deliver(settings: Settings, phone: Phone, method: Method) -> bool:
    from radius_voice.login.deliveries.requests import CodeMessage, DeliveryRequest
    from radius_voice.login.model import Method
    from radius_voice.wiring.adapters import provider_of

    delivery = settings.delivery
    message = CodeMessage("en", delivery.friendly_name, CODE, catalog=delivery.messages)
    request = DeliveryRequest(phone, message, RING_TIMEOUT, method)
    names = delivery.order_of(method)
    if not names:
        does = "places calls" if method is Method.VOICE else "sends text messages"
        raise click.ClickException(f"no provider in delivery.providers {does}; add one")
    for name in names:
        try:
            provider = provider_of(name, delivery.providers[name])
        except ValueError as problem:
            raise click.ClickException(str(problem)) from None
        try:
            delivered = await _request(provider, name, request)
        finally:
            await provider.close()
        if delivered is not None:
            return delivered
    click.echo("no provider placed the call" if method is Method.VOICE else "no provider sent the text message")
    return False


async def _request(provider: Provider, name: str, request: DeliveryRequest) -> bool | None:
    """Whether the delivery reached the phone; None if it certainly did not, so that another provider may be tried."""
    from radius_voice.login.deliveries.requests import NotPlaced, NumberRejected, Placed
    from radius_voice.login.model import CallRef, Method

    calls = request.method is Method.VOICE
    answer = await provider.place(request, asyncio.get_running_loop().time() + RING_TIMEOUT)
    match answer:
        case NotPlaced(detail) | NumberRejected(detail):
            fix = f"; {answer.fix}" if answer.fix else ""
            click.echo(f"{name}: not {'placed' if calls else 'sent'}: {detail.removeprefix(NOT_SENT)}{fix}")
            return False if isinstance(answer, NumberRejected) and answer.sent else None
        case Placed(live=False) if calls:
            click.echo(f"{name}: places no calls")
            return None
        case Placed(reference) if calls:
            click.echo(f"{name}: calling {request.phone.masked}, call {reference}")
            return await _follow_call(provider.call_control, CallRef(name, reference))
        case Placed(reference):
            click.echo(f"{name}: sent to {request.phone.masked}, message {reference}")
            return await _follow_message(provider.message_control, name, reference)
        case indeterminate:
            may = "ring" if calls else "get the message"
            click.echo(f"{name}: {indeterminate.detail}; the phone may {may}, so no other provider is tried")
            return False


async def _follow_call(control: CallControl | None, ref: CallRef) -> bool:
    """Print each new status of a call until it ends; returns whether it was answered."""
    from radius_voice.login.model import CallStatus

    if control is None:
        click.echo(f"{ref.provider}: the status of its calls is not available")
        return True

    async def ask() -> tuple[CallStatus, str]:
        return (await control.progress([ref])).get(ref, CallStatus.QUEUED), ""

    last = await _last_status(ref.provider, CallStatus.QUEUED, ask, lambda status: status.over)
    return last is CallStatus.COMPLETED


async def _follow_message(control: MessageControl | None, name: str, reference: str) -> bool:
    """Print each new status of a text message until it is final; returns whether it was delivered."""
    from radius_voice.login.deliveries.requests import MessageStatus

    if control is None:
        click.echo(f"{name}: the status of its text messages is not available")
        return True
    last = await _last_status(
        name, MessageStatus.QUEUED, lambda: control.message_status(reference), lambda status: status.final
    )
    if last is MessageStatus.SENT:
        click.echo(f"{name}: no final status in time; not every network reports delivery")
    return last in (MessageStatus.SENT, MessageStatus.DELIVERED)


async def _last_status(
    name: str, first: Status, ask: Callable[[], Awaitable[tuple[Status, str]]], is_final: Callable[[Status], bool]
) -> Status | None:
    """Print each new status until it is final or MAX_POLLS are over; None if the provider is unavailable.

    `ask` returns the present status and more about it.
    """
    from radius_voice.login.model import Unavailable

    last = first
    for _ in range(MAX_POLLS):
        try:
            status, detail = await ask()
        except Unavailable as problem:
            click.echo(f"{name}: {problem.detail}")
            return None
        if status is not last:
            click.echo(f"{name}: {status.value.replace('_', ' ')}{f': {detail}' if detail else ''}")
        last = status
        if is_final(status):
            break
        await asyncio.sleep(POLL_SECONDS)
    return last
