"""Where the configuration decides something: file, line and key."""

from __future__ import annotations

from radius_voice.config.errors import dotted
from radius_voice.config.load import Loaded
from radius_voice.config.strict_yaml import Path as KeyPath


def place_of_rule(configuration: Loaded, rule: str) -> str:
    """File, line and key of a rule by its name in audit records, as far as the file has it now."""
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
        """File, line and key of a value; the key only if the file does not have it, so that its default applies."""
        line = self._lines.get(path)
        return f"{dotted(path)}: not written" if line is None else f"{self._name}:{line}: {dotted(path)}"

    def of_policy(self, *path: str | int) -> str:
        """The place of a key of the policy."""
        return self.of("policies", self._policy, *path)

    def of_rule(self, rule: KeyPath, key: str) -> str:
        """The place of a key of the rules at the path `rule`, of the policy or of a group.

        A rule for a group has the keys of the policy that it does not override.
        """
        return self.of(*rule, key) if (*rule, key) in self._lines else self.of_policy(key)
