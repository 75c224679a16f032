"""JSON Web Tokens that authenticate a Vonage application (RFC 7519, signed with RS256)."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

LIFETIME_SECONDS = 900
"""How long a token is valid. Vonage allows at most 24 hours."""

RENEWAL_SECONDS = 60
"""A token is replaced this long before it expires, so that it does not expire during a request."""


class ApplicationTokens:
    """Makes the tokens of one application, and uses each until shortly before it expires.

    `private_key` is an RSA key in PEM. Raises ValueError for any other text. `now` is wall-clock seconds.
    """

    def __init__(self, application_id: str, private_key: str, now: Callable[[], float]) -> None:
        key = load_pem_private_key(private_key.encode(), None)
        if not isinstance(key, RSAPrivateKey):
            raise ValueError("not an RSA key")  # noqa: TRY004 - the text is wrong, and not its type
        self._application_id = application_id
        self._key = key
        self._now = now
        self._token = ""
        self._issued_at = 0.0

    def current(self) -> str:
        """The token for a request that is sent now."""
        age = self._now() - self._issued_at
        if not self._token or not 0 <= age < LIFETIME_SECONDS - RENEWAL_SECONDS:  # the clock may have been set back
            self._issue()
        return self._token

    def _issue(self) -> None:
        self._issued_at = self._now()
        issued_at = int(self._issued_at)
        claims = {
            "application_id": self._application_id,
            "iat": issued_at,
            "exp": issued_at + LIFETIME_SECONDS,
            "jti": str(uuid.uuid4()),
        }
        self._token = jwt.encode(claims, self._key, algorithm="RS256")
