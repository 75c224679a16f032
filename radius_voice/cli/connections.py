"""`test-credentials`, and the part of `check --connect` that tries the store, directories and providers."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from radius_voice.cli.common import config_option, json_option, loaded, run

if TYPE_CHECKING:
    from radius_voice.config.schema import Settings
    from radius_voice.login.deliveries.adapter_reports import AccountCheck

CONNECT_SECONDS = 10.0
RESULTS = {"good": "good: ", "warning": "warning: ", "bad": "BAD: ", "not_checked": "not checked: "}
THIS_COMMAND = "run radius-voice test-credentials"


@dataclass(frozen=True, slots=True)
class ConnectionCheck:
    """The result of one check. `part` is store, identity, provider, certificate or clock.

    `name` is the name of the section, or the key of the certificate or clock, in the configuration. `result` is a key
    of RESULTS. `text` is the reason; for a bad result, it has the fix.
    """

    part: str
    name: str
    result: str
    text: str

    @property
    def line(self) -> str:
        """The check in one line."""
        subject = self.name if self.part == "provider" else f"{self.part} {self.name}"
        result = f"{RESULTS[self.result]}{self.text}"
        return f"{subject}: {result.removesuffix(': ')}"


@click.command("test-credentials")
@config_option
@json_option
def test_credentials(path: Path, as_json: bool) -> None:
    """Check each provider's account, numbers and countries.

    Delivers nothing.
    """
    checks = run(reported(provider_checks(loaded(path).settings, "bad"), as_json))
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], indent=1))
    if not all_good(checks):
        raise click.exceptions.Exit(1)


async def reported(checks: AsyncIterator[ConnectionCheck], as_json: bool) -> list[ConnectionCheck]:
    """Wait for all checks. Unless `as_json`, each is printed when it ends."""
    done = []
    async for check in checks:
        done.append(check)
        if not as_json:
            click.echo(check.line)
    return done


def all_good(checks: list[ConnectionCheck]) -> bool:
    """Whether no check is bad."""
    return all(check.result != "bad" for check in checks)


async def connection_checks(settings: Settings) -> AsyncIterator[ConnectionCheck]:
    """Try the store, the directories and the providers."""
    yield await _store_check(settings)
    async for check in _identity_checks(settings):
        yield check
    async for check in provider_checks(settings, "not_checked"):
        yield check


async def _store_check(settings: Settings) -> ConnectionCheck:
    from radius_voice.config.secrets import unavailable_in
    from radius_voice.operations import OperationFailed, try_store

    kind = settings.store.type
    for key, reason in unavailable_in(settings.store, "store"):
        return ConnectionCheck("store", kind, "not_checked", f"{key}: {reason}")
    try:
        return ConnectionCheck("store", kind, "good", await try_store(settings))
    except OperationFailed as problem:
        return ConnectionCheck("store", kind, "bad", str(problem))


async def _identity_checks(settings: Settings) -> AsyncIterator[ConnectionCheck]:
    from radius_voice.config.secrets import unavailable_in
    from radius_voice.identity.context import IdentityContext
    from radius_voice.identity.passwords import Hasher
    from radius_voice.wiring.adapters import identity_source

    hasher = Hasher()
    for name, section in settings.identity.items():
        not_readable = [f"{key}: {reason}" for key, reason in unavailable_in(section, f"identity.{name}")]
        if not_readable:
            yield ConnectionCheck("identity", name, "not_checked", not_readable[0])
            continue
        source = identity_source(name, section, IdentityContext(hasher, messages=settings.delivery.messages))
        try:
            checks = await source.check_connection(time.monotonic() + CONNECT_SECONDS)
        finally:
            await source.close()
        for check in checks:
            yield _of_adapter("identity", name, check)
    hasher.close()


async def provider_checks(settings: Settings, without_credentials: str) -> AsyncIterator[ConnectionCheck]:
    """Ask each provider about its account; `without_credentials` is the result if a secret cannot be read."""
    from radius_voice.wiring.adapters import provider_of

    countries = _called_countries(settings)
    for name, section in settings.delivery.providers.items():
        try:
            provider = provider_of(name, section)
        except ValueError as problem:
            yield ConnectionCheck("provider", name, without_credentials, str(problem))
            continue
        try:
            checks = await provider.check_account(countries)
        finally:
            await provider.close()
        if not checks:
            yield ConnectionCheck("provider", name, "not_checked", "it has no account")
        for check in checks:
            yield _of_adapter("provider", name, check)


def _of_adapter(part: str, name: str, check: AccountCheck) -> ConnectionCheck:
    result = ("good" if check.ok else "bad") if check.checked else "not_checked"
    return ConnectionCheck(part, name, result, _without_this_command(check.text))


def _without_this_command(text: str) -> str:
    """The text without the advice to run test-credentials, which performs this check."""
    return text.replace(f"; {THIS_COMMAND}, and ", "; ").replace(f"; {THIS_COMMAND}", "")


def _called_countries(settings: Settings) -> frozenset[str]:
    """The countries that policies allow to be called; none if one of them allows any."""
    allowed = [rules.countries for rules in settings.user_rules]
    return frozenset() if None in allowed else frozenset().union(*(each for each in allowed if each))
