"""`check`: whether a configuration is valid and `serve` can start with it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from radius_voice.cli.check_facts import facts_of, lines_of
from radius_voice.cli.common import config_option, json_option, run, state_option, with_state
from radius_voice.cli.connections import ConnectionCheck, all_good, connection_checks, reported
from radius_voice.exceptions import message_of
from radius_voice.files.access import Account, account_named, account_of, owner_ids, with_advice_once

if TYPE_CHECKING:
    from radius_voice.config.adapters import IdentitySection
    from radius_voice.config.load import Loaded
    from radius_voice.config.schema import Settings
    from radius_voice.config.section import Diagnostic
    from radius_voice.login.ports import IdentitySource


class CannotCheck(Exception):
    """The configuration cannot be used, or the user of the service is not known. `heading` may be empty."""

    def __init__(self, heading: str, errors: Iterable[str]) -> None:
        super().__init__(heading)
        self.heading = heading
        self.errors = list(with_advice_once(dict.fromkeys(errors)))


@dataclass(slots=True)
class Findings:
    """The results of the checks that need no connection. `user` is the user of the service, None if not known."""

    user: str | None = None
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    facts: dict[str, Any] | None = None


@click.command()
@config_option
@click.option(
    "--connect",
    is_flag=True,
    help="Also try the store, each identity source's servers and each provider's account, certificates and clocks.",
)
@click.option(
    "--user",
    metavar="NAME",
    help="The user that the service runs as. Default: the owner of the state directory, or you.",
)
@state_option
@json_option
def check(path: Path, connect: bool, user: str | None, state: Path | None, as_json: bool) -> None:
    """Check a configuration, and whether serve can start.

    Reports all errors with their fixes, and prints the resulting policy.
    """
    try:
        findings, settings = _examine(path, user, state)
    except CannotCheck as problem:
        if not as_json:
            raise click.ClickException("\n".join(filter(None, [problem.heading, *problem.errors]))) from None
        _print_json(path, Findings(errors=problem.errors), None)
        raise click.exceptions.Exit(1) from None
    if not as_json:
        _print(findings)
    tried = None
    if connect and not findings.errors:
        tried = run(_connect(settings, as_json))
    if as_json:
        _print_json(path, findings, tried)
    if findings.errors or not all_good(tried or []):
        raise click.exceptions.Exit(1)
    if not as_json:
        click.echo(f"{path}: good")


async def _connect(settings: Settings, as_json: bool) -> list[ConnectionCheck]:
    from radius_voice.cli.certificates import certificate_checks

    return [
        *await reported(connection_checks(settings), as_json),
        *await reported(certificate_checks(settings), as_json),
    ]


def _examine(path: Path, user: str | None, state: Path | None) -> tuple[Findings, Settings]:
    """Perform the checks that need no connection. Raises CannotCheck."""
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
    findings = Findings(
        user=account.name,
        errors=list(with_advice_once(dict.fromkeys(errors))),
        warnings=[*configuration.warnings, *start_warnings(settings), *of_users],
        not_checked=[result.text for result in results if not result.checked],
        facts=facts_of(configuration, {name: len(all_users) for name, all_users in listed.items()}),
    )
    if not findings.errors:
        findings.warnings += _shared_stations(settings)
    return findings, settings


def _print(findings: Findings) -> None:
    """Print the findings as text. Ends the command if there are errors."""
    for warning in findings.warnings:
        click.echo(f"warning: {warning}", err=True)
    for text in findings.not_checked:
        click.echo(f"not checked: {text}", err=True)
    if findings.errors:
        lines = [f"serve would not start as user {findings.user}:", *findings.errors]
        raise click.ClickException("\n".join(lines))
    for line in lines_of(findings.facts or {}):
        click.echo(line)
    click.echo(f"files and directories: user {findings.user} has the access that serve needs")


def _print_json(path: Path, findings: Findings, tried: list[ConnectionCheck] | None) -> None:
    good = not findings.errors and all_good(tried or [])
    connections = None if tried is None else [asdict(each) for each in tried]
    shown = {"config": str(path), "good": good, **asdict(findings), "connections": connections}
    click.echo(json.dumps(shown, indent=1))


def _shared_stations(settings: Settings) -> list[str]:
    """Warnings about Calling-Station-Ids that many users share, if a policy remembers logins and a service runs."""
    from radius_voice.login.second_factor.remembered import shared_station_text
    from radius_voice.operations import OperationFailed, shared_stations

    if not any(each.remember for each in settings.user_rules):
        return []
    try:
        return [shared_station_text(client) for client in run(shared_stations(settings))["clients"]]
    except OperationFailed:
        return []  # no service runs; it logs the warning itself


async def _close(sources: Mapping[str, IdentitySource]) -> None:
    for source in sources.values():
        await source.close()


def _load_for_account(
    path: Path, user: str | None, state: Path | None
) -> tuple[Account, Loaded, dict[str, IdentitySource], list[str]]:
    """The service's user, the configuration, its identity sources, and the errors of these sources.

    Raises CannotCheck with all errors if the configuration cannot be used.
    """
    from radius_voice.config.errors import ConfigError
    from radius_voice.identity.context import IdentityContext
    from radius_voice.identity.passwords import Hasher
    from radius_voice.wiring.adapters import identity_source, load

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
        raise CannotCheck("the configuration cannot be used:", errors)
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
    """The user that the service runs as: `user`, or the owner of the state directory, or the user of this process.

    Raises CannotCheck if the state directory does not exist and the files belong to another user, who is probably the
    user of the service.
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
        text = (
            f"the files of this configuration belong to user {owner}, and the state directory {settings.server.state} "
            f"does not exist; if the service runs as {owner}, add: --user {owner} "
            f"(and --state DIRECTORY under systemd's StateDirectory=); or name the user of the service by --user"
        )
        raise CannotCheck("", [text])
    return account_of(os.geteuid())
