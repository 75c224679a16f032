"""Settings -> the parts of one generation. Adapters are imported when they are configured: start-up is quick."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeGuard

from radius_voice.clients import Client, Clients, Require
from radius_voice.config.kinds import Rate
from radius_voice.config.schema import Bypass, Fixed, Settings, TwilioVoice
from radius_voice.config.schema import Policy as PolicySettings
from radius_voice.config.schema import UsersFile as UsersFileSettings
from radius_voice.config.secrets import revealed
from radius_voice.config.section import Section
from radius_voice.events import Observer, Outcome, Reason
from radius_voice.files import require_regular
from radius_voice.identity.passwords import Hasher
from radius_voice.identity.users_file import UsersFile
from radius_voice.login.codes import Keys, new_code
from radius_voice.login.dialog import Dialog
from radius_voice.login.limits import Limits
from radius_voice.login.model import Limit
from radius_voice.login.parts import Parts
from radius_voice.login.phone import TEST_NUMBERS
from radius_voice.login.policy import Policy, ReplyRule
from radius_voice.login.ports import Delivery, LiveCalls, Store
from radius_voice.observe.syslog import Syslog
from radius_voice.radius.dictionary import Names
from radius_voice.resources import shipped
from radius_voice.server import Generation, Rules

NO_FIRST_FACTOR = "none"


@dataclass(frozen=True, slots=True)
class Shared:
    """What outlives a generation. `clock` is monotonic; `complain` is told what an administrator should know.

    `key` is `server.key`, which keys the hashes of `keys` too.
    """

    keys: Keys
    store: Store
    hasher: Hasher
    observer: Observer
    clock: Callable[[], float]
    complain: Callable[[str], None]
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Built:
    """One generation and its adapters by their names in the configuration."""

    settings: Settings
    generation: Generation
    dialog: Dialog
    delivery: Mapping[str, Delivery]
    identity: Mapping[str, UsersFile]

    async def close(self) -> None:
        """Give back what adapters hold, once the last login has ended."""
        for source in self.identity.values():
            await source.close()
        for provider in self.delivery.values():
            if _is_live(provider):
                await provider.close()


def build(settings: Settings, shared: Shared, before: Built | None = None) -> Built:
    """The generation that `settings` describe. Raises ValueError or OSError when a file they name cannot be used.

    People of the generation `before` are kept: reading 100,000 of them again takes seconds.
    """
    identity = {name: _people(name, source, shared, before) for name, source in settings.identity.items()}
    names = Names(shipped("dictionaries"))
    encode = lru_cache(maxsize=1024)(names.encode)
    delivery = {name: provider_of(name, provider) for name, provider in settings.delivery.providers.items()}
    voice = {name: delivery[name] for name in settings.delivery.voice}
    dialog = Dialog(
        Parts(
            keys=shared.keys,
            store=shared.store,
            limits=limits_of(settings),
            policies={name: _policy(name, settings, identity) for name in settings.policies},
            voice=voice,
            live={name: provider for name, provider in voice.items() if _is_live(provider)},
            friendly_name=settings.delivery.friendly_name,
            observer=shared.observer,
            now=time.time,
            clock=shared.clock,
            new_code=_codes_of(settings),
        )
    )
    return Built(settings, Generation(_clients(settings), dialog, encode), dialog, delivery, identity)


def _people(name: str, source: UsersFileSettings, shared: Shared, before: Built | None) -> UsersFile:
    if before is not None and source == before.settings.identity.get(name):
        before.identity[name].refresh()
        return before.identity[name]
    return UsersFile(source.path, shared.hasher, shared.complain, key=shared.key)


def provider_of(name: str, provider: TwilioVoice | Fixed) -> Delivery:
    """The provider that a section describes. Raises ValueError when this process cannot read its credentials."""
    if isinstance(provider, Fixed):
        from radius_voice.delivery.fixed import Fixed as FixedDelivery  # noqa: PLC0415

        return FixedDelivery(name=name, code=provider.code)
    from radius_voice.delivery.twilio_voice import TwilioVoice as TwilioVoiceDelivery  # noqa: PLC0415

    secrets = {"auth_token": provider.auth_token, "api_secret": provider.api_secret}
    (password,) = (
        revealed(secret, f"delivery.providers.{name}.{key}") for key, secret in secrets.items() if secret is not None
    )
    return TwilioVoiceDelivery(
        name=name,
        account_sid=provider.account_sid,
        username=provider.api_key or provider.account_sid,
        password=password,
        from_number=provider.from_.e164,
        region=provider.region,
        edge=provider.edge,
        base_url=provider.base_url,
        proxy=provider.proxy,
        ca_file=str(provider.ca_file) if provider.ca_file else None,
        connect_timeout=provider.connect_timeout,
        total_timeout=provider.timeout,
    )


def limits_of(settings: Settings) -> Limits:
    """The limits as the login knows them."""
    limits = settings.limits
    return Limits(
        failures=_by_scope("wrong_passwords", limits.wrong_passwords, Reason.FAILURE_LIMIT),
        codes=_by_scope("wrong_codes", limits.wrong_codes, Reason.LOCKED),
        calls=_by_scope("calls", limits.calls, Reason.CALL_LIMIT),
        daily=_by_scope("calls_a_day", limits.calls_a_day, Reason.CALL_LIMIT),
    )


def _by_scope(name: str, section: Section, reason: Reason) -> dict[str, Limit]:
    return {scope: _limit(f"{name}.{scope}", rate, reason) for scope, rate in section if rate is not None}


def _limit(name: str, rate: Rate, reason: Reason) -> Limit:
    return Limit(name, rate.count, rate.period, reason)


def allowed_numbers(settings: Settings, policy: PolicySettings) -> tuple[str, ...]:
    """The numbers and prefixes that a policy allows to be called whatever their kind and country."""
    return (*policy.allow_numbers, *((TEST_NUMBERS,) if settings.development else ()))


def _policy(name: str, settings: Settings, identity: Mapping[str, UsersFile]) -> Policy:
    policy = settings.policies[name]
    challenge = policy.challenge
    reply = tuple(
        ReplyRule(rule.when.group if rule.when else None, tuple((each, str(value)) for each, value in rule.set.items()))
        for rule in policy.reply
    )
    failure = policy.on_delivery_failure
    return Policy(
        name=name,
        first_factor_name=policy.first_factor,
        directory_name=policy.directory,
        first_factor=None if policy.first_factor == NO_FIRST_FACTOR else identity[policy.first_factor],
        directory=identity[policy.directory],
        digits=challenge.digits,
        lifetime=challenge.lifetime,
        tries=challenge.tries,
        redials=challenge.redials,
        ring=round(challenge.ring),
        cap=challenge.cap,
        countries=policy.countries,
        allow_numbers=allowed_numbers(settings, policy),
        on_unavailable=Outcome(policy.on_unavailable),
        bypass_until=failure.bypass_until if isinstance(failure, Bypass) else 0.0,
        reply=reply,
    )


def _clients(settings: Settings) -> Clients:
    return Clients(
        (network, client)
        for name, entry in settings.clients.items()
        for client in [
            Client(
                name=name,
                secrets=tuple(secret.get_secret_value().encode() for secret in entry.secret),
                require=Require(entry.require_message_authenticator),
                policy=entry.policy,
                answer_within=entry.answer_within,
            )
        ]
        for network in entry.address
    )


def _codes_of(settings: Settings) -> Callable[[int], str]:
    for name in settings.delivery.voice:
        provider = settings.delivery.providers[name]
        if isinstance(provider, Fixed):
            code = provider.code
            return lambda _digits: code
    return new_code


def _is_live(provider: Delivery) -> TypeGuard[LiveCalls]:
    return hasattr(provider, "progress")


def server_rules(settings: Settings) -> Rules:
    """How the server handles packets."""
    server = settings.server
    # A request still being handled must not look new to its retransmission.
    longest = max(client.answer_within for client in settings.clients.values())
    window = max(server.duplicate_window, longest + 1.0, server.reject_delay * 1.2)
    return Rules(
        reject_delay=server.reject_delay,
        duplicate_window=window,
        max_in_flight=server.max_in_flight,
        max_waiting=server.max_waiting,
        status_server=server.status_server,
    )


def waiting_verifications(settings: Settings) -> int:
    """How many password verifications may wait: half of what may be in flight, so that the rest stays free for others.

    Requests of returning users and responses to challenges then always find a place.
    """
    return max(1, settings.server.max_in_flight // 2)


def syslog_of(settings: Settings, complain: Callable[[str], None]) -> Syslog | None:
    """The sender of the copy of the audit log, where one is configured; its `run` must be started."""
    to = settings.audit.syslog
    if to is None:
        return None
    if to.ca_file is not None:
        require_regular(to.ca_file)
    tls = ssl.create_default_context(cafile=to.ca_file) if to.tls else None
    return Syslog(to.server.host, to.server.port, tls, time.time, complain)


def bypass_until(settings: Settings) -> float:
    """When the last bypass of any policy ends, wall-clock seconds; 0 without one."""
    failures = (policy.on_delivery_failure for policy in settings.policies.values())
    return max((failure.bypass_until for failure in failures if isinstance(failure, Bypass)), default=0.0)


def announcements(settings: Settings) -> list[str]:
    """What must not go unnoticed at every start."""
    said = []
    if settings.development:
        said.append(
            "development: true allows what a real service must not have: providers on this machine or by plain HTTP, "
            "a fixed code, port 0, calls to Twilio's test numbers, and readable secrets in the configuration; remove it"
        )
    for name, policy in settings.policies.items():
        if policy.first_factor == NO_FIRST_FACTOR:
            said.append(
                f"policy {name}: first_factor is none: only the gateway checks passwords, and calls are placed without"
            )
    for name, provider in settings.delivery.providers.items():
        if isinstance(provider, Fixed):
            said.append(f"development: provider {name} calls nobody and every code is the same")
    if bypass_until(settings) > time.time():
        said.append("a bypass is active: while no provider can call, a right password alone lets in")
    return said
