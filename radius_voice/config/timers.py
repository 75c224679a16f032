"""The table of timers that `check` prints: of gateways, this server, identity sources and providers.

timer_rules.py warns about values that do not fit together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from radius_voice.config.client_settings import ClientSettings
from radius_voice.config.errors import dotted
from radius_voice.config.field_types import duration_text
from radius_voice.config.policy_rules import own_rules
from radius_voice.config.schema import Settings
from radius_voice.config.strict_yaml import Path as KeyPath

OF_GATEWAYS = ("gateway_timeout", "gateway_requests", "gateway_input_timeout", "gateway_max_challenges")
OF_CLIENTS = (*OF_GATEWAYS, "response_timeout")
OF_SERVER = ("reject_delay", "duplicate_window")
OF_CHALLENGES = ("ring_timeout", "code_lifetime", "session_timeout")
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Timer:
    """A row of the table: the key, its value as in the file, and where the value is from.

    `origin` is `written` (in the file), `profile NAME`, `gateway_timeout` (computed from it), `default`, or empty for a
    value of a gateway that is `unknown`.
    """

    key: str
    value: str
    origin: str


def timers_of(settings: Settings, written: Collection[KeyPath]) -> list[Timer]:
    """The rows of the table, by client, then those that all clients share. `written` are the paths in the file."""
    rows: list[Timer] = []
    for name, client in settings.clients.items():
        for key in _keys_of(client):
            path: KeyPath = ("clients", name, key)
            rows.append(Timer(dotted(path), _text(getattr(client, key)), client_origin(client, path, written)))
    for path, seconds in _shared(settings):
        is_written = path in written or _of_policy(path) in written
        rows.append(Timer(dotted(path), _text(seconds), "written" if is_written else "default"))
    return rows


def table(rows: Collection[tuple[str, str, str]]) -> list[str]:
    """Rows of key, value and origin as lines in columns."""
    first, second = (max((len(each[column]) for each in rows), default=0) for column in (0, 1))
    return [f"{key:{first}}  {value:{second}}  {origin}".rstrip() for key, value, origin in rows]


def values_of_profile(name: str, client: ClientSettings, written: Collection[KeyPath]) -> dict[str, str]:
    """The values that a client has from its profile, by their keys."""
    given = client.profile_values.keys.items()
    return {key: _written(value) for key, value in given if ("clients", name, key) not in written}


def client_origin(client: ClientSettings, path: KeyPath, written: Collection[KeyPath]) -> str:
    """Where the value of a client's key at `path` is from; see `Timer`."""
    key = str(path[-1])
    if path in written:
        return "written"
    if key in client.profile_values.keys:
        return f"profile {client.profile}"
    if key == "response_timeout" and (client.profile is not None or client.gateway_timeout is not None):
        return "gateway_timeout" if client.gateway_timeout is not None else f"profile {client.profile}"
    return "default" if getattr(client, key) is not None else ""


def _keys_of(client: ClientSettings) -> tuple[str, ...]:
    """The timers of a client; those of its gateway only if something is known of the gateway."""
    known = client.profile is not None or any(getattr(client, key) is not None for key in OF_GATEWAYS)
    return OF_CLIENTS if known else OF_CLIENTS[len(OF_GATEWAYS) :]


def _shared(settings: Settings) -> Iterator[tuple[KeyPath, float]]:
    """The timers that several clients share, by their paths."""
    for key in OF_SERVER:
        yield ("server", key), getattr(settings.server, key)
    for name, policy in settings.policies.items():
        for above, rules in own_rules(policy, "challenge"):
            for key in OF_CHALLENGES:
                yield ("policies", name, *above, "challenge", key), getattr(rules.challenge, key)
    for name, source in settings.identity.items():
        for key, seconds in source.timers.items():
            yield ("identity", name, key), seconds
    for name, provider in settings.delivery.providers.items():
        for key, seconds in provider.timers.items():
            yield ("delivery", "providers", name, key), seconds


def _of_policy(path: KeyPath) -> KeyPath:
    """The path of the policy's own value, which a group inherits."""
    return (*path[:2], *path[4:]) if "group_rules" in path else path


def _written(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _text(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return str(value) if isinstance(value, int) else duration_text(value)
