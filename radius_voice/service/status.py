"""What `radius-voice status` shows about one process of the service."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radius_voice import __version__
from radius_voice.config.schema import Settings
from radius_voice.config.start_warnings import start_warnings
from radius_voice.events import PlacementRecord
from radius_voice.login.model import Unavailable
from radius_voice.login.ports import Store
from radius_voice.observe.provider_results import ProviderResults
from radius_voice.server.server import Server
from radius_voice.service.housekeeping import Housekeeping
from radius_voice.service.reload import Generations, Reloader
from radius_voice.service.reporting import Reporter
from radius_voice.service.server_key_state import server_key_state
from radius_voice.wiring.generation import BuiltGeneration

READINESS_SECONDS = 60.0
"""How long the store keeps the value that a check writes."""


async def store_problem(store: Store) -> str:
    """Why the store cannot be written, empty if it can. It writes, because a full disk can still be read."""
    try:
        await store.put(b"ready", b"", READINESS_SECONDS)
    except Unavailable as problem:
        return problem.detail
    return ""


def service_facts(
    path: Path,
    settings: Settings,
    listen: Iterable[socket.socket],
    admin: tuple[str, int],
    started: float,
    process: int | None = None,
) -> Mapping[str, Any]:
    """Facts that all processes of the service share. `process` is its main process, this one if not given.

    `admin` is the address of the admin listener; `started` is wall-clock seconds.
    """
    callbacks, addresses = settings.callbacks, [sock.getsockname()[:2] for sock in listen]
    return {
        "version": __version__,
        "process": os.getpid() if process is None else process,
        "started_at": started,
        "config": os.path.realpath(path),
        "listen": addresses,
        "accounting": addresses[len(settings.server.listen) :],
        "admin": admin,
        "callbacks": [(callbacks.listen.host, callbacks.listen.port)] if callbacks is not None else [],
    }


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """Reads the state of this process: worker `number`, which started at wall-clock time `started`."""

    number: int
    started: float
    store_type: str
    store: Store
    generations: Generations
    server: Server
    housekeeping: Housekeeping
    reporter: Reporter
    reloader: Reloader
    results: ProviderResults

    async def read(self) -> Mapping[str, Any]:
        """The state now. Nothing in it is a secret, or a name or number of a user. Times are wall-clock seconds."""
        generations = self.generations
        built, settings = generations.newest, generations.newest.settings
        await self.housekeeping.count()
        result = self.reloader.progress.result
        return {
            "worker": self.number,
            "process": os.getpid(),
            "started_at": self.started,
            "generation": generations.number,
            "draining": generations.draining,
            "requests_in_progress": self.server.in_progress,
            "requests_held": self.server.held,
            "logins_open": self.housekeeping.open_sessions,
            "calls": sum(len(each.flow.follower) for each in generations),
            "store": {"type": self.store_type, "problem": await store_problem(self.store)},
            "server_key": await server_key_state(settings),
            "providers": list(self._providers(built)),
            "identity": list(_identity_sources(built)),
            "audit": self._audit(),
            "reload": None if result is None else result.as_mapping(),
            "warnings": start_warnings(settings),
        }

    def _providers(self, built: BuiltGeneration) -> Iterable[Mapping[str, Any]]:
        for name, section in built.settings.delivery.providers.items():
            latest = self.results.latest.get(name)
            yield {
                "name": name,
                "type": section.type,
                "circuit_breaker": built.breakers[name].state,
                "last_result": None if latest is None else _result(latest),
            }

    def _audit(self) -> Mapping[str, Any]:
        audit, syslog = self.reporter.audit, self.reporter.syslog
        return {
            "path": None if audit.path is None else str(audit.path),
            "problem": audit.problem,
            "failures": audit.failures,
            "syslog_dropped": None if syslog is None else syslog.dropped,
        }


def _result(latest: PlacementRecord) -> Mapping[str, Any]:
    return {
        "at": latest.at,
        "result": latest.result,
        "detail": latest.detail,
        "alarm": latest.alarm,
        "fix": latest.fix,
    }


def _identity_sources(built: BuiltGeneration) -> Iterable[Mapping[str, Any]]:
    for name, source in built.identity.items():
        problem = source.problem
        yield {
            "name": name,
            "type": built.settings.identity[name].type,
            "location": source.location,
            "problem": "" if problem is None else problem.summary,
            "servers": [{"address": each.address, "problem": each.problem} for each in source.server_states()],
        }
