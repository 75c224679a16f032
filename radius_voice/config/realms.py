"""Rules for the realms of clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from radius_voice.config.client_settings import ClientSettings
from radius_voice.config.errors import readable
from radius_voice.config.section import Diagnostic
from radius_voice.login.first_factor.realms import split
from radius_voice.login.names import canonical_name


def realm_errors(clients: Mapping[str, ClientSettings]) -> Iterator[Diagnostic]:
    """Realms that no user name can have, and realms that are listed twice."""
    for name, client in clients.items():
        taken: dict[str, str] = {}
        for realm in client.realms:
            path = ("clients", name, "realms", realm)
            canonical = canonical_name(realm)
            if not canonical:
                yield path, "is empty; write the text before the backslash or after the @"
            elif split(realm)[1] is not None:
                yield path, "holds a backslash or an @; write only the text before the backslash or after the @"
            elif canonical in taken:
                yield path, f"is another spelling of {readable(taken[canonical])}; remove one of the two"
            taken.setdefault(canonical, realm)
