"""The valid sections of a configuration file, for the rules that compare sections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from radius_voice.config.adapters import AdapterSection, IdentitySection, ProviderSection, StoreSection
from radius_voice.config.callbacks import CallbacksSettings
from radius_voice.config.client_settings import ClientSettings
from radius_voice.config.report_settings import AdminSettings, AuditSettings
from radius_voice.config.schema import (
    PolicySettings,
    ServerSettings,
    UserRulesSettings,
)
from radius_voice.config.section import Section
from radius_voice.config.strict_yaml import Path as KeyPath
from radius_voice.login.model import DELIVERY_METHODS

Key = TypeVar("Key")
Part = TypeVar("Part", bound=Section)


class Draft:
    """The valid sections of a file, and all names in it.

    `tree` is the file with defaults filled in; `valid` has the valid sections by the `id` of their mappings in the
    tree. `policy_at` are the policies that clients name, by path; `source_of` maps policy and role to identity source.
    `friendly_name` is any text.
    """

    def __init__(self, tree: Mapping[str, Any], valid: Mapping[int, BaseModel]) -> None:
        self._valid = valid
        clients, identity, policies = (mapping(tree.get(key)) for key in ("clients", "identity", "policies"))
        delivery = mapping(tree.get("delivery"))
        providers = mapping(delivery.get("providers"))
        self.development = tree.get("development") is True
        self.friendly_name = str(delivery.get("friendly_name", ""))
        self.server = self._section(ServerSettings, tree.get("server"))
        self.store = self._section(StoreSection, tree.get("store"))
        self.admin = self._section(AdminSettings, tree.get("admin"))
        self.callbacks = self._section(CallbacksSettings, tree.get("callbacks"))
        self.audit = self._section(AuditSettings, tree.get("audit"))
        self.has_callbacks = "callbacks" in tree
        self.clients = self._sections(ClientSettings, clients)
        self.policies = self._sections(PolicySettings, policies)
        self.providers = self._sections(ProviderSection, providers)
        self.identity = self._sections(IdentitySection, identity)
        self.identity_names, self.policy_names, self.provider_names = list(identity), list(policies), list(providers)
        written = {method: delivery.get(method.value) for method in DELIVERY_METHODS}
        self.orders = {
            method: [name for name in order if isinstance(name, str)]
            for method, order in written.items()
            if isinstance(order, list)
        }
        self.policy_at = _texts(dict(_policies_of_clients(clients)))
        self.source_of = _texts(
            {
                (name, role): policy.get(role, "")
                for name, policy in policies.items()
                for role in ("first_factor", "directory")
                if isinstance(policy, dict)
            }
        )

    @property
    def adapters(self) -> Iterator[tuple[KeyPath, AdapterSection]]:
        """The sections of all adapters, by their paths."""
        for name, source in self.identity.items():
            yield ("identity", name), source
        for name, provider in self.providers.items():
            yield ("delivery", "providers", name), provider
        if self.store:
            yield ("store",), self.store

    @property
    def user_rules(self) -> Iterator[tuple[KeyPath, UserRulesSettings]]:
        """The rules of all policies and of their groups, by their paths."""
        for name, policy in self.policies.items():
            for path, rules in policy.rules_with_paths():
                yield ("policies", name, *path), rules

    def _section(self, kind: type[Part], value: Any) -> Part | None:
        section = self._valid.get(id(value))
        return section if isinstance(section, kind) else None

    def _sections(self, kind: type[Part], values: Mapping[str, Any]) -> dict[str, Part]:
        found = {name: self._section(kind, value) for name, value in values.items()}
        return {name: section for name, section in found.items() if section is not None}


def mapping(value: Any) -> dict[str, Any]:
    """`value` if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def _policies_of_clients(clients: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Any]]:
    """The policies that clients and their realms name, by path."""
    for name, client in clients.items():
        yield ("clients", name, "policy"), mapping(client).get("policy", "default")
        for realm, section in mapping(mapping(client).get("realms")).items():
            if "policy" in mapping(section):
                yield ("clients", name, "realms", realm, "policy"), section["policy"]


def _texts(values: Mapping[Key, Any]) -> dict[Key, str]:
    return {key: value for key, value in values.items() if isinstance(value, str)}
