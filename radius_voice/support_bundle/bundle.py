"""Collects the files of a support bundle. A file that cannot be collected is omitted, and its reason recorded."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from radius_voice.config.errors import ConfigError
from radius_voice.config.load import Loaded, state_directory
from radius_voice.control import SOCKET
from radius_voice.exceptions import message_of
from radius_voice.explain.audit_filter import AuditFilter
from radius_voice.explain.audit_lines import Record
from radius_voice.explain.audit_search import AuditSearch
from radius_voice.explain.audit_times import iso
from radius_voice.support_bundle.logs import NoLog, recent_log
from radius_voice.support_bundle.machine import file_lines, versions
from radius_voice.support_bundle.names import Names
from radius_voice.support_bundle.readme import readme
from radius_voice.support_bundle.shown_settings import without_secrets
from radius_voice.wiring.adapters import load

COMMAND_SECONDS = 120.0
METRICS_SECONDS = 5.0
MAX_METRICS_OCTETS = 16 << 20
MAX_RECORDS = 50_000
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "status.json": ("status", "--json"),
    "check.json": ("check", "--connect", "--json"),
    "clients.json": ("clients", "--json"),
    "limits.json": ("limits", "--json"),
}
"""Files with the output of commands."""


@dataclass(slots=True)
class Bundle:
    """The texts of a bundle's files by name, and why files are missing or incomplete, by name."""

    files: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


class Collector:
    """Collects a bundle about the configuration at `path`.

    `state` is the state directory if it is not that of the configuration. `since` and `now` are wall-clock seconds.
    """

    def __init__(self, path: Path, state: Path | None, since: float, now: float, *, with_names: bool) -> None:
        self._path, self._since, self._now = path, since, now
        self._names = None if with_names else Names()
        self._bundle = Bundle()
        self._configuration: Loaded | None = None
        try:
            self._configuration = load(path, for_service=False)
        except ConfigError as problem:
            self._bundle.problems["configuration.yaml"] = f"the configuration cannot be used:\n{problem}"
        self._state_option = state
        self._state = state or self._configured_state()

    def collect(self) -> Bundle:
        """All files, with the README."""
        files = self._bundle.files
        with ThreadPoolExecutor(len(COMMANDS)) as threads:
            outputs = dict(zip(COMMANDS, threads.map(self._output, COMMANDS, COMMANDS.values()), strict=True))
        status = outputs["status.json"] or {}
        records, log = self._records(status), self._log(status)
        self._learn_names(records, log)
        if self._configuration is not None:
            shown = self._hidden(without_secrets(self._configuration.settings))
            files["configuration.yaml"] = yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=120)
        files["versions.json"] = json.dumps(versions(), indent=1)
        files["files.txt"] = self._hidden("".join(f"{line}\n" for line in file_lines(self._paths(status))))
        for name, output in outputs.items():
            if output is not None:
                files[name] = json.dumps(self._hidden(output), indent=1)
        self._add_metrics(status)
        if records is not None:
            files["audit.jsonl"] = "".join(f"{json.dumps(self._hidden(record))}\n" for record in records)
        if log is not None:
            files["log.txt"] = self._hidden(log)
        problems = {name: self._hidden(text) for name, text in self._bundle.problems.items()}
        text = readme(files, problems, iso(self._since), iso(self._now), with_names=self._names is None)
        self._bundle.files = {"README.txt": text, **files}
        return self._bundle

    def _configured_state(self) -> Path | None:
        if self._configuration is not None:
            return self._configuration.settings.server.state
        try:
            return state_directory(self._path)
        except ConfigError:
            return None

    @property
    def _no_status(self) -> str:
        """That the service did not respond, and where it was asked."""
        return "no service responds" if self._state is None else f"no service responds at {self._state / SOCKET}"

    def _hidden(self, value: Any) -> Any:
        return value if self._names is None else self._names.in_data(value)

    def _output(self, name: str, command: tuple[str, ...]) -> Any:
        """The JSON that a command prints, None if it prints none."""
        words = [command[0], "--config", str(self._path), *command[1:]]
        if self._state_option is not None:
            words += ["--state", str(self._state_option)]
        # -P: the current directory, which another user may own, is not searched for modules.
        program = [sys.executable, "-P", "-m", "radius_voice.cli.main", *words]
        try:
            done = subprocess.run(  # noqa: S603 - this program
                program, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            self._bundle.problems[name] = f"the command did not end within {COMMAND_SECONDS:g} s"
            return None
        except OSError as problem:
            self._bundle.problems[name] = message_of(problem)
            return None
        try:
            return json.loads(done.stdout)
        except ValueError:
            reason = done.stderr.decode("utf-8", "replace").strip().removeprefix("Error: ")
            self._bundle.problems[name] = reason or f"the command ended with exit code {done.returncode}"
            return None

    def _records(self, status: Mapping[str, Any]) -> list[Record] | None:
        """The newest audit records, None if there is no audit log to read."""
        problems, path = self._bundle.problems, self._audit_path(status)
        if path is None:
            problems["audit.jsonl"] = (
                "audit.path is -, so the audit log is standard output of the service"
                if self._configuration is not None
                else f"the configuration cannot be used, and {self._no_status}, so the audit log's path is not known"
            )
            return None
        try:
            search = AuditSearch(path, AuditFilter(since=iso(self._since)))
            found = search.newest(MAX_RECORDS)
        except OSError as problem:
            problems["audit.jsonl"] = message_of(problem)
            return None
        if len(found) == MAX_RECORDS:
            search.problems.append(f"only the newest {MAX_RECORDS} records are included")
        if not search.has_files:
            search.problems.append(f"there is no {path} and no rotated file of it")
        elif not found and not search.problems:
            search.problems.append(f"{path} and its rotated files have no record since {iso(self._since)}")
        if search.problems:
            problems["audit.jsonl"] = "; ".join(search.problems)
        return found

    def _audit_path(self, status: Mapping[str, Any]) -> Path | None:
        if self._configuration is not None:
            return self._configuration.settings.audit.path
        path = (status.get("audit") or {}).get("path")
        return Path(path) if path else None

    def _log(self, status: Mapping[str, Any]) -> str | None:
        try:
            return recent_log(status.get("process"), self._since)
        except NoLog as problem:
            reason = "" if status else f"{self._no_status}, so its standard error is not known; "
            self._bundle.problems["log.txt"] = f"{reason}{problem}"
            return None

    def _learn_names(self, records: list[Record] | None, log: str | None) -> None:
        """Learn the names to replace: of the audit log, the log, the users files and the configuration."""
        if self._names is None:
            return
        for record in records or ():
            self._names.add_record(record)
        self._names.add_log(log or "")
        self._names.add_users(self._configured_users())

    def _configured_users(self) -> Iterator[str]:
        if self._configuration is None:
            return
        from radius_voice.identity.context import IdentityContext  # noqa: PLC0415 - few bundles need it
        from radius_voice.identity.passwords import Hasher  # noqa: PLC0415
        from radius_voice.wiring.adapters import identity_source  # noqa: PLC0415

        settings, hasher = self._configuration.settings, Hasher()
        for name, section in settings.identity.items():
            if not section.files():
                continue  # only users files are read, and no server is asked
            try:
                source = identity_source(name, section, IdentityContext(hasher, messages=settings.delivery.messages))
            except (OSError, ValueError):
                continue  # `check` reports it
            yield from (user.name for user in source.all_users() or ())
        hasher.close()
        for policy in settings.policies.values():
            yield from (user for exemption in policy.exemptions for user in exemption.users or ())

    def _paths(self, status: Mapping[str, Any]) -> Iterator[Path]:
        """The files that matter: of the configuration, the state directory, and the audit log."""
        yield from (self._path.absolute().parent, self._path.absolute())
        if self._state is not None:
            yield self._state
        audit = self._audit_path(status)
        if audit is not None:
            yield from (audit.parent, audit)
        if self._configuration is None:
            return
        settings = self._configuration.settings
        yield from (*self._configuration.secret_files, *self._configuration.text_files)
        for section in (*settings.identity.values(), *settings.delivery.providers.values(), settings.store):
            yield from (*section.files().values(), *section.certificate_files().values())
        yield from settings.store.data_files(self._state or settings.server.state)

    def _add_metrics(self, status: Mapping[str, Any]) -> None:
        admin = status.get("admin")
        if admin is None:
            self._bundle.problems["metrics.txt"] = f"{self._no_status}, so its metrics could not be read"
            return
        host, port = admin
        connection = http.client.HTTPConnection(_reachable(host), port, timeout=METRICS_SECONDS)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read(MAX_METRICS_OCTETS).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as problem:
            self._bundle.problems["metrics.txt"] = message_of(problem)
            return
        finally:
            connection.close()
        self._bundle.files["metrics.txt"] = text if self._names is None else self._names.in_addresses(text)


def _reachable(host: str) -> str:
    """The address to connect to for one that is listened on."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
