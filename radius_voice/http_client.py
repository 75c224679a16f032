"""HTTP to one server, over aiohttp. Every failure says whether the server may have acted on the request.

- `NotSent`: no connection was obtained, so the server cannot have seen the request.
- `SentUnknown`: a connection was obtained, so the server may have acted on the request.

What decides is whether aiohttp's connector returned a connection, not the class of the exception: a pooled connection
that the peer has just closed fails like a refused connection, but may have delivered the request.

A POST is never sent twice. If the connection of a GET or PUT fails, aiohttp sends the request again, once, unless
`once` is set.
"""

from __future__ import annotations

import base64
import errno
import math
import ssl
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from radius_voice.config.http_section import HttpProviderSection

CONNECTIONS = 1000
"""The maximum number of connections. In a burst, logins must not wait for connections (aiohttp's default is 100)."""

KEEPALIVE_SECONDS = 15.0
"""Shorter than the idle timeouts of load balancers, so that connections are rarely stale."""

MAX_RESPONSE_OCTETS = 8 << 20
"""Enough for a page of a thousand calls at Twilio, about two megabytes."""

MAX_POST_RESPONSE_OCTETS = 64 << 10
"""Enough for one resource: a call at Twilio has about two kilobytes."""

FORM = {"Content-Type": "application/x-www-form-urlencoded"}

ERROR_TEXTS: tuple[tuple[type[BaseException], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "host name not found"),
    (aiohttp.ClientProxyConnectionError, "proxy not reachable"),
    (aiohttp.ClientHttpProxyError, "proxy refused"),
    (aiohttp.ClientSSLError, "TLS failed"),
    (aiohttp.ClientConnectorError, "connection refused or host not reachable"),
    (TimeoutError, "timed out"),
    (aiohttp.ClientPayloadError, "response cut short"),
    (aiohttp.ClientResponseError, "response is not HTTP"),
)


NOT_SENT_FIX = "check the network, DNS, and the provider's URL, proxy and ca_file"
"""What to do about NotSent."""


class NotSent(Exception):
    """The server cannot have seen the request. The message is a fixed text: no address, header or body."""


class SentUnknown(Exception):
    """The request may have been sent, and no complete response was received. The message is a fixed text."""


class HttpResponse(NamedTuple):
    """A complete response of any status; `text` is its body, decoded as UTF-8."""

    status: int
    text: str


@dataclass(slots=True)
class _Progress:
    """The progress of a request."""

    once: bool  # do not obtain a second connection to send the request again
    connected: bool = False  # a connection was obtained


_progress: ContextVar[_Progress] = ContextVar("progress")


class _Connector(aiohttp.TCPConnector):
    """Records that a request has obtained a connection. aiohttp's tracing could do this, but costs 10 % more."""

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        progress = _progress.get()
        if progress.once and progress.connected:
            raise aiohttp.ClientConnectionError
        connection = await super().connect(req, traces, timeout)
        progress.connected = True
        return connection


def _form_body(data: Mapping[str, Any]) -> bytes:
    """The body of a form. yarl quotes long texts six times faster than the standard library."""
    return URL.build(query=data).raw_query_string.encode()


def _error_text(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}:
        return "no file descriptor is left"
    return next((text for kind, text in ERROR_TEXTS if isinstance(error, kind)), "connection broke")


async def _read_body(content: aiohttp.StreamReader, max_octets: int) -> bytes:
    body = bytearray()
    async for piece in content.iter_any():
        body += piece
        if len(body) > max_octets:
            raise SentUnknown("response too long")
    return bytes(body)


def _basic_auth(auth: tuple[str, str] | None) -> dict[str, str]:
    if auth is None:
        return {}
    return {"Authorization": f"Basic {base64.b64encode(':'.join(auth).encode()).decode()}"}


class HttpPool:
    """Connections to one server, kept open. Requests and responses are neither stored nor logged.

    - `connect_timeout`: seconds to obtain a connection;
    - `total_timeout`: seconds for the whole request;
    - `base_url`: replaces scheme and host of every URL;
    - `proxy`: the URL of an HTTP proxy;
    - `ca_file`: a PEM file to trust instead of the system's authorities. Raises OSError if it cannot be read.
    """

    def __init__(
        self,
        *,
        connect_timeout: float,
        total_timeout: float,
        base_url: str | None = None,
        proxy: str | None = None,
        ca_file: str | None = None,
    ) -> None:
        self._connect_timeout = connect_timeout
        self._total_timeout = total_timeout
        self._base_url = base_url.rstrip("/") if base_url else None
        self._proxy = proxy
        self._ssl: ssl.SSLContext | bool = ssl.create_default_context(cafile=ca_file) if ca_file else True
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self,
        method: str,
        url: str,
        *,
        seconds: float = math.inf,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        once: bool = False,
    ) -> HttpResponse:
        """Send one request and return the response, of any status. Redirects are not followed.

        `data` is sent as a form. `content` is a complete body, whose Content-Type must be in `headers`. The request
        takes at most `seconds`, and at most the pool's total timeout. With `once`, a request with any method is sent on
        one connection only, and `url` must be percent-encoded and is sent unchanged. Raises NotSent or SentUnknown.
        """
        seconds = min(seconds, self._total_timeout)
        progress = _Progress(once)
        _progress.set(progress)
        timeout = aiohttp.ClientTimeout(
            total=seconds, connect=min(self._connect_timeout, seconds), ceil_threshold=math.inf
        )
        try:
            async with self._open_session().request(
                method,
                URL(self._rebased(url), encoded=True) if once else self._rebased(url),
                params=params,
                data=_form_body(data) if data else content,
                headers={**(FORM if data else {}), **(headers or {}), **_basic_auth(auth)},
                proxy=self._proxy,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                one_resource = once or method == "POST"
                body = await _read_body(
                    response.content, MAX_POST_RESPONSE_OCTETS if one_resource else MAX_RESPONSE_OCTETS
                )
        except (aiohttp.ClientError, OSError) as error:
            kind = SentUnknown if progress.connected else NotSent
            raise kind(_error_text(error)) from None
        return HttpResponse(response.status, body.decode("utf-8", "replace"))

    async def close(self) -> None:
        """Close every connection. Safe to call twice, and before the first request."""
        if self._session is not None:
            await self._session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        """The session. It is created at the first request, because it must be created in the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=_Connector(limit=CONNECTIONS, keepalive_timeout=KEEPALIVE_SECONDS, ssl=self._ssl),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _rebased(self, url: str) -> str:
        if self._base_url is None:
            return url
        parts = urlsplit(url)
        return f"{self._base_url}{parts.path}{f'?{parts.query}' if parts.query else ''}"


def pool_of(section: HttpProviderSection, base_url: str | None = None) -> HttpPool:
    """The connections to the server of a provider. Raises OSError if its `ca_file` cannot be read."""
    return HttpPool(
        connect_timeout=section.connect_timeout,
        total_timeout=section.timeout,
        base_url=base_url,
        proxy=section.proxy,
        ca_file=str(section.ca_file) if section.ca_file else None,
    )
