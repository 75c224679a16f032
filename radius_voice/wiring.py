"""Settings -> the objects of one generation. An adapter is imported when it is configured, so start-up is fast."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from radius_voice.client_entries import clients_of, prompt_format_of
from radius_voice.config import load as configuration
from radius_voice.config.adapters import AdapterSection, IdentitySection, ProviderSection, SectionTypes, StoreSection
from radius_voice.config.schema import Settings
from radius_voice.config.second_factors import approval_providers
from radius_voice.delivery.fixed.settings import FixedSettings
from radius_voice.delivery.http_request.settings import HttpRequestSettings
from radius_voice.delivery.twilio_sms.settings import TwilioSmsSettings
from radius_voice.delivery.twilio_verify.settings import TwilioVerifySettings
from radius_voice.delivery.twilio_voice.settings import TwilioVoiceSettings
from radius_voice.delivery.vonage_voice.settings import VonageVoiceSettings
from radius_voice.events import Observer
from radius_voice.files.reading import require_regular
from radius_voice.identity.context import IdentityContext
from radius_voice.identity.ldap.settings import LdapSettings
from radius_voice.identity.passwords import Hasher
from radius_voice.identity.radius.settings import RadiusSettings
from radius_voice.identity.sql.settings import SqlSettings
from radius_voice.identity.users_file.settings import UsersFileSettings
from radius_voice.limits import limits_of
from radius_voice.login.circuit_breaker import CircuitBreaker, breakers_of
from radius_voice.login.codes import Keys, new_code
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.flow import LoginFlow
from radius_voice.login.model import DELIVERY_METHODS, Method
from radius_voice.login.ports import (
    CallbackReceiver,
    CallSpeaker,
    IdentitySource,
    Provider,
    Store,
    UserEditor,
    UserLister,
)
from radius_voice.messages import SHIPPED, Catalog
from radius_voice.observe.daily_files import DailyFiles
from radius_voice.observe.syslog import Syslog
from radius_voice.policies import policies_of
from radius_voice.server.generation import Generation, Rules
from radius_voice.stores.context import StoreContext
from radius_voice.stores.settings import MemorySettings, RedisSettings, SqliteSettings


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter's section of the configuration, and the module that has its `create`, imported when configured.

    `editor` is the module that has the `create_editor` of an identity source whose users commands can change. `lister`
    has the `create_lister` of one whose users they can only list.
    """

    settings: type[Any]
    module: str
    editor: str = ""
    lister: str = ""


@dataclass(frozen=True, slots=True)
class Adapters:
    """Tables of all adapters, by port."""

    identity: tuple[Adapter, ...]
    providers: tuple[Adapter, ...]
    stores: tuple[Adapter, ...]

    @property
    def sections(self) -> SectionTypes:
        """Their sections."""
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
    """The identity source that a section describes. Raises ValueError or OSError when it cannot be used."""
    return cast("IdentitySource", _create_of(section, adapters.identity, f"identity.{name}")(name, section, context))


def user_editor(
    name: str, section: IdentitySection, messages: Catalog = SHIPPED, adapters: Adapters = ADAPTERS
) -> UserEditor:
    """The editor of a source, with the languages of its users. Raises ValueError if commands cannot change them."""
    (adapter,) = (each for each in adapters.identity if each.settings is type(section))
    if not adapter.editor:
        kind = f"radius-voice cannot list or change users of type {section.type}"
        raise ValueError(f"identity.{name}: {kind}; use the tools of the directory")
    create = _imported(adapter.editor, section, f"identity.{name}").create_editor
    return cast("UserEditor", create(name, section, messages))


def user_lister(name: str, section: IdentitySection, adapters: Adapters = ADAPTERS) -> UserLister:
    """The lister of the users of a source. Raises ValueError if commands cannot list them."""
    (adapter,) = (each for each in adapters.identity if each.settings is type(section))
    if not adapter.lister:
        return user_editor(name, section, adapters=adapters)
    create = _imported(adapter.lister, section, f"identity.{name}").create_lister
    return cast("UserLister", create(name, section))


def provider_of(name: str, section: ProviderSection, adapters: Adapters = ADAPTERS) -> Provider:
    """The provider that a section describes. Raises ValueError when this process cannot read its credentials."""
    return cast("Provider", _create_of(section, adapters.providers, f"delivery.providers.{name}")(name, section))


def store_of(section: StoreSection, context: StoreContext, adapters: Adapters = ADAPTERS) -> Store:
    """The store that a section describes, created where there is none yet. Raises ValueError or OSError."""
    return cast("Store", _create_of(section, adapters.stores, "store")(section, context))


def missing_packages(settings: Settings, adapters: Adapters = ADAPTERS) -> list[str]:
    """The adapters whose packages are missing, with the command that installs them."""
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


@dataclass(frozen=True, slots=True)
class Shared:
    """What all generations share. `clock` is monotonic; `warn` gets the texts of warnings for the administrator.

    `key` is the data key, which keys the hashes of `keys` too. `copies`: see `IdentityContext`.
    """

    keys: Keys
    store: Store
    hasher: Hasher
    observer: Observer
    clock: Callable[[], float]
    warn: Callable[[str], None]
    key: bytes = field(repr=False)
    copies: Path | None = None


@dataclass(frozen=True, slots=True)
class BuiltGeneration:
    """One generation, its adapters and the circuit breakers of its providers, by their names in the configuration."""

    settings: Settings
    generation: Generation
    flow: LoginFlow
    providers: Mapping[str, Provider]
    identity: Mapping[str, IdentitySource]
    breakers: Mapping[str, CircuitBreaker]

    async def close(self, still_used: Collection[IdentitySource] = ()) -> None:
        """Close the adapters, once the last login has ended, except identity sources that other generations use."""
        for source in self.identity.values():
            if source not in still_used:
                await source.close()
        for provider in self.providers.values():
            await provider.close()


def build(
    settings: Settings, shared: Shared, previous: BuiltGeneration | None = None, adapters: Adapters = ADAPTERS
) -> BuiltGeneration:
    """The generation that `settings` describe. Raises ValueError or OSError when a file they name cannot be used.

    Identity sources of the generation `previous` are kept where their sections are equal: reading 100,000 users again
    takes seconds.
    """
    context = IdentityContext(
        shared.hasher,
        shared.warn,
        shared.observer,
        shared.key,
        shared.copies,
        at_start=previous is None,
        messages=settings.delivery.messages,
    )
    identity = {
        name: _reused(name, settings, previous) or identity_source(name, section, context, adapters)
        for name, section in settings.identity.items()
    }
    providers = {name: provider_of(name, section, adapters) for name, section in settings.delivery.providers.items()}
    before = ({}, {}) if previous is None else (previous.settings.delivery.providers, previous.breakers)
    breakers = breakers_of(settings.delivery.providers, shared.clock, *before)
    flow = LoginFlow(
        Dependencies(
            keys=shared.keys,
            store=shared.store,
            limits=limits_of(settings),
            policies=policies_of(settings, identity),
            providers=by_method(settings, providers),
            call_controls={
                name: control for name, provider in providers.items() if (control := provider.call_control) is not None
            },
            friendly_name=settings.delivery.friendly_name,
            messages=settings.delivery.messages,
            prompt_formats={name: prompt_format_of(client) for name, client in settings.clients.items()},
            observer=shared.observer,
            now=time.time,
            clock=shared.clock,
            public_url=settings.callbacks.public_url if settings.callbacks else "",
            callback_receivers=_callback_receivers(settings, providers),
            call_speakers={
                name: cast("CallSpeaker", providers[name])
                for name, section in settings.delivery.providers.items()
                if section.VOICEMAIL
            },
            approval_providers=_approval_providers(settings, providers),
            client_names={name: entry.friendly_name or name for name, entry in settings.clients.items()},
            verifiers={
                name: verifier for name, provider in providers.items() if (verifier := provider.verifier) is not None
            },
            new_code=code_generator(settings),
            breakers=breakers,
            calls_per_second={
                name: pace
                for name, section in settings.delivery.providers.items()
                if (pace := section.max_calls_per_second) is not None
            },
        )
    )
    generation = Generation(clients_of(settings, shared.keys), flow)
    return BuiltGeneration(settings, generation, flow, providers, identity, breakers)


def by_method(settings: Settings, providers: Mapping[str, Provider]) -> dict[Method, dict[str, Provider]]:
    """The providers of each method, in the order of failover."""
    return {
        method: {name: providers[name] for name in settings.delivery.order_of(method)} for method in DELIVERY_METHODS
    }


def _callback_receivers(settings: Settings, providers: Mapping[str, Provider]) -> dict[str, CallbackReceiver]:
    """The providers whose callbacks are received."""
    sections = settings.delivery.providers.items() if settings.callbacks else ()
    return {name: cast("CallbackReceiver", providers[name]) for name, section in sections if section.MAKES_CALLBACKS}


def _approval_providers(settings: Settings, providers: Mapping[str, Provider]) -> dict[str, Provider]:
    """The providers that can ask for an approval by a key, in the order of failover."""
    names = approval_providers(settings.delivery.order_of(Method.VOICE), settings.delivery.providers)
    return {name: providers[name] for name in names if settings.callbacks}


def _reused(name: str, settings: Settings, previous: BuiltGeneration | None) -> IdentitySource | None:
    if previous is None or settings.identity[name] != previous.settings.identity.get(name):
        return None
    if settings.delivery.messages.languages != previous.settings.delivery.messages.languages:
        return None
    previous.identity[name].refresh()
    return previous.identity[name]


def code_generator(settings: Settings) -> Callable[[int], str]:
    """Makes codes of that many digits; always the same code with a provider of type `fixed`."""
    names = {name for method in DELIVERY_METHODS for name in settings.delivery.order_of(method)}
    fixed = [settings.delivery.providers[name].fixed_code for name in names]
    code = next((code for code in fixed if code is not None), None)
    return new_code if code is None else lambda _digits: code


def server_rules(settings: Settings) -> Rules:
    """How the server handles packets."""
    server = settings.server
    # A request still being handled must not look new to its retransmission.
    longest = max(client.response_timeout for client in settings.clients.values())
    approving = [each.response_timeout for each in settings.clients.values() if each.second_factor == "approve"]
    held = max(approving) + server.duplicate_window if approving else 0.0  # then the response is kept as long as others
    window = max(server.duplicate_window, longest + 1.0, server.reject_delay * 1.2, held)
    return Rules(
        reject_delay=server.reject_delay,
        duplicate_window=window,
        max_concurrent=server.max_concurrent,
        max_queued=server.max_queued,
        status_server=server.status_server,
        max_held=server.max_held,
    )


def max_queued_verifications(settings: Settings) -> int:
    """How many password verifications may wait: half of the concurrent requests.

    The other half stays free for other requests, such as responses to challenges.
    """
    return max(1, settings.server.max_concurrent // 2)


def daily_files_of(settings: Settings) -> DailyFiles | None:
    """The daily files of the audit log, None if not configured."""
    path, keep = settings.audit.path, settings.audit.keep
    return None if path is None or keep is None else DailyFiles(path, keep, time.time)


def syslog_of(settings: Settings, warn: Callable[[str], None]) -> Syslog | None:
    """The sender of the copy of the audit log, None if not configured; its `run` must be started."""
    syslog = settings.audit.syslog
    if syslog is None:
        return None
    if syslog.ca_file is not None:
        require_regular(syslog.ca_file)
    tls = ssl.create_default_context(cafile=syslog.ca_file) if syslog.tls else None
    return Syslog(syslog.server.host, syslog.server.port, tls, time.time, warn)
