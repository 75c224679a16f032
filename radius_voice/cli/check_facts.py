"""The facts that `check` prints about a valid configuration: clients, policies, providers, callbacks, cost, timers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radius_voice.config.client_settings import ClientSettings
    from radius_voice.config.load import Loaded
    from radius_voice.config.schema import PolicySettings, Settings

Facts = Mapping[str, Any]


def facts_of(configuration: Loaded, user_counts: Mapping[str, int]) -> dict[str, Any]:
    """The facts as data for JSON. `user_counts` has the number of users of each source that can list them."""
    from radius_voice.config.timers import timers_of
    from radius_voice.login.model import DELIVERY_METHODS
    from radius_voice.wiring.cost_of_day import cost_text

    settings, written = configuration.settings, configuration.lines
    callbacks = settings.callbacks
    return {
        "identity": [
            {"name": name, "type": section.type, "users": user_counts.get(name)}
            for name, section in settings.identity.items()
        ],
        "clients": [_client(configuration, name, client) for name, client in settings.clients.items()],
        "policies": [_policy(name, policy) for name, policy in settings.policies.items()],
        "providers": {method.value: list(settings.delivery.order_of(method)) for method in DELIVERY_METHODS},
        "callbacks": callbacks and {"public_url": str(callbacks.public_url), "listen": str(callbacks.listen)},
        "cost": cost_text(settings),
        "timers": [asdict(timer) for timer in timers_of(settings, written)],
    }


def _client(configuration: Loaded, name: str, client: ClientSettings) -> dict[str, Any]:
    from radius_voice.config.timers import OF_CLIENTS, values_of_profile

    settings = configuration.settings
    from_profile = values_of_profile(name, client, configuration.lines)
    return {
        "name": name,
        "address": [str(address) for address in client.address],
        "require_message_authenticator": client.require_message_authenticator,
        "policy": client.policy,
        "realms": [
            {"name": realm, "policy": section.policy or client.policy, "strip": section.strip}
            for realm, section in client.realms.items()
        ],
        "response_timeout": client.response_timeout,
        "second_factor": client.second_factor,
        "delimiter": client.delimiter if client.second_factor == "two_pass" else None,
        "password_required": client.password_required,
        "profile": client.profile,
        "from_profile": {key: value for key, value in from_profile.items() if key not in OF_CLIENTS},
        "friendly_names": [each for policy in _policies(client) for each in _friendly_names(settings, policy)],
    }


def _policy(name: str, policy: PolicySettings) -> dict[str, Any]:
    challenge = policy.challenge
    return {
        "name": name,
        "first_factor": policy.first_factor,
        "directory": policy.directory,
        "digits": challenge.digits,
        "attempts": challenge.attempts,
        "redials": challenge.redials,
        "code_lifetime": challenge.code_lifetime,
        "countries": None if policy.countries is None else sorted(policy.countries),
        "methods": list(policy.methods),
        "voicemail": policy.voicemail,
    }


def _policies(client: ClientSettings) -> list[str]:
    """The policies of a client's users, that of users without a realm first."""
    return [client.policy, *sorted(client.policies - {client.policy})]


def _friendly_names(settings: Settings, name: str) -> Iterator[dict[str, Any]]:
    """The name of the service for users of a policy, and for groups with rules of their own."""
    from radius_voice.wiring.policies import friendly_name_of

    policy = settings.policies[name]
    yield {"friendly_name": friendly_name_of(settings, policy), "policy": name, "group": None}
    for rule in policy.group_rules:
        yield {"friendly_name": friendly_name_of(settings, rule), "policy": name, "group": rule.when.group}


def lines_of(facts: Facts) -> Iterator[str]:
    """The facts as text, each in one line."""
    from radius_voice.config.timers import table

    for source in facts["identity"]:
        if (count := source["users"]) is not None:
            yield f"identity {source['name']}: {count} {'user' if count == 1 else 'users'}"
    yield from map(_client_line, facts["clients"])
    yield from map(_policy_line, facts["policies"])
    for method, names in facts["providers"].items():
        if names:
            yield f"providers for {method}: {', '.join(names)}"
    if callbacks := facts["callbacks"]:
        yield f"callbacks: {callbacks['public_url']}, received on {callbacks['listen']}"
    yield f"cost: {facts['cost']}"
    yield "timers, and where their values are from:"
    for line in table([(each["key"], each["value"], each["origin"]) for each in facts["timers"]]):
        yield f"  {line}"


def _client_line(client: Facts) -> str:
    return (
        f"client {client['name']}: {', '.join(client['address'])}; "
        f"Message-Authenticator required: {client['require_message_authenticator']}; "
        f"policy {client['policy']}{_realms_text(client['realms'])}; response timeout {client['response_timeout']:g} s"
        f"{_mode_text(client)}{_profile_text(client)}; friendly name {_friendly_names_text(client['friendly_names'])}"
    )


def _realms_text(realms: Sequence[Facts]) -> str:
    """The realms of a client, each with its policy and whether it stays in the name."""
    from radius_voice.config.errors import readable

    texts = [
        f"{readable(realm['name'])} (policy {realm['policy']}{'' if realm['strip'] else ', not stripped'})"
        for realm in realms
    ]
    return f"; realms {', '.join(texts)}" if texts else ""


def _mode_text(client: Facts) -> str:
    """How users of a client log in without a challenge; empty for a client with challenges."""
    texts = {"two_pass": f"; two passes: password{client['delimiter']}code", "approve": "; approval by key press"}
    password = "" if client["password_required"] else " without a password"
    return f"{texts[client['second_factor']]}{password}" if client["second_factor"] in texts else ""


def _profile_text(client: Facts) -> str:
    """The profile of a client, and the values from it except timers; empty without a profile."""
    values = ", ".join(f"{key}: {value}" for key, value in client["from_profile"].items())
    return f"; profile {client['profile']}{f' ({values})' if values else ''}" if client["profile"] else ""


def _friendly_names_text(names: Sequence[Facts]) -> str:
    """The friendly names of a client's users: the usual one, and others with the policy or group that has them."""
    usual = names[0]["friendly_name"]
    others = [each for each in names if each["friendly_name"] != usual]
    texts = [
        f"{each['friendly_name']!r} for "
        + (f"group {each['group']} of policy {each['policy']}" if each["group"] else f"policy {each['policy']}")
        for each in others
    ]
    return ", ".join([repr(usual), *texts])


def _policy_line(policy: Facts) -> str:
    countries = "any" if policy["countries"] is None else ", ".join(policy["countries"])
    return (
        f"policy {policy['name']}: first factor {policy['first_factor']}, directory {policy['directory']}; "
        f"{policy['digits']} digits, {policy['attempts']} attempts, {policy['redials']} redials, "
        f"code lifetime {policy['code_lifetime']:g} s; countries: {countries}; "
        f"methods: {', '.join(policy['methods'])}; voicemail: {policy['voicemail']}"
    )
