"""Checks without side effects what `serve` needs at start: files, state directory, store, audit log, addresses.

File access is checked for the account that the service runs as. Nothing is created or changed. Each address is bound
for a moment, unless the running service of this configuration listens on it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shlex
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radius_voice import control
from radius_voice.config.addresses import Endpoint
from radius_voice.config.load import Loaded
from radius_voice.config.schema import Settings
from radius_voice.config.secrets import unavailable_in
from radius_voice.endpoints import (
    ADMIN_LISTEN,
    CALLBACKS_LISTEN,
    bind_errors,
    cannot_bind,
    is_privileged,
    privilege_hint,
    tcp_endpoints,
    udp_endpoints,
)
from radius_voice.exceptions import message_of
from radius_voice.files.access import Account, can_act_as, has_access, mode_and_owner
from radius_voice.operations import STATE_HINT, STATUS
from radius_voice.state import directory as state
from radius_voice.state.open_store import no_key, open_store, require_readable_data_key
from radius_voice.wiring.adapters import missing_packages

READ_WRITE = os.R_OK | os.W_OK


@dataclass(frozen=True, slots=True)
class CheckResult:
    """An error that would prevent `serve` from starting.

    If `checked` is false, `text` names something that could not be checked here, and how to check it.
    """

    text: str
    checked: bool = True


@dataclass(frozen=True, slots=True)
class RunningService:
    """The service that runs with the state directory: its `status`, or None if no service runs.

    `unknown` is why the status could not be read, or empty.
    """

    status: Mapping[str, Any] | None
    unknown: str = ""


def check_results(
    path: Path, configuration: Loaded, account: Account, adapter_files: Iterable[Path]
) -> Iterator[CheckResult]:
    """Everything that would prevent `serve` from starting as that user, and what could not be checked.

    `adapter_files` are the adapters' files that this process could read. A file on a network mount that does not
    respond must not be among them, because this function would block.
    """
    settings = configuration.settings
    yield from _secrets(path, settings)
    if can_act_as(account):
        yield from _files(path, configuration, account, adapter_files)
    else:
        text = f"whether user {account.name} can read and write the files of the service; run this as root"
        yield CheckResult(text, checked=False)
    running = _running(settings)
    if running.status is not None and running.status["config"] != os.path.realpath(path):
        yield CheckResult(
            f"server.state: {settings.server.state}: process {running.status['process']} runs with this directory and "
            f"another configuration, {running.status['config']}; stop it, or write another directory in server.state"
        )
    yield from _addresses(settings, account, running)


def _secrets(path: Path, settings: Settings) -> Iterator[CheckResult]:
    """Secrets that only the service can read, each with the command that checks it."""
    where = f"--config {shlex.quote(str(path.absolute()))} --state {shlex.quote(str(settings.server.state))}"
    check = f"radius-voice check {where}"
    commands = {
        "env": f"systemd-run --pipe --wait --property=EnvironmentFile=FILE {check}, with FILE as in the service's unit",
        "credential": f"CREDENTIALS_DIRECTORY=/run/credentials/radius-voice.service {check}, while that unit runs",
        "file": f"{check}, as root",
    }
    for key, reason in unavailable_in(settings):
        yield CheckResult(f"{key}: {reason}; to check it, run: {commands[reason.source]}", checked=False)


def _files(path: Path, configuration: Loaded, account: Account, adapter_files: Iterable[Path]) -> Iterator[CheckResult]:
    settings = configuration.settings
    checks = (
        _readable_files(configuration, account, [path.absolute(), *configuration.secret_files, *adapter_files]),
        _state_directory(settings, account),
        _store(settings, account),
        _audit_log(settings, account),
    )
    for results in checks:
        try:
            yield from results
        except OSError as problem:  # not even the existence of the file can be checked
            yield CheckResult(message_of(problem))


def _readable_files(configuration: Loaded, account: Account, private: Iterable[Path]) -> Iterator[CheckResult]:
    settings = configuration.settings
    files = list(dict.fromkeys(private))
    closed = {file: directory for file in files if (directory := _closed_directory(file, account)) is not None}
    for directory in dict.fromkeys(closed.values()):
        inside = ", ".join(file.name for file in files if closed.get(file) == directory)
        yield CheckResult(f"{_cannot_enter(directory, account)}, or move its files; the service needs {inside}")
    for file in files:
        if file not in closed:
            yield from _accessible("", file, os.R_OK, account, f"chown {account.name} FILE")
    sections = (*settings.identity.values(), *settings.delivery.providers.values(), settings.store)
    certificates = [file for section in sections for file in section.certificate_files().values()]
    if settings.audit.syslog and settings.audit.syslog.ca_file:
        certificates.append(settings.audit.syslog.ca_file)
    for ca_file in dict.fromkeys(certificates):
        yield from _accessible("", ca_file, os.R_OK, account, "chmod o+r FILE")


def _state_directory(settings: Settings, account: Account) -> Iterator[CheckResult]:
    directory = settings.server.state
    if not directory.exists():
        yield from _creatable("server.state", directory, account)
        return
    yield from map(CheckResult, state.directory_problems("server.state", directory, account.uid))
    if not has_access(directory, READ_WRITE | os.X_OK, account):
        yield CheckResult(_denied("server.state", directory, account, f"chown -R {account.name} FILE"))
        return
    own = f"chown {account.name} FILE"
    yield from _accessible("server.state", directory / control.LOCK, READ_WRITE, account, own)
    sock, key = directory / control.SOCKET, state.key_path(settings)
    if sock.exists() and not stat.S_ISSOCK(sock.stat().st_mode):
        yield CheckResult(f"server.state: {sock}: is not a socket; remove it")
    data_key = directory / state.DATA_KEY_FILE
    if data_key.exists():
        yield from _accessible("server.state", data_key, os.R_OK, account, own)
    if key.exists():
        yield from _accessible("server.key", key, os.R_OK, account, own)
    if key.exists() or settings.server.key is not None:
        try:
            require_readable_data_key(settings, account.uid)
        except (ValueError, PermissionError) as problem:
            yield CheckResult(str(problem))


def _store(settings: Settings, account: Account) -> Iterator[CheckResult]:
    yield from map(CheckResult, missing_packages(settings))
    path = settings.store.data_path(settings.server.state)
    if path is not None:
        yield from _database(settings, path, account)


def _database(settings: Settings, path: Path, account: Account) -> Iterator[CheckResult]:
    found = [CheckResult(problem) for problem in state.store_problems(settings, account.uid)]
    if path.parent != settings.server.state:
        own = f"install -d -o {account.name} -m 700 DIRECTORY, and name a file in it"
        found += _accessible("store.path", path.parent, READ_WRITE | os.X_OK, account, own)
    if has_access(path.parent, READ_WRITE | os.X_OK, account):
        for file in settings.store.data_files(settings.server.state):
            found += _accessible("store.path", file, READ_WRITE, account, f"chown {account.name} FILE")
    if path.exists() and not found:
        try:
            asyncio.run(open_store(settings, no_key, read_only=True).close())
        except ValueError as problem:
            found.append(CheckResult(str(problem)))
    yield from found


def _audit_log(settings: Settings, account: Account) -> Iterator[CheckResult]:
    path = settings.audit.path
    if path is None:
        return
    if path.is_dir():
        yield CheckResult(f"audit.path: {path}: is a directory; name a file")
    elif path.exists():
        yield from _accessible("audit.path", path, READ_WRITE, account, f"chown {account.name} FILE")
    elif path.parent.is_dir():
        create = f"install -o {account.name} -m 640 /dev/null {shlex.quote(str(path))}"
        yield from _accessible("audit.path", path.parent, os.W_OK | os.X_OK, account, create)
    else:
        command = f"install -d -o {account.name} -m 750 {shlex.quote(str(path.parent))}"
        yield CheckResult(f"audit.path: {path.parent}: does not exist; run: {command}")


def _creatable(key: str, directory: Path, account: Account) -> Iterator[CheckResult]:
    """Whether a directory that does not exist can be created, including its parents."""
    above = next(parent for parent in directory.absolute().parents if parent.exists())
    if not above.is_dir() or not has_access(above, os.W_OK | os.X_OK, account):
        command = f"install -d -o {account.name} -m 700 {shlex.quote(str(directory))}"
        reason = f"cannot be created by user {account.name} in {above}"
        yield CheckResult(f"{key}: {directory}: {reason}; {STATE_HINT}; otherwise run: {command}")


def _accessible(key: str, file: Path, mode: int, account: Account, fix: str) -> Iterator[CheckResult]:
    """Whether the account has access to a file or directory, if that exists."""
    if _exists(file) and not has_access(file, mode, account):
        yield CheckResult(_denied(key, file, account, fix))


def _denied(key: str, file: Path, account: Account, fix: str) -> str:
    """The error for a file that the account cannot access. `fix` is the command that gives access, with FILE in it."""
    place = f"{key}: {file}" if key else str(file)
    directory = _closed_directory(file, account)
    if directory is not None:
        return f"{place}: {_cannot_enter(directory, account)}, or move the file"
    command = fix.replace("FILE", shlex.quote(str(file)))
    return f"{place}: is not accessible for user {account.name} ({mode_and_owner(file.stat())}); run: {command}"


def _closed_directory(file: Path, account: Account) -> Path | None:
    """The outermost directory of the file that the account cannot enter, None if it can enter all."""
    return next((each for each in reversed(file.absolute().parents) if not has_access(each, os.X_OK, account)), None)


def _cannot_enter(directory: Path, account: Account) -> str:
    command = f"chmod o+x {shlex.quote(str(directory))}"
    return (
        f"user {account.name} cannot enter directory {directory} ({mode_and_owner(directory.stat())}); run: {command}"
    )


def _exists(file: Path) -> bool:
    """Whether a file exists, or may exist in a directory that this process cannot enter."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _running(settings: Settings) -> RunningService:
    try:
        return RunningService(control.ask(settings.server.state, STATUS))
    except control.NotRunning:
        return RunningService(None)
    except control.RequestFailed as problem:
        return RunningService(None, str(problem))


def _addresses(settings: Settings, account: Account, running: RunningService) -> Iterator[CheckResult]:
    for key, endpoint, problem in bind_errors(settings):
        if problem.errno == errno.EADDRINUSE and _is_own_address(running.status, key, endpoint):
            continue
        if problem.errno == errno.EADDRINUSE and running.unknown:
            yield CheckResult(f"{key}: {endpoint}: is in use, perhaps by the running service: {running.unknown}", False)
            continue
        hint = f"; {STATE_HINT}" if problem.errno == errno.EADDRINUSE and running.status is None else ""
        yield CheckResult(f"{cannot_bind(key, endpoint, problem)}{hint}")
    if os.geteuid() == 0 and account.uid != 0:
        for key, endpoint in [*udp_endpoints(settings), *tcp_endpoints(settings)]:
            if is_privileged(endpoint):
                hint = privilege_hint(endpoint)
                yield CheckResult(
                    f"{key}: {endpoint}: whether user {account.name} may listen there; {hint}", checked=False
                )


def _is_own_address(status: Mapping[str, Any] | None, key: str, wanted: Endpoint) -> bool:
    """Whether the running service itself listens on an address that conflicts with `wanted`."""
    if status is None:
        return False
    held = {ADMIN_LISTEN: [status["admin"]], CALLBACKS_LISTEN: status.get("callbacks", [])}.get(key, status["listen"])
    return any(Endpoint(host, port).overlaps(wanted) for host, port in held)
