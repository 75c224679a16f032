"""Rules between the settings of clients that say how users complete a login."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from radius_voice.config.adapters import ProviderSection
from radius_voice.config.client_settings import DELIMITER, ClientSettings
from radius_voice.config.draft import Draft
from radius_voice.config.errors import readable
from radius_voice.config.schema import NO_FIRST_FACTOR
from radius_voice.config.section import Diagnostic
from radius_voice.config.strict_yaml import Path as KeyPath
from radius_voice.login.model import Method

MIN_APPROVAL_SECONDS = 20.0
"""The phone rings for some seconds, and the question takes ten seconds."""


def second_factor_errors(draft: Draft) -> Iterator[Diagnostic]:
    """Errors of the clients."""
    for name, client in draft.clients.items():
        yield from _without_effect(client, ("clients", name))
        if client.second_factor == "two_pass":
            yield from _two_pass(draft, client, ("clients", name))
        if client.second_factor == "approve":
            yield from _approve(draft, client, ("clients", name))


def approval_providers(order: Iterable[str], providers: Mapping[str, ProviderSection]) -> list[str]:
    """The providers in `order` that can ask for an approval by a key."""
    return [name for name in order if name in providers and "press" in providers[name].VOICEMAIL]


def _without_effect(client: ClientSettings, path: KeyPath) -> Iterator[Diagnostic]:
    if client.second_factor != "two_pass" and client.delimiter != DELIMITER:
        yield (*path, "delimiter"), "has an effect only with second_factor: two_pass; remove it"
    if client.second_factor != "approve":
        if client.friendly_name is not None:
            yield (*path, "friendly_name"), "has an effect only with second_factor: approve; remove it"
        if not client.password_required:
            yield (*path, "password_required"), "can be false only with second_factor: approve; remove it"


def _two_pass(draft: Draft, client: ClientSettings, path: KeyPath) -> Iterator[Diagnostic]:
    for policy in sorted(client.policies):
        if _gateway_verifies(draft.source_of, policy):
            other = "approve" if "second_factor" in client.profile_values.keys else "challenge"
            message = f"two_pass needs a first_factor, and policy {readable(policy)} has none; use {other}"
            yield (*path, "second_factor"), message


def _approve(draft: Draft, client: ClientSettings, path: KeyPath) -> Iterator[Diagnostic]:
    key = (*path, "second_factor")
    if not draft.has_callbacks:
        yield key, "approve needs callbacks.public_url, because a key reaches the server only by a callback; add it"
    order = draft.orders.get(Method.VOICE, draft.providers)
    if len(draft.providers) == len(draft.provider_names) and not approval_providers(order, draft.providers):
        yield key, "approve needs a provider of calls that reports keys, such as one of type twilio-voice; add one"
    if client.response_timeout < MIN_APPROVAL_SECONDS and not draft.development:
        fix = "write 45s, or a little less than the gateway's timeout"
        yield (*path, "response_timeout"), f"is too short for a call with second_factor: approve; {fix}"
    for name in sorted(client.policies):
        policy = draft.policies.get(name)
        if policy is None:
            continue
        if policy.decoys:
            message = f"approve sends no challenges, so policy {readable(name)} can have no decoys; remove them"
            yield key, message
        verified = _gateway_verifies(draft.source_of, name) and policy.gateway_checks_password
        if not client.password_required and not verified:
            fix = f"policy {readable(name)} needs first_factor: none and gateway_checks_password: true"
            yield (*path, "password_required"), f"without a password nothing would be verified here; {fix}"


def _gateway_verifies(source_of: Mapping[tuple[str, str], str], policy: str) -> bool:
    return source_of.get((policy, "first_factor")) == NO_FIRST_FACTOR
