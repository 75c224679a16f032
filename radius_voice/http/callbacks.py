"""The callback listener: providers' requests about their calls.

It may be reachable from the internet. A response without a script has only a status: 403 if the provider has not
signed the request, 404 if it belongs to no delivery, 204 if it was counted or has no effect.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Awaitable, Callable

from aiohttp import web

from radius_voice.http.listener import HEADERS, HttpListener, ListenerLimits
from radius_voice.login.deliveries.callbacks import CallbackRequest, CallbackResponse
from radius_voice.metric_labels import CallbackResult

MAX_BODY_BYTES = 8192
LIMITS = ListenerLimits(connections=256, connection_seconds=10.0)
STATUSES = {
    CallbackResult.COUNTED: 204,
    CallbackResult.LATE: 204,
    CallbackResult.MALFORMED: 400,
    CallbackResult.UNSIGNED: 403,
    CallbackResult.FOREIGN: 404,
    CallbackResult.UNAVAILABLE: 503,
}
_PATH = re.compile(r"/([a-z0-9][a-z0-9._-]{0,62})/([0-9a-z.]{1,80})(?:/([a-z_]{1,32}))?")

Receive = Callable[[str, CallbackRequest], Awaitable[CallbackResponse]]
"""Gets the provider's name in the path, and the request."""


class Callbacks:
    """Passes POST requests at `/PROVIDER/DELIVERY` and `/PROVIDER/DELIVERY/ACTION` to `receive`.

    `public_url` is the URL at which providers reach it. Signatures are verified against that one, because an attacker
    can write any Host header.
    """

    def __init__(self, public_url: str, receive: Receive, limits: ListenerLimits = LIMITS) -> None:
        self._public_url = public_url
        self._receive = receive
        self._listener = HttpListener(self._respond, limits)

    async def start_on(self, sock: socket.socket) -> int:
        """Listen on a bound socket, which other processes may share; returns its port. Raises OSError."""
        return await self._listener.start_on(sock)

    async def stop(self) -> None:
        """Stop listening and close all connections; a request in progress has a second to end."""
        await self._listener.stop()

    async def _respond(self, request: web.BaseRequest) -> web.Response:
        path = _PATH.fullmatch(request.raw_path)
        if path is None or request.method != "POST":
            return _empty(404)
        if (request.content_length or 0) > MAX_BODY_BYTES:
            return _empty(413)
        body = await request.read()
        if len(body) > MAX_BODY_BYTES:  # of a request that did not say its length
            return _empty(413)
        headers = {name.lower(): value for name, value in request.headers.items()}
        provider, delivery, action = path.groups(default="")
        received = CallbackRequest(self._public_url + request.raw_path, delivery, action, headers, body)
        response = await self._receive(provider, received)
        if not response.body:
            return _empty(STATUSES[response.result])
        return web.Response(text=response.body, content_type=response.content_type, headers=HEADERS)


def _empty(status: int) -> web.Response:
    return web.Response(status=status, headers=HEADERS)
