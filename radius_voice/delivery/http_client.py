"""HTTP for the Twilio SDK, over aiohttp, that always knows whether a request may have been acted on.

Every failure is one of two: `NotSent`, no connection was ever had for the request, so nobody read it;
or `SentUnknown`, it had one, so somebody may have. The line is drawn where the connector hands the
connection over, not by the exception's class: a pooled connection that the peer has just closed fails
like a refused one but may have delivered. A POST is never sent twice; a GET that met such a stale
connection is asked once more by aiohttp, which changes nothing at the provider.
"""

from __future__ import annotations

import base64
import errno
import json
import logging
import math
import ssl
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from yarl import URL

CONNECTIONS = 1000
"""aiohttp's pool stops at 100 unless told; a burst of logins must not queue behind itself."""

KEEPALIVE_SECONDS = 15.0
"""Shorter than any load balancer's idle time, so that a stale connection is seldom met."""

LONGEST_ANSWER = 8 << 20
"""In octets. The longest answer to a GET is a listing of a thousand calls, some two megabytes."""

LONGEST_POST_ANSWER = 64 << 10
"""In octets. The answer to a POST is one call, some two kilobytes."""

MAX_ERROR_CODE = 999_999
"""Twilio's error codes have five digits; a larger number is none."""

FORM = {"Content-Type": "application/x-www-form-urlencoded"}

WHAT_BROKE: tuple[tuple[type[BaseException], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "host name not found"),
    (aiohttp.ClientProxyConnectionError, "proxy out of reach"),
    (aiohttp.ClientHttpProxyError, "proxy refused"),
    (aiohttp.ClientSSLError, "TLS failed"),
    (aiohttp.ClientConnectorError, "connection refused or host out of reach"),
    (TimeoutError, "timed out"),
    (aiohttp.ClientPayloadError, "answer cut short"),
    (aiohttp.ClientResponseError, "answer is not HTTP"),
)


class NotSent(Exception):
    """The request certainly reached nobody. The text is fixed: no address, header or body."""


class SentUnknown(Exception):
    """The request left and no whole answer came back. The text is fixed: no address, header or body."""


@dataclass(slots=True)
class _Journey:
    """How far one request got: whether a connection was handed to it."""

    connected: bool = False


_journey: ContextVar[_Journey] = ContextVar("journey")


class _Connector(aiohttp.TCPConnector):
    """Notes in a request's journey that it has a connection; aiohttp's tracing says so for a tenth more."""

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        connection = await super().connect(req, traces, timeout)
        _journey.get().connected = True
        return connection


def _form(data: Mapping[str, Any]) -> bytes:
    """A form's body: yarl quotes a call's script six times faster than the standard library."""
    return URL.build(query=data).raw_query_string.encode()


def _what(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}:
        return "no file descriptor is left"
    return next((text for kind, text in WHAT_BROKE if isinstance(error, kind)), "connection broke")


async def _whole(content: aiohttp.StreamReader, longest: int) -> bytes:
    body = bytearray()
    async for piece in content.iter_any():
        body += piece
        if len(body) > longest:
            raise SentUnknown("answer too long")
    return bytes(body)


def _basic(auth: tuple[str, str] | None) -> dict[str, str]:
    if auth is None:
        return {}
    return {"Authorization": f"Basic {base64.b64encode(':'.join(auth).encode()).decode()}"}


class HttpPool:
    """Warm connections to one provider. Keeps no request, no answer, and logs neither.

    `base_url` replaces scheme and host of every URL (the development simulator), `proxy` is an HTTP
    proxy's URL, `ca_file` a PEM file trusted instead of the system's; an unreadable one raises OSError
    here and now. Times are seconds: `connect_timeout` until a connection is had, `total_timeout` for all.
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

    def within(self, seconds: float = math.inf) -> TimedClient:
        """An HTTP client for the SDK whose requests take at most `seconds`, or the pool's total if that is less."""
        return TimedClient(self, min(seconds, self._total_timeout))

    async def send(
        self,
        method: str,
        url: str,
        *,
        seconds: float,
        params: Mapping[str, Any] | None,
        data: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        auth: tuple[str, str] | None,
    ) -> Response:
        """One request, one answer of any status, redirects not followed. Raises NotSent or SentUnknown."""
        journey = _Journey()
        _journey.set(journey)
        timeout = aiohttp.ClientTimeout(
            total=seconds, connect=min(self._connect_timeout, seconds), ceil_threshold=math.inf
        )
        try:
            async with self._opened().request(
                method,
                self._rebased(url),
                params=params,
                data=_form(data) if data else None,
                headers={**(FORM if data else {}), **(headers or {}), **_basic(auth)},
                proxy=self._proxy,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                body = await _whole(response.content, LONGEST_POST_ANSWER if method == "POST" else LONGEST_ANSWER)
        except (aiohttp.ClientError, OSError) as error:
            kind = SentUnknown if journey.connected else NotSent
            raise kind(_what(error)) from None
        return Response(response.status, body.decode("utf-8", "replace"))

    async def close(self) -> None:
        """Closes every connection. Safe to call twice, and before the first request."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        """The session, made at the first request because it must be made inside the running loop."""
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


class TimedClient(AsyncHttpClient):  # type: ignore[misc]
    """What the SDK asks for a request. Made for each: the SDK has no way to hand a deadline through."""

    def __init__(self, pool: HttpPool, seconds: float) -> None:
        super().__init__(logging.getLogger(__name__), is_async=True)
        self._pool = pool
        self._seconds = seconds

    async def request(
        self,
        method: str,
        uri: str,
        *,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002
        allow_redirects: bool = False,  # noqa: ARG002
    ) -> Response:
        """Send by the pool; the SDK's own `timeout` and `allow_redirects` are never set by the calls we make."""
        response = await self._pool.send(
            method, uri, seconds=self._seconds, params=params, data=data, headers=headers, auth=auth
        )
        return response if 200 <= response.status_code < 300 else _error_of(response)  # noqa: PLR2004


def _error_of(response: Response) -> Response:
    """The error reduced to its HTTP status and, where the body has one, Twilio's code.

    The SDK takes the status from a body in the format of RFC 9457 and keeps its texts, which may be of any length.
    """
    try:
        code = json.loads(response.text)["code"]
    except (ValueError, TypeError, LookupError, RecursionError):
        code = None
    known = isinstance(code, int) and 0 < code <= MAX_ERROR_CODE
    return Response(response.status_code, json.dumps({"code": code}) if known else "")
