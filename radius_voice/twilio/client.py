"""Twilio's SDK on top of `http_client`, for every provider with a Twilio account."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from typing import Any

import twilio.rest.api  # noqa: F401 - else the SDK imports it during a login, when that may fail
from twilio.base.exceptions import TwilioException
from twilio.base.version import Version
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from radius_voice.http_client import HttpPool

MAX_ERROR_CODE = 999_999
"""Twilio's error codes have five digits; greater numbers are not error codes."""

logging.getLogger("twilio").setLevel(logging.CRITICAL + 1)  # the SDK's messages may hold headers and form fields


class TwilioAccount:
    """An account at Twilio, or at a service with the same API.

    `username` and `password` are the account SID and its auth token, or an API key's SID and secret. `region` and
    `edge` are Twilio's names (`ie1`, `dublin`).
    """

    def __init__(
        self,
        pool: HttpPool,
        *,
        account_sid: str,
        username: str,
        password: str,
        region: str | None = None,
        edge: str | None = None,
    ) -> None:
        self.sid = account_sid
        self._pool = pool
        self._username = username
        self._password = password
        self._region = region
        self._edge = edge

    @property
    def by_api_key(self) -> bool:
        """Whether requests are made with an API key."""
        return self._username != self.sid

    def client(self, seconds: float = math.inf) -> Any:
        """The SDK's client for one request, which takes at most `seconds` and at most the pool's total timeout.

        Creating it takes a few microseconds, because the pool has the connections. Its requests raise NotSent or
        SentUnknown (see `http_client`), and TwilioException for error responses.
        """
        return Client(
            self._username,
            self._password,
            self.sid,
            region=self._region,
            edge=self._edge,
            http_client=TimedClient(self._pool, seconds),
            # not empty: otherwise the SDK reads the process's environment
            environment={"TWILIO_REGION": "", "TWILIO_EDGE": ""},
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()


class TimedClient(AsyncHttpClient):  # type: ignore[misc]
    """The SDK's HTTP client. One is created for each request, because the SDK cannot pass a deadline."""

    def __init__(self, pool: HttpPool, seconds: float = math.inf) -> None:
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
        """Send through the pool. `timeout` and `allow_redirects` are ignored: our calls never set them."""
        status, text = await self._pool.send(
            method, uri, seconds=self._seconds, params=params, data=data, headers=headers, auth=auth
        )
        return Response(status, text if 200 <= status < 300 else _error_body(text))  # noqa: PLR2004


def status_and_code(error: TwilioException) -> tuple[int, int]:
    """The HTTP status and Twilio's error code (the status if there is no code) of an exception of the SDK."""
    response = next((part for part in error.args if isinstance(part, Response)), None)
    if response is not None:  # the SDK's listings raise without reading the body
        error = Version.exception("GET", "", response, "")
    status = getattr(error, "status", 0)
    code = getattr(error, "code", status)
    return status, code if isinstance(code, int) else status


def _error_body(text: str) -> str:
    """Reduce the body of an error response to Twilio's error code; empty without a code.

    The SDK would take the status from a body in the format of RFC 9457, and keep texts of any length.
    """
    try:
        code = json.loads(text)["code"]
    except (ValueError, TypeError, LookupError, RecursionError):
        code = None
    known = isinstance(code, int) and 0 < code <= MAX_ERROR_CODE
    return json.dumps({"code": code}) if known else ""
