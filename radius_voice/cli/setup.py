"""`init`, `check` and `test-credentials`: from nothing to a configuration that works."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from radius_voice.cli.common import config_option, loaded, run

if TYPE_CHECKING:
    from radius_voice.config.load import Loaded
    from radius_voice.config.schema import Settings
    from radius_voice.identity.users_file import UsersFile


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def init(directory: Path) -> None:
    """Write a commented configuration with fresh secrets to DIRECTORY, ready to edit."""
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
        f"  2. radius-voice users add --file {directory / 'users.yaml'} NAME --phone +NUMBER\n"
        f"  3. radius-voice check --config {configuration}\n"
        f"  4. radius-voice serve --config {configuration}"
    )


@click.command()
@config_option
@click.option("--connect", is_flag=True, help="Also try the store and every provider.")
def check(path: Path, connect: bool) -> None:
    """Validate a configuration and print the policy that results."""
    from radius_voice.advice import warnings_of

    configuration, sources = _examined(path)
    settings = configuration.settings
    users = {name: source.everyone() for name, source in sources.items()}
    for warning in (*configuration.warnings, *configuration.placed(warnings_of(settings, users))):
        click.echo(f"warning: {warning}", err=True)
    _describe(settings, {name: len(everyone) for name, everyone in users.items()})
    if connect and not run(_connect(settings)):
        raise click.exceptions.Exit(1)
    click.echo(f"{path}: good")


def _examined(path: Path) -> tuple[Loaded, dict[str, UsersFile]]:
    """The configuration and its identity sources, or the end of the command with every error in both."""
    from radius_voice.config.errors import ConfigError
    from radius_voice.config.load import load
    from radius_voice.identity.passwords import Hasher
    from radius_voice.identity.users_file import UsersFile
    from radius_voice.verification_time import slow_verifications

    errors: list[str] = []
    try:
        configuration = load(path)
        files = {name: source.path for name, source in configuration.settings.identity.items()}
    except ConfigError as problem:
        configuration, errors, files = None, list(problem.errors), dict(problem.users_files)
    sources: dict[str, UsersFile] = {}
    hasher = Hasher()
    for name, file in files.items():
        try:
            sources[name] = UsersFile(file, hasher)
        except ValueError as problem:
            errors += str(problem).splitlines()
        except OSError as problem:
            if configuration is not None:  # or else it is among the errors already
                errors.append(f"{file}: {problem.strerror}")
    hasher.close()
    if configuration is not None and not errors:
        clients = configuration.settings.clients.items()
        errors += slow_verifications(sources, {name: client.answer_within for name, client in clients})
    if configuration is None or errors:
        raise click.ClickException("\n".join(["the configuration cannot be used:", *errors]))
    return configuration, sources


def _describe(settings: Settings, people: dict[str, int]) -> None:
    for name, count in people.items():
        click.echo(f"identity {name}: {count} {'person' if count == 1 else 'people'}")
    for name, client in settings.clients.items():
        addresses = ", ".join(str(address) for address in client.address)
        click.echo(
            f"client {name}: {addresses}; Message-Authenticator required: {client.require_message_authenticator}; "
            f"policy {client.policy}; answers within {client.answer_within:g} s"
        )
    for name, policy in settings.policies.items():
        challenge = policy.challenge
        countries = "any country" if policy.countries is None else ", ".join(sorted(policy.countries))
        click.echo(
            f"policy {name}: password by {policy.first_factor}, phones from {policy.directory}; "
            f"{challenge.digits} digits, {challenge.tries} tries, {challenge.redials} redials, "
            f"code lives {challenge.lifetime:g} s; calls to {countries}"
        )
    click.echo(f"calls by: {', '.join(settings.delivery.voice)}, heard as {settings.delivery.friendly_name!r}")


@click.command("test-credentials")
@config_option
def test_credentials(path: Path) -> None:
    """Ask each provider whether credentials and number are good. Calls nobody."""
    if not run(_ask_providers(loaded(path).settings)):
        raise click.exceptions.Exit(1)


async def _connect(settings: Settings) -> bool:
    """Try what a login needs besides the files; tells what it finds."""
    from radius_voice.app import open_store
    from radius_voice.login.model import Unavailable

    try:
        store = open_store(settings)
        await store.recall(b"check")
        await store.close()
    except (Unavailable, ValueError, OSError) as problem:
        click.echo(f"store {settings.store.type}: BAD: {problem}")
        return False
    click.echo(f"store {settings.store.type}: good")
    return await _ask_providers(settings)


async def _ask_providers(settings: Settings) -> bool:
    from radius_voice.build import provider_of
    from radius_voice.delivery.twilio_voice import TwilioVoice

    good = True
    for name, section in settings.delivery.providers.items():
        provider = provider_of(name, section)
        if not isinstance(provider, TwilioVoice):
            click.echo(f"{name}: calls nobody; nothing to test")
            continue
        try:
            for finding in await provider.credentials():
                click.echo(f"{name}: {'good' if finding.ok else 'BAD'}: {finding.text}")
                good = good and finding.ok
        finally:
            await provider.close()
    return good
