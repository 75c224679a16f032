"""The part of the configuration that the server uses. A reload replaces it between two packets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from radius_voice.login.model import AuthRequest
from radius_voice.login.session.decisions import Decision
from radius_voice.server.clients import Clients
from radius_voice.trace import Trace


class LoginHandler(Protocol):
    """The part of `login` that the server uses: `begin` for initial requests, `respond` for challenge responses."""

    async def begin(self, request: AuthRequest, trace: Trace) -> Decision: ...  # noqa: D102

    async def respond(self, request: AuthRequest, trace: Trace) -> Decision: ...  # noqa: D102


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """The client entries of one configuration, and the handler of their logins."""

    clients: Clients
    handler: LoginHandler


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings for all clients. Times are in seconds."""

    reject_delay: float = 1.0
    duplicate_window: float = 10.0
    max_concurrent: int = 256
    max_queued: int = 1024
    status_server: bool = True
    max_held: int = 1000
