"""`call`: places one test call and prints its statuses until it ends."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from radius_voice.cli.common import callable_phone, config_option, loaded, run

if TYPE_CHECKING:
    from radius_voice.config.schema import Settings
    from radius_voice.login.deliveries import CodeMessage
    from radius_voice.login.model import CallRef
    from radius_voice.login.phone import Phone
    from radius_voice.login.ports import CallControl, Provider

CODE = "123456"
RING_TIMEOUT = 30
POLL_SECONDS = 1.0
MAX_POLLS = 180


@click.command()
@config_option
@click.argument("number")
def call(path: Path, number: str) -> None:
    """Place one test call to NUMBER and follow it to its end.

    The call speaks 1 2 3 4 5 6. NUMBER begins with + and the country code.
    """
    from radius_voice.policies import numbers_of

    settings = loaded(path).settings
    allowed = [prefix for policy in settings.policies.values() for prefix in numbers_of(settings, policy).allowed]
    if not run(_call(settings, callable_phone(number, tuple(allowed)))):
        raise click.exceptions.Exit(1)


async def _call(settings: Settings, phone: Phone) -> bool:
    from radius_voice.login.deliveries import CodeMessage
    from radius_voice.login.model import Method
    from radius_voice.wiring import provider_of

    delivery = settings.delivery
    message = CodeMessage("en", delivery.friendly_name, CODE, catalog=delivery.messages)
    for name in settings.delivery.order_of(Method.VOICE):
        try:
            provider = provider_of(name, settings.delivery.providers[name])
        except ValueError as problem:
            raise click.ClickException(str(problem)) from None
        try:
            placed = await _place(provider, name, message, phone)
        finally:
            await provider.close()
        if placed is not None:
            return placed
    click.echo("no provider placed the call")
    return False


async def _place(provider: Provider, name: str, message: CodeMessage, phone: Phone) -> bool | None:
    """Whether the call was answered; None if it certainly was not placed, so that another provider may be tried."""
    from radius_voice.login.deliveries import DeliveryRequest, NotPlaced, NumberRejected, Placed
    from radius_voice.login.model import CallRef

    request = DeliveryRequest(phone, message, RING_TIMEOUT)
    answer = await provider.place(request, asyncio.get_running_loop().time() + RING_TIMEOUT)
    match answer:
        case NotPlaced(detail) | NumberRejected(detail):
            click.echo(f"{name}: not placed: {detail}")
            return None if isinstance(answer, NotPlaced) else False
        case Placed(live=False):
            click.echo(f"{name}: places no calls")
            return None
        case Placed(reference):
            click.echo(f"{name}: calling {phone.masked}, call {reference}")
        case indeterminate:
            click.echo(f"{name}: {indeterminate.detail}; the phone may ring, so no other provider is tried")
            return False
    control = provider.call_control
    if control is None:
        click.echo(f"{name}: the status of its calls is not available")
        return True
    return await _follow(control, CallRef(name, reference))


async def _follow(control: CallControl, ref: CallRef) -> bool:
    """Print each new status of a call until it ends; returns whether it was answered."""
    from radius_voice.login.model import CallStatus, Unavailable

    last = CallStatus.QUEUED
    for _ in range(MAX_POLLS):
        try:
            status = (await control.progress([ref])).get(ref, last)
        except Unavailable as problem:
            click.echo(f"{ref.provider}: {problem.detail}")
            return False
        if status is not last:
            click.echo(f"{ref.provider}: {status.value.replace('_', ' ')}")
        last = status
        if status.over:
            return status is CallStatus.COMPLETED
        await asyncio.sleep(POLL_SECONDS)
    return False
