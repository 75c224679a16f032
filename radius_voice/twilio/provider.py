"""Shared by providers with a Twilio account: creates the account object, and classifies the results of requests.

Creating a call or a message is not idempotent. `TwilioRequests.create` classifies every result: a request that Twilio
certainly did not accept may be tried elsewhere, and a request that it may have accepted is never repeated.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from twilio.base.exceptions import TwilioException

from radius_voice.config.secrets import secret_text
from radius_voice.config.twilio_account import TwilioAccountSection
from radius_voice.http_client import NOT_SENT_FIX, NotSent, SentUnknown, pool_of
from radius_voice.login.deliveries.requests import DeliveryResult, Indeterminate, NotPlaced, NumberRejected
from radius_voice.login.model import Unavailable
from radius_voice.twilio.client import TwilioAccount, status_and_code

T = TypeVar("T")

CHECK_ACCOUNT = "run radius-voice test-credentials"
DEFAULT_FIX = f"{CHECK_ACCOUNT}, and look the detail up at the provider"
CREDENTIALS_FIX = "compare account_sid and auth_token, or the API key, with the Twilio console"
ACCOUNT_FIX = "compare account_sid with the Twilio console"

COMMON_REFUSALS: dict[int, NumberRejected | NotPlaced] = {
    429: NotPlaced("HTTP 429: too many requests"),
    20003: NotPlaced("20003: credentials refused", alarm=True, outage=True, fix=CREDENTIALS_FIX),
    20404: NotPlaced("20404: no such account or resource", alarm=True, outage=True, fix=ACCOUNT_FIX),
    20429: NotPlaced("20429: too many requests"),
}
"""The results for refused calls and messages, by Twilio's error code or the HTTP status."""

SID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
"""The SID of a call or message: two letters and 32 hexadecimal digits, or a UUID at services with the same API."""

NOT_ALLOWED = frozenset({401, 403, 20003, 70051})
"""The error codes for requests that a restricted API key may not make."""


def account_of(name: str, section: TwilioAccountSection) -> TwilioAccount:
    """The account of the provider `name`. Raises ValueError if this process cannot read its credentials."""
    secrets = {"api_secret": section.api_secret, "auth_token": section.auth_token}
    password = next(
        secret_text(secret, f"delivery.providers.{name}.{key}") for key, secret in secrets.items() if secret is not None
    )
    return TwilioAccount(
        pool_of(section, section.base_url),
        account_sid=section.account_sid,
        username=section.api_key or section.account_sid,
        password=password,
        region=section.region,
        edge=section.edge,
    )


class TwilioRequests:
    """Makes the requests of the provider `name` to its account.

    `refusals` are the results by Twilio's error code or HTTP status, with COMMON_REFUSALS.
    """

    def __init__(self, name: str, account: TwilioAccount, refusals: Mapping[int, NumberRejected | NotPlaced]) -> None:
        self._name = name
        self._account = account
        self._refusals = refusals

    async def create(
        self, deadline: float, request: Callable[[Any], Awaitable[T]], result: Callable[[T], DeliveryResult]
    ) -> DeliveryResult:
        """Create one resource, once. `request` gets the SDK's client; `result` makes the result from the resource.

        `deadline` is loop time. Details of results are fixed texts.
        """
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            return NotPlaced("not sent: no time left", sent=False)
        try:
            created = await request(self._account.client(left))
        except NotSent as error:
            return NotPlaced(f"not sent: {error}", outage=True, fix=NOT_SENT_FIX, sent=False)
        except SentUnknown as error:
            return Indeterminate(f"sent, then: {error}")
        except TwilioException as error:
            return self.refusal(*status_and_code(error))
        except Exception:  # noqa: BLE001  # Twilio accepted it; the phone may be reached even if the response is unreadable
            return Indeterminate("response not understood")
        return result(created)

    def refusal(self, status: int, code: int) -> NumberRejected | NotPlaced | Indeterminate:
        """The result for an error response. After a server error, Twilio may have accepted the request."""
        if not 300 <= status < 500:  # noqa: PLR2004
            return Indeterminate(f"HTTP {status}, code {code}")
        return (
            self._refusals.get(code)
            or self._refusals.get(status)
            or NotPlaced(f"HTTP {status}, code {code}", alarm=True, fix=DEFAULT_FIX)
        )

    async def ask(self, request: Awaitable[T], fine: frozenset[int] = frozenset()) -> T | None:
        """The response; None if Twilio refused with one of the codes in `fine`. Raises Unavailable."""
        try:
            return await request
        except NotSent as error:
            raise Unavailable(self._name, f"{error}; {NOT_SENT_FIX}") from None
        except SentUnknown as error:
            raise Unavailable(self._name, str(error)) from None
        except TwilioException as error:
            status, code = status_and_code(error)
            if code in fine or status in fine:
                return None
            known = self._refusals.get(code)
            fix = f"; {known.fix}" if known is not None and known.fix else ""
            raise Unavailable(self._name, f"{self.refusal(status, code).detail}{fix}") from None
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
            raise Unavailable(self._name, "response not understood") from None

    async def first(self, resource: Any, **filters: str) -> list[Any] | None:
        """A list with the first item of a listing, or empty; None if the API key may not list the resource.

        Raises Unavailable.
        """
        return await self.ask(_first_item(resource, filters), NOT_ALLOWED)


async def _first_item(resource: Any, filters: Mapping[str, str]) -> list[Any]:
    page = await resource.page_async(**filters, page_size=1)
    return list(page)[:1]


def is_sid(sid: object) -> bool:
    """Whether this is the SID of a resource."""
    return isinstance(sid, str) and SID.fullmatch(sid) is not None
