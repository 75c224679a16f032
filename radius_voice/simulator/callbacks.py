"""The simulator's requests to the customer's server, signed as Twilio signs them."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
from twilio.request_validator import RequestValidator

from radius_voice.simulator.phones import CallbackFault

SECONDS = 5.0
"""Maximum duration of a request; Twilio waits 15 s."""
MAX_RESPONSE = 100_000
OK = 200


class CallbackSender:
    """Sends callbacks. Nothing is sent again after an error, as with Twilio."""

    def __init__(self, auth_token: str) -> None:
        self._sign = RequestValidator(auth_token).compute_signature
        self._forge = RequestValidator(f"not {auth_token}").compute_signature
        self._session: aiohttp.ClientSession | None = None

    async def send(self, url: str, fields: Mapping[str, str], fault: CallbackFault) -> tuple[int, str]:
        """The status and the text of the response; status 0 if there is none."""
        if fault is CallbackFault.LOST:
            return 0, ""
        sign = self._forge if fault is CallbackFault.FORGED else self._sign
        response = await self._post(url, fields, sign(url, dict(fields)))
        return await self._post(url, fields, sign(url, dict(fields))) if fault is CallbackFault.TWICE else response

    async def _post(self, url: str, fields: Mapping[str, str], signature: str) -> tuple[int, str]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(SECONDS))
        try:
            async with self._session.post(url, data=fields, headers={"X-Twilio-Signature": signature}) as response:
                body = await response.content.read(MAX_RESPONSE)
                return response.status, body.decode(errors="replace") if response.status == OK else ""
        except (TimeoutError, aiohttp.ClientError):
            return 0, ""

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
