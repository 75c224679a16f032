"""The admin listener: liveness, readiness and metrics.

It has no authentication, so it must be on loopback or behind a proxy that authenticates. Its responses hold no secrets.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from radius_voice.http.hosts import HostCheck
from radius_voice.http.listener import CONNECTION_SECONDS, HEADERS, MAX_CONNECTIONS, HttpListener, ListenerLimits

READY_SECONDS = 5.0
JSON_TYPE = "application/json"
MISDIRECTED = (
    "This host name is not allowed here. Use the server's IP address, or add the name to admin.hosts in the "
    "configuration of radius-voice and restart it.\n"
)


@dataclass(frozen=True, slots=True)
class Readiness:
    """The components that a login needs, each with its problem, empty if it has none. Has no secrets.

    `development` is the setting of that name. `warnings` need an administrator, but do not prevent logins.
    """

    parts: Mapping[str, str]
    development: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether no part has a problem."""
        return not any(self.parts.values())


class Admin:
    """Responds to GET and HEAD of /metrics, /healthz and /readyz; everything else gets 404.

    A request for a host other than an IP address, `localhost` or one of `hosts` gets 421 (see `HostCheck`).

    `page` generates the metrics, after `refresh`; `ready` is called for every /readyz. `max_connections` and
    `connection_seconds` are the limits of the listener (`HttpListener`).
    """

    def __init__(
        self,
        page: Callable[[], bytes],
        ready: Callable[[], Awaitable[Readiness]],
        *,
        refresh: Callable[[], Awaitable[None]] | None = None,
        hosts: Iterable[str] = (),
        max_connections: int = MAX_CONNECTIONS,
        connection_seconds: float = CONNECTION_SECONDS,
        ready_seconds: float = READY_SECONDS,
    ) -> None:
        self._host_check = HostCheck(hosts)
        self._page = page
        self._ready = ready
        self._refresh = refresh
        self._ready_seconds = ready_seconds
        self._listener = HttpListener(self._respond, ListenerLimits(max_connections, connection_seconds))

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which the system chooses if `port` is 0. Raises OSError."""
        return await self._listener.start(host, port)

    async def start_at(self, path: Path) -> None:
        """Listen on a local socket, for another process of this service. Raises OSError."""
        await self._listener.start_at(path)

    async def stop(self) -> None:
        """Stop listening and close all connections; a request in progress has a second to end."""
        await self._listener.stop()

    async def _respond(self, request: web.BaseRequest) -> web.Response:
        if not self._host_check.allows(request.headers.getall("Host", ()), request.raw_path):
            return web.Response(status=421, text=MISDIRECTED, headers=HEADERS)
        if request.method not in {"GET", "HEAD"}:
            return web.Response(status=404, text="not found\n", headers=HEADERS)
        match request.path:
            case "/metrics":
                if self._refresh is not None:
                    await self._refresh()
                return web.Response(body=self._page(), headers=HEADERS | {"Content-Type": CONTENT_TYPE_LATEST})
            case "/healthz":
                return web.Response(text="ok\n", headers=HEADERS)
            case "/readyz":
                return await self._readiness()
            case _:
                return web.Response(status=404, text="not found\n", headers=HEADERS)

    async def _readiness(self) -> web.Response:
        try:
            async with asyncio.timeout(self._ready_seconds):
                found = await self._ready()
        except TimeoutError:
            found = Readiness({"readiness": f"not known within {self._ready_seconds:g} s"})
        except Exception as error:  # noqa: BLE001 - any failure means "not ready"
            found = Readiness({"readiness": f"not known: {type(error).__name__}"})
        body = {
            "ready": found.ready,
            "development": found.development,
            "warnings": list(found.warnings),
            "parts": {part: wrong or "ok" for part, wrong in found.parts.items()},
        }
        status = 200 if found.ready else 503
        return web.Response(status=status, text=json.dumps(body) + "\n", content_type=JSON_TYPE, headers=HEADERS)
