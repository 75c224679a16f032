"""`limits` and `users unlock`: what is used of limits, and how to give it back."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from radius_voice.cli.common import config_option, loaded, run

if TYPE_CHECKING:
    from radius_voice.config.schema import Settings
    from radius_voice.login.limits import Limits
    from radius_voice.login.model import Spend, User
    from radius_voice.login.ports import Store


@click.command()
@config_option
@click.option("--user", "name", help="What counts for this person and their phones.")
def limits(path: Path, name: str | None) -> None:
    """Show what is used of limits and what is left: in all and by gateway and country, or of one person."""
    settings = loaded(path).settings
    run(_show(settings, name))


@click.command("unlock")
@config_option
@click.argument("name")
def unlock(path: Path, name: str) -> None:
    """Clear what is counted for the person NAME and their phones: wrong codes, wrong passwords, and calls."""
    run(_unlock(loaded(path).settings, name))


async def _show(settings: Settings, name: str | None) -> None:
    from radius_voice.build import limits_of
    from radius_voice.login.limits import left_of

    configured = limits_of(settings)
    async with _opened(settings) as store:
        if name is None:
            spends = list(_common(settings, configured))
        else:
            spends = await _own(settings, configured, store, *await _person(settings, name))
        full_at = await store.full_at(spends)
    now = time.time()
    click.echo(f"{'limit':<28} {'of':<20} {'used':>6} {'left':>6}  allowed")
    for spend in spends:
        left = left_of(full_at[spend], spend.limit, now)
        burst, period = spend.limit.burst, spend.limit.period
        shown = _shown(spend)
        click.echo(f"{spend.limit.name:<28} {shown:<20} {burst - left:>6} {left:>6}  {burst} per {_written(period)}")


async def _unlock(settings: Settings, name: str) -> None:
    from radius_voice.build import limits_of
    from radius_voice.login.limits import acting
    from radius_voice.login.model import Act

    source, user = await _person(settings, name)
    async with _opened(settings) as store:
        own = await _own(settings, limits_of(settings), store, source, user)
        await store.spend(acting(Act.CLEAR, own))
    click.echo(f"{user.name} is unlocked")


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Store]:
    """The store of the configuration; when it cannot be used, the end of the command."""
    from radius_voice.login.model import Unavailable

    store = _store(settings)
    try:
        yield store
    except Unavailable as problem:
        raise click.ClickException(str(problem)) from None
    finally:
        await store.close()


def _store(settings: Settings) -> Store:
    from radius_voice.app import open_store

    if settings.store.type == "memory":
        raise click.ClickException("a store of type memory belongs to the process that serves; its limits end with it")
    try:
        return open_store(settings)
    except (ValueError, OSError) as problem:
        raise click.ClickException(str(problem)) from None


async def _person(settings: Settings, name: str) -> tuple[str, User]:
    from radius_voice.identity.passwords import Hasher
    from radius_voice.identity.users_file import UsersFile

    hasher = Hasher()
    try:
        for source_name, source in settings.identity.items():
            user = await UsersFile(source.path, hasher).find(name, 0.0)
            if user is not None:
                return source_name, user
    except (ValueError, OSError) as problem:
        raise click.ClickException(str(problem)) from None
    finally:
        hasher.close()
    raise click.ClickException("nobody has that name; radius-voice users list shows who there is")


async def _own(settings: Settings, configured: Limits, store: Store, source: str, user: User) -> list[Spend]:
    """The limits that count for a person by any of their phones, each once."""
    from radius_voice.app import server_key
    from radius_voice.login.codes import Keys
    from radius_voice.login.first_factor import password_subjects

    subjects = await password_subjects(Keys(server_key(settings)), store, source, user.name)
    spends = list(configured.about({"person": f"{source}:{user.id}"}, subjects))
    for phone in user.phones:
        spends += configured.about({"phone": phone.e164})
    return spends


def _common(settings: Settings, configured: Limits) -> Iterator[Spend]:
    """The limits that count for everybody, for a gateway, and for the countries that policies name."""
    yield from configured.about({"all": "all"})
    for client in settings.clients:
        yield from configured.about({"client": client})
    for country in sorted({each for policy in settings.policies.values() for each in policy.countries or ()}):
        yield from configured.about({"country": country})


def _written(seconds: float) -> str:
    """A period as the configuration writes it."""
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


def _shown(spend: Spend) -> str:
    """A subject as people may see it: phones masked, hashes of typed names not at all."""
    from radius_voice.login.phone import Phone

    if spend.limit.name.endswith(".phone"):
        return Phone(spend.subject).masked
    return "the name" if spend.limit.name == "wrong_passwords.person" else spend.subject
