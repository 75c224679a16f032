"""Rules between settings: references that must exist, and combinations that are unsafe.

They use a `Draft`, which holds the valid sections of a file, so that an error in one section does not hide errors
elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_network

from radius_voice.config import (
    callbacks,
    gateway_rules,
    policy_rules,
    provider_use,
    speech_rules,
    text_rules,
    timer_rules,
    voicemail_rules,
)
from radius_voice.config.adapters import RuleContext
from radius_voice.config.addresses import Network
from radius_voice.config.attributes import attribute_dictionary, attribute_problem, reply_errors
from radius_voice.config.checks import certificate_errors
from radius_voice.config.client_settings import ClientSettings
from radius_voice.config.draft import Draft
from radius_voice.config.errors import readable
from radius_voice.config.realms import realm_errors
from radius_voice.config.schema import (
    NO_FIRST_FACTOR,
)
from radius_voice.config.second_factors import second_factor_errors
from radius_voice.config.secrets import readable_text
from radius_voice.config.section import Diagnostic
from radius_voice.config.server_rules import server_errors
from radius_voice.config.strict_yaml import Path as KeyPath
from radius_voice.config.suggestions import suggestion
from radius_voice.files.reading import unreadable
from radius_voice.login.model import Method
from radius_voice.messages import Catalog

MIN_SECRET_CHARACTERS = 16
DOCUMENTATION = tuple(
    ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
)


def errors(draft: Draft, now: float, catalog: Catalog) -> Iterator[Diagnostic]:
    """Errors between settings. `now` is wall-clock seconds; `catalog` has the texts that calls speak."""
    yield from server_errors(draft)
    if draft.callbacks:
        admin_listen = draft.admin.listen if draft.admin else None
        yield from callbacks.errors(draft.callbacks, admin_listen, development=draft.development)
    yield from _certificates(draft)
    yield from _client_errors(draft)
    yield from realm_errors(draft.clients)
    yield from second_factor_errors(draft)
    yield from gateway_rules.errors(draft.clients, attribute_dictionary)
    yield from _references(draft)
    for path, rules in draft.user_rules:
        if rules.reply:
            yield from reply_errors(rules.reply, (*path, "reply"))
    yield from policy_rules.errors(draft.policies, draft.clients, attribute_dictionary, now)
    voice = draft.orders.get(Method.VOICE)
    yield from voicemail_rules.errors(draft.policies, draft.providers, voice, has_callbacks=draft.has_callbacks)
    yield from speech_rules.errors(draft.user_rules, catalog)
    yield from _failover(draft)
    yield from _methods(draft)
    yield from _adapters(draft)


def warnings(draft: Draft, now: float, catalog: Catalog) -> Iterator[Diagnostic]:
    """Warnings about a file without errors; see `errors`."""
    for name, client in draft.clients.items():
        yield from _client_warnings(client, ("clients", name))
    yield from gateway_rules.warnings(draft.clients)
    yield from timer_rules.warnings(draft, catalog)
    yield from policy_rules.warnings(draft.policies, now)
    yield from text_rules.warnings(draft.friendly_name, draft.user_rules, catalog)
    yield from provider_use.warnings(draft.providers, draft.user_rules)
    for adapter, section in draft.adapters:
        yield from _below(adapter, section.warnings())
    if draft.callbacks:
        yield from callbacks.warnings(draft.providers)
    if draft.admin and not draft.admin.listen.loopback:
        yield (
            ("admin", "listen"),
            "every host that reaches it can read metrics and health; 127.0.0.1 is safer",
        )


def unused_policies(draft: Draft, configured: Iterable[str]) -> Iterator[Diagnostic]:
    """Policies that no client uses; `configured` are those in the file, as `default` exists implicitly."""
    used = sorted(set(draft.policy_at.values()))
    for name in configured:
        if name not in used:
            yield ("policies", name), f"no client uses this policy; the clients use {_list(used)}"


def unreadable_files(draft: Draft) -> Iterator[Diagnostic]:
    """Files of adapters that cannot be read."""
    for path, section in draft.adapters:
        for key, file in section.files().items():
            if problem := unreadable(file):
                yield (*path, key), problem


def _certificates(draft: Draft) -> Iterator[Diagnostic]:
    if draft.audit and draft.audit.syslog and draft.audit.syslog.ca_file:
        yield from certificate_errors(draft.audit.syslog.ca_file, ("audit", "syslog", "ca_file"))
    for path, section in draft.adapters:
        for key, file in section.certificate_files().items():
            yield from certificate_errors(file, (*path, key))


def _adapters(draft: Draft) -> Iterator[Diagnostic]:
    digits = {readable(name): policy.challenge.digits for name, policy in draft.policies.items()}
    context = RuleContext(draft.development, digits, attribute_problem, draft.has_callbacks)
    for path, section in draft.adapters:
        yield from _below(path, section.errors(context))
    local = [provider.type for provider in draft.providers.values() if provider.LOOPBACK_CLIENTS_ONLY]
    for name, client in draft.clients.items() if local else ():
        if not all(network.is_loopback for network in client.address):
            yield ("clients", name, "address"), f"must be on loopback, because a provider has the type {local[0]}"


def _below(path: KeyPath, diagnostics: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """Diagnostics of a section, with paths from the root of the file."""
    for inner, message in diagnostics:
        yield (*path, *inner), message


def _client_errors(draft: Draft) -> Iterator[Diagnostic]:
    taken: dict[Network, str] = {}
    for name, client in draft.clients.items():
        path: KeyPath = ("clients", name)
        for network in client.address:
            if network in taken:
                whose = "this client" if taken[network] == name else f"client {readable(taken[network])}"
                yield (*path, "address"), f"{network} also belongs to {whose}; remove one of the two"
            taken.setdefault(network, name)
        unsigned = client.require_message_authenticator != "yes"
        if unsigned and any(draft.source_of.get((each, "first_factor")) == NO_FIRST_FACTOR for each in client.policies):
            message = "must be yes where first_factor is none, because otherwise nothing authenticates a request"
            yield (*path, "require_message_authenticator"), message


def _references(draft: Draft) -> Iterator[Diagnostic]:
    several = len(draft.identity_names) > 1
    for path, policy in draft.policy_at.items():
        if policy not in draft.policy_names and (several or policy != "default"):
            if policy == "default":
                yield path, "with several identity sources, no policy default exists; write it, or name another policy"
            else:
                yield path, _unknown("policy", policy, draft.policy_names)
    for (policy, role), source in draft.source_of.items():
        path = ("policies", policy, role)
        if not source and several:
            yield path, f"is missing; write one of {_list(draft.identity_names)}"
        elif source and source not in draft.identity_names and (role, source) != ("first_factor", NO_FIRST_FACTOR):
            known = [*draft.identity_names, *([NO_FIRST_FACTOR] if role == "first_factor" else [])]
            yield path, _unknown("identity source", source, known)
        elif role == "directory" and source in draft.identity and not draft.identity[source].IS_DIRECTORY:
            described = f"{readable(source)} (type {draft.identity[source].type})"
            yield path, f"{described} only verifies passwords; name a source that has users and phones"
    if NO_FIRST_FACTOR in draft.identity_names:
        yield ("identity", NO_FIRST_FACTOR), "none means that the gateway checks passwords; use another name"


def _failover(draft: Draft) -> Iterator[Diagnostic]:
    for method, order in draft.orders.items():
        for index, name in enumerate(order):
            path = ("delivery", method.value, index)
            if name not in draft.provider_names:
                yield path, _unknown("provider", name, _providers_of(draft, method))
            elif name in draft.providers and method not in draft.providers[name].methods:
                does = "places calls" if method is Method.VOICE else "sends text messages"
                yield path, f"no provider of type {draft.providers[name].type} {does}; remove it from this list"
            if name in order[:index]:
                yield path, "is listed twice; remove one"


def _providers_of(draft: Draft, method: Method) -> list[str]:
    """The names of the providers that deliver by a method; one with errors may have any."""
    names = draft.provider_names
    return [name for name in names if name not in draft.providers or method in draft.providers[name].methods]


def _methods(draft: Draft) -> Iterator[Diagnostic]:
    """Methods of policies that no provider has. Nothing is reported while a provider has errors."""
    if not draft.providers or len(draft.providers) < len(draft.provider_names):
        return
    known = {method for provider in draft.providers.values() for method in provider.methods}
    usable = {method for method in known if draft.orders.get(method, True)}
    for path, rules in draft.user_rules:
        for index, name in enumerate(rules.methods):
            if name in rules.methods[:index]:
                yield (*path, "methods", index), "is listed twice; remove one"
            if Method(name) not in usable:
                others = f"; write methods: [{', '.join(sorted(usable))}]" if usable else ""
                yield (*path, "methods", index), f"no provider in delivery.providers delivers by {name}{others}"


def _client_warnings(client: ClientSettings, path: KeyPath) -> Iterator[Diagnostic]:
    known = [text for secret in client.secret if (text := readable_text(secret)) is not None]
    if any(len(text) < MIN_SECRET_CHARACTERS for text in known):
        message = (
            f"is shorter than {MIN_SECRET_CHARACTERS} characters, so it can be guessed from one captured packet; use a "
            "longer secret"
        )
        yield (*path, "secret"), message
    if client.require_message_authenticator == "no":
        fix = "protect the network to it" if client.profile_values.unsigned else "auto or yes is safer"
        message = f"with no, an attacker can forge responses to this client (CVE-2024-3596); {fix}"
        yield (*path, "require_message_authenticator"), message
    for network in client.address:
        if network.prefixlen == 0:
            yield (*path, "address"), "includes every address; write the address of the gateway"
        elif any(network.version == example.version and network.subnet_of(example) for example in DOCUMENTATION):  # type: ignore[arg-type]
            yield (*path, "address"), "is reserved for documentation; write the address of your gateway"


def _unknown(kind: str, name: str, known: Sequence[str]) -> str:
    return f"there is no such {kind}{suggestion(name, known) or '; known are ' + (_list(known) or 'none')}"


def _list(names: Sequence[str]) -> str:
    return ", ".join(readable(name) for name in names)
