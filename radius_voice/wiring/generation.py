"""Creates the objects of one generation of the configuration."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

from radius_voice.config.schema import Settings
from radius_voice.config.second_factors import approval_providers
from radius_voice.events import Observer
from radius_voice.files.reading import require_regular
from radius_voice.identity.context import IdentityContext
from radius_voice.identity.passwords import Hasher
from radius_voice.login.codes.keys import Keys, new_code
from radius_voice.login.deliveries.circuit_breaker import CircuitBreaker, breakers_of
from radius_voice.login.dependencies import Dependencies
from radius_voice.login.flow import LoginFlow
from radius_voice.login.model import DELIVERY_METHODS, Method
from radius_voice.login.ports import (
    CallbackReceiver,
    CallSpeaker,
    IdentitySource,
    Provider,
    Store,
)
from radius_voice.observe.daily_files import DailyFiles
from radius_voice.observe.syslog import Syslog
from radius_voice.server.generation import Generation, Rules
from radius_voice.wiring.adapters import ADAPTERS, Adapters, identity_source, provider_of
from radius_voice.wiring.client_entries import clients_of, prompt_format_of
from radius_voice.wiring.limits import limits_of
from radius_voice.wiring.policies import policies_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shared:
    """The objects that all generations share."""

    keys: Keys
    store: Store
    hasher: Hasher
    observer: Observer
    clock: Callable[[], float]  # monotonic seconds
    warn: Callable[[str], None]  # called with warnings for the administrator
    key: bytes = field(repr=False)  # the data key, which `keys` uses too
    copies: Path | None = None  # see `IdentityContext`


@dataclass(frozen=True, slots=True)
class BuiltGeneration:
    """One generation. Adapters and circuit breakers are by name in the configuration."""

    settings: Settings
    generation: Generation
    flow: LoginFlow
    providers: Mapping[str, Provider]
    identity: Mapping[str, IdentitySource]
    breakers: Mapping[str, CircuitBreaker]

    async def close(self, still_used: Collection[IdentitySource] = ()) -> None:
        """Close the adapters, except identity sources that another generation uses. Call it after the last login."""
        for source in self.identity.values():
            if source not in still_used:
                await source.close()
        for provider in self.providers.values():
            await provider.close()


def build(
    settings: Settings, shared: Shared, previous: BuiltGeneration | None = None, adapters: Adapters = ADAPTERS
) -> BuiltGeneration:
    """Create a generation from settings. Raises ValueError or OSError if a file that they name cannot be used.

    Identity sources of the generation `previous` are reused if their sections are equal, because reading 100,000 users
    again takes seconds.
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
    flow = LoginFlow(_dependencies(settings, shared, identity, providers, breakers))
    generation = Generation(clients_of(settings, shared.keys), flow)
    return BuiltGeneration(settings, generation, flow, providers, identity, breakers)


def _dependencies(
    settings: Settings,
    shared: Shared,
    identity: Mapping[str, IdentitySource],
    providers: Mapping[str, Provider],
    breakers: Mapping[str, CircuitBreaker],
) -> Dependencies:
    sections = settings.delivery.providers
    paces = {name: section.max_calls_per_second for name, section in sections.items()}
    controls = {name: provider.call_control for name, provider in providers.items()}
    verifiers = {name: provider.verifier for name, provider in providers.items()}
    speakers = [name for name, section in sections.items() if section.VOICEMAIL]
    return Dependencies(
        keys=shared.keys,
        store=shared.store,
        limits=limits_of(settings),
        policies=policies_of(settings, identity),
        providers=by_method(settings, providers),
        call_controls=_present(controls),
        friendly_name=settings.delivery.friendly_name,
        messages=settings.delivery.messages,
        prompt_formats={name: prompt_format_of(client) for name, client in settings.clients.items()},
        observer=shared.observer,
        now=time.time,
        clock=shared.clock,
        public_url=settings.callbacks.public_url if settings.callbacks else "",
        callback_receivers=_callback_receivers(settings, providers),
        call_speakers={name: cast("CallSpeaker", providers[name]) for name in speakers},
        approval_providers=_approval_providers(settings, providers),
        client_names={name: entry.friendly_name or name for name, entry in settings.clients.items()},
        verifiers=_present(verifiers),
        new_code=code_generator(settings),
        breakers=breakers,
        calls_per_second=_present(paces),
    )


def _present(values: Mapping[str, T | None]) -> dict[str, T]:
    """Only the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def by_method(settings: Settings, providers: Mapping[str, Provider]) -> dict[Method, dict[str, Provider]]:
    """The providers of each method, in order of failover."""
    return {
        method: {name: providers[name] for name in settings.delivery.order_of(method)} for method in DELIVERY_METHODS
    }


def _callback_receivers(settings: Settings, providers: Mapping[str, Provider]) -> dict[str, CallbackReceiver]:
    """The providers whose callbacks are received."""
    sections = settings.delivery.providers.items() if settings.callbacks else ()
    return {name: cast("CallbackReceiver", providers[name]) for name, section in sections if section.MAKES_CALLBACKS}


def _approval_providers(settings: Settings, providers: Mapping[str, Provider]) -> dict[str, Provider]:
    """The providers that can ask for an approval by key press, in order of failover."""
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
    """The function that makes codes with a number of digits; always the same code with a provider of type `fixed`."""
    names = {name for method in DELIVERY_METHODS for name in settings.delivery.order_of(method)}
    fixed = [settings.delivery.providers[name].fixed_code for name in names]
    code = next((code for code in fixed if code is not None), None)
    return new_code if code is None else lambda _digits: code


def server_rules(settings: Settings) -> Rules:
    """The server's settings for packets."""
    server = settings.server
    # The retransmission of a request in progress must not be processed as a new request.
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
    """The maximum number of waiting password verifications: half of the concurrent requests.

    The other half stays available for other requests, such as responses to challenges.
    """
    return max(1, settings.server.max_concurrent // 2)


def daily_files_of(settings: Settings) -> DailyFiles | None:
    """The daily files of the audit log, None if not configured."""
    path, keep = settings.audit.path, settings.audit.keep
    return None if path is None or keep is None else DailyFiles(path, keep, time.time)


def syslog_of(settings: Settings, warn: Callable[[str], None]) -> Syslog | None:
    """The syslog sender of the audit log; None if not configured. The caller must start its `run`."""
    syslog = settings.audit.syslog
    if syslog is None:
        return None
    if syslog.ca_file is not None:
        require_regular(syslog.ca_file)
    tls = ssl.create_default_context(cafile=syslog.ca_file) if syslog.tls else None
    return Syslog(syslog.server.host, syslog.server.port, tls, time.time, warn)
