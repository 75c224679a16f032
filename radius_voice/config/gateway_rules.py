"""Rules for the settings of clients that describe their gateways: profiles, and the attribute with the address."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from radius_voice.config.client_settings import ClientSettings
from radius_voice.config.section import Diagnostic
from radius_voice.config.strict_yaml import Path as KeyPath

if TYPE_CHECKING:
    from radius_voice.radius.dictionary import AttributeDictionary


def errors(
    clients: Mapping[str, ClientSettings], dictionary: Callable[[], AttributeDictionary]
) -> Iterator[Diagnostic]:
    """Attributes that hold no address. `dictionary` reads the attribute dictionary."""
    for name, client in clients.items():
        attribute = client.calling_station_attribute
        if attribute is None:
            continue
        try:
            dictionary().address_attribute(attribute)
        except ValueError as problem:
            text = str(problem).removeprefix(f"{attribute}: ")
            yield ("clients", name, "calling_station_attribute"), text


def warnings(clients: Mapping[str, ClientSettings]) -> Iterator[Diagnostic]:
    """Values of clients that cannot work with the gateway of their profile."""
    for name, client in clients.items():
        yield from _second_factor(client, ("clients", name, "second_factor"))
        if client.profile_values.unsigned and client.require_message_authenticator == "yes":
            why = f"a gateway of profile {client.profile} sends no Message-Authenticator, so its requests are discarded"
            yield ("clients", name, "require_message_authenticator"), f"{why}; write no, and protect the network to it"


def _second_factor(client: ClientSettings, path: KeyPath) -> Iterator[Diagnostic]:
    works = client.profile_values.keys.get("second_factor", "challenge")
    if works == "two_pass" and client.second_factor == "challenge":
        fix = "write two_pass, or approve"
        yield path, f"a gateway of profile {client.profile} shows no challenge, so users cannot type a code; {fix}"
    if works == "approve" and client.second_factor != "approve":
        yield path, f"a gateway of profile {client.profile} has no field for a code; write approve"
