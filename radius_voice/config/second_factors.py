"""Rules between the settings of clients that say how users are asked for the code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from radius_voice.config.client_settings import DELIMITER, ClientSettings
from radius_voice.config.errors import readable
from radius_voice.config.schema import NO_FIRST_FACTOR
from radius_voice.config.section import Diagnostic


def second_factor_errors(
    clients: Mapping[str, ClientSettings], source_of: Mapping[tuple[str, str], str]
) -> Iterator[Diagnostic]:
    """Errors of the clients by their names; `source_of` maps policy and role to identity source."""
    for name, client in clients.items():
        if client.second_factor == "challenge":
            if client.delimiter != DELIMITER:
                yield ("clients", name, "delimiter"), "has an effect only with second_factor: two_pass; remove it"
            continue
        for policy in sorted(client.policies):
            if source_of.get((policy, "first_factor")) == NO_FIRST_FACTOR:
                message = f"two_pass needs a first_factor, and policy {readable(policy)} has none; use challenge"
                yield ("clients", name, "second_factor"), message
