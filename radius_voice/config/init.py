"""Writes a new configuration, which loads with warnings about the values to fill in."""

from __future__ import annotations

import os
import secrets
import stat
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from radius_voice.config.errors import ConfigError
from radius_voice.config.secrets import PLACEHOLDER
from radius_voice.resources import shipped

SECRET_LENGTH = 32
ALPHABET = string.ascii_letters + string.digits
"""Characters that the input fields of all gateways accept."""

SYSTEM_DIRECTORY = Path("/etc/radius-voice")
SYSTEM_LINES = {
    "  # state: state\n": "  state: /var/lib/radius-voice\n",
    "  path: audit.jsonl\n": "  path: /var/log/radius-voice/audit.jsonl\n",
    "  # keep: 365d                                  # an example; the default is to keep one file, for logrotate\n": (
        "  keep: 365d\n"
    ),
}
"""Lines of the template, and their replacements in a configuration for SYSTEM_DIRECTORY."""

USERS = """\
# The users who may log in. Remove the "# " before the example and edit it:
# `radius-voice hash-password` prints a password hash; phones are in quotes.
#
# alice:
#   password: $argon2id$v=19$...
#   phones: ["+14155550123", "+442079460958"]
#   language: en
#   groups: [staff]
#   disabled: false
"""


PATHS = {
    "address": "clients.office-vpn.address",
    "profile": "clients.office-vpn.profile",
    "friendly_name": "delivery.friendly_name",
    "account_sid": "delivery.providers.twilio.account_sid",
    "auth_token": "delivery.providers.twilio.auth_token",
    "from_number": "delivery.providers.twilio.from",
    "public_url": "callbacks.public_url",
}
"""The key of the configuration that each answer is for."""
SECRET_VARIABLE = "INIT_AUTH_TOKEN"  # noqa: S105 - its name
TOKEN_FILE = "twilio-auth-token"  # noqa: S105 - its name
EXAMPLE_URL = "https://voice.example.org"
_LINES = {
    "address": "    address: 192.0.2.10\n",
    "profile": "    # profile: cisco-asa                  # an example; the default is none\n",
    "friendly_name": "  friendly_name: ACME VPN\n",
    "account_sid": "      account_sid: AC00000000000000000000000000000000\n",
    "from_number": '      from: "+15005550006"\n',
}
"""The line of the sample configuration that each answer replaces."""
_CALLBACKS = f"""\
# callbacks:                                    # an example; the default is none
#   listen: "127.0.0.1:9813"
#   public_url: {EXAMPLE_URL}
"""
_PROFILE_LINES: Mapping[str, Mapping[str, str]] = {
    "openvpn": {
        '  # accounting: ["udp://0.0.0.0:1813"]          # an example\n': (
            '  accounting: ["udp://0.0.0.0:1813"]            # the plugin needs a response to it\n'
        ),
        "    # require_message_authenticator: yes\n": (
            "    # openvpn-auth-radius sends none: connect it by a network that no attacker can read.\n"
            "    require_message_authenticator: no\n"
        ),
        "    # gateway_timeout: 10s                # an example; the default is none\n": (
            "    gateway_timeout: 5s                   # wait=5 in radiusplugin.cnf\n"
        ),
    },
    "rd-gateway": {
        "    # gateway_timeout: 10s                # an example; the default is none\n": (
            "    gateway_timeout: 60s                  # seconds without response, in NPS\n"
        ),
        "    # policy: default\n": "    policy: rd-gateway\n",
        "policies:\n": (
            "policies:\n"
            "  # Remote Desktop Gateway has verified the password, and sends none.\n"
            "  rd-gateway: {first_factor: none, gateway_checks_password: true, directory: people}\n"
        ),
        _CALLBACKS: f'callbacks:\n  listen: "127.0.0.1:9813"\n  public_url: {EXAMPLE_URL}\n',
    },
}
"""The lines of the sample configuration that a kind of gateway replaces."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Values for a new configuration. An empty one leaves the placeholder."""

    address: str = ""
    profile: str = ""
    friendly_name: str = ""
    account_sid: str = ""
    auth_token: str = field(default="", repr=False)
    from_number: str = ""
    public_url: str = ""

    @property
    def needs_callbacks(self) -> bool:
        """Whether the gateway is of a kind whose users press a key, which reaches the server by a callback."""
        return _CALLBACKS in _PROFILE_LINES.get(self.profile, {})

    def with_value(self, key: str, value: str) -> Answers:
        """The answers with another value."""
        return replace(self, **{key: value})


def require_new(directory: Path) -> None:
    """Raise ConfigError if the directory has one of the files that `write_configuration` writes."""
    _require_new(directory / name for name in _contents(directory, Answers()))


def write_configuration(directory: Path, answers: Answers = Answers(), *, draft: bool = False) -> list[Path]:
    """Write a commented configuration with new secrets into `directory`, created if missing; returns the files.

    In SYSTEM_DIRECTORY, state and audit log are in the directories of the Debian package. A draft reads the auth token
    from the environment variable SECRET_VARIABLE, and no file contains it. File modes and errors: see
    `write_new_files`.
    """
    contents = _contents(directory, answers)
    if draft:
        contents["radius-voice.yaml"] = contents["radius-voice.yaml"].replace(
            f"auth_token: {{file: {TOKEN_FILE}}}", f"auth_token: {{env: {SECRET_VARIABLE}}}", 1
        )
        del contents[TOKEN_FILE]
    return write_new_files(directory, contents)


def write_new_files(directory: Path, contents: Mapping[str, str]) -> list[Path]:
    """Write files by name into `directory`, created if missing; returns their paths.

    Only their owner may read them and, in a directory with the setgid bit, the group. Raises ConfigError if one of the
    files exists or cannot be written. After any exception, none of the files is left.
    """
    files = {directory / name: content for name, content in contents.items()}
    _require_new(files)
    written: list[Path] = []
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        mode = 0o640 if directory.stat().st_mode & stat.S_ISGID else 0o600
        for path, content in files.items():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            written.append(path)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                os.fchmod(descriptor, mode)
                file.write(content)
    except OSError as error:
        _remove(written)
        raise ConfigError([f"{error.filename or directory}: cannot be written: {error.strerror}"]) from None
    except BaseException:
        _remove(written)
        raise
    return list(files)


def _require_new(files: Iterable[Path]) -> None:
    existing = [path for path in files if path.exists() or path.is_symlink()]
    if existing:
        raise ConfigError(
            f"{path}: exists and is not overwritten; remove it or choose another folder" for path in existing
        )


def _remove(files: Iterable[Path]) -> None:
    for path in files:
        path.unlink(missing_ok=True)


def _contents(directory: Path, answers: Answers) -> dict[str, str]:
    """The content of each file, by its name."""
    return {
        "radius-voice.yaml": _configuration(directory, answers),
        "users.yaml": USERS,
        "office-vpn.secret": new_secret() + "\n",
        "this-machine.secret": new_secret() + "\n",
        TOKEN_FILE: (answers.auth_token or PLACEHOLDER) + "\n",
    }


def _configuration(directory: Path, answers: Answers) -> str:
    text = (shipped("config") / "radius-voice.yaml").read_text(encoding="utf-8")
    text = with_system_directories(text, directory)
    for line, replacement in _PROFILE_LINES.get(answers.profile, {}).items():
        text = text.replace(line, replacement, 1)
    if answers.public_url:
        text = text.replace(f"  public_url: {EXAMPLE_URL}\n", f"  public_url: {_quoted(answers.public_url)}\n", 1)
    for key, line in _LINES.items():
        value = getattr(answers, key)
        if value:
            indent = line[: len(line) - len(line.lstrip())]
            text = text.replace(line, f"{indent}{PATHS[key].rpartition('.')[2]}: {_quoted(value)}\n", 1)
    return text


def with_system_directories(text: str, directory: Path) -> str:
    """A configuration for `directory`, with the directories of the Debian package if it is SYSTEM_DIRECTORY."""
    if directory.absolute() == SYSTEM_DIRECTORY:
        for line, replacement in SYSTEM_LINES.items():
            text = text.replace(line, replacement)
    return text


def _quoted(value: str) -> str:
    """A text as a YAML scalar in quotes, in one line."""
    dumped: str = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=float("inf"))
    return dumped.strip()


def new_secret() -> str:
    """A random shared secret."""
    return "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))
