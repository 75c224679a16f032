"""The configuration that an import results in, before it is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any

from radius_voice.config.addresses import Network
from radius_voice.config.errors import ConfigError
from radius_voice.config.init import new_secret
from radius_voice.config.secrets import PLACEHOLDER
from radius_voice.importing.addresses import networks_of, not_overlapping, written
from radius_voice.importing.words import Names, profile_for

USERS_SOURCE = "users"


@dataclass(slots=True)
class Entry:
    """A named section. `origin` is its place in the imported file. If `usable` is false, it is written as a comment.

    `comments` are about keys that have no equivalent here. `examples` are keys that may be added.
    """

    name: str
    origin: str
    keys: dict[str, Any] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    usable: bool = True


@dataclass(slots=True)
class Plan:
    """All sections of the new configuration. `program` is the server whose file `source` is imported.

    `steps` are manual steps for the administrator, in order. `secrets` are the contents of files by name; no repr shows
    them.
    """

    source: Path
    program: str
    listen: list[str] = field(default_factory=list)
    accounting: list[str] = field(default_factory=list)
    clients: list[Entry] = field(default_factory=list)
    identity: list[Entry] = field(default_factory=list)
    policies: list[Entry] = field(default_factory=list)
    proxy: str = ""
    notes: list[str] = field(default_factory=list)
    steps: dict[str, None] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    names: Names = field(default_factory=Names)
    _networks: dict[Network, str] = field(default_factory=dict)

    def at(self, line: int) -> str:
        """A line of the imported file, for comments and messages."""
        return f"{self.source.name}:{line}"

    def step(self, text: str) -> None:
        """Add a manual step, once."""
        self.steps[text] = None

    def secret(self, name: str, text: str | None, why: str) -> dict[str, str]:
        """The reference to a file with the shared secret `text`, or with a new one. `why` is the reason for no text."""
        file = f"{name}.secret"
        problem = why if text is None else secret_problem(text)
        if problem:
            self.step(f"{name}: {problem}; {file} has a new secret: enter it at the other end.")
            text = new_secret()
        self.secrets[file] = f"{text}\n"
        return {"file": file}

    def password(self, name: str, text: str | None, why: str) -> dict[str, str]:
        """The reference to a file with a password that exists elsewhere, or with a placeholder."""
        file = f"{name}.password"
        problem = why if text is None else secret_problem(text)
        if problem:
            self.step(f"{name}: {problem}; write the password into {file}.")
            text = PLACEHOLDER
        self.secrets[file] = f"{text}\n"
        return {"file": file}

    def add_client(self, entry: Entry, addresses: Iterable[str], secret: str | None, why: str) -> None:
        """Add a client with those addresses. If none can be used, it is written as a comment.

        Its secret is the secret of the entry, or `secret`, or a new one; `why` is the reason for a new one.
        """
        networks, problems = _networks(addresses)
        for network in [each for each in networks if each in self._networks]:
            networks.remove(network)
            owner = self._networks[network]
            problems.append(f"{written(network)} already belongs to client {owner}, and an address has one client")
        if not networks:
            entry.usable = False
        if not entry.usable:
            problems = problems or ["nothing is imported from it"]
            networks = []
        self._networks.update(dict.fromkeys(networks, entry.name))
        for problem in problems:
            entry.comments.append(f"{problem}.")
            self.step(f"{entry.name} ({entry.origin}): {problem}.")
        listed = [written(network) for network in networks] or ["192.0.2.10"]
        if "secret" not in entry.keys:
            reference = self.secret(entry.name, secret, why) if entry.usable else {"file": f"{entry.name}.secret"}
            entry.keys = {"secret": reference, **entry.keys}
        entry.keys = {"address": listed[0] if len(listed) == 1 else listed, **entry.keys}
        self.clients.append(entry)

    def finish(self) -> Plan:
        """The plan, which listens on IPv6 if a client has such an address.

        Raises ConfigError if no client is usable.
        """
        if not any(entry.usable for entry in self.clients):
            problems = [f"{entry.origin}: {comment}" for entry in self.clients for comment in entry.comments[-1:]]
            raise ConfigError([f"{self.source}: no client can be imported:", *problems])
        if any(isinstance(network, IPv6Network) for network in self._networks):
            for key in (self.listen, self.accounting):
                key += [each.replace("0.0.0.0", "[::]") for each in key if each.startswith("udp://0.0.0.0:")]
        self.listen = not_overlapping(self.listen)
        return self

    def suggest_profile(self, entry: Entry, *texts: str, vendor: int = 0) -> None:
        """Add a profile that the gateway may have as an example."""
        if profile := profile_for(*texts, vendor=vendor):
            entry.examples.append(f"profile: {profile}   # a guess: compare docs/gateways/{profile}.md")

    def add_users_file(self) -> str:
        """Add an identity source with a users file, once; returns its name."""
        if not any(entry.name == USERS_SOURCE for entry in self.identity):
            keys = {"type": "users_file", "path": "users.yaml"}
            comment = "The users and their phones. A directory instead: docs/ldap.md, docs/active-directory.md."
            self.identity.append(Entry(USERS_SOURCE, "", keys, [comment]))
        return USERS_SOURCE


def _networks(addresses: Iterable[str]) -> tuple[list[Network], list[str]]:
    """The networks of addresses, and why others cannot be used."""
    networks: list[Network] = []
    problems = []
    for address in addresses:
        try:
            networks += [each for each in networks_of(address) if each not in networks]
        except ValueError as problem:
            problems.append(str(problem))
    return networks, problems


def secret_problem(text: str) -> str:
    """Why a file cannot hold that secret; empty if it can."""
    if not text:
        return "the secret is empty"
    if text != text.strip() or not text.isprintable() or text.startswith("\ufeff"):
        return "the secret begins or ends with a space, or has characters that cannot be printed"
    return ""
