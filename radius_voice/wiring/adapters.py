"""The tables of adapters, and their creation from settings. Only configured adapters are imported, for a fast start."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from radius_voice.config import load as configuration
from radius_voice.config.adapters import AdapterSection, IdentitySection, ProviderSection, SectionTypes, StoreSection
from radius_voice.config.schema import Settings
from radius_voice.delivery.fixed.settings import FixedSettings
from radius_voice.delivery.http_request.settings import HttpRequestSettings
from radius_voice.delivery.twilio_sms.settings import TwilioSmsSettings
from radius_voice.delivery.twilio_verify.settings import TwilioVerifySettings
from radius_voice.delivery.twilio_voice.settings import TwilioVoiceSettings
from radius_voice.delivery.vonage_voice.settings import VonageVoiceSettings
from radius_voice.identity.context import IdentityContext
from radius_voice.identity.ldap.settings import LdapSettings
from radius_voice.identity.radius.settings import RadiusSettings
from radius_voice.identity.sql.settings import SqlSettings
from radius_voice.identity.users_file.settings import UsersFileSettings
from radius_voice.login.ports import (
    IdentitySource,
    Provider,
    Store,
    UserEditor,
    UserLister,
)
from radius_voice.messages import SHIPPED, Catalog
from radius_voice.stores.context import StoreContext
from radius_voice.stores.settings import MemorySettings, RedisSettings, SqliteSettings


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter. Its modules are imported only if it is configured."""

    settings: type[Any]  # its section of the configuration
    module: str  # has `create`
    editor: str = ""  # has `create_editor`, if commands can change the users of an identity source
    lister: str = ""  # has `create_lister`, if commands can only list the users of an identity source


@dataclass(frozen=True, slots=True)
class Adapters:
    """All adapters, by port."""

    identity: tuple[Adapter, ...]
    providers: tuple[Adapter, ...]
    stores: tuple[Adapter, ...]

    @property
    def sections(self) -> SectionTypes:
        """The sections of all adapters."""
        return SectionTypes(*(tuple(a.settings for a in each) for each in (self.identity, self.providers, self.stores)))


ADAPTERS = Adapters(
    identity=(
        Adapter(
            UsersFileSettings, "radius_voice.identity.users_file.source", "radius_voice.identity.users_file.editor"
        ),
        Adapter(LdapSettings, "radius_voice.identity.ldap.source", lister="radius_voice.identity.ldap.lister"),
        Adapter(
            SqlSettings,
            "radius_voice.identity.sql.source",
            "radius_voice.identity.sql.editor",
            "radius_voice.identity.sql.lister",
        ),
        Adapter(RadiusSettings, "radius_voice.identity.radius.source"),
    ),
    providers=(
        Adapter(TwilioVoiceSettings, "radius_voice.delivery.twilio_voice.provider"),
        Adapter(VonageVoiceSettings, "radius_voice.delivery.vonage_voice.provider"),
        Adapter(TwilioSmsSettings, "radius_voice.delivery.twilio_sms.provider"),
        Adapter(TwilioVerifySettings, "radius_voice.delivery.twilio_verify.provider"),
        Adapter(HttpRequestSettings, "radius_voice.delivery.http_request.provider"),
        Adapter(FixedSettings, "radius_voice.delivery.fixed.provider"),
    ),
    stores=(
        Adapter(SqliteSettings, "radius_voice.stores.sqlite"),
        Adapter(MemorySettings, "radius_voice.stores.memory"),
        Adapter(RedisSettings, "radius_voice.stores.redis"),
    ),
)


def load(
    path: Path | str,
    environ: Mapping[str, str] | None = None,
    clock: Callable[[], float] = time.time,
    *,
    for_service: bool = True,
    owner: int | None = None,
    adapters: Adapters = ADAPTERS,
) -> configuration.Loaded:
    """Read and check a configuration file with the sections of these adapters; see `config.load`."""
    return configuration.load(path, adapters.sections, environ, clock, for_service=for_service, owner=owner)


def identity_source(
    name: str, section: IdentitySection, context: IdentityContext, adapters: Adapters = ADAPTERS
) -> IdentitySource:
    """Create the identity source of a section. Raises ValueError or OSError if it cannot be used."""
    return cast("IdentitySource", _create_of(section, adapters.identity, f"identity.{name}")(name, section, context))


def user_editor(
    name: str, section: IdentitySection, messages: Catalog = SHIPPED, adapters: Adapters = ADAPTERS
) -> UserEditor:
    """Create the editor of an identity source. Raises ValueError if commands cannot change its users.

    `messages` has the languages that users may have.
    """
    (adapter,) = (each for each in adapters.identity if each.settings is type(section))
    if not adapter.editor:
        kind = f"radius-voice cannot list or change users of type {section.type}"
        raise ValueError(f"identity.{name}: {kind}; use the tools of the directory")
    create = _imported(adapter.editor, section, f"identity.{name}").create_editor
    return cast("UserEditor", create(name, section, messages))


def user_lister(name: str, section: IdentitySection, adapters: Adapters = ADAPTERS) -> UserLister:
    """Create the lister of an identity source. Raises ValueError if commands cannot list its users."""
    (adapter,) = (each for each in adapters.identity if each.settings is type(section))
    if not adapter.lister:
        return user_editor(name, section, adapters=adapters)
    create = _imported(adapter.lister, section, f"identity.{name}").create_lister
    return cast("UserLister", create(name, section))


def provider_of(name: str, section: ProviderSection, adapters: Adapters = ADAPTERS) -> Provider:
    """Create the provider of a section. Raises ValueError if this process cannot read its credentials."""
    return cast("Provider", _create_of(section, adapters.providers, f"delivery.providers.{name}")(name, section))


def store_of(section: StoreSection, context: StoreContext, adapters: Adapters = ADAPTERS) -> Store:
    """Create the store of a section, and its file if there is none. Raises ValueError or OSError."""
    return cast("Store", _create_of(section, adapters.stores, "store")(section, context))


def missing_packages(settings: Settings, adapters: Adapters = ADAPTERS) -> list[str]:
    """An error for each configured adapter whose packages are missing, with the command that installs them."""
    identity, providers = settings.identity.items(), settings.delivery.providers.items()
    sections: list[tuple[str, AdapterSection, tuple[Adapter, ...]]] = [
        *((f"identity.{name}", section, adapters.identity) for name, section in identity),
        *((f"delivery.providers.{name}", section, adapters.providers) for name, section in providers),
        ("store", settings.store, adapters.stores),
    ]
    missing = []
    for key, section, table in sections:
        try:
            _create_of(section, table, key)
        except ValueError as problem:
            missing.append(str(problem))
    return missing


def _create_of(section: AdapterSection, adapters: Collection[Adapter], key: str) -> Callable[..., object]:
    (module,) = (adapter.module for adapter in adapters if adapter.settings is type(section))
    return cast("Callable[..., object]", _imported(module, section, key).create)


def _imported(module: str, section: AdapterSection, key: str) -> ModuleType:
    try:
        return import_module(module)
    except ModuleNotFoundError:
        if not section.EXTRA:
            raise
        raise ValueError(
            f"{key}.type: {section.type} needs additional packages; run: pip install 'radius-voice[{section.EXTRA}]'"
        ) from None
