"""Rules for the settings of clients that describe their gateways: which attribute has the caller's address."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from radius_voice.config.client_settings import ClientSettings
from radius_voice.config.section import Diagnostic

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
