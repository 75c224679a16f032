"""Creates the server's client entries from settings."""

from __future__ import annotations

from functools import cache

from radius_voice.config.attributes import attribute_dictionary
from radius_voice.config.client_settings import ClientSettings, ProbeSettings
from radius_voice.config.schema import Settings
from radius_voice.events import SecondFactorMode
from radius_voice.login.codes.keys import Keys
from radius_voice.login.first_factor.realms import Realm
from radius_voice.login.names import canonical_name
from radius_voice.login.texts.charset import Charset
from radius_voice.login.texts.prompts import PromptFormat
from radius_voice.radius.caller_address import AddressAttribute
from radius_voice.server.clients import Client, Clients, Probe, Require
from radius_voice.wiring.policies import ReadDictionary


def clients_of(settings: Settings, keys: Keys) -> Clients:
    """The client entries, by address."""
    dictionary = cache(attribute_dictionary)
    clients = {name: _client(name, entry, keys, dictionary) for name, entry in settings.clients.items()}
    return Clients((network, clients[name]) for name, entry in settings.clients.items() for network in entry.address)


def _client(name: str, entry: ClientSettings, keys: Keys, dictionary: ReadDictionary) -> Client:
    secrets = tuple(secret.get_secret_value().encode() for secret in entry.secret)
    return Client(
        name=name,
        secrets=secrets,
        require=Require(entry.require_message_authenticator),
        policy=entry.policy,
        response_timeout=entry.response_timeout,
        prompts=prompt_format_of(entry),
        calling_station=_calling_station(entry.calling_station_attribute, dictionary),
        signer_keys=tuple(keys.client(name, secret) for secret in secrets),
        realms=realms_of(entry),
        second_factor=SecondFactorMode(entry.second_factor),
        delimiter=entry.delimiter,
        password_required=entry.password_required,
        limit_proxy_state=Require(entry.limit_proxy_state),
        probe=_probe(entry.probe),
    )


def _calling_station(name: str | None, dictionary: ReadDictionary) -> AddressAttribute | None:
    return None if name is None else dictionary().address_attribute(name)


def prompt_format_of(client: ClientSettings) -> PromptFormat:
    """The character set and the length of the texts that a client can show."""
    return PromptFormat(Charset(client.charset), client.prompt_length)


def _probe(section: ProbeSettings | None) -> Probe | None:
    if section is None:
        return None
    password = b"" if section.password is None else section.password.get_secret_value().encode()
    return Probe(canonical_name(section.user), password)


def realms_of(client: ClientSettings) -> dict[str, Realm]:
    """The realms of a client by their canonical names."""
    return {
        canonical_name(realm): Realm(section.policy or client.policy, section.strip)
        for realm, section in client.realms.items()
    }
