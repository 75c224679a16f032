"""The places of settings in the configuration: file, line and key."""

from __future__ import annotations

from radius_voice.config.client_settings import ClientSettings
from radius_voice.config.errors import dotted
from radius_voice.config.load import Loaded
from radius_voice.config.strict_yaml import Path as KeyPath
from radius_voice.config.timers import values_of_profile


def place_of_rule(configuration: Loaded, rule: str) -> str:
    """File, line and key of the `rule` of an audit record, in the present file."""
    paths = {dotted(path): path for path in configuration.lines}
    line = configuration.lines.get(paths.get(rule, ()))
    return f"{rule}: not written" if line is None else f"{configuration.name}:{line}: {rule}"


class Places:
    """The places of one policy in a configuration file."""

    def __init__(self, configuration: Loaded, policy: str) -> None:
        self._name = configuration.name
        self._lines = configuration.lines
        self._policy = policy

    def of(self, *path: str | int) -> str:
        """File, line and key of a value, or the key and `not written` if its default applies."""
        line = self._lines.get(path)
        return f"{dotted(path)}: not written" if line is None else f"{self._name}:{line}: {dotted(path)}"

    def of_client(self, name: str, client: ClientSettings, key: str) -> str:
        """The place of a key of a client, or that of the profile which gives its value."""
        from_profile = key in values_of_profile(name, client, self._lines)
        return self.of("clients", name, "profile" if from_profile else key)

    def profile_text(self, name: str, client: ClientSettings) -> str:
        """The profile of a client, and the values that the client has from it."""
        values = values_of_profile(name, client, self._lines).items()
        return f"{client.profile}: {', '.join(f'{key}: {value}' for key, value in values) or 'gives no value'}"

    def of_policy(self, *path: str | int) -> str:
        """The place of a key of the policy."""
        return self.of("policies", self._policy, *path)

    def of_rule(self, rule: KeyPath, key: str) -> str:
        """The place of a key of the rules at the path `rule`, of the policy or of a group.

        A rule for a group has the keys of the policy that it does not override.
        """
        return self.of(*rule, key) if (*rule, key) in self._lines else self.of_policy(key)
