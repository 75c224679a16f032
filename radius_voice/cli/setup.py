"""`init`, `check` and `test-credentials`: create and validate a configuration."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from radius_voice.cli.common import config_option, loaded, run, state_option, with_state
from radius_voice.exceptions import message_of
from radius_voice.files.access import Account, account_named, account_of, owner_ids, with_advice_once

if TYPE_CHECKING:
    from radius_voice.config.adapters import IdentitySection
    from radius_voice.config.client_settings import ClientSettings
    from radius_voice.config.load import Loaded
    from radius_voice.config.schema import Settings
    from radius_voice.config.section import Diagnostic
    from radius_voice.login.ports import IdentitySource

CONNECT_SECONDS = 10.0


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def init(directory: Path) -> None:
    """Write a commented configuration with new secrets.

    Creates DIRECTORY if it does not exist, and overwrites no file.
    """
    from radius_voice.config.errors import ConfigError
    from radius_voice.config.init import write_configuration

    try:
        written = write_configuration(directory)
    except ConfigError as problem:
        raise click.ClickException(str(problem)) from None
    except OSError as problem:
        raise click.ClickException(f"{problem.filename}: {problem.strerror}") from None
    for path in written:
        click.echo(f"wrote {path}")
    configuration = written[0]
    click.echo(
        "\nNext:\n"
        f"  1. edit {configuration}: your gateway's address, your Twilio account and number\n"
        f"  2. write the account's auth token into {directory / 'twilio-auth-token'}\n"
        f"  3. radius-voice users add --file {directory / 'users.yaml'} NAME --phone +NUMBER\n"
        f"  4. radius-voice check --config {configuration}\n"
        f"  5. radius-voice serve --config {configuration}"
    )


@click.command()
@config_option
@click.option(
    "--connect", is_flag=True, help="Also try the store, each identity source's servers and each provider's account."
)
@click.option(
    "--user",
    metavar="NAME",
    help="The user that the service runs as. Default: the owner of the state directory, or you.",
)
@state_option
def check(path: Path, connect: bool, user: str | None, state: Path | None) -> None:
    """Check a configuration, and whether serve can start.

    Reports all errors with their fixes, and prints the resulting policy.
    """
    from radius_voice.config.start_warnings import start_warnings
    from radius_voice.service import preflight
    from radius_voice.service.user_warnings import user_warnings

    account, configuration, sources, errors = _load_for_account(path, user, state)
    settings = configuration.settings
    readable = [file for name in sources for file in settings.identity[name].files().values()]
    results = list(preflight.check_results(path, configuration, account, readable))
    errors += [*_slow(configuration, sources), *(result.text for result in results if result.checked)]
    of_users = () if errors else configuration.located(user_warnings(settings, sources))
    listed = {name: all_users for name, source in sources.items() if (all_users := source.all_users()) is not None}
    run(_close(sources))
    for warning in (*configuration.warnings, *start_warnings(settings), *of_users):
        click.echo(f"warning: {warning}", err=True)
    for result in results:
        if not result.checked:
            click.echo(f"not checked: {result.text}", err=True)
    if errors:
        lines = [f"serve would not start as user {account.name}:", *with_advice_once(dict.fromkeys(errors))]
        raise click.ClickException("\n".join(lines))
    _describe(settings, {name: len(all_users) for name, all_users in listed.items()})
    click.echo(f"files and directories: user {account.name} has the access that serve needs")
    for warning in _shared_stations(settings):
        click.echo(f"warning: {warning}", err=True)
    if connect and not run(_connect(settings)):
        raise click.exceptions.Exit(1)
    click.echo(f"{path}: good")


def _shared_stations(settings: Settings) -> list[str]:
    """Warnings about Calling-Station-Ids that many users share, if a policy remembers logins and the store is known."""
    from radius_voice.login.remembered import shared_station_text
    from radius_voice.operations import OperationFailed, shared_stations

    if not any(each.remember for each in settings.user_rules):
        return []
    try:
        return [shared_station_text(client) for client in run(shared_stations(settings))["clients"]]
    except OperationFailed:
        return []  # no service runs: it warns itself


async def _close(sources: Mapping[str, IdentitySource]) -> None:
    for source in sources.values():
        await source.close()


def _load_for_account(
    path: Path, user: str | None, state: Path | None
) -> tuple[Account, Loaded, dict[str, IdentitySource], list[str]]:
    """The service's user, the configuration, its identity sources, and the errors of these.

    Ends the command with all errors if the configuration cannot be used.
    """
    from radius_voice.config.errors import ConfigError
    from radius_voice.identity.context import IdentityContext
    from radius_voice.identity.passwords import Hasher
    from radius_voice.wiring import identity_source, load

    configuration: Loaded | None = None
    account, errors = account_of(os.geteuid()), []
    try:
        account = _account(user, path, with_state(load(path, for_service=False), state))
        configuration = with_state(load(path, for_service=False, owner=account.uid), state)
        sections: Mapping[str, IdentitySection] = configuration.settings.identity
        messages = configuration.settings.delivery.messages
    except ConfigError as problem:
        errors, sections, messages = list(problem.errors), problem.identity, problem.messages
    sources: dict[str, IdentitySource] = {}
    hasher = Hasher()
    for name, section in sections.items():
        try:
            sources[name] = identity_source(name, section, IdentityContext(hasher, messages=messages))
        except ValueError as problem:
            errors += str(problem).splitlines()
        except OSError as problem:
            if configuration is not None:  # otherwise the errors have it already
                errors += configuration.located([_cannot_be_read(name, section, problem)])
    hasher.close()
    if configuration is None:
        raise click.ClickException("\n".join(["the configuration cannot be used:", *with_advice_once(errors)]))
    return account, configuration, sources, errors


def _cannot_be_read(name: str, section: IdentitySection, problem: OSError) -> Diagnostic:
    """The key of the file that cannot be read, and the fix."""
    from radius_voice.files.reading import unreadable

    for key, file in section.files().items():
        if reason := unreadable(file):
            return ("identity", name, key), reason
    return ("identity", name, *section.USERS_KEY), message_of(problem)


def _slow(configuration: Loaded, sources: dict[str, IdentitySource]) -> Iterator[str]:
    """Identity sources whose passwords take too long to verify."""
    from radius_voice.service.verification_time import slow_verifications

    clients = configuration.settings.clients.items()
    return (
        slow_verifications(sources, {name: client.response_timeout for name, client in clients})
        if sources
        else iter(())
    )


def _account(user: str | None, path: Path, configuration: Loaded) -> Account:
    """The user that the service runs as.

    Ends the command if it is not given and the files belong to another user, who is probably meant.
    """
    if user is not None:
        try:
            return account_named(user)
        except KeyError:
            raise click.BadParameter(f"this machine has no user {user}", param_hint="--user") from None
    settings = configuration.settings
    with suppress(OSError):
        return account_of(settings.server.state.stat().st_uid)
    of_sources = [file for section in settings.identity.values() for file in section.files().values()]
    files = (path, *configuration.secret_files, *configuration.text_files, *of_sources)
    directories = [file.absolute().parent for file in files]
    owners = {account_of(uid).name for uid in owner_ids([*files, *directories]) - {0, os.geteuid()}}
    if len(owners) == 1:
        (owner,) = owners
        raise click.ClickException(
            f"the files of this configuration belong to user {owner}, and the state directory {settings.server.state} "
            f"does not exist; if the service runs as {owner}, add: --user {owner} "
            f"(and --state DIRECTORY under systemd's StateDirectory=); or name the user of the service by --user"
        )
    return account_of(os.geteuid())


def _describe(settings: Settings, user_counts: dict[str, int]) -> None:
    for name, count in user_counts.items():
        click.echo(f"identity {name}: {count} {'user' if count == 1 else 'users'}")
    for name, client in settings.clients.items():
        addresses = ", ".join(str(address) for address in client.address)
        click.echo(
            f"client {name}: {addresses}; Message-Authenticator required: {client.require_message_authenticator}; "
            f"policy {client.policy}{_realms_text(client)}; response timeout {client.response_timeout:g} s"
            + _mode_text(client)
        )
    for name, policy in settings.policies.items():
        challenge = policy.challenge
        countries = "any" if policy.countries is None else ", ".join(sorted(policy.countries))
        click.echo(
            f"policy {name}: first factor {policy.first_factor}, directory {policy.directory}; "
            f"{challenge.digits} digits, {challenge.attempts} attempts, {challenge.redials} redials, "
            f"code lifetime {challenge.code_lifetime:g} s; countries: {countries}; "
            f"methods: {', '.join(policy.methods)}; voicemail: {policy.voicemail}"
        )
    from radius_voice.login.model import DELIVERY_METHODS

    for method in DELIVERY_METHODS:
        if names := settings.delivery.order_of(method):
            click.echo(f"providers for {method}: {', '.join(names)}")
    if settings.callbacks is not None:
        click.echo(f"callbacks: {settings.callbacks.public_url}, received on {settings.callbacks.listen}")
    click.echo(f"friendly name: {settings.delivery.friendly_name!r}")
    from radius_voice.cost_of_day import cost_text

    click.echo(f"cost: {cost_text(settings)}")


def _mode_text(client: ClientSettings) -> str:
    """What users of a client do in place of a response to a challenge; nothing for a client with challenges."""
    texts = {"two_pass": f"; two passes: password{client.delimiter}code", "approve": "; approval by key press"}
    password = "" if client.password_required else " without a password"
    return f"{texts[client.second_factor]}{password}" if client.second_factor in texts else ""


def _realms_text(client: ClientSettings) -> str:
    """The realms of a client, each with its policy and whether it stays in the name."""
    from radius_voice.config.errors import readable

    texts = [
        f"{readable(realm)} (policy {section.policy or client.policy}{'' if section.strip else ', not stripped'})"
        for realm, section in client.realms.items()
    ]
    return f"; realms {', '.join(texts)}" if texts else ""


@click.command("test-credentials")
@config_option
def test_credentials(path: Path) -> None:
    """Check each provider's account, numbers and countries.

    Delivers nothing.
    """
    if not run(_ask_providers(loaded(path).settings, "BAD")):
        raise click.exceptions.Exit(1)


async def _connect(settings: Settings) -> bool:
    """Check the store, the directories and the providers, and print the results."""
    from radius_voice.config.secrets import unavailable_in
    from radius_voice.operations import OperationFailed, try_store

    good = True
    not_readable = [f"{key}: {reason}" for key, reason in unavailable_in(settings.store, "store")]
    try:
        result = f"not checked: {not_readable[0]}" if not_readable else await try_store(settings)
    except OperationFailed as problem:
        result, good = f"BAD: {problem}", False
    click.echo(f"store {settings.store.type}: {result}")
    good = await _ask_identity_sources(settings) and good
    return await _ask_providers(settings, "not checked") and good


async def _ask_identity_sources(settings: Settings) -> bool:
    """Check the servers of the identity sources, and print the results."""
    from radius_voice.config.secrets import unavailable_in
    from radius_voice.identity.context import IdentityContext
    from radius_voice.identity.passwords import Hasher
    from radius_voice.wiring import identity_source

    good, hasher = True, Hasher()
    for name, section in settings.identity.items():
        not_readable = [f"{key}: {reason}" for key, reason in unavailable_in(section, f"identity.{name}")]
        if not_readable:
            click.echo(f"identity {name}: not checked: {not_readable[0]}")
            continue
        source = identity_source(name, section, IdentityContext(hasher, messages=settings.delivery.messages))
        try:
            checks = await source.check_connection(time.monotonic() + CONNECT_SECONDS)
        finally:
            await source.close()
        for check in checks:
            click.echo(f"identity {name}: {'good' if check.ok else 'BAD'}: {check.text}")
            good = good and check.ok
    hasher.close()
    return good


async def _ask_providers(settings: Settings, without_credentials: str) -> bool:
    """Print the results of the providers; `without_credentials` is the result if a secret cannot be read."""
    from radius_voice.wiring import provider_of

    good, countries = True, _called_countries(settings)
    for name, section in settings.delivery.providers.items():
        try:
            provider = provider_of(name, section)
        except ValueError as problem:
            click.echo(f"{name}: {without_credentials}: {problem}")
            good = good and without_credentials != "BAD"
            continue
        try:
            checks = await provider.check_account(countries)
        finally:
            await provider.close()
        if not checks:
            click.echo(f"{name}: has no account to check")
        for check in checks:
            click.echo(f"{name}: {'good' if check.ok else 'BAD'}: {check.text}")
            good = good and check.ok
    return good


def _called_countries(settings: Settings) -> frozenset[str]:
    """The countries that policies allow to be called; none if one of them allows any."""
    allowed = [rules.countries for rules in settings.user_rules]
    return frozenset() if None in allowed else frozenset().union(*(each for each in allowed if each))
